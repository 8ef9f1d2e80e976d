//! What is known of every customer of a partner, and the state of everything that is asked about it.
//!
//! Values are kept with the time they were seen; nothing is ever reset. A failure adds its reason and takes nothing
//! away. A customer leaves only by [`Inventory::complete_listing`]. How old is too old is decided by the reader
//! ([`Known::condition`]), so that what is stale here is stale everywhere.
//!
//! No I/O, no clock: times are arguments. [`Shared`] is the handle that rooms pass around; it locks for the length of
//! one call and never across an await.

mod customer;
mod kinds;
mod past;
mod shared;
pub mod state_file;
mod subscription_ids;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

pub use customer::{Absence, Condition, Customer, Known, Services};
pub use past::Past;
pub use shared::Shared;
pub use subscription_ids::{KnownSubscription, SubscriptionId, prepare as prepare_subscriptions};

use crate::config::{CollectorSettings, ListedSettings};
use crate::domain::{Answer, Collector, CustomerId, FailureReason, ListedCustomer, PartnerName, Question};

/// Everything known of one partner. Cloning shares the customers: a clone is a snapshot.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// The partner.
    pub partner: PartnerName,
    /// How often things are polled and how long values are served.
    pub collectors: Arc<CollectorSettings>,
    /// In the order of their ids.
    pub customers: BTreeMap<CustomerId, Arc<Customer>>,
    /// The state of the customer listing, which is the collector `services` too.
    pub listing: Listing,
}

/// The state of the partner's customer listing.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Whether this partner lists at all (it discovers, or collects services).
    pub wanted: bool,
    /// When an attempt last ended, in whatever way.
    pub polled: Option<Timestamp>,
    /// When a listing was last complete.
    pub completed: Option<Timestamp>,
    /// Whether that was before this process: nobody has seen since then who came or left.
    pub restored: bool,
    /// Whether customers may be wanted now whom the last one did not look for: another is due at once. Of this process
    /// only.
    pub outdated: bool,
    /// Why the last attempt failed, if it did.
    pub failure: Option<FailureReason>,
    /// Customers that the last complete listing had and that are not known, since `customers.max` leaves no room for them:
    /// so many at least. Of this process only.
    pub left_out: u64,
    /// What the partner's requests fail with at the moment, if they do: known long before an attempt with its
    /// repetitions has ended. Filled in for those who tell people; nothing is decided by it.
    pub trouble: Option<FailureReason>,
}

impl Listing {
    /// The listing as a target of the collector `services`.
    #[must_use]
    pub fn condition(&self, now: Timestamp, max_age: Duration) -> Condition {
        if self.polled.is_none() {
            Condition::Pending
        } else if self.completed.is_some_and(|completed| is_older(completed, max_age, now)) {
            Condition::Stale
        } else if self.failure.is_some() {
            Condition::Failing
        } else {
            Condition::Fresh
        }
    }
}

impl Inventory {
    /// An inventory that knows the configured customers and nothing about them.
    #[must_use]
    pub fn new(
        partner: PartnerName,
        collectors: Arc<CollectorSettings>,
        listing_wanted: bool,
        list: &[ListedSettings],
    ) -> Self {
        let customers = list.iter().map(|listed| (listed.id.clone(), Arc::new(Customer::configured(listed)))).collect();
        Self { partner, collectors, customers, listing: Listing { wanted: listing_wanted, ..Listing::default() } }
    }

    /// A customer of a page of the service list: it is known from now on, and its subscriptions are these.
    pub fn observe(&mut self, listed: ListedCustomer, now: Timestamp) {
        let known = self.customers.get(&listed.id).map(|customer| customer.subscriptions()).unwrap_or_default();
        let subscriptions = listed.subscriptions.map(|rows| prepare_subscriptions(&known, &[], vec![rows]));
        self.observe_prepared(&listed.id, listed.name, subscriptions, now);
    }

