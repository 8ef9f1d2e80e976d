//! What the service list (endpoint 5) says of a customer.

use std::sync::Arc;

use super::{CustomerId, Moment, Quantity};

/// Rows that are kept of one answer about one customer: of its products, and of its tenants of a type. Customers have a
/// few; the API's pages have room for 400,000.
pub const MAX_ROWS: usize = 10_000;

/// One customer of the service list. Its email address is left behind at the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedCustomer {
    /// `customerId`
    pub id: CustomerId,
    /// `organization`; absent or `N/A` is `None`.
    pub name: Option<Arc<str>>,
    /// `products`, in the order of the answer; `None` where the row has no readable list.
    pub subscriptions: Option<Vec<Subscription>>,
}

/// One row of `products`. Texts that are absent or `N/A` are empty; numbers and dates that are absent, `N/A` or
/// unreadable are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Subscription {
    /// What the row is about; identifies it. Few are distinct, so many rows share one.
    pub kind: Arc<SubscriptionKind>,
    /// `retention`
    pub retention: Arc<str>,
    /// `purchasedUserSeats`
    pub seats_purchased: Option<Quantity>,
    /// `purchasedUnits`
    pub units_purchased: Option<Quantity>,
    /// `microsoftLicenseAssigned`
    pub licenses_assigned: Option<Quantity>,
    /// `microsoftLicenseAvailable`
    pub licenses_available: Option<Quantity>,
    /// `purchasedCapacity`, bytes: its only number, or the second of `used/purchased`.
    pub capacity_purchased: Option<Quantity>,
    /// `purchasedCapacity`, bytes: the first number of `used/purchased`.
    pub capacity_used: Option<Quantity>,
    /// `protectedCapacity`, bytes.
    pub capacity_protected: Option<Quantity>,
    /// `consumedStorage`, bytes.
    pub storage_consumed: Option<Quantity>,
    /// `change`: seats added (or, negative, removed) in the pooled licence since the first day of this month.
    pub seats_change: Option<i64>,
    /// `expirationDate`
    pub expires: Option<Moment>,
    /// `contractEndDate`
    pub contract_ends: Option<Moment>,
}

/// The texts that identify a row: two rows of one customer that are equal in all of them are told apart only by suffix.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionKind {
    /// `service`
    pub service: Arc<str>,
    /// `subscriptionModel`
    pub model: Arc<str>,
    /// `source`
    pub source: Arc<str>,
    /// `paymentType`
    pub payment_type: Arc<str>,
    /// `storage`
    pub storage: Arc<str>,
    /// `subscriptionName`
    pub name: Arc<str>,
    /// `package`
    pub package: Arc<str>,
}
