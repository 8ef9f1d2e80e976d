//! A customer prepared for rendering: its labels as text, and its current values.

use std::cmp::Ordering;

use elements::types::{Collector, ListedFacts, Observation, Profile, Query};
use exposition::syntax;
use exposition::{Family, FamilyWriter};
use jiff::Timestamp;

use super::RenderSettings;
use crate::inventory::{Customer, Inventory, KnownSubscription, expiry};

/// Render context: the inputs of a customer's lines besides the customer.
#[derive(Clone, Copy)]
pub(super) struct RenderContext<'a> {
    /// The partner's inventory; the customers in it are not used.
    pub(super) inventory: &'a Inventory,
    pub(super) settings: RenderSettings,
    pub(super) now: Timestamp,
}

/// One customer of one partner.
pub(super) struct CustomerView<'a> {
    pub(super) context: RenderContext<'a>,
    pub(super) customer: &'a Customer,
    /// The labels `partner` and `customer_id`, which come first on every series of the customer.
    identity: String,
    /// The configured labels with a leading comma; they come last on every series of the customer.
    labels: String,
    /// The same, followed by the name if that is configured.
    labels_and_name: String,
    /// The current results, distinct and sorted by query.
    pub(super) observations: Vec<(Query, &'a Observation)>,
    /// The current rows of the lists besides the service list.
    pub(super) rows: Vec<&'a ListedFacts>,
    /// The subscriptions, distinct and sorted by id; empty if they are not current.
    pub(super) subscriptions: Vec<&'a KnownSubscription>,
    /// When the next of these values reaches its `max_age`.
    pub(super) next_expiry: Option<Timestamp>,
}

impl<'a> CustomerView<'a> {
    pub(super) fn new(context: RenderContext<'a>, customer: &'a Customer) -> Self {
        let RenderContext { inventory: Inventory { partner, collectors, .. }, settings, now } = context;
        let mut identity = String::new();
        syntax::write_label(&mut identity, "partner", partner.as_str());
        syntax::write_label(&mut identity, "customer_id", customer.id.as_str());
        let mut labels = String::new();
        for (name, value) in &*customer.labels {
            labels.push(',');
            syntax::write_pair(&mut labels, name, value);
        }
        let mut labels_and_name = labels.clone();
        if settings.customer_name_label {
            labels_and_name.push(',');
            syntax::write_pair(&mut labels_and_name, "customer_name", &customer.name);
        }

        let mut next_expiry: Option<Timestamp> = None;
        let mut expires = |seen, collector| {
            let expiry = expiry(seen, collectors.schedule(collector).max_age);
            next_expiry = Some(next_expiry.map_or(expiry, |next| next.min(expiry)));
        };
        let mut observations = Vec::with_capacity(customer.targets.len());
        for (query, known) in distinct(&customer.targets, |(a, _), (b, _)| a.cmp(b)) {
            let collector = query.collector();
            let schedule = collectors.schedule(collector);
            if let Some((seen, observation)) = known.current(now, schedule.max_age).filter(|_| schedule.enabled) {
                expires(seen, collector);
                observations.push((*query, observation));
            }
        }
        let mut subscriptions = Vec::new();
        let schedule = collectors.services;
        if let Some(services) = customer.services.as_ref().filter(|_| schedule.enabled)
            && expiry(services.seen, schedule.max_age) > now
        {
            expires(services.seen, Collector::Services);
            subscriptions = distinct(&services.subscriptions, |a, b| a.id.cmp(&b.id));
        }
        let mut rows = Vec::new();
        for known in customer.rows.iter() {
            let collector = known.facts.collector();
            let schedule = collectors.schedule(collector);
            if schedule.enabled && expiry(known.seen, schedule.max_age) > now {
                expires(known.seen, collector);
                rows.push(&known.facts);
            }
        }
        Self { context, customer, identity, labels, labels_and_name, observations, rows, subscriptions, next_expiry }
    }

    /// The row of the list of customers.
    pub(super) fn profile(&self) -> Option<&'a Profile> {
        self.rows.iter().find_map(|facts| facts.profile())
    }

    /// Adds a series of the customer, if it has a value. `labels` contains the labels after the customer's id.
    pub(super) fn push(&self, lines: &mut FamilyWriter, labels: &str, value: Option<f64>) {
        let comma = if labels.is_empty() { "" } else { "," };
        lines.push([&self.identity, comma, labels, self.extra_labels(lines.family())], value);
    }

    /// The labels after those of the family.
    fn extra_labels(&self, family: &Family) -> &str {
        if family.labels.contains(&"customer_name") { &self.labels } else { &self.labels_and_name }
    }
}

/// The sorted rows without duplicates; the first of equal rows is kept. The inventory guarantees distinct rows; this
/// check exists because one duplicate series makes Prometheus reject the whole scrape.
fn distinct<T>(rows: &[T], order: impl Fn(&T, &T) -> Ordering) -> Vec<&T> {
    let mut rows: Vec<_> = rows.iter().collect();
    rows.sort_by(|a, b| order(a, b));
    rows.dedup_by(|a, b| order(a, b) == Ordering::Equal);
    rows
}
