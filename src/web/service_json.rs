//! JSON of a service: its rows aggregated, and its issues. See [`super::api`] for the fields.

use std::sync::Arc;

use elements::types::Quantity;
use jiff::Timestamp;
use serde::Serialize;

use super::issue::{Issue, Issues, Severity};
use super::service_summary::Service;
use super::utilization::{Resource, Utilization};

/// The seats or the capacity with the highest ratio.
#[derive(Clone, Debug, Serialize)]
pub struct UtilizationJson {
    /// `subscription_seats` or `capacity`, of all running rows of a service.
    pub kind: &'static str,
    /// The service.
    pub name: Arc<str>,
    /// In use; bytes for a capacity.
    pub used: Quantity,
    /// Purchased.
    pub total: Quantity,
    /// `used` divided by `total`.
    pub utilization: f64,
}

/// An issue of a service or of one of its rows.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct IssueJson {
    /// The name of the [`Issue`].
    pub issue: &'static str,
    /// `critical`, `warning` or `info`.
    pub severity: &'static str,
    /// The corresponding alert.
    pub alert: Option<&'static str>,
}

/// The rows of one service, aggregated: see [`Service`].
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are those of service_summary::Service")]
pub struct ServiceJson {
    pub service_name: Arc<str>,
    /// All rows, including expired ones.
    pub rows: usize,
    pub rows_running: usize,
    pub seats_purchased: Option<Quantity>,
    pub licenses_assigned: Option<Quantity>,
    /// Purchased minus assigned; negative if over-assigned, `None` if it cannot be computed.
    pub headroom: Option<f64>,
    pub utilization: Option<f64>,
    pub capacity_purchased_bytes: Option<Quantity>,
    pub capacity_protected_bytes: Option<Quantity>,
    pub capacity_utilization: Option<f64>,
    pub expired: Option<Timestamp>,
    pub unused_until: Option<Timestamp>,
    pub issues: Vec<IssueJson>,
}

impl UtilizationJson {
    pub(super) fn new(most: Utilization<'_>) -> Self {
        let (kind, name) = match most.resource {
            Resource::Seats(service) => ("subscription_seats", service.into()),
            Resource::Capacity(service) => ("capacity", service.into()),
        };
        Self { kind, name, used: most.used, total: most.total, utilization: most.ratio() }
    }
}

impl ServiceJson {
    pub(super) fn new(service: &Service<'_>, issues: &Issues) -> Self {
        Self {
            service_name: service.name.into(),
            rows: service.rows.len(),
            rows_running: service.running,
            seats_purchased: service.purchased,
            licenses_assigned: service.assigned,
            headroom: service.seats.map(Utilization::headroom),
            utilization: service.seats.map(Utilization::ratio),
            capacity_purchased_bytes: service.capacity.map(|capacity| capacity.total),
            capacity_protected_bytes: service.capacity.map(|capacity| capacity.used),
            capacity_utilization: service.capacity.map(Utilization::ratio),
            expired: service.expired,
            unused_until: service.unused_until,
            issues: issues.by_severity().into_iter().map(IssueJson::new).collect(),
        }
    }
}

impl IssueJson {
    const fn new((issue, severity): (Issue, Severity)) -> Self {
        Self { issue: issue.as_str(), severity: severity.as_str(), alert: issue.alert() }
    }
}
