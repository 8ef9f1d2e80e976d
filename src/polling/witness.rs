//! What an answer would take away is believed only if another one says the same an interval later. Pure.
//!
//! One denial is not enough, whatever its form: an outage may answer 200 with nothing in it. This is about an empty list of
//! products where there were some, and about a listing without more than half of the customers. An empty list of tenants is
//! [`crate::inventory::Inventory::succeed`]'s, as a 404 is.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::CustomerId;

/// What was denied once, of one partner.
#[derive(Debug)]
pub(super) struct Witness {
    /// Between two answers that are independent of each other.
    interval: Duration,
    /// Customers whose products were denied, and since when.
    products: HashMap<CustomerId, Timestamp>,
    /// Those that a listing did not have, and when.
    absent: Option<(Timestamp, HashSet<CustomerId>)>,
}

impl Witness {
    /// Nothing was denied yet.
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, products: HashMap::new(), absent: None }
    }

    /// An answer says that the customer, who had products, has none. Whether that is to be believed.
    pub(super) fn denies_products(&mut self, customer: &CustomerId, now: Timestamp) -> bool {
        let since = *self.products.entry(customer.clone()).or_insert(now);
        let believed = self.is_confirmed(since, now);
        if believed {
            self.products.remove(customer);
        }
        believed
    }

    /// An answer says that the customer has products.
    pub(super) fn confirms_products(&mut self, customer: &CustomerId) {
        self.products.remove(customer);
    }

    /// Customers whose products were denied by one answer only.
    pub(super) fn denied(&self) -> usize {
        self.products.len()
    }

    /// The customer is no longer known.
    pub(super) fn forget(&mut self, customer: &CustomerId) {
        self.products.remove(customer);
    }

    /// A listing was complete without `absent`, of so many customers that were known. Who of them stays for now.
    pub(super) fn keeps(&mut self, absent: HashSet<CustomerId>, known: usize, now: Timestamp) -> HashSet<CustomerId> {
        let before = self.absent.take();
        let confirmed = |id: &CustomerId| {
            before.as_ref().is_some_and(|(since, ids)| self.is_confirmed(*since, now) && ids.contains(id))
        };
        let (gone, doubted): (HashSet<_>, HashSet<_>) = absent.into_iter().partition(confirmed);
        if doubted.len() * 2 <= known - gone.len().min(known) {
            return HashSet::new();
        }
        // A listing that comes sooner than an interval later does not make it later.
        let since = before.as_ref().filter(|(_, ids)| doubted.is_subset(ids)).map_or(now, |(since, _)| *since);
        self.absent = Some((since, doubted.clone()));
        doubted
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
        let mut witness = Witness::new(INTERVAL);
        let customer = "a".into();
        assert!(!witness.denies_products(&customer, at(0)));
        assert!(!witness.denies_products(&customer, at(1)), "a failed listing is repeated sooner");
        assert!(witness.denies_products(&customer, at(15)));
        assert!(!witness.denies_products(&customer, at(30)), "from the start");
        witness.confirms_products(&customer);
        assert!(!witness.denies_products(&customer, at(45)));
        assert_eq!(witness.denied(), 1);
    }

    #[test]
    fn most_customers_leave_after_two_listings_an_interval_apart() {
        let mut witness = Witness::new(INTERVAL);
        assert_eq!(witness.keeps(ids(&["a", "b"]), 4, at(0)), ids(&[]), "half of them may leave");
        assert_eq!(witness.keeps(ids(&["a", "b", "c"]), 4, at(0)), ids(&["a", "b", "c"]));
        assert_eq!(witness.keeps(ids(&["a", "b", "c"]), 4, at(1)), ids(&["a", "b", "c"]), "too soon");
        assert_eq!(witness.keeps(ids(&["a", "b", "c"]), 4, at(15)), ids(&[]));
        assert_eq!(witness.keeps(ids(&["d"]), 1, at(30)), ids(&["d"]), "an empty listing");
        assert_eq!(witness.keeps(ids(&[]), 1, at(45)), ids(&[]), "it is there again");
        assert_eq!(witness.keeps(ids(&["d"]), 1, at(60)), ids(&["d"]), "from the start");
    }

    #[test]
    fn another_denial_is_about_others() {
        let mut witness = Witness::new(INTERVAL);
        assert_eq!(witness.keeps(ids(&["a", "b", "c"]), 5, at(0)).len(), 3);
        assert_eq!(witness.keeps(ids(&["c", "d", "e"]), 5, at(15)), ids(&[]), "c is gone, of the other four two");
        assert_eq!(witness.keeps(ids(&["a", "b"]), 2, at(30)), ids(&["a", "b"]));
    }
}
