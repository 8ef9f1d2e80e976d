//! A line per customer: what runs out first, when, and how fresh that knowledge is. Sorted by it.
//!
//! Pure: a customer in, its row out. Values that are older than their `max_age` are used all the same, since the page
//! says how old they are and a blank would say less; `/metrics` leaves them out. Thresholds are those of the alerts.

use std::cmp::{Ordering, Reverse};
use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use super::finding::{Finding, Findings};
use super::usage::{Usage, What, exhausted};
use crate::domain::{Answer, Collector, Moment, Question, Seats, Subscription, TenantType};
use crate::inventory::{Absence, Condition, Customer, Inventory, is_older};

/// In use, of what there is, from which on it is low.
pub const LOW: f64 = 0.90;
/// Days before its expiration from which on a subscription is expiring.
pub const EXPIRING_DAYS: i64 = 30;
/// Days after its expiration in which a subscription is shown as expired; after that, it is history.
pub const EXPIRED_DAYS: i64 = 30;

/// One customer.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// Of its partner.
    pub inventory: &'a Inventory,
    /// Everything known of it.
    pub customer: &'a Customer,
    /// What is notable.
    pub findings: Findings,
    /// Of everything that can run out, what is used most.
    pub tightest: Option<Usage<'a>>,
    /// The first expiration that matters: one that has just passed, or else the next.
    pub expiry: Option<Expiry<'a>>,
    /// When the oldest value was seen.
    pub oldest: Option<Timestamp>,
    /// Its targets, its row of the service list among them.
    pub targets: Tally,
}

/// When a subscription expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry<'a> {
    /// The date.
    pub at: Timestamp,
    /// Whose.
    pub service: &'a str,
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

/// What runs out first comes first. No two customers are equal.
#[must_use]
pub fn by_urgency(a: &Row<'_>, b: &Row<'_>) -> Ordering {
    let rank = |row: &Row<'_>| row.findings.worst().map_or(u8::MAX, |finding| finding as u8);
    let ratio = |row: &Row<'_>| row.tightest.map_or(-1.0, Usage::ratio);
    // What has no date comes last.
    let date = |row: &Row<'_>| row.expiry.map_or(Timestamp::MAX, |expiry| expiry.at);
    let by_date = || date(a).cmp(&date(b));
    let by_ratio = || ratio(b).total_cmp(&ratio(a));
    rank(a)
        .cmp(&rank(b))
        .then_with(|| match a.findings.worst() {
            Some(Finding::Expired | Finding::Expiring) => by_date().then_with(by_ratio),
            _ => by_ratio().then_with(by_date),
        })
        .then_with(|| a.customer.name.cmp(&b.customer.name))
        .then_with(|| (&a.inventory.partner, &a.customer.id).cmp(&(&b.inventory.partner, &b.customer.id)))
}

