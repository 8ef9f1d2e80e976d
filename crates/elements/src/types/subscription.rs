//! Customers and their subscriptions, as the service list has them.

use std::sync::Arc;

use super::{CompactTimestamp, CustomerId, Quantity};

/// Maximum rows stored per customer from one response: its products, or its tenants of one type. Customers have a few;
/// a page of the API could hold 400,000.
pub const MAX_ROWS: usize = 10_000;

/// One customer of the service list. The decoder drops its email address.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedCustomer {
    /// `customerId`
    pub id: CustomerId,
    /// `organization`; `None` if missing or `N/A`.
    pub name: Option<Arc<str>>,
    /// `products`, in the order of the response; `None` if the row has no readable list.
    pub subscriptions: Option<Vec<Subscription>>,
}

/// One row of `products`. Texts that are missing or `N/A` are empty; numbers and dates that are missing, `N/A` or
/// unreadable are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Subscription {
    /// Identifies the row. There are few distinct keys, so many rows share one.
    pub key: Arc<SubscriptionKey>,
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
    /// `purchasedCapacity` in bytes: the only number, or the second number of `used/purchased`.
    pub capacity_purchased: Option<Quantity>,
    /// `purchasedCapacity` in bytes: the first number of `used/purchased`.
    pub capacity_used: Option<Quantity>,
    /// `protectedCapacity` in bytes.
    pub capacity_protected: Option<Quantity>,
    /// `consumedStorage` in bytes.
    pub storage_consumed: Option<Quantity>,
    /// `change`: seats added to (or, if negative, removed from) the pooled licence since the first day of this month.
    pub seats_change: Option<i64>,
    /// `expirationDate`
    pub expires: Option<CompactTimestamp>,
    /// `contractEndDate`
    pub contract_ends: Option<CompactTimestamp>,
}

/// The fields that identify a row. Two rows of one customer with equal fields are distinguished only by a suffix.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionKey {
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

impl SubscriptionKey {
    /// Bytes of storage per seat: N GB for a model of the form `N GB/User/Year`, where 1 GB is 2^30 bytes. `None` for
    /// every other model.
    #[must_use]
    pub fn capacity_per_seat(&self) -> Option<Quantity> {
        const GB: f64 = 1_073_741_824.0;
        let (size, per) = self.model.split_once('/')?;
        let (number, unit) = size.trim().split_at_checked(size.trim().len().checked_sub(2)?)?;
        let number = number.trim_end();
        let plain = number.starts_with(|c: char| c.is_ascii_digit())
            && number.ends_with(|c: char| c.is_ascii_digit())
            && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if !plain || !unit.eq_ignore_ascii_case("gb") || !per.trim().eq_ignore_ascii_case("user/year") {
            return None;
        }
        number
            .parse()
            .ok()
            .map(|number: f64| (number * GB).round())
            .filter(|bytes| bytes.is_finite())
            .and_then(Quantity::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_may_state_the_capacity_per_seat() {
        let per_seat =
            |model: &str| SubscriptionKey { model: model.into(), ..SubscriptionKey::default() }.capacity_per_seat();
        let gb = |number: f64| Quantity::new(number * 1_073_741_824.0);
        for (model, expected) in [
            ("1 GB/User/Year", gb(1.0)),
            ("50 GB/User/Year", gb(50.0)),
            ("0.5 GB/User/Year", gb(0.5)),
            ("0.1 GB/User/Year", Quantity::new(107_374_182.0)),
            ("10gb/user/year ", gb(10.0)),
            ("Enterprise", None),
            ("", None),
            ("GB/User/Year", None),
            ("-1 GB/User/Year", None),
            ("1e3 GB/User/Year", None),
            ("1.2.3 GB/User/Year", None),
            ("1,5 GB/User/Year", None),
            ("1 GB/User/Month", None),
            ("1 GB/Year", None),
            ("1 TB/User/Year", None),
            ("ä/User/Year", None),
            (&*format!("{} GB/User/Year", "9".repeat(400)), None),
        ] {
            assert_eq!(per_seat(model), expected, "{model}");
        }
    }
}
