//! A customer as the families need it: its labels written once, and what of it is current.

use std::cmp::Ordering;

use jiff::{SignedDuration, Timestamp};

use super::syntax;
use crate::catalog::Family;
use crate::domain::{Answer, Collector, Question};
use crate::inventory::{Customer, Inventory, KnownSubscription, expiry};

/// What the lines of a customer depend on beside the customer.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// Of its partner; who the customers are is not read from it.
    pub(super) inventory: &'a Inventory,
    /// Whether every series of a customer carries its name.
    pub(super) with_name: bool,
    pub(super) now: Timestamp,
    /// What is added to the times at which something was seen.
    pub(super) correction: SignedDuration,
}

/// One customer of one partner.
pub(super) struct Subject<'a> {
    pub(super) context: Context<'a>,
    pub(super) customer: &'a Customer,
    /// The labels `partner` and `customer_id`, first on every series of the customer.
    pub(super) identity: String,
    /// What comes last on every series of the customer, with its comma: the configured labels, ...
    labels: String,
    /// ... and, where it is asked for, the same with the name after them.
    labels_and_name: String,
    /// The answers that are current, distinct by question and in its order.
    pub(super) answers: Vec<(Question, &'a Answer)>,
    /// The subscriptions, distinct by id and in its order; none if they are not current.
    pub(super) subscriptions: Vec<&'a KnownSubscription>,
    /// When the next of these stops being current.
    pub(super) next_expiry: Option<Timestamp>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(context: Context<'a>, customer: &'a Customer) -> Self {
        let Context { inventory: Inventory { partner, collectors, .. }, with_name, now, .. } = context;
        let mut identity = String::new();
        syntax::write_label(&mut identity, "partner", partner.as_str());
        syntax::write_label(&mut identity, "customer_id", customer.id.as_str());
        let mut labels = String::new();
        for (name, value) in &*customer.labels {
            labels.push(',');
            syntax::write_pair(&mut labels, name, value);
        }
        let mut labels_and_name = labels.clone();
        if with_name {
            labels_and_name.push(',');
            syntax::write_pair(&mut labels_and_name, "customer_name", &customer.name);
        }

        let mut next_expiry: Option<Timestamp> = None;
        let mut expires = |seen, collector| {
            let expiry = expiry(seen, collectors.schedule(collector).max_age);
            next_expiry = Some(next_expiry.map_or(expiry, |next| next.min(expiry)));
        };
        let mut answers = Vec::with_capacity(customer.targets.len());
        for (question, known) in distinct(&customer.targets, |(a, _), (b, _)| a.cmp(b)) {
            let collector = question.collector();
            let schedule = collectors.schedule(collector);
            if let Some((seen, answer)) = known.current(now, schedule.max_age).filter(|_| schedule.enabled) {
                expires(seen, collector);
                answers.push((*question, answer));
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
        Self { context, customer, identity, labels, labels_and_name, answers, subscriptions, next_expiry }
    }

    /// The labels after those of the family.
    pub(super) fn extra_labels(&self, family: &Family) -> &str {
        if family.labels.contains(&"customer_name") { &self.labels } else { &self.labels_and_name }
    }
}

/// The rows in order, the first of those that are equal in it. That they are distinct is promised where they come from;
/// it is made sure here, since one duplicate series makes Prometheus drop the whole scrape.
fn distinct<T>(rows: &[T], order: impl Fn(&T, &T) -> Ordering) -> Vec<&T> {
    let mut rows: Vec<_> = rows.iter().collect();
    rows.sort_by(|a, b| order(a, b));
    rows.dedup_by(|a, b| order(a, b) == Ordering::Equal);
    rows
}
