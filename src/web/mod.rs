//! The web interface: `/metrics`, health and readiness, the status page and its JSON.
//!
//! | path | response |
//! | --- | --- |
//! | the telemetry path | the exposition, in the negotiated format and encoding |
//! | `/` | the status page; `/customers/{partner}/{customer_id}`: the page of a customer |
//! | `/api/v1/customers`, `/api/v1/status` | the same as JSON: see [`api`]; `/api/v1/customers.csv` services as CSV |
//! | `/-/healthy` | 200 while polling, rendering and saving make progress; 503 names what is stalled |
//! | `/-/ready` | 200 from the first time that every partner's customers are known: see [`readiness`]; 200 on a standby |
//! | `/config` | the running configuration, secrets redacted |
//! | `POST /-/reload` | reloads the configuration; only with `--web.enable-lifecycle` |
//!
//! HEAD works wherever GET does. A GET never sends a request to the API and changes nothing. Text from the API is always
//! escaped. [`exporter_toolkit::serve`] enforces the limits on clients, and [`Access`] authenticates them.

pub mod api;
pub mod backups;
pub mod csv;
pub mod customer_json;
pub mod format;
pub mod issue;
pub mod query;
pub mod readiness;
pub mod role;
pub mod service_json;
pub mod service_summary;
pub mod snapshot;
pub mod status;
pub mod summary;
pub mod thresholds;
pub mod utilization;

mod customer_page;
mod glossary;
mod layout;
mod metrics;
mod reload;
mod routes;
mod self_metrics_cache;
mod status_page;

use std::fmt;
use std::sync::Arc;

use exporter_toolkit::{Access, ExternalUrl};
use prometheus::proto::MetricFamily;
use tokio::sync::{mpsc, oneshot};

pub use role::Role;
pub use routes::{check_telemetry_path, router};

use elements::clock::Clock;
use exposition::SnapshotHandle;

use crate::inventory::Inventory;
use readiness::{Readiness, ReadyLatch};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The data sources of the handlers; cheap to clone. The functions are called for every request that needs them, on
/// blocking threads unless they must not block.
#[derive(Clone)]
pub struct AppState {
    /// The current exposition.
    pub exposition: SnapshotHandle,
    /// Gathers the exporter's own metrics, not yet merged; the web server adds its own. Called once for all scrapes that
    /// wait at the same time.
    pub self_metrics: Arc<dyn Fn() -> Vec<MetricFamily> + Send + Sync>,
    /// Snapshots of all partners' inventories, in the order of the configuration, with wall-clock times.
    pub inventories: Arc<dyn Fn() -> Vec<Inventory> + Send + Sync>,
    /// The readiness, computed without copying the inventories.
    pub readiness: Arc<dyn Fn() -> Readiness + Send + Sync>,
    /// Whether polling, rendering and saving make progress; otherwise one line for each that is stalled. Must not block.
    pub health: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// The role among replicas. Must not block.
    pub role: Arc<dyn Fn() -> Role + Send + Sync>,
    /// The running configuration, secrets redacted. Must not block.
    pub config_yaml: Arc<dyn Fn() -> String + Send + Sync>,
    /// The clock for ages.
    pub clock: Clock,
    /// Whether the exporter was ready once.
    pub ready_latch: ReadyLatch,
    /// The path of the metrics, like `/metrics`.
    pub telemetry_path: String,
    /// The external URL and route prefix.
    pub external_url: ExternalUrl,
    /// Whether all data is simulated; the pages then say so.
    pub simulated: bool,
    /// Sends reload requests to the daemon; `None` if reloading by HTTP is disabled.
    pub reload: Option<Reload>,
}

/// Channel for reload requests. The reply is an error message if the configuration is invalid.
pub type Reload = mpsc::Sender<oneshot::Sender<Result<(), String>>>;

impl fmt::Debug for AppState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppState").field("telemetry_path", &self.telemetry_path).finish_non_exhaustive()
    }
}

/// The web options of the command line: paths, external URL and access control.
#[derive(Clone, Debug)]
pub struct WebOptions {
    /// The path of the metrics, like `/metrics`.
    pub telemetry_path: String,
    /// The external URL and route prefix.
    pub external_url: ExternalUrl,
    /// TLS, authentication and rate limit.
    pub access: Access,
    /// Whether all data is simulated; the pages then say so.
    pub simulated: bool,
}

/// Why the router cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The telemetry path is invalid, with the reason.
    #[error("the telemetry path cannot be {0:?}: {1}")]
    TelemetryPath(String, &'static str),
    /// A metric of the catalogue has an invalid name: a bug.
    #[error("the exporter's own metrics cannot be registered")]
    WebMetrics(#[source] prometheus::Error),
}

#[cfg(test)]
mod tests;
