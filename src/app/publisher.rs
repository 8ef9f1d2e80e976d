//! The publisher renders the exposition when a value changed, when a value is about to reach `max_age`, and when the
//! wall clock was set.
//!
//! A render that panics is repeated, first after [`RETRY_AFTER`], with a new renderer. If that continues until a served
//! value reaches its `max_age`, an empty exposition is served instead.

use std::sync::Arc;
use std::time::Duration;

use elements::clock::Clock;
use exposition::{Snapshot, SnapshotHandle};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::error;

use super::partners::ActiveConfig;
use crate::health::Progress;
use crate::metrics::{RenderSettings, Renderer};
use crate::panics::{self, Task};

/// Minimum time between two renders, so that changes in quick succession are published together. Also the interval of
/// taking over changes while a longer wait is in progress, so that replaced values can be freed.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// Waits this many times the last render time, so rendering takes at most 10 % of a core.
const DUTY_FACTOR: u32 = 9;
/// The maximum of that wait; such long renders are rare.
const MAX_DELAY: Duration = Duration::from_secs(5);
/// Interval of the wall clock checks.
const WALL_CLOCK_INTERVAL: Duration = Duration::from_secs(1);
/// Delay after a render that panicked; doubled with each further one, up to [`elements::clock::MAX_SLEEP`].
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Renders and publishes the exposition.
#[derive(Debug)]
pub(super) struct Publisher {
    running: watch::Receiver<Arc<ActiveConfig>>,
    changed: watch::Receiver<()>,
    /// The configuration that was rendered last.
    rendered: watch::Sender<Arc<ActiveConfig>>,
    snapshots: SnapshotHandle,
    clock: Clock,
    progress: Progress,
    /// `None` after a panic.
    renderer: Option<Renderer>,
    correction: SignedDuration,
    /// When the first served value reaches its `max_age`.
    next_expiry: Option<Timestamp>,
    /// Panics in a row.
    panics: u32,
}

impl Publisher {
    /// Publishes the values of `running` to `snapshots`, after `changed` signals a change. A changed configuration does
    /// not wait for [`MIN_INTERVAL`].
    pub(super) fn new(
        running: watch::Receiver<Arc<ActiveConfig>>,
        changed: watch::Receiver<()>,
        rendered: watch::Sender<Arc<ActiveConfig>>,
        snapshots: SnapshotHandle,
        clock: Clock,
    ) -> Self {
        Self {
            running,
            changed,
            rendered,
            snapshots,
            clock,
            progress: Progress::default(),
            renderer: None,
            correction: clock.correction(),
            next_expiry: None,
            panics: 0,
        }
    }

