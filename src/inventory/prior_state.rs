//! State of an earlier configuration or process, restored into an inventory of the current configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use elements::types::{Collector, CompactTimestamp, CustomerId};
use jiff::{SignedDuration, Timestamp};

use super::{Customer, Inventory, Listing};

/// The part of a partner's state that is kept when its settings change or the process ends.
#[derive(Clone, Debug, Default)]
pub struct PriorState {
    /// The state of the service list.
    pub listing: Listing,
    /// The state of the other lists.
    pub lists: BTreeMap<Collector, Listing>,
    /// Sorted by id.
    pub customers: BTreeMap<CustomerId, Arc<Customer>>,
}

impl From<Inventory> for PriorState {
    fn from(inventory: Inventory) -> Self {
        Self { listing: inventory.listing, lists: inventory.lists, customers: inventory.customers }
    }
}

impl Inventory {
    /// Restores the state as far as the current configuration still includes it. Customers of `customers.list` take
    /// their name and labels from the configuration; other customers are kept if `retain` accepts their id and name (the
    /// name may be empty). Queries that are no longer planned are dropped by the next [`Inventory::plan`]. A customer
    /// of `customers.list` without stored state marks the listing as outdated.
    ///
    /// A time after `now` comes from a wrong clock and counts as `now`, so that no target waits for years.
    pub fn restore(&mut self, prior: PriorState, retain: impl Fn(&CustomerId, &str) -> bool, now: Timestamp) {
        let wanted = &Wanted { services: self.listing.wanted, others: self.lists.keys().copied().collect() };
        for (collector, list) in prior.lists {
            if let Some(wanted) = self.lists.get_mut(&collector) {
                *wanted = Listing { wanted: true, ..list };
                wanted.map_times(|at| at.min(now));
            }
        }
        if wanted.services {
            self.listing =
                Listing { wanted: true, request_failure: None, request_failure_detail: None, ..prior.listing };
            self.listing.map_times(|at| at.min(now));
            self.listing.outdated |= self.customers.keys().any(|id| !prior.customers.contains_key(id));
        }
        let present = &mut self.customers;
        let others = prior.customers.into_iter().filter_map(|(id, mut known)| {
            if let Some(customer) = present.get_mut(&id) {
                Arc::make_mut(customer).restore(&known, wanted, now);
                return None;
            }
            // Nothing would ever remove a customer that only a list names that is not read any more.
            let is_read = wanted.others.contains(&Collector::Customers);
            if !is_read && known.services.is_none() && known.row(Collector::Customers).is_some() {
                return None;
            }
            retain(&id, &known.name).then(|| {
                // The customer may be shared; copying every customer would take half as much memory again.
                if !known.is_current(wanted, now) {
                    Arc::make_mut(&mut known).reset(wanted, now);
                }
                (id, known)
            })
        });
        // A map that is built in one step has full nodes.
        let mut others: BTreeMap<_, _> = others.collect();
        self.customers.append(&mut others);
    }

    /// Shifts every observation and poll time by the correction of the wall clock, for readers outside of this process.
    /// Future dates from the API (expirations) do not change.
    pub fn apply_offset(&mut self, by: SignedDuration) {
        if by.is_zero() {
            return;
        }
        let later = |at: Timestamp| at.saturating_add(by).unwrap_or(at);
        self.listing.map_times(later);
        self.lists.values_mut().for_each(|list| list.map_times(later));
        for customer in self.customers.values_mut() {
            Arc::make_mut(customer).map_times(later);
        }
    }
}

/// The lists of customers that the current configuration reads.
struct Wanted {
    services: bool,
    others: BTreeSet<Collector>,
}

impl Customer {
    /// Whether [`Self::reset`] would change nothing.
    fn is_current(&self, wanted: &Wanted, now: Timestamp) -> bool {
        let seen = self.services.iter().map(|services| services.seen);
        let seen = seen.chain(self.rows.iter().map(|row| row.seen));
        let times = self.targets.iter().flat_map(|(_, known)| {
            let answered = known.observation.as_ref().map(|(seen, _)| *seen);
            known.polled.into_iter().chain(answered).map(CompactTimestamp::get)
        });
        !self.configured
            && !self.named_by_configuration
            && self.labels.is_empty()
            && (wanted.services || self.services.is_none())
            && self.rows.iter().all(|row| wanted.others.contains(&row.facts.collector()))
            && seen.chain(times).all(|at| at <= now)
    }

    /// Drops the settings of an earlier configuration.
    fn reset(&mut self, wanted: &Wanted, now: Timestamp) {
        if self.named_by_configuration {
            (self.name, self.named_by_configuration) = ("".into(), false);
        }
        (self.labels, self.configured) = (Arc::default(), false);
        self.services = self.services.take().filter(|_| wanted.services);
        self.rows.retain_mut(|row| wanted.others.contains(&row.facts.collector()));
        self.map_times(|at| at.min(now));
    }

    fn restore(&mut self, known: &Self, wanted: &Wanted, now: Timestamp) {
        if !self.named_by_configuration && !known.named_by_configuration {
            self.name = known.name.clone();
        }
        // Without a list they would never be updated.
        self.services = known.services.clone().filter(|_| wanted.services);
        self.rows.clone_from(&known.rows);
        self.rows.retain_mut(|row| wanted.others.contains(&row.facts.collector()));
        self.targets.clone_from(&known.targets);
        self.map_times(|at| at.min(now));
    }

    fn map_times(&mut self, map: impl Fn(Timestamp) -> Timestamp) {
        if let Some(services) = &mut self.services {
            services.seen = map(services.seen);
        }
        for row in self.rows.iter_mut() {
            row.seen = map(row.seen);
        }
        for (_, known) in &mut self.targets {
            known.polled = known.polled.map(|at| map(at.get()).into());
            if let Some((seen, _)) = &mut known.observation {
                *seen = map(seen.get()).into();
            }
        }
    }
}

impl Listing {
    fn map_times(&mut self, map: impl Fn(Timestamp) -> Timestamp) {
        self.polled = self.polled.map(&map);
        self.completed = self.completed.map(&map);
    }
}