/// The row of one customer.
#[must_use]
pub fn row<'a>(inventory: &'a Inventory, customer: &'a Customer, now: Timestamp) -> Row<'a> {
    let mut row = Row {
        inventory,
        customer,
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
        let seen = seen.get();
        row.oldest = Some(row.oldest.map_or(seen, |oldest| oldest.min(seen)));
        match (question, answer) {
            (_, Answer::TenantSeats(tenants)) => {
                for tenant in tenants.iter() {
                    row.observe_seats(tenant.seats, What::Tenant(tenant_name(&tenant.name, tenant.id.as_str())));
                }
            }
            (Question::CustomerSeats(tenant_type), Answer::CustomerSeats(seats))
                if !has_tenants(customer, *tenant_type) =>
            {
                row.observe_seats(*seats, What::TenantType(*tenant_type));
            }
            _ => {}
        }
    }
    if let Some(services) = &customer.services {
        let running = running_services(customer, now);
        for known in services.subscriptions.iter() {
            row.observe_subscription(&known.subscription, &running, now);
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

impl<'a> Row<'a> {
    fn observe_seats(&mut self, seats: Seats, what: What<'a>) {
        let is_exhausted = exhausted(seats);
        self.findings.insert_if(is_exhausted, Finding::Exhausted);
        if let Some(usage) = Usage::of_seats(what, seats) {
            self.observe_usage(usage, is_exhausted);
        }
    }

    fn observe_subscription(&mut self, subscription: &'a Subscription, running: &HashSet<&str>, now: Timestamp) {
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
        let Some(at) = subscription.expires.map(Moment::get) else { return };
        if let Some(finding) = expiry_finding(running, subscription, now) {
            self.findings.insert(finding);
        } else if at <= now {
            return;
        }
        if self.expiry.is_none_or(|expiry| at < expiry.at) {
            self.expiry = Some(Expiry { at, service: &subscription.kind.service });
        }
    }

    fn observe_usage(&mut self, usage: Usage<'a>, is_worse_than_low: bool) {
        self.findings.insert_if(!is_worse_than_low && usage.ratio() >= LOW, Finding::Low);
        if self.tightest.is_none_or(|tightest| usage.ratio() > tightest.ratio()) {
            self.tightest = Some(usage);
        }
    }
}

/// The services of a customer of which a row runs on: one that expires later, or one without a date.
#[must_use]
pub(super) fn running_services(customer: &Customer, now: Timestamp) -> HashSet<&str> {
    let rows = customer.services.iter().flat_map(|services| services.subscriptions.iter());
    let rows = rows.map(|known| &known.subscription);
    rows.filter(|row| row.expires.is_none_or(|expires| expires.get() > now)).map(|row| &*row.kind.service).collect()
}

/// Whether a subscription is expiring or expired; `None` too if it expired long ago, or another one of the same service is
/// among the customer's [`running_services`].
#[must_use]
pub(super) fn expiry_finding(running: &HashSet<&str>, subscription: &Subscription, now: Timestamp) -> Option<Finding> {
    let left = subscription.expires?.get().duration_since(now);
    if left > SignedDuration::ZERO {
        return (left <= days(EXPIRING_DAYS)).then_some(Finding::Expiring);
    }
    (left > -days(EXPIRED_DAYS) && !running.contains(&*subscription.kind.service)).then_some(Finding::Expired)
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
pub fn tenant_name<'a>(name: &'a str, id: &'a str) -> &'a str {
    if name.is_empty() { id } else { name }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{FailureReason, Quantity};
    use crate::web::tests::samples::{at, bare, day, listed, seats, subscription};

    fn licensed(assigned: u32, purchased: Quantity) -> Subscription {
        Subscription {
            licenses_assigned: Some(assigned.into()),
            seats_purchased: Some(purchased),
            ..subscription("Cloud Backup for Microsoft 365")
        }
    }

    fn until(date: i64) -> Subscription {
        Subscription { expires: Some(day(date).into()), ..subscription("Opus") }
    }

    fn findings(subscriptions: Vec<Subscription>) -> Vec<&'static str> {
        let inventory = listed("main", vec![("a", "A", subscriptions)]);
        row_of(&inventory).findings.iter().map(Finding::as_str).collect()
    }

    fn row_of(inventory: &Inventory) -> Row<'_> {
        row(inventory, &inventory.customers[&"a".into()], at(1))
    }

    #[test]
    fn seats_are_over_assigned_low_or_enough() {
        assert_eq!(findings(vec![licensed(21, 20.into())]), ["over_assigned"]);
        assert_eq!(findings(vec![licensed(20, 20.into())]), ["low"]);
        assert_eq!(findings(vec![licensed(18, 20.into())]), ["low"]);
        assert!(findings(vec![licensed(17, 20.into())]).is_empty());
        assert!(findings(vec![licensed(17, 0.into())]).is_empty(), "nothing was bought, so nothing is over-used");
        assert!(findings(vec![licensed(17, Quantity::UNLIMITED)]).is_empty());
    }

    #[test]
    fn dates_matter_when_they_are_near() {
        assert!(findings(vec![until(31)]).is_empty());
        assert_eq!(findings(vec![until(30)]), ["expiring"]);
        assert_eq!(findings(vec![until(-3)]), ["expired"]);
        assert!(findings(vec![until(-31)]).is_empty(), "history");
        assert!(findings(vec![until(-3), until(400)]).is_empty(), "renewed");
        assert!(findings(vec![until(-3), subscription("Opus")]).is_empty(), "pay as you go runs on");
        assert_eq!(findings(vec![until(-3), subscription("Fly")]), ["expired"]);
    }

    #[test]
    fn the_next_date_is_shown_until_one_passes() {
        let date = |subscriptions| {
            let inventory = listed("main", vec![("a", "A", subscriptions)]);
            row_of(&inventory).expiry.map(|expiry| expiry.at)
        };
        assert_eq!(date(vec![until(400), until(40)]), Some(day(40)));
        assert_eq!(date(vec![until(-100), until(40)]), Some(day(40)));
        assert_eq!(date(vec![until(-3)]), Some(day(-3)));
        assert_eq!(date(vec![until(-100)]), None);
        assert_eq!(date(vec![]), None);
    }

    #[test]
    fn a_full_capacity_is_exhausted() {
        let used = |used: u32| Subscription {
            capacity_used: Some(used.into()),
            capacity_purchased: Some(100.into()),
            ..subscription("Opus")
        };
        assert_eq!(findings(vec![used(100)]), ["exhausted"]);
        assert_eq!(findings(vec![used(90)]), ["low"]);
        assert!(findings(vec![used(89)]).is_empty());
    }

    #[test]
    fn what_runs_out_first_comes_first() {
        let customers = [
            ("fine", vec![until(300)]),
            ("unknown", vec![]),
            ("expires_later", vec![until(20)]),
            ("busy", vec![licensed(80, 100.into())]),
            ("over", vec![licensed(30, 20.into())]),
            ("expires_soon", vec![until(5)]),
            ("low", vec![licensed(95, 100.into())]),
            ("expired", vec![until(-2)]),
            ("exhausted", vec![]),
        ];
        let mut inventory = listed("main", customers.into_iter().map(|(id, rows)| (id, id, rows)).collect());
        seats(&mut inventory, "exhausted", 14, 0);
        let mut rows: Vec<_> = inventory.customers.values().map(|customer| row(&inventory, customer, at(1))).collect();
        rows.sort_by(by_urgency);
        let order: Vec<_> = rows.iter().map(|row| row.customer.id.as_str()).collect();
        let expected =
            ["exhausted", "over", "expired", "expires_soon", "expires_later", "low", "busy", "fine", "unknown"];
        assert_eq!(order, expected);
    }

    #[test]
    fn freshness_is_that_of_the_oldest() {
        let mut inventory = listed("main", vec![("a", "A", vec![])]);
        seats(&mut inventory, "a", 1, 9);
        inventory.observe(
            crate::domain::ListedCustomer { id: "a".into(), name: None, subscriptions: Some(vec![]) },
            at(100),
        );
        assert_eq!(row_of(&inventory).oldest, Some(at(0)));
        let stale = row(&inventory, &inventory.customers[&"a".into()], at(3_650));
        assert_eq!(stale.targets.get(Condition::Stale), 1);
        assert!(stale.findings.contains(Finding::Stale));
        inventory.fail_listing(FailureReason::Timeout, at(101));
        assert_eq!(row_of(&inventory).targets.get(Condition::Failing), 1);
    }

    #[test]
    fn a_customer_of_the_configuration_waits_for_its_row() {
        let mut inventory = bare("main");
        inventory
            .observe(crate::domain::ListedCustomer { id: "a".into(), name: None, subscriptions: Some(vec![]) }, at(0));
        let mut customer = Customer::clone(&inventory.customers[&"a".into()]);
        customer.services = None;
        assert_eq!(services_condition(&inventory, &customer, at(1)), Some(Condition::Pending));
        inventory.listing.wanted = false;
        assert_eq!(services_condition(&inventory, &customer, at(1)), None);
    }
}
