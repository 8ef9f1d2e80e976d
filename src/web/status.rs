//! How the exporter and each partner are doing, as the page's top shows it and as JSON has it. See [`super::api`].

use std::collections::BTreeMap;

use elements::types::Collector;
use elements::types::FailureReason;
use jiff::Timestamp;
use serde::Serialize;

use super::readiness::{PartnerReadiness, Readiness, Stage};
use super::role::Role;
use super::status_counts::StatusCounts;
use crate::inventory::Inventory;

/// The exporter.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Of this program.
    pub version: &'static str,
    /// Its commit, or `unknown`.
    pub revision: &'static str,
    /// Whether all data is made up: the exporter polls a simulator that it brought itself (`demo`).
    pub simulated: bool,
    /// `leader`, `standby` or `paused`; without replicas always `leader`.
    pub role: &'static str,
    /// On a standby, the replica that leads, if it is known.
    pub leader: Option<String>,
    /// What a page says about the role, if it does not lead.
    #[serde(skip)]
    pub notice: Option<String>,
    /// When this was true.
    pub now: Timestamp,
    /// What `/-/ready` answers.
    pub ready: bool,
    /// Series rendered from the inventory.
    pub series: u64,
    /// Customers of all partners.
    pub customers: usize,
    /// In the order of the configuration.
    pub partners: Vec<PartnerStatus>,
}

/// One partner.
#[derive(Clone, Debug, Serialize)]
pub struct PartnerStatus {
    /// Its name.
    pub partner: String,
    /// Whether its customers are known.
    pub ready: bool,
    /// The same in words, with the reason.
    pub state: String,
    /// Customers known.
    pub customers: usize,
    /// Whether its customers are listed at all.
    pub lists: bool,
    /// When a listing was last complete.
    pub last_listing: Option<Timestamp>,
    /// Why the last listing failed, if it did.
    pub listing_failure: Option<&'static str>,
    /// Customers that are not known because there are more than `customers.max`: so many at least.
    pub left_out: u64,
    /// Targets of all collectors by condition.
    pub targets: Targets,
    /// Targets of each collector that is enabled, by condition.
    pub collectors: BTreeMap<&'static str, Targets>,
    /// Questions about customers whose last poll failed, by reason.
    pub failures: BTreeMap<&'static str, u64>,
    /// The collectors whose scope the app registration lacks.
    pub not_granted: Vec<NotGranted>,
}

/// A collector that reads nothing.
#[derive(Clone, Debug, Serialize)]
pub struct NotGranted {
    /// Its name.
    pub collector: &'static str,
    /// The permission to grant.
    pub permission: &'static str,
}

/// Targets by condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Targets(pub StatusCounts);

impl Serialize for Targets {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(condition, count)| (condition.as_str(), count)))
    }
}

impl Status {
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

    /// Targets of all partners by condition.
    #[must_use]
    pub fn targets(&self) -> StatusCounts {
        let mut all = StatusCounts::default();
        for (condition, count) in self.partners.iter().flat_map(|partner| partner.targets.0.iter()) {
            all.add(condition, count);
        }
        all
    }
}

fn not_granted(collector: Collector) -> NotGranted {
    NotGranted { collector: collector.as_str(), permission: collector.endpoint().scope.permission() }
}

fn partner_status(inventory: &Inventory, readiness: &PartnerReadiness, now: Timestamp) -> PartnerStatus {
    let mut targets = Targets::default();
    let mut collectors = BTreeMap::new();
    for collector in inventory.collectors.enabled() {
        let of_collector: &mut Targets = collectors.entry(collector.as_str()).or_default();
        for (condition, count) in inventory.targets(collector, now) {
            of_collector.0.add(condition, count);
            targets.0.add(condition, count);
        }
    }
    let listing = &inventory.listing;
    let questions = inventory.customers.values().flat_map(|customer| &customer.targets);
    let mut failures = BTreeMap::new();
    for reason in questions.filter_map(|(_, known)| known.failure) {
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
