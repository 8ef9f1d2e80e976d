//! Wires the parts of one partner: its client, its inventory, its metrics and its poller.

use std::sync::Arc;
use std::time::Duration;

use elements::clock::Clock;
use elements::{Client, ClientError, Registration};
use prometheus::proto::MetricFamily;
use rustls_pki_types::CertificateDer;
use tokio::sync::watch;

use crate::config::{CaFileError, CollectorSettings, PartnerSettings};
use crate::health::Monitor;
use crate::inventory::state_file::KnownPartner;
use crate::inventory::{Inventory, InventoryHandle, PriorState, is_expired};
use crate::polling::{CustomerFilter, PollMetrics, Poller};
use crate::web::readiness::PartnerReadiness;

/// Added to the shortest interval: the maximum age of a recent success.
const UP_TOLERANCE: Duration = Duration::from_mins(2);

/// Why a partner could not be set up. The cause of an error is not in its text; [`elements::error_chain`] adds it.
#[derive(Debug, thiserror::Error)]
pub enum PartnerError {
    /// `ca_file` cannot be used.
    #[error(transparent)]
    CaFile(#[from] CaFileError),
    /// Its client cannot be built.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A metric could not be registered: a bug.
    #[error("registering the metrics of a partner")]
    Metrics(#[from] prometheus::Error),
    /// The task that reads `ca_file` ended.
    #[error("setting up a partner")]
    Task(#[from] tokio::task::JoinError),
}

/// A partner prepared for a new configuration; all fallible steps are done. No request is sent yet.
#[derive(Debug)]
pub(super) struct PreparedPartner {
    pub(super) settings: Arc<PartnerSettings>,
    collectors: Arc<CollectorSettings>,
    client: Client,
    /// The certificates of `ca_file` when the client was made.
    roots: Vec<CertificateDer<'static>>,
    metrics: PollMetrics,
}

impl PreparedPartner {
    /// Reuses the client and the metrics of `before` where they fit. Blocks while `ca_file` is read.
    pub(super) fn new(
        settings: PartnerSettings,
        collectors: Arc<CollectorSettings>,
        registration: Registration,
        before: Option<&Partner>,
        clock: Clock,
    ) -> Result<Self, PartnerError> {
        let config = settings.client_config()?;
        let client = match before {
            Some(before) if before.settings.same_connection(&settings) && before.roots == config.extra_roots => {
                before.client.clone()
            }
            _ => Client::sharing(&config, registration, clock)?,
        };
        client.init_collectors(collectors.enabled());
        let metrics = match before {
            Some(before) if before.collectors.enabled().eq(collectors.enabled()) => before.metrics.clone(),
            _ => PollMetrics::new(&settings.name, collectors.enabled())?,
        };
        Ok(Self { settings: Arc::new(settings), collectors, client, roots: config.extra_roots, metrics })
    }

    /// Whether `before` can continue unchanged.
    pub(super) fn is_unchanged_from(&self, before: &Partner) -> bool {
        self.settings.same_connection(&before.settings)
            && self.roots == before.roots
            && self.settings.customers == before.settings.customers
            && self.collectors == before.collectors
    }
}

/// The parts of a partner that the rest of the daemon uses. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Partner {
    /// The values of the partner.
    pub inventory: InventoryHandle,
    pub(super) settings: Arc<PartnerSettings>,
    collectors: Arc<CollectorSettings>,
    roots: Vec<CertificateDer<'static>>,
    client: Client,
    metrics: PollMetrics,
    monitor: Arc<Monitor>,
    clock: Clock,
}

impl Partner {
    /// Wires a partner. No request is sent until the poller runs. `prior` is the known state of its app registration,
    /// even if it was polled under another configuration.
    pub(super) fn new(
        prepared: PreparedPartner,
        prior: Option<PriorState>,
        changed: watch::Sender<()>,
        clock: Clock,
    ) -> (Self, Poller) {
        let PreparedPartner { settings, collectors, client, roots, metrics } = prepared;
        let lists = settings.customers.discover || collectors.services.enabled;
        let mut inventory = Inventory::new(settings.name.clone(), collectors.clone(), lists, &settings.customers.list);
        if let Some(prior) = prior {
            let filter = CustomerFilter::new(&settings.customers);
            let retain = |id: &_, name: &str| filter.matches(id, Some(name).filter(|name| !name.is_empty()));
            inventory.restore(prior, retain, clock.now());
        }
        let inventory = InventoryHandle::new(inventory, changed);
        let poller =
            Poller::new(&settings, collectors.clone(), client.clone(), inventory.clone(), metrics.clone(), clock);
        let monitor = monitor(&settings, &poller);
        (Self { inventory, settings, collectors, roots, client, metrics, monitor, clock }, poller)
    }

    /// The same partner with a new poller: due times follow from the last polls.
    pub(super) fn resumed(self) -> (Self, Poller) {
        let Self { settings, collectors, client, inventory, metrics, clock, .. } = &self;
        let poller =
            Poller::new(settings, collectors.clone(), client.clone(), inventory.clone(), metrics.clone(), *clock);
        let monitor = monitor(settings, &poller);
        (Self { monitor, ..self }, poller)
    }

    /// The app registration, for partners that share it.
    pub(super) fn registration(&self) -> &Registration {
        self.client.registration()
    }

    /// The values with wall-clock times, and the current request failure.
    #[must_use]
    pub fn snapshot(&self) -> Inventory {
        let mut inventory = self.inventory.snapshot();
        inventory.apply_offset(self.clock.correction());
        let status = self.client.status();
        (inventory.listing.request_failure, inventory.listing.request_failure_detail) = (status.failure, status.detail);
        inventory
    }

    /// The state to restore under these settings.
    pub(super) fn prior_state_for(&self, settings: &PartnerSettings) -> PriorState {
        let mut prior = PriorState::from(self.inventory.snapshot());
        // Another address may be another environment with other customers.
        prior.listing.outdated |=
            settings.customers.widens_discovery(&self.settings.customers) || settings.api_url != self.settings.api_url;
        prior
    }

    /// The values to be saved for the next process; times are those of the daemon's clock, not wall-clock times.
    pub(super) fn persisted(&self) -> KnownPartner {
        KnownPartner::of(&self.settings.client_id, self.inventory.snapshot())
    }

    /// Whether the customers are known. Copies nothing.
    pub(super) fn readiness(&self) -> PartnerReadiness {
        let status = self.client.status();
        let known = self.inventory.read(|inventory| PartnerReadiness::of(inventory, status.failure, self.clock.now()));
        PartnerReadiness { detail: status.detail, ..known }
    }

    /// The name of this polling loop, and how long it has been stalled, if it is. Takes no lock that polls hold.
    pub(super) fn stalled(&self) -> Option<(&str, Duration)> {
        let stalled = self.monitor.stalled(self.client.requests_ended(), self.client.is_paused())?;
        Some((&self.monitor.name, stalled))
    }

    /// Whether the credential is refused, so that nothing can be read until an operator fixes it.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.client.status().refused
    }

    /// Reads the credential again from its source, because it may have been rotated. Blocks while files are read.
    pub(super) fn reread_credential(&self) {
        self.client.reread_credential();
    }

    /// The partner's own metric families.
    #[must_use]
    pub fn gather(&self) -> Vec<Vec<MetricFamily>> {
        let now = self.clock.now();
        let intervals = self.collectors.enabled().map(|collector| self.collectors.schedule(collector).interval);
        let longest_silence = intervals.min().unwrap_or_default() + UP_TOLERANCE;
        let is_up = self.client.last_success().is_some_and(|at| !is_expired(at, longest_silence, now));
        vec![self.client.gather(), self.metrics.gather(now, is_up)]
    }
}

fn monitor(settings: &PartnerSettings, poller: &Poller) -> Arc<Monitor> {
    let name = format!("polling of partner {}", settings.name);
    Arc::new(Monitor::new(name, poller.progress(), stall_limit(settings)))
}

/// The longest time in which no request of a partner may end although one is due: the deadline of a query with its
/// retries, that of a token request, and the wait for the rate limiter at a tenth of the configured rate, the lowest
/// after 429s.
fn stall_limit(settings: &PartnerSettings) -> Duration {
    let timeout = settings.budget.timeout;
    let query = elements::query_deadline(timeout);
    let rate_limit = Duration::try_from_secs_f64(10.0 / settings.budget.requests_per_second).unwrap_or(Duration::MAX);
    [query, timeout, rate_limit, Duration::from_mins(1)].into_iter().fold(Duration::ZERO, Duration::saturating_add)
}
