//! A line per customer: what runs out first, when, and how fresh that knowledge is. Sorted by it.
//!
//! Pure: inventories in, rows out. Values that are older than their `max_age` are used all the same, since the page
//! says how old they are and a blank would say less; `/metrics` leaves them out. Thresholds are those of the alerts.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::finding::{Finding, Findings};
use super::usage::{Usage, What, exhausted};
use crate::domain::{Answer, Collector, PartnerName, Question, Seats, Subscription, TenantType};
use crate::inventory::{Absence, Condition, Customer, Inventory, is_older};

/// In use, of what there is, from which on it is low.
pub const LOW: f64 = 0.90;
/// Days before its expiration from which on a subscription is expiring.
pub const EXPIRING_DAYS: i64 = 30;
/// Days after its expiration in which a subscription is shown as expired; after that, it is history.
pub const EXPIRED_DAYS: i64 = 30;

/// One customer.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its partner.
    pub partner: PartnerName,
    /// Everything known of it.
    pub customer: Arc<Customer>,
    /// What is notable.
    pub findings: Findings,
    /// Of everything that can run out, what is used most.
    pub tightest: Option<Usage>,
    /// The first expiration that matters: one that has just passed, or else the next.
    pub expiry: Option<Expiry>,
    /// When the oldest value was seen.
    pub oldest: Option<Timestamp>,
    /// Its targets, its row of the service list among them.
    pub targets: Tally,
}

/// When a subscription expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The date.
    pub at: Timestamp,
    /// Whose.
    pub service: Arc<str>,
}

/// Targets by condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally([u64; Condition::ALL.len()]);

impl Tally {
    /// Adds targets.
    pub fn add(&mut self, condition: Condition, count: u64) {
        if let Some(counted) = self.0.get_mut(condition as usize) {
            *counted += count;
        }
    }

    /// Those in a condition.
    #[must_use]
    pub fn get(&self, condition: Condition) -> u64 {
        self.0.get(condition as usize).copied().unwrap_or(0)
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// In the order of [`Condition::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Condition, u64)> {
        Condition::ALL.into_iter().map(|condition| (condition, self.get(condition)))
    }
}

/// A row per customer, what runs out first at the top.
#[must_use]
pub fn rows(inventories: &[Inventory], now: Timestamp) -> Vec<Row> {
    let customers = inventories
        .iter()
        .flat_map(|inventory| inventory.customers.values().map(move |customer| row(inventory, customer, now)));
    let mut rows: Vec<_> = customers.collect();
    rows.sort_by(by_urgency);
    rows
}

fn by_urgency(a: &Row, b: &Row) -> Ordering {
    let rank = |row: &Row| row.findings.worst().map_or(u8::MAX, |finding| finding as u8);
    let ratio = |row: &Row| row.tightest.as_ref().map_or(-1.0, Usage::ratio);
    // What has no date comes last.
    let date = |row: &Row| row.expiry.as_ref().map_or(Timestamp::MAX, |expiry| expiry.at);
    let by_date = || date(a).cmp(&date(b));
    let by_ratio = || ratio(b).total_cmp(&ratio(a));
    rank(a)
        .cmp(&rank(b))
        .then_with(|| match a.findings.worst() {
            Some(Finding::Expired | Finding::Expiring) => by_date().then_with(by_ratio),
            _ => by_ratio().then_with(by_date),
        })
        .then_with(|| a.customer.name.cmp(&b.customer.name))
        .then_with(|| (&a.partner, &a.customer.id).cmp(&(&b.partner, &b.customer.id)))
}

/// The row of one customer.
#[must_use]
pub fn row(inventory: &Inventory, customer: &Arc<Customer>, now: Timestamp) -> Row {
    let mut row = Row {
        partner: inventory.partner.clone(),
        customer: Arc::clone(customer),
        findings: Findings::default(),
        tightest: None,
        expiry: None,
        oldest: None,
        targets: Tally::default(),
    };
    if let Some(condition) = services_condition(inventory, customer, now) {
        row.targets.add(condition, 1);
    }
    row.oldest = customer.services.as_ref().map(|services| services.seen);
    for (question, known) in &customer.targets {
        row.targets.add(known.condition(now, inventory.max_age(question.collector())), 1);
        if known.absence == Absence::Confirmed {
            continue;
        }
        let Some((seen, answer)) = &known.answer else { continue };
        row.oldest = Some(row.oldest.map_or(*seen, |oldest| oldest.min(*seen)));
        match (question, answer) {
            (_, Answer::TenantSeats(tenants)) => {
                for tenant in tenants.iter() {
                    row.observe_seats(tenant.seats, || What::Tenant(tenant_name(&tenant.name, tenant.id.as_str())));
                }
            }
            (Question::CustomerSeats(tenant_type), Answer::CustomerSeats(seats))
                if !has_tenants(customer, *tenant_type) =>
            {
                row.observe_seats(*seats, || What::TenantType(*tenant_type));
            }
            _ => {}
        }
    }
    if let Some(services) = &customer.services {
        for known in services.subscriptions.iter() {
            row.observe_subscription(&known.subscription, now);
        }
    }
    for (condition, finding) in [
        (Condition::Stale, Finding::Stale),
        (Condition::Failing, Finding::Failing),
        (Condition::Pending, Finding::Pending),
    ] {
        row.findings.insert_if(row.targets.get(condition) > 0, finding);
    }
    row
}

