//! Detects credentials that are replaced while the daemon runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::partner::Partner;
use super::partners::ActiveConfig;

/// Interval of the checks; each reads a few small files.
const INTERVAL: Duration = Duration::from_secs(15);

/// Checks until the future is dropped.
pub(super) async fn watch_credentials(running: watch::Receiver<Arc<ActiveConfig>>) {
    loop {
        // A slow check delays the next one.
        tokio::time::sleep(INTERVAL).await;
        let now = Arc::clone(&running.borrow());
        // A panic is logged by its hook; the next check may succeed.
        let _ = tokio::task::spawn_blocking(move || now.partners.iter().for_each(Partner::reread_credential)).await;
    }
}