    /// The health check of rendering.
    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Publishes until `shutdown`.
    pub(super) async fn run(mut self, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        loop {
            let started = Instant::now();
            self.progress.set_next_due(Some(started));
            self.render().await;
            self.progress.attempt_ended();
            self.progress.set_next_due(None);
            let earliest_next = Instant::now() + MIN_INTERVAL.max(started.elapsed() * DUTY_FACTOR).min(MAX_DELAY);
            let (clock, correction, next_expiry) = (self.clock, self.correction, self.next_expiry);
            let expiry = async {
                match next_expiry {
                    Some(at) => clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Ok(()) = self.changed.changed(), if self.panics == 0 => {}
                () = expiry => {}
                () = clock_is_set(clock, correction) => {}
                () = retry(self.panics), if self.panics > 0 => {}
                () = &mut shutdown => return,
            }
            loop {
                let wake = earliest_next.min(Instant::now() + MIN_INTERVAL);
                tokio::select! {
                    () = sleep_until(wake) => {}
                    Ok(()) = self.running.changed() => break,
                }
                if wake == earliest_next {
                    break;
                }
                self.sync_renderer().await;
            }
        }
    }

    async fn render(&mut self) {
        self.changed.mark_unchanged();
        let running = Arc::clone(&self.running.borrow_and_update());
        let rendering = Arc::clone(&running);
        self.correction = steady(self.correction, self.clock.correction());
        let (clock, correction, snapshots) = (self.clock, self.correction, self.snapshots.clone());
        let mut renderer = self.renderer.take().unwrap_or_default();
        let render = move || {
            let inventories = rendering.partners.iter().map(|partner| &partner.inventory);
            let mut next_expiry = None;
            let settings = RenderSettings { customer_name_label: rendering.customer_name_label, correction };
            renderer.update(inventories, &settings, clock.now(), |exposition| {
                next_expiry = exposition.next_expiry();
                snapshots.publish(exposition);
            });
            (renderer, next_expiry)
        };
        match panics::spawn_blocking(Task::Render, render).await {
            Ok((renderer, next_expiry)) => {
                self.renderer = Some(renderer);
                self.next_expiry = next_expiry;
                self.panics = 0;
                self.rendered.send_replace(running);
            }
            Err(_) => self.panicked(),
        }
    }

    /// The served exposition stays until one of its values reaches `max_age`; then an empty one replaces it.
    fn panicked(&mut self) {
        self.panics = self.panics.saturating_add(1);
        self.next_expiry = self.snapshots.get().next_expiry();
        if self.next_expiry.is_some_and(|expiry| expiry <= self.clock.now()) {
            error!("rendering keeps panicking, and values have reached max_age: no customer's series are served");
            self.snapshots.publish(Snapshot::default());
            self.next_expiry = None;
        } else {
            error!("rendering panicked; serving the last exposition until a retry succeeds");
        }
    }

    /// Takes over the changes without rendering them yet.
    async fn sync_renderer(&mut self) {
        let running = Arc::clone(&self.running.borrow());
        let mut renderer = self.renderer.take().unwrap_or_default();
        let take_over = move || {
            renderer.sync(running.partners.iter().map(|partner| &partner.inventory));
            renderer
        };
        // After a panic there is a new renderer, which renders everything.
        self.renderer = panics::spawn_blocking(Task::Render, take_over).await.ok();
    }
}

/// Resolves when a render that panicked is to be repeated.
async fn retry(panics: u32) {
    let pause = RETRY_AFTER.saturating_mul(1 << panics.saturating_sub(1).min(10));
    tokio::time::sleep(pause.min(elements::clock::MAX_SLEEP)).await;
}

/// The correction to render with: the last one, unless it changed by more than a second (it is rounded to seconds). So
/// a wall clock at the edge does not cause repeated full renders.
fn steady(last: SignedDuration, now: SignedDuration) -> SignedDuration {
    let same = (now - last).abs() <= SignedDuration::from_secs(1) && last.is_zero() == now.is_zero();
    if same { last } else { now }
}

/// Resolves when the wall clock was set since an exposition with this correction: then its times are wrong, even if
/// nothing else changes. Two readings of the same correction differ by at most a second.
async fn clock_is_set(clock: Clock, rendered: SignedDuration) {
    while (clock.correction() - rendered).abs() <= SignedDuration::from_secs(1) {
        tokio::time::sleep(WALL_CLOCK_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::config::Config;
    use crate::inventory::Inventory;
    use elements::clock::suspended;
    use elements::types::Collector;

    static SET_FORWARD: AtomicI64 = AtomicI64::new(0);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn wall() -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(SET_FORWARD.load(Ordering::Relaxed))
    }

    /// After repeated failed renders, the old exposition is served until it is too old, and no longer.
    #[tokio::test]
    async fn what_cannot_be_rendered_any_more_is_not_served_for_ever() {
        let clock = Clock::starting_at(at(1));
        let config = "partners: [{ auth: { client_id: a, client_secret: b } }]";
        let config = Config::parse(config, Path::new(".")).unwrap();
        let mut inventory = Inventory::new("main".into(), Arc::new(config.collectors), true, &[]);
        inventory.complete_listing(&[].into(), at(0));
        let max_age = i64::try_from(inventory.max_age(Collector::Services).as_secs()).unwrap();
        let snapshots = SnapshotHandle::new();
        snapshots.publish(crate::metrics::render(&[inventory], false, at(1)));
        let served = snapshots.get().series();
        assert!(served > 0 && snapshots.get().next_expiry() == Some(at(max_age)));
        let (running, changed) = (watch::Sender::default(), watch::Sender::default());
        let make = |clock| {
            let (running, changed) = (running.subscribe(), changed.subscribe());
            Publisher::new(running, changed, watch::Sender::default(), snapshots.clone(), clock)
        };
        let mut young = make(clock);
        young.panicked();
        assert_eq!((snapshots.get().series(), young.next_expiry), (served, Some(at(max_age))));
        make(Clock::starting_at(at(max_age))).panicked();
        assert_eq!(snapshots.get().series(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_render_that_panics_is_repeated_less_and_less_often() {
        let mut pauses = Vec::new();
        for panics in [1, 2, 3, 100] {
            let start = Instant::now();
            retry(panics).await;
            pauses.push(start.elapsed().as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 30]);
    }

    #[tokio::test]
    async fn a_wall_clock_that_is_set_is_noticed() {
        let clock = Clock::following(wall, suspended);
        SET_FORWARD.store(-3600, Ordering::Relaxed);
        clock_is_set(clock, SignedDuration::ZERO).await;
        for rendered in [clock.correction(), clock.correction() + SignedDuration::from_secs(1)] {
            let noticed = tokio::time::timeout(Duration::from_millis(20), clock_is_set(clock, rendered)).await;
            assert!(noticed.is_err(), "{rendered:?}");
        }
    }
}
