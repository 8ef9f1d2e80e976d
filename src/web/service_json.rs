//! The rows of a service taken together, as JSON has them. See [`super::api`] for the shapes.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::customer_json::Number;
use super::headroom::Service;
use super::issue::{Issue, Issues, Severity};
use super::utilization::{Resource, Utilization};

/// The seats or the capacity with the highest ratio.
#[derive(Clone, Debug, Serialize)]
pub struct UtilizationDetail {
    /// `subscription_seats` or `capacity`, of all running rows of a service.
    pub kind: &'static str,
    /// The service.
    pub name: Arc<str>,
    /// In use; bytes for a capacity.
    pub used: Number,
    /// Of how many.
    pub total: Number,
    /// Their ratio.
    pub utilization: f64,
}

/// What is wrong with a service, or with one of its rows.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct IssueDetail {
    /// The word of [`Issue`].
    pub issue: &'static str,
    /// `critical`, `warning` or `info`.
    pub severity: &'static str,
    /// The alert that says the same.
    pub alert: Option<&'static str>,
}

/// The rows of one service, taken together: see [`Service`].
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are those of headroom::Service")]
pub struct ServiceDetail {
    pub service_name: Arc<str>,
    /// Rows in all, expired ones too.
    pub rows: usize,
    pub rows_running: usize,
    pub seats_purchased: Option<Number>,
    pub licenses_assigned: Option<Number>,
    /// Purchased minus assigned; negative if over-assigned, `None` where it says nothing.
    pub headroom: Option<f64>,
    pub utilization: Option<f64>,
    pub capacity_purchased_bytes: Option<Number>,
    pub capacity_protected_bytes: Option<Number>,
    pub capacity_utilization: Option<f64>,
    pub expired: Option<Timestamp>,
    pub unused_until: Option<Timestamp>,
    pub issues: Vec<IssueDetail>,
}

impl UtilizationDetail {
    pub(super) fn new(most: Utilization<'_>) -> Self {
        let (kind, name) = match most.resource {
            Resource::Seats(service) => ("subscription_seats", service.into()),
            Resource::Capacity(service) => ("capacity", service.into()),
        };
        Self { kind, name, used: Number(most.used), total: Number(most.total), utilization: most.ratio() }
    }
}

impl ServiceDetail {
    pub(super) fn new(service: &Service<'_>, issues: &Issues) -> Self {
        Self {
            service_name: service.name.into(),
            rows: service.rows.len(),
            rows_running: service.running,
            seats_purchased: service.purchased.map(Number),
            licenses_assigned: service.assigned.map(Number),
            headroom: service.seats.map(Utilization::headroom),
            utilization: service.seats.map(Utilization::ratio),
            capacity_purchased_bytes: service.capacity.map(|capacity| Number(capacity.total)),
            capacity_protected_bytes: service.capacity.map(|capacity| Number(capacity.used)),
            capacity_utilization: service.capacity.map(Utilization::ratio),
            expired: service.expired,
            unused_until: service.unused_until,
            issues: issues.by_severity().into_iter().map(IssueDetail::new).collect(),
        }
    }
}

impl IssueDetail {
    const fn new((issue, severity): (Issue, Severity)) -> Self {
        Self { issue: issue.as_str(), severity: severity.as_str(), alert: issue.alert() }
    }
}
