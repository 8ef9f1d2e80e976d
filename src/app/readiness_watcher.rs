//! Latches readiness the first time every partner is ready, whether or not somebody asks: from then on the exporter is
//! ready for good, whatever a reload or the age of a restored listing makes of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::info;

use super::partners::Running;
use crate::clock::Clock;
use crate::web::readiness::{EverReady, are_ready, stage};

/// Between two checks at least.
const PAUSE: Duration = Duration::from_millis(100);

/// Checks after every change until it is ready.
pub(super) async fn watch_readiness(
    running: watch::Receiver<Arc<Running>>,
    mut changed: watch::Receiver<()>,
    clock: Clock,
    ever: EverReady,
) {
    let check = || {
        let running = Arc::clone(&running.borrow());
        let now = clock.now();
        are_ready(running.partners.iter().map(|partner| partner.inventory.read(|inventory| stage(inventory, now))))
    };
    changed.mark_changed();
    while changed.changed().await.is_ok() {
        if ever.note(check()) {
            return info!("ready: the customers of every partner are known");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
