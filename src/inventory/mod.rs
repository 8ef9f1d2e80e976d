//! The in-memory store: the last known values of every customer of a partner, and the state of every target.
//!
//! Values are stored with the time they were received; nothing is ever reset. A failure records its reason and removes
//! nothing. Only [`Inventory::complete_listing`] and [`Inventory::complete_list`] remove a customer. The reader decides
//! what is too old ([`Inventory::status`]), so that every reader agrees on what is stale.
//!
//! No I/O and no clock: times are arguments. [`InventoryHandle`] is the handle that other modules hold; it locks for the length
//! of one call and never across an await.

mod customer;
mod handle;
mod interner;
mod prior_state;
pub mod state_file;
mod status_counts;
mod subscription_ids;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

pub use customer::{Absence, Customer, KnownRow, Services, TargetState, TargetStatus};
pub use handle::InventoryHandle;
pub use prior_state::PriorState;
pub use status_counts::StatusCounts;
pub use subscription_ids::{KnownSubscription, SubscriptionId, prepare as prepare_subscriptions};

use elements::types::{
    Collector, CustomerId, FailureReason, ListedCustomer, ListedRow, Observation, PartnerName, Query,
};

use crate::config::{CollectorSettings, CustomerEntry};

/// Everything known about one partner. A clone is a snapshot: it shares the customers.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// The partner.
    pub partner: PartnerName,
    /// How often targets are polled, and how long values are served.
    pub collectors: Arc<CollectorSettings>,
    /// Sorted by id.
    pub customers: BTreeMap<CustomerId, Arc<Customer>>,
    /// The state of the customer listing, which is also the target of the collector `services`.
    pub listing: Listing,
    /// The state of the other lists that are read, each the target of its collector.
    pub lists: BTreeMap<Collector, Listing>,
    /// The collectors whose scope the app registration lacks. Not persisted.
    pub not_granted: BTreeSet<Collector>,
}

/// The state of one of the partner's lists of customers.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Whether the list is read at all. The service list is, if the partner discovers customers or collects services.
    pub wanted: bool,
    /// When an attempt last ended, successful or not.
    pub polled: Option<Timestamp>,
    /// When a listing was last complete.
    pub completed: Option<Timestamp>,
    /// Whether that listing is from an earlier process: customers that joined or left since then are not known.
    pub restored: bool,
    /// Whether the settings may now include customers that the last listing did not cover; then another listing is due
    /// at once. Not persisted.
    pub outdated: bool,
    /// Why the last attempt failed; `None` if it succeeded.
    pub failure: Option<FailureReason>,
    /// The number (a lower bound) of customers in the last complete listing that are not stored because of
    /// `customers.max`. Not persisted.
    pub left_out: u64,
    /// The reason why the partner's requests fail at the moment, if they do. It is known long before an attempt with
    /// all its retries has ended. For display only; no decision depends on it.
    pub request_failure: Option<FailureReason>,
    /// The host and the message of that failure. For display only.
    pub request_failure_detail: Option<Arc<str>>,
}

impl Listing {
    /// Records a failed attempt; all values stay.
    pub fn record_failure(&mut self, reason: FailureReason, now: Timestamp) {
        (self.polled, self.failure) = (Some(now), Some(reason));
    }

    /// The list as a target of its collector.
    #[must_use]
    pub fn status(&self, now: Timestamp, max_age: Duration) -> TargetStatus {
        if self.polled.is_none() {
            TargetStatus::Pending
        } else if self.completed.is_some_and(|completed| is_expired(completed, max_age, now)) {
            TargetStatus::Stale
        } else if self.failure.is_some() {
            TargetStatus::Failing
        } else {
            TargetStatus::Fresh
        }
    }
}

impl Inventory {
    /// An inventory with the configured customers and no values.
    #[must_use]
    pub fn new(
        partner: PartnerName,
        collectors: Arc<CollectorSettings>,
        listing_wanted: bool,
        list: &[CustomerEntry],
    ) -> Self {
        let customers = list.iter().map(|listed| (listed.id.clone(), Arc::new(Customer::configured(listed)))).collect();
        let listing = Listing { wanted: listing_wanted, ..Listing::default() };
        let others = collectors.enabled().filter(|&collector| collector.is_list() && collector != Collector::Services);
        let lists = others.map(|collector| (collector, Listing { wanted: true, ..Listing::default() })).collect();
        Self { partner, collectors, customers, listing, lists, not_granted: BTreeSet::new() }
    }

