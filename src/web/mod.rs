//! What people and Prometheus see: an HTTP server, the metrics, the status page, and the JSON behind it.
//!
//! | path | answers |
//! | --- | --- |
//! | the telemetry path | the exposition, in the format and encoding that is asked for |
//! | `/` | the status page; `/customers/{partner}/{customer_id}` a customer's |
//! | `/api/v1/customers`, `/api/v1/status` | the same as JSON: see [`api`]; `/api/v1/customers.csv` services as CSV |
//! | `/-/healthy` | 200 while polling, rendering and saving go on; 503 names what stands still |
//! | `/-/ready` | 200 once every partner's customers are known, and for good: see [`readiness`]; 200 on a standby |
//! | `/config` | the configuration, without secrets |
//! | `POST /-/reload` | whether the configuration was read again and applied; only where that is allowed |
//!
//! HEAD works wherever GET does. A GET reads what is known and causes nothing: no call of the API, no change.
//! Whatever comes from the API is text, never markup. [`exporter_toolkit::serve`] keeps peers from doing harm, and
//! [`Access`] says who may ask at all.

pub mod api;
pub mod backups;
pub mod csv;
pub mod customer_json;
pub mod format;
pub mod headroom;
pub mod issue;
pub mod query;
pub mod readiness;
pub mod role;
pub mod service_json;
pub mod snapshot;
pub mod status;
pub mod status_counts;
pub mod summary;
pub mod thresholds;
pub mod utilization;

mod customer_page;
mod glossary;
mod layout;
mod metrics;
mod reload;
mod routes;
mod self_metrics;
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

/// What the pages are made from; cheap to clone. The functions are called for every request that needs them, on
/// threads where they may block for a moment, except `config_yaml`.
#[derive(Clone)]
pub struct AppState {
    /// What `/metrics` answers.
    pub exposition: SnapshotHandle,
    /// The exporter's own metrics, not yet merged; the web server adds its own. Called for every scrape, but once for
    /// those that wait at the same time.
    pub own_metrics: Arc<dyn Fn() -> Vec<MetricFamily> + Send + Sync>,
    /// Snapshots of all partners' inventories, in the order of the configuration; their times are those of the wall
    /// clock.
    pub inventories: Arc<dyn Fn() -> Vec<Inventory> + Send + Sync>,
    /// What `/-/ready` answers, from the inventories as they are, without a copy.
    pub readiness: Arc<dyn Fn() -> Readiness + Send + Sync>,
    /// Whether polling, rendering and saving go on; if not, a line for each that stands still. Must not block.
    pub health: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// Whether this replica polls. Must not block.
    pub role: Arc<dyn Fn() -> Role + Send + Sync>,
    /// The running configuration, without secrets.
    pub config_yaml: Arc<dyn Fn() -> String + Send + Sync>,
    /// What ages are reckoned by.
    pub clock: Clock,
    /// Whether it is ready for good.
    pub ready_latch: ReadyLatch,
    /// Where the metrics are: a path like `/metrics`.
    pub telemetry_path: String,
    /// By which URL and path all of this is reached.
    pub external_url: ExternalUrl,
    /// Whether all data is made up, which the pages then say.
    pub simulated: bool,
    /// Where to ask for a reload; without it, nobody may.
    pub reload: Option<Reload>,
}

/// Takes requests for a reload. The answer is what is wrong with the configuration, if something is.
pub type Reload = mpsc::Sender<oneshot::Sender<Result<(), String>>>;

impl fmt::Debug for AppState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppState").field("telemetry_path", &self.telemetry_path).finish_non_exhaustive()
    }
}

/// What the command line says of the web: where the pages are, and who may ask for them.
#[derive(Clone, Debug)]
pub struct WebOptions {
    /// Where the metrics are: a path like `/metrics`.
    pub telemetry_path: String,
    /// By which URL and path all of this is reached.
    pub external_url: ExternalUrl,
    /// Who may ask.
    pub access: Access,
    /// Whether all data is made up, which the pages then say.
    pub simulated: bool,
}

/// Why there are no pages.
#[derive(Debug)]
pub enum Error {
    /// The telemetry path cannot be what it is; why.
    TelemetryPath(String, &'static str),
    /// A name of the catalogue is none to Prometheus.
    Counters(prometheus::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TelemetryPath(path, why) => write!(f, "the telemetry path cannot be {path:?}: {why}"),
            Self::Counters(_) => f.write_str("the exporter's own metrics cannot be registered"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::TelemetryPath(..) => None,
            Self::Counters(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests;