    /// The same, with [`prepare_subscriptions`] done before.
    pub fn observe_prepared(
        &mut self,
        id: &CustomerId,
        name: Option<Arc<str>>,
        subscriptions: Option<Arc<[KnownSubscription]>>,
        now: Timestamp,
    ) {
        let customer = self.customers.entry(id.clone()).or_insert_with(|| Arc::new(Customer::discovered(id.clone())));
        Arc::make_mut(customer).observe(name, subscriptions, now);
    }

    /// A customer is called so; nothing else of it is known anew.
    pub fn rename(&mut self, id: &CustomerId, name: Option<Arc<str>>) {
        if let Some(customer) = self.customers.get_mut(id) {
            Arc::make_mut(customer).rename(name);
        }
    }

    /// The listing was complete and held `seen`: discovered customers that it did not hold have left, and are returned.
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

    /// The listing failed; what was known stays.
    pub fn fail_listing(&mut self, reason: FailureReason, now: Timestamp) {
        self.listing.polled = Some(now);
        self.listing.failure = Some(reason);
    }

    /// From now on these questions, and no others, are asked about the customer. Answers of others are forgotten.
    /// Returns the questions that are new and those that were dropped.
    pub fn plan(&mut self, customer: &CustomerId, questions: &[Question]) -> (Vec<Question>, Vec<Question>) {
        let Some(customer) = self.customers.get_mut(customer) else { return Default::default() };
        if customer.targets.iter().map(|(question, _)| question).eq(questions) {
            return Default::default();
        }
        Arc::make_mut(customer).plan(questions)
    }

    /// A question was answered. False if the answer is kept for later: it would take away all tenants of a customer, which
    /// is believed when the next answer says the same.
    pub fn succeed(&mut self, customer: &CustomerId, question: Question, answer: Answer, now: Timestamp) -> bool {
        self.known_mut(customer, question).is_none_or(|known| known.succeed(answer, now))
    }

    /// A question failed; what was known stays.
    pub fn fail(&mut self, customer: &CustomerId, question: Question, reason: FailureReason, now: Timestamp) {
        if let Some(known) = self.known_mut(customer, question) {
            known.fail(reason, now);
        }
    }

    /// The API says that the customer has no such thing. Returns what that makes of the target.
    pub fn miss(&mut self, customer: &CustomerId, question: Question, now: Timestamp) -> Absence {
        self.known_mut(customer, question).map_or(Absence::Confirmed, |known| known.miss(now))
    }

    /// How long values of a collector are served.
    #[must_use]
    pub fn max_age(&self, collector: Collector) -> Duration {
        self.collectors.schedule(collector).max_age
    }

    /// Targets of a collector by condition; the listing is the one target of `services`.
    #[must_use]
    pub fn targets(&self, collector: Collector, now: Timestamp) -> BTreeMap<Condition, u64> {
        let max_age = self.max_age(collector);
        let mut counts: BTreeMap<_, _> = Condition::ALL.into_iter().map(|condition| (condition, 0)).collect();
        let mut count = |condition| *counts.entry(condition).or_insert(0) += 1;
        if collector == Collector::Services {
            if self.listing.wanted {
                count(self.listing.condition(now, max_age));
            }
        } else {
            let targets = self.customers.values().flat_map(|customer| &customer.targets);
            targets
                .filter(|(question, _)| question.collector() == collector)
                .for_each(|(_, known)| count(known.condition(now, max_age)));
        }
        counts
    }

    fn known_mut(&mut self, customer: &CustomerId, question: Question) -> Option<&mut Known> {
        let customer = self.customers.get_mut(customer)?;
        let index = customer.targets.binary_search_by_key(&question, |&(question, _)| question).ok()?;
        Arc::make_mut(customer).targets.get_mut(index).map(|(_, known)| known)
    }
}

/// Whether something seen then is, now, no longer served: a value's last moment is before `seen + max_age`.
#[must_use]
pub fn is_older(seen: Timestamp, max_age: Duration, now: Timestamp) -> bool {
    expiry(seen, max_age) <= now
}

/// When something seen then stops being served.
#[must_use]
pub fn expiry(seen: Timestamp, max_age: Duration) -> Timestamp {
    seen.saturating_add(max_age).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
