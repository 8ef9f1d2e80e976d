//! Renders what is known when it changed or when a value is about to be too old, at most about once a second.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::error;

use super::partners::Running;
use crate::clock::Clock;
use crate::exposition::{Exposition, Published};

/// Between two renders: changes that come closer together are published together.
const PAUSE: Duration = Duration::from_secs(1);

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
    loop {
        let earliest_next = Instant::now() + PAUSE;
        changed.mark_unchanged();
        let now = Arc::clone(&running.borrow_and_update());
        let rendered = Arc::clone(&now);
        let render = move || {
            let correction = clock.correction();
            (Exposition::render(&now.snapshots(), now.customer_name_label, clock.wall_now()), correction)
        };
        let (next_expiry, correction) = match tokio::task::spawn_blocking(render).await {
            Ok((exposition, correction)) => {
                let next_expiry = exposition.next_expiry().map(|at| at.saturating_sub(correction).unwrap_or(at));
                published.publish(exposition);
                shown.send_replace(rendered);
                (next_expiry, Some(correction))
            }
            Err(error) => {
                error!("rendering ended abnormally, the last exposition stays: {error}");
                (None, None)
            }
        };
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
        tokio::select! {
            () = sleep_until(earliest_next) => {}
            Ok(()) = running.changed() => {}
        }
    }
}

/// Ready when the wall clock was set since an exposition with this correction: its times are no longer right, even where
/// nothing else changes. Two readings of one correction differ by a second at most.
async fn clock_is_set(clock: Clock, rendered: Option<SignedDuration>) {
    let is_rendered = |rendered| (clock.correction() - rendered).abs() <= SignedDuration::from_secs(1);
    while rendered.is_none_or(is_rendered) {
        tokio::time::sleep(PAUSE).await;
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
        clock_is_set(clock, Some(SignedDuration::ZERO)).await;
        for rendered in [Some(clock.correction()), Some(clock.correction() + SignedDuration::from_secs(1)), None] {
            let noticed = tokio::time::timeout(Duration::from_millis(20), clock_is_set(clock, rendered)).await;
            assert!(noticed.is_err(), "{rendered:?}");
        }
    }
}
