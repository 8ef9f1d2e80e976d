//! What the seat endpoints answer.

use std::sync::Arc;

use super::{Quantity, TenantId};

/// `assignedUserSeat` and `availableUserSeat` of endpoints 1 and 3, each absent where the API gave none.
///
/// What *available* counts is not documented (it reads as "left"); the numbers are exported as they come.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seats {
    /// Licences assigned to users.
    pub assigned: Option<Quantity>,
    /// What the API calls available.
    pub available: Option<Quantity>,
}

/// One row of endpoint 3.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantSeats {
    /// `tenantId` (`id` in an older revision).
    pub id: TenantId,
    /// `tenantName` (`name` in an older revision); empty where there is none.
    pub name: Arc<str>,
    /// The tenant's seats.
    pub seats: Seats,
}

/// The answer to a [`super::Question`], one variant per endpoint.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Endpoint 1.
    CustomerSeats(Seats),
    /// Endpoint 3: every tenant of the type, distinct by id, ordered by id.
    TenantSeats(Arc<[TenantSeats]>),
    /// Endpoint 4: `purchasedUserSeat`, `None` where it says "not applicable".
    ProductPurchased(Option<Quantity>),
    /// Endpoint 2: `availableUserSeat`, `None` where it says "not applicable".
    ProductAvailable(Option<Quantity>),
}
