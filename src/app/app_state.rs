//! Connects the handlers of the web server to the parts of the daemon.

use std::sync::Arc;

use elements::clock::Clock;
use tokio::sync::watch;

use super::health::Health;
use super::metrics::AppMetrics;
use super::{ActiveConfig, Partner};
use crate::config::Config;
use crate::ha::Watcher;
use crate::inventory::Inventory;
use crate::web::readiness::ReadyLatch;
use crate::web::{self, AppState, Role, WebOptions};
use exposition::SnapshotHandle;

/// The data sources of the handlers.
#[expect(clippy::too_many_arguments, reason = "one source for each of its parts")]
pub(super) fn app_state(
    exposition: SnapshotHandle,
    ready_latch: ReadyLatch,
    running: watch::Receiver<Arc<ActiveConfig>>,
    watcher: Option<Watcher>,
    metrics: &AppMetrics,
    health: &Health,
    clock: Clock,
    web: WebOptions,
    reload: Option<web::Reload>,
) -> AppState {
    let now = move || Arc::clone(&running.borrow());
    let (measured, known, listed, polled, configured) = (now.clone(), now.clone(), now.clone(), now.clone(), now);
    let (metrics, health) = (metrics.clone(), health.clone());
    AppState {
        exposition,
        self_metrics: Arc::new(move || {
            measured().partners.iter().flat_map(Partner::gather).chain([metrics.gather()]).flatten().collect()
        }),
        inventories: Arc::new(move || -> Vec<Inventory> { known().snapshots() }),
        readiness: Arc::new(move || listed().partners.iter().map(Partner::readiness).collect()),
        health: Arc::new(move || health.check()),
        role: Arc::new(move || match &watcher {
            Some(watcher) if !watcher.is_leading() => {
                let leader = watcher.leadership().leader;
                if polled().partners.is_empty() { Role::Standby { leader } } else { Role::Paused }
            }
            _ => Role::Leading,
        }),
        clock,
        ready_latch,
        config_yaml: Arc::new(move || configured().config_yaml.clone()),
        telemetry_path: web.telemetry_path,
        external_url: web.external_url,
        simulated: web.simulated,
        reload,
    }
}

/// Upper bound of the open files that are not connections of web clients: those that are open already, connections to the
/// API and the identity service (both ends, if the API is simulated), and some for files and the pollers' runtime.
pub(super) fn other_files(config: &Config, simulated: bool) -> usize {
    const FURTHER_FILES: usize = 16;
    let open = std::fs::read_dir("/proc/self/fd").map_or(16, Iterator::count);
    let to_api: usize = config.partners.iter().map(|partner| partner.budget.concurrency as usize + 1).sum();
    open + FURTHER_FILES + to_api * if simulated { 2 } else { 1 }
}
