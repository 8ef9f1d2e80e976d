//! Notices that the daemon is ready for the first time, whether or not somebody asks: from then on it is for good,
//! whatever a reload or a restored listing's age makes of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::info;

use super::partners::Running;
use crate::clock::Clock;
use crate::web::readiness::{EverReady, are_ready, stage};

/// Between two looks at least.
const PAUSE: Duration = Duration::from_millis(100);

/// Looks at every change until it is ready.
pub(super) async fn notice(
    running: watch::Receiver<Arc<Running>>,
    mut changed: watch::Receiver<()>,
    clock: Clock,
    ever: EverReady,
) {
    let look = || {
        let running = Arc::clone(&running.borrow());
        let now = clock.now();
        are_ready(running.partners.iter().map(|partner| partner.inventory.read(|inventory| stage(inventory, now))))
    };
    changed.mark_changed();
    while changed.changed().await.is_ok() {
        if ever.note(look()) {
            return info!("ready: the customers of every partner are known");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
