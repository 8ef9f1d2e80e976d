//! Results of the queries about a customer, and the seats among them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{BackupJob, ProtectedObjects, Quantity, TenantId};

/// `assignedUserSeat` and `availableUserSeat` of `customer_seats` and `tenant_seats`; `None` where the API omitted the
/// field.
///
/// The API does not document what *available* counts (it reads as "left"); the numbers are exported unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seats {
    /// Licences assigned to users.
    pub assigned: Option<Quantity>,
    /// The number that the API calls available.
    pub available: Option<Quantity>,
}

/// One row of `tenant_seats`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TenantSeats {
    /// `tenantId` (`id` in an older revision).
    pub id: TenantId,
    /// `tenantName` (`name` in an older revision); empty if missing.
    #[serde(default)]
    pub name: Arc<str>,
    /// The tenant's seats.
    #[serde(default)]
    pub seats: Seats,
}

/// The result of a [`super::Query`], one variant per endpoint.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// `customer_seats`: the seats of all tenants of the type together.
    CustomerSeats(Seats),
    /// `tenant_seats`: every tenant of the type; ids are distinct and sorted.
    TenantSeats(Arc<[TenantSeats]>),
    /// `products_purchased`: `purchasedUserSeat`; `None` for "not applicable".
    ProductPurchased(Option<Quantity>),
    /// `products_available`: `availableUserSeat`; `None` for "not applicable".
    ProductAvailable(Option<Quantity>),
    /// `backup_jobs`: the newest job of each plan; keys are distinct and sorted.
    BackupJobs(Arc<[BackupJob]>),
    /// `backup_overview`: services and modules are distinct and sorted.
    BackupOverview(Arc<[ProtectedObjects]>),
}

impl Observation {
    /// The number of rows of an answer that is a list.
    #[must_use]
    pub fn rows(&self) -> Option<usize> {
        match self {
            Self::TenantSeats(tenants) => Some(tenants.len()),
            Self::BackupJobs(jobs) => Some(jobs.len()),
            Self::BackupOverview(modules) => Some(modules.len()),
            Self::CustomerSeats(_) | Self::ProductPurchased(_) | Self::ProductAvailable(_) => None,
        }
    }
}
