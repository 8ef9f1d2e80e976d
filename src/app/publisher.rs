//! Renders the inventories when they changed or when a value is about to be too old, at most about once a second.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::error;

use crate::clock::Clock;
use crate::exposition::{Exposition, Published};
use crate::inventory::{Inventory, Shared};

/// Between two renders: changes that come closer together are published together.
const PAUSE: Duration = Duration::from_secs(1);

/// Publishes until it is told to stop.
pub(super) async fn publish(
    inventories: Arc<[Shared]>,
    customer_name_label: bool,
    published: Published,
    mut changed: watch::Receiver<()>,
    clock: Clock,
    shutdown: impl Future<Output = ()>,
) {
    tokio::pin!(shutdown);
    loop {
        let earliest_next = Instant::now() + PAUSE;
        changed.mark_unchanged();
        let inventories = inventories.clone();
        let render = move || {
            let correction = clock.correction();
            let mut snapshots: Vec<Inventory> = inventories.iter().map(Shared::snapshot).collect();
            for inventory in &mut snapshots {
                inventory.shift(correction);
            }
            let exposition = Exposition::render(&snapshots, customer_name_label, clock.wall_now());
            (exposition, correction)
        };
        let next_expiry = match tokio::task::spawn_blocking(render).await {
            Ok((exposition, correction)) => {
                let next_expiry = exposition.next_expiry().map(|at| at.saturating_sub(correction).unwrap_or(at));
                published.publish(exposition);
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
        sleep_until(earliest_next).await;
    }
}
