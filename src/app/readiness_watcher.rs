//! Latches readiness the first time that every partner is ready, whether or not `/-/ready` is requested. From then on
//! the exporter stays ready, also after a reload or when a restored listing becomes too old.

use std::sync::Arc;
use std::time::Duration;

use elements::clock::Clock;
use tokio::sync::watch;
use tracing::info;

use super::partners::ActiveConfig;
use crate::web::readiness::{ReadyLatch, are_ready, stage};

/// Minimum time between two checks.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// Checks after every change until the exporter is ready.
pub(super) async fn watch_readiness(
    running: watch::Receiver<Arc<ActiveConfig>>,
    mut changed: watch::Receiver<()>,
    clock: Clock,
    latch: ReadyLatch,
) {
    let check = || {
        let running = Arc::clone(&running.borrow());
        let now = clock.now();
        are_ready(running.partners.iter().map(|partner| partner.inventory.read(|inventory| stage(inventory, now))))
    };
    changed.mark_changed();
    while changed.changed().await.is_ok() {
        if latch.update(check()) {
            return info!("ready: the customers of every partner are known");
        }
        tokio::time::sleep(MIN_INTERVAL).await;
    }
}
