//! Confirms removals: a result that would remove data is accepted only if a second result says the same an interval
//! later. Pure.
//!
//! One result is not enough, because an outage may answer 200 with no data. This module covers an empty list of
//! products that was not empty before, and a listing that misses more than half of the customers.
//! [`crate::inventory::Inventory::record_success`] handles an empty list of tenants and a 404.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use elements::types::CustomerId;
use jiff::Timestamp;

/// Unconfirmed removals of one partner.
#[derive(Debug)]
pub(super) struct RemovalConfirmation {
    /// The minimum time between two results that count as independent.
    interval: Duration,
    /// Customers reported without products, and since when.
    products: HashMap<CustomerId, Timestamp>,
    /// Customers missing in a listing, and when.
    absent: Option<(Timestamp, HashSet<CustomerId>)>,
}

impl RemovalConfirmation {
    /// No unconfirmed removals.
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, products: HashMap::new(), absent: None }
    }

    /// Records that a customer with products is reported without any. Returns whether to accept this.
    pub(super) fn products_removed(&mut self, customer: &CustomerId, now: Timestamp) -> bool {
        let since = *self.products.entry(customer.clone()).or_insert(now);
        let confirmed = self.is_confirmed(since, now);
        if confirmed {
            self.products.remove(customer);
        }
        confirmed
    }

    /// Records that the customer is reported with products.
    pub(super) fn products_present(&mut self, customer: &CustomerId) {
        self.products.remove(customer);
    }

    /// Customers that only one result reported without products.
    pub(super) fn unconfirmed_removals(&self) -> usize {
        self.products.len()
    }

    /// Removes the customer from this state.
    pub(super) fn forget(&mut self, customer: &CustomerId) {
        self.products.remove(customer);
    }

    /// Records a complete listing without `absent`, out of this many known customers. Returns the customers that stay
    /// for now.
    pub(super) fn retain_unconfirmed(
        &mut self,
        absent: HashSet<CustomerId>,
        known: usize,
        now: Timestamp,
    ) -> HashSet<CustomerId> {
        let before = self.absent.take();
        let confirmed = |id: &CustomerId| {
            before.as_ref().is_some_and(|(since, ids)| self.is_confirmed(*since, now) && ids.contains(id))
        };
        let (gone, unconfirmed): (HashSet<_>, HashSet<_>) = absent.into_iter().partition(confirmed);
        if unconfirmed.len() * 2 <= known - gone.len().min(known) {
            return HashSet::new();
        }
        // A listing that comes sooner than an interval later does not postpone the confirmation.
        let since = before.as_ref().filter(|(_, ids)| unconfirmed.is_subset(ids)).map_or(now, |(since, _)| *since);
        self.absent = Some((since, unconfirmed.clone()));
        unconfirmed
    }

    fn is_confirmed(&self, since: Timestamp, now: Timestamp) -> bool {
        now.duration_since(since).unsigned_abs() >= self.interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_mins(15);

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(60 * minutes).unwrap()
    }

    fn ids(ids: &[&str]) -> HashSet<CustomerId> {
        ids.iter().map(|&id| id.into()).collect()
    }

    #[test]
    fn products_are_gone_after_two_denials_an_interval_apart() {
        let mut confirmation = RemovalConfirmation::new(INTERVAL);
        let customer = "a".into();
        assert!(!confirmation.products_removed(&customer, at(0)));
        assert!(!confirmation.products_removed(&customer, at(1)), "a failed listing is repeated sooner");
        assert!(confirmation.products_removed(&customer, at(15)));
        assert!(!confirmation.products_removed(&customer, at(30)), "from the start");
        confirmation.products_present(&customer);
        assert!(!confirmation.products_removed(&customer, at(45)));
        assert_eq!(confirmation.unconfirmed_removals(), 1);
    }

    #[test]
    fn most_customers_leave_after_two_listings_an_interval_apart() {
        let mut confirmation = RemovalConfirmation::new(INTERVAL);
        assert_eq!(confirmation.retain_unconfirmed(ids(&["a", "b"]), 4, at(0)), ids(&[]), "half of them may leave");
        assert_eq!(confirmation.retain_unconfirmed(ids(&["a", "b", "c"]), 4, at(0)), ids(&["a", "b", "c"]));
        assert_eq!(confirmation.retain_unconfirmed(ids(&["a", "b", "c"]), 4, at(1)), ids(&["a", "b", "c"]), "too soon");
        assert_eq!(confirmation.retain_unconfirmed(ids(&["a", "b", "c"]), 4, at(15)), ids(&[]));
        assert_eq!(confirmation.retain_unconfirmed(ids(&["d"]), 1, at(30)), ids(&["d"]), "an empty listing");
        assert_eq!(confirmation.retain_unconfirmed(ids(&[]), 1, at(45)), ids(&[]), "it is there again");
        assert_eq!(confirmation.retain_unconfirmed(ids(&["d"]), 1, at(60)), ids(&["d"]), "from the start");
    }

    #[test]
    fn another_denial_is_about_others() {
        let mut confirmation = RemovalConfirmation::new(INTERVAL);
        assert_eq!(confirmation.retain_unconfirmed(ids(&["a", "b", "c"]), 5, at(0)).len(), 3);
        assert_eq!(
            confirmation.retain_unconfirmed(ids(&["c", "d", "e"]), 5, at(15)),
            ids(&[]),
            "c is gone, of the other four two"
        );
        assert_eq!(confirmation.retain_unconfirmed(ids(&["a", "b"]), 2, at(30)), ids(&["a", "b"]));
    }
}
