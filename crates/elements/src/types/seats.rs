//! Seats of a tenant, and of all tenants of a type.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Quantity, TenantId};

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
