//! Renders what is known when it changed or when a value is about to be too old.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::error;

use super::partners::Running;
use crate::clock::Clock;
use crate::exposition::{Published, Renderer};

/// Between two updates at least: changes that come closer together are published together. Between two looks at what
/// changed too, while it rests longer: what was is kept until then.
const PAUSE: Duration = Duration::from_millis(100);
/// After an update, as many times as long as it took: updates take at most a tenth of one core.
const REST: u32 = 9;
/// But no longer than this: what takes so long is rare.
const MOST: Duration = Duration::from_secs(5);
/// Between two looks at the wall clock.
const GLANCE: Duration = Duration::from_secs(1);

/// Publishes until it is told to stop. What was running when the last exposition was rendered is told on `shown`;
/// another configuration does not wait for the pause.
pub(super) async fn publish(
    mut running: watch::Receiver<Arc<Running>>,
    shown: watch::Sender<Arc<Running>>,
    published: Published,
    mut changed: watch::Receiver<()>,
    clock: Clock,
    shutdown: impl Future<Output = ()>,
) {
    tokio::pin!(shutdown);
    let mut renderer = Renderer::new();
    let mut correction = clock.correction();
    loop {
        let started = Instant::now();
        changed.mark_unchanged();
        let now = Arc::clone(&running.borrow_and_update());
        let showing = Arc::clone(&now);
        let publishing = published.clone();
        correction = steady(correction, clock.correction());
        let update = move || {
            let inventories = now.partners.iter().map(|partner| &partner.inventory);
            let mut next_expiry = None;
            renderer.update_shared(inventories, now.customer_name_label, clock.now(), correction, |exposition| {
                next_expiry = exposition.next_expiry();
                publishing.publish(exposition);
            });
            (renderer, next_expiry)
        };
        let next_expiry = match tokio::task::spawn_blocking(update).await {
            Ok((after, next_expiry)) => {
                renderer = after;
                shown.send_replace(showing);
                next_expiry
            }
            Err(error) => {
                error!("rendering ended abnormally, the last exposition stays: {error}");
                renderer = Renderer::new();
                None
            }
        };
        let earliest_next = Instant::now() + PAUSE.max(started.elapsed() * REST).min(MOST);
        let expiry = async {
            match next_expiry {
                Some(at) => sleep_until(clock.instant(at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Ok(()) = changed.changed() => {}
            () = expiry => {}
            () = clock_is_set(clock, correction) => {}
            () = &mut shutdown => return,
        }
        loop {
            let wake = earliest_next.min(Instant::now() + PAUSE);
            tokio::select! {
                () = sleep_until(wake) => {}
                Ok(()) = running.changed() => break,
            }
            if wake == earliest_next {
                break;
            }
            let now = Arc::clone(&running.borrow());
            renderer = look(renderer, now).await;
        }
    }
}

/// Takes over what changed, though it is not time to render it.
async fn look(mut renderer: Renderer, running: Arc<Running>) -> Renderer {
    let look = move || {
        renderer.look_at(running.partners.iter().map(|partner| &partner.inventory));
        renderer
    };
    tokio::task::spawn_blocking(look).await.unwrap_or_else(|error| {
        error!("what changed could not be taken over, all will be rendered again: {error}");
        Renderer::new()
    })
}

/// The correction to render with: the last one unless it moved by more than the second that it is rounded to, so that
/// a wall clock on the edge does not have everything rendered again and again.
fn steady(last: SignedDuration, now: SignedDuration) -> SignedDuration {
    let same = (now - last).abs() <= SignedDuration::from_secs(1) && last.is_zero() == now.is_zero();
    if same { last } else { now }
}

/// Ready when the wall clock was set since an exposition with this correction: its times are no longer right, even where
/// nothing else changes. Two readings of one correction differ by a second at most.
async fn clock_is_set(clock: Clock, rendered: SignedDuration) {
    while (clock.correction() - rendered).abs() <= SignedDuration::from_secs(1) {
        tokio::time::sleep(GLANCE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use jiff::Timestamp;

    use super::*;

    static SET_FORWARD: AtomicI64 = AtomicI64::new(0);

    fn wall() -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(SET_FORWARD.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_wall_clock_that_is_set_is_noticed() {
        let clock = Clock::following(wall);
        SET_FORWARD.store(-3600, Ordering::Relaxed);
        clock_is_set(clock, SignedDuration::ZERO).await;
        for rendered in [clock.correction(), clock.correction() + SignedDuration::from_secs(1)] {
            let noticed = tokio::time::timeout(Duration::from_millis(20), clock_is_set(clock, rendered)).await;
            assert!(noticed.is_err(), "{rendered:?}");
        }
    }
}
