//! Renders what is known when it changed or when a value is about to be too old, at most about once a second.

use std::sync::Arc;
use std::time::Duration;

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
        let next_expiry = match tokio::task::spawn_blocking(render).await {
            Ok((exposition, correction)) => {
                let next_expiry = exposition.next_expiry().map(|at| at.saturating_sub(correction).unwrap_or(at));
                published.publish(exposition);
                shown.send_replace(rendered);
                next_expiry
            }
            Err(error) => {
                error!("rendering ended abnormally, the last exposition stays: {error}");
                None
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
            () = &mut shutdown => return,
        }
        tokio::select! {
            () = sleep_until(earliest_next) => {}
            Ok(()) = running.changed() => {}
        }
    }
}