    /// Adds or updates a customer from a page of the service list, with its subscriptions.
    pub fn upsert_listed(&mut self, listed: ListedCustomer, now: Timestamp) {
        let known = self.customers.get(&listed.id).map(|customer| customer.subscriptions()).unwrap_or_default();
        let subscriptions = listed.subscriptions.map(|rows| prepare_subscriptions(&known, &[], vec![rows]));
        self.upsert_prepared(&listed.id, listed.name, subscriptions, now);
    }

    /// The same, with the result of [`prepare_subscriptions`].
    pub fn upsert_prepared(
        &mut self,
        id: &CustomerId,
        name: Option<Arc<str>>,
        subscriptions: Option<Arc<[KnownSubscription]>>,
        now: Timestamp,
    ) {
        let customer = self.customers.entry(id.clone()).or_insert_with(|| Arc::new(Customer::discovered(id.clone())));
        Arc::make_mut(customer).upsert_listed(name, subscriptions, now);
    }

    /// Sets the customer's name and changes nothing else.
    pub fn rename(&mut self, id: &CustomerId, name: Option<Arc<str>>) {
        if let Some(customer) = self.customers.get_mut(id) {
            Arc::make_mut(customer).rename(name);
        }
    }

    /// Records a complete listing of the customers `seen`. Removes and returns the discovered customers that are not in
    /// it.
    pub fn complete_listing(&mut self, seen: &HashSet<CustomerId>, now: Timestamp) -> Vec<Arc<Customer>> {
        self.listing.polled = Some(now);
        self.listing.completed = Some(now);
        self.listing.restored = false;
        self.listing.outdated = false;
        self.listing.failure = None;
        let gone: Vec<_> = self
            .customers
            .values()
            .filter(|customer| !customer.configured && !seen.contains(&customer.id))
            .cloned()
            .collect();
        for customer in &gone {
            self.customers.remove(&customer.id);
        }
        gone
    }

    /// Adds or updates a customer from a page of another list.
    pub fn upsert_row(&mut self, row: ListedRow, now: Timestamp) {
        let ListedRow { id, name, facts } = row;
        let customer = self.customers.entry(id.clone()).or_insert_with(|| Arc::new(Customer::discovered(id)));
        Arc::make_mut(customer).upsert_row(name, facts, now);
    }

    /// Records a complete list; `seen`: its customers, `None` if there may be others. A row that two lists in a row lack is
    /// removed; removes and returns the customers that nothing else names.
    pub fn complete_list(
        &mut self,
        collector: Collector,
        seen: Option<&HashSet<CustomerId>>,
        now: Timestamp,
    ) -> Vec<Arc<Customer>> {
        let list = Listing { wanted: true, polled: Some(now), completed: Some(now), ..Listing::default() };
        self.lists.insert(collector, list);
        let mut gone = Vec::new();
        let Some(seen) = seen else { return gone };
        self.customers.retain(|id, customer| {
            if customer.row(collector).is_none() || seen.contains(id) {
                return true;
            }
            let known = Arc::make_mut(customer);
            known
                .rows
                .retain_mut(|row| row.facts.collector() != collector || !std::mem::replace(&mut row.missed, true));
            let is_named = known.services.is_some() || !known.rows.is_empty() || known.configured;
            if !is_named {
                gone.push(Arc::clone(customer));
            }
            is_named
        });
        gone
    }

    /// Removes a customer's row of the service list; the list of customers still has the customer.
    pub fn unlist(&mut self, id: &CustomerId) {
        if let Some(customer) = self.customers.get_mut(id) {
            Arc::make_mut(customer).services = None;
        }
    }

    /// The lists that are read, each the one target of its collector.
    pub fn lists(&self) -> impl Iterator<Item = (Collector, &Listing)> {
        let services = Some((Collector::Services, &self.listing)).filter(|(_, list)| list.wanted);
        services.into_iter().chain(self.lists.iter().map(|(&collector, list)| (collector, list)))
    }