impl Row {
    fn observe_seats(&mut self, seats: Seats, what: impl FnOnce() -> What) {
        let is_exhausted = exhausted(seats);
        self.findings.insert_if(is_exhausted, Finding::Exhausted);
        if let Some(usage) = Usage::of_seats(what(), seats) {
            self.observe_usage(usage, is_exhausted);
        }
    }

    fn observe_subscription(&mut self, subscription: &Subscription, now: Timestamp) {
        if let Some(usage) = Usage::of_subscription_seats(subscription) {
            let over = usage.used > usage.total;
            self.findings.insert_if(over, Finding::OverAssigned);
            self.observe_usage(usage, over);
        }
        if let Some(usage) = Usage::of_capacity(subscription) {
            let full = usage.used >= usage.total;
            self.findings.insert_if(full, Finding::Exhausted);
            self.observe_usage(usage, full);
        }
        let Some(at) = subscription.expires else { return };
        if let Some(finding) = expiry_finding(&self.customer, subscription, now) {
            self.findings.insert(finding);
        } else if at <= now {
            return;
        }
        if self.expiry.as_ref().is_none_or(|expiry| at < expiry.at) {
            self.expiry = Some(Expiry { at, service: Arc::clone(&subscription.kind.service) });
        }
    }

    fn observe_usage(&mut self, usage: Usage, is_worse_than_low: bool) {
        self.findings.insert_if(!is_worse_than_low && usage.ratio() >= LOW, Finding::Low);
        if self.tightest.as_ref().is_none_or(|tightest| usage.ratio() > tightest.ratio()) {
            self.tightest = Some(usage);
        }
    }
}

/// Whether a subscription of this customer is expiring or expired; `None` too if it expired long ago, or another one of
/// the same service runs on.
#[must_use]
pub fn expiry_finding(customer: &Customer, subscription: &Subscription, now: Timestamp) -> Option<Finding> {
    let left = subscription.expires?.duration_since(now);
    if left > SignedDuration::ZERO {
        return (left <= days(EXPIRING_DAYS)).then_some(Finding::Expiring);
    }
    let runs_on = || {
        let mut others = customer.services.iter().flat_map(|services| services.subscriptions.iter());
        others.any(|other| {
            other.subscription.kind.service == subscription.kind.service
                && other.subscription.expires.is_some_and(|expires| expires > now)
        })
    };
    (left > -days(EXPIRED_DAYS) && !runs_on()).then_some(Finding::Expired)
}

const fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

/// The condition of the customer's row of the service list; `None` if the partner does not list.
#[must_use]
pub fn services_condition(inventory: &Inventory, customer: &Customer, now: Timestamp) -> Option<Condition> {
    let listing = &inventory.listing;
    let condition = match &customer.services {
        Some(services) if is_older(services.seen, inventory.max_age(Collector::Services), now) => Condition::Stale,
        _ if listing.failure.is_some() => Condition::Failing,
        None => Condition::Pending,
        Some(_) => Condition::Fresh,
    };
    listing.wanted.then_some(condition)
}

/// Whether the single tenants of a type are known, so that their sum tells nothing more.
#[must_use]
pub fn has_tenants(customer: &Customer, tenant_type: TenantType) -> bool {
    customer.targets.iter().any(|(question, known)| {
        *question == Question::TenantSeats(tenant_type)
            && matches!(&known.answer, Some((_, Answer::TenantSeats(tenants))) if !tenants.is_empty())
    })
}

/// What a tenant is called: its name, or its id while it has none.
#[must_use]
pub fn tenant_name(name: &Arc<str>, id: &str) -> Arc<str> {
    if name.is_empty() { id.into() } else { Arc::clone(name) }
}

/// How many of the rows have each finding, and how many have none.
#[must_use]
pub fn count_findings<'a>(rows: impl Iterator<Item = &'a Row>) -> (Vec<(Finding, usize)>, usize) {
    let mut counts = Finding::ALL.map(|finding| (finding, 0));
    let mut without = 0;
    for row in rows {
        without += usize::from(row.findings.is_empty());
        for (finding, count) in &mut counts {
            *count += usize::from(row.findings.contains(*finding));
        }
    }
    (counts.into(), without)
}

/// The order of the targets on a page: what needs attention first.
#[must_use]
pub fn attention(condition: Condition) -> impl Ord {
    let urgency = match condition {
        Condition::Failing => 4,
        Condition::Stale => 3,
        Condition::Pending => 2,
        Condition::Fresh => 1,
        Condition::Absent => 0,
    };
    Reverse(urgency)
}
