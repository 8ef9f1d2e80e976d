//! Status of the exporter and of each partner, for the top of the page and `/api/v1/status`. See [`super::api`].

use std::collections::BTreeMap;

use elements::types::Collector;
use elements::types::FailureReason;
use jiff::Timestamp;
use serde::Serialize;

use super::readiness::{PartnerReadiness, Readiness, Stage};
use super::role::Role;
use crate::inventory::{Inventory, StatusCounts};

/// The status of the exporter.
#[derive(Clone, Debug, Serialize)]
pub struct ExporterStatus {
    /// The version of this program.
    pub version: &'static str,
    /// The commit that it was built from, or `unknown`.
    pub revision: &'static str,
    /// Whether all data is simulated (`demo`).
    pub simulated: bool,
    /// `leader`, `standby` or `paused`; without replicas always `leader`.
    pub role: &'static str,
    /// On a standby, the current leader, if it is known.
    pub leader: Option<String>,
    /// The notice on the pages of a replica that is not the leader.
    #[serde(skip)]
    pub notice: Option<String>,
    /// The time of this status.
    pub now: Timestamp,
    /// Whether `/-/ready` returns 200.
    pub ready: bool,
    /// Series rendered from the inventory.
    pub series: u64,
    /// The number of customers of all partners.
    pub customers: usize,
    /// In the order of the configuration.
    pub partners: Vec<PartnerStatus>,
}

/// The status of one partner.
#[derive(Clone, Debug, Serialize)]
pub struct PartnerStatus {
    /// The partner's name.
    pub partner: String,
    /// Whether its customers are known.
    pub ready: bool,
    /// The readiness in words, with the reason.
    pub state: String,
    /// The number of known customers.
    pub customers: usize,
    /// Whether the partner lists customers.
    pub lists: bool,
    /// When a listing was last complete.
    pub last_listing: Option<Timestamp>,
    /// Why the last listing failed, if it did.
    pub listing_failure: Option<&'static str>,
    /// Lower bound of the customers that are not stored because of `customers.max`.
    pub left_out: u64,
    /// Targets of all collectors by status.
    pub targets: StatusCounts,
    /// Targets of each collector that is enabled, by status.
    pub collectors: BTreeMap<&'static str, StatusCounts>,
    /// Targets of customers whose last poll failed, by reason.
    pub failures: BTreeMap<&'static str, u64>,
    /// The collectors whose scope the app registration lacks.
    pub not_granted: Vec<NotGranted>,
}

/// A collector without its permission.
#[derive(Clone, Debug, Serialize)]
pub struct NotGranted {
    /// The collector's name.
    pub collector: &'static str,
    /// The permission to grant.
    pub permission: &'static str,
}

impl Serialize for StatusCounts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(status, count)| (status.as_str(), count)))
    }
}

impl ExporterStatus {
    /// The status of these partners; `readiness` is that of the same inventories.
    #[must_use]
    pub fn new(inventories: &[Inventory], readiness: &Readiness, ready: bool, series: u64, now: Timestamp) -> Self {
        let partners = inventories.iter().zip(&readiness.partners);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            revision: env!("AVEPOINT_EXPORTER_REVISION"),
            simulated: false,
            role: Role::Leading.as_str(),
            leader: None,
            notice: None,
            now,
            ready,
            series,
            customers: inventories.iter().map(|inventory| inventory.customers.len()).sum(),
            partners: partners.map(|(inventory, partner)| partner_status(inventory, partner, now)).collect(),
        }
    }

    /// The status in this role. A standby is ready.
    #[must_use]
    pub fn with_role(self, role: Role) -> Self {
        let ready = self.ready || matches!(role, Role::Standby { .. });
        let (word, notice) = (role.as_str(), role.notice());
        let Role::Standby { leader } = role else { return Self { role: word, notice, ..self } };
        Self { ready, role: word, leader, notice, ..self }
    }

    /// Targets of all partners by status.
    #[must_use]
    pub fn targets(&self) -> StatusCounts {
        let mut all = StatusCounts::default();
        self.partners.iter().for_each(|partner| all.add_all(&partner.targets));
        all
    }
}

fn not_granted(collector: Collector) -> NotGranted {
    NotGranted { collector: collector.as_str(), permission: collector.endpoint().scope.permission() }
}

fn partner_status(inventory: &Inventory, readiness: &PartnerReadiness, now: Timestamp) -> PartnerStatus {
    let mut targets = StatusCounts::default();
    let mut collectors = BTreeMap::new();
    for collector in inventory.collectors.enabled() {
        let counts = inventory.targets(collector, now);
        targets.add_all(&counts);
        collectors.insert(collector.as_str(), counts);
    }
    let listing = &inventory.listing;
    let queries = inventory.customers.values().flat_map(|customer| &customer.targets);
    let mut failures = BTreeMap::new();
    for reason in queries.filter_map(|(_, known)| known.failure) {
        *failures.entry(reason.as_str()).or_default() += 1;
    }
    PartnerStatus {
        partner: inventory.partner.to_string(),
        ready: readiness.stage == Stage::Complete,
        state: readiness.state(),
        customers: inventory.customers.len(),
        lists: listing.wanted,
        last_listing: listing.completed,
        listing_failure: listing.failure.map(FailureReason::as_str),
        left_out: listing.left_out,
        targets,
        collectors,
        failures,
        not_granted: inventory.not_granted.iter().copied().map(not_granted).collect(),
    }
}