    /// The state of a list; `None` if the collector has no list that is read.
    #[must_use]
    pub fn list_status(&self, collector: Collector, now: Timestamp) -> Option<TargetStatus> {
        let (_, list) = self.lists().find(|&(of, _)| of == collector)?;
        Some(if self.not_granted.contains(&collector) {
            TargetStatus::NotGranted
        } else {
            list.status(now, self.max_age(collector))
        })
    }

    /// The list of a collector, for update; `None` if the collector has no list that is read.
    pub fn list_mut(&mut self, collector: Collector) -> Option<&mut Listing> {
        match collector {
            Collector::Services => Some(&mut self.listing),
            other => self.lists.get_mut(&other),
        }
    }

    /// Sets the queries for a customer. Results of other queries are dropped. Returns the queries that are new and
    /// those that were dropped.
    pub fn plan(&mut self, customer: &CustomerId, queries: &[Query]) -> (Vec<Query>, Vec<Query>) {
        let Some(customer) = self.customers.get_mut(customer) else { return Default::default() };
        if customer.targets.iter().map(|(query, _)| query).eq(queries) {
            return Default::default();
        }
        Arc::make_mut(customer).plan(queries)
    }

    /// Records a successful query. Returns false if the result is not accepted yet: it would remove all rows of a list,
    /// which needs a second result that says the same.
    pub fn record_success(
        &mut self,
        customer: &CustomerId,
        query: Query,
        observation: Observation,
        now: Timestamp,
    ) -> bool {
        self.target_mut(customer, query).is_none_or(|known| known.record_success(observation, now))
    }

    /// Records a failed query; all values stay.
    pub fn record_failure(&mut self, customer: &CustomerId, query: Query, reason: FailureReason, now: Timestamp) {
        if let Some(known) = self.target_mut(customer, query) {
            known.record_failure(reason, now);
        }
    }

    /// Records that the API reports the target as absent. Returns the resulting state.
    pub fn record_absent(&mut self, customer: &CustomerId, query: Query, now: Timestamp) -> Absence {
        self.target_mut(customer, query).map_or(Absence::Confirmed, |known| known.record_absent(now))
    }

    /// The state that a target is in.
    #[must_use]
    pub fn status(&self, query: Query, known: &TargetState, now: Timestamp) -> TargetStatus {
        let collector = query.collector();
        if self.not_granted.contains(&collector) {
            return TargetStatus::NotGranted;
        }
        known.status(now, self.max_age(collector))
    }

    /// How long values of a collector are served.
    #[must_use]
    pub fn max_age(&self, collector: Collector) -> Duration {
        self.collectors.schedule(collector).max_age
    }

    /// The number of targets of a collector by status; a list is the one target of its collector.
    #[must_use]
    pub fn targets(&self, collector: Collector, now: Timestamp) -> StatusCounts {
        let mut counts = StatusCounts::default();
        if let Some(status) = self.list_status(collector, now) {
            counts.add(status, 1);
        }
        let targets = self.customers.values().flat_map(|customer| &customer.targets);
        for (query, known) in targets.filter(|(query, _)| query.collector() == collector) {
            counts.add(self.status(*query, known, now), 1);
        }
        counts
    }

    /// The state of a target about a customer; `None` if it is not planned.
    #[must_use]
    pub fn target(&self, customer: &CustomerId, query: Query) -> Option<&TargetState> {
        let customer = self.customers.get(customer)?;
        customer.targets.get(customer.target_index(query)?).map(|(_, target)| target)
    }

    fn target_mut(&mut self, customer: &CustomerId, query: Query) -> Option<&mut TargetState> {
        let customer = self.customers.get_mut(customer)?;
        let index = customer.target_index(query)?;
        Arc::make_mut(customer).targets.get_mut(index).map(|(_, target)| target)
    }
}

/// Whether a value received at that time is no longer served: it is served until just before `seen + max_age`.
#[must_use]
pub fn is_expired(seen: Timestamp, max_age: Duration, now: Timestamp) -> bool {
    expiry(seen, max_age) <= now
}

/// When a value received at that time stops being served.
#[must_use]
pub fn expiry(seen: Timestamp, max_age: Duration) -> Timestamp {
    seen.saturating_add(max_age).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
