//! Credentials that are replaced while the daemon runs: their files are looked at every few seconds.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::partner::Partner;
use super::partners::Running;

/// Between two looks. A look reads a few small files.
const EVERY: Duration = Duration::from_secs(15);

/// Looks until it is dropped.
pub(super) async fn follow_credentials(running: watch::Receiver<Arc<Running>>) {
    loop {
        // One look after the other, however long files take.
        tokio::time::sleep(EVERY).await;
        let now = Arc::clone(&running.borrow());
        // It panicked, which says so itself: the next look may do better.
        let _ = tokio::task::spawn_blocking(move || now.partners.iter().for_each(Partner::reread_credential)).await;
    }
}
