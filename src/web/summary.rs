//! Summary of one customer: its issues, its most utilized resource, its next expiry, and the age of its data.
//!
//! Pure. Values older than their `max_age` are included, because the page shows their age; `/metrics` omits them.

use std::cmp::Ordering;

use elements::types::{Collector, CompactTimestamp, Observation};
use jiff::Timestamp;

use super::issue::{Issue, Issues, Severity};
use super::service_summary::{self, Service};
use super::utilization::Utilization;
use crate::inventory::{Absence, Customer, Inventory, Listing, StatusCounts, TargetStatus, is_expired};

/// One customer.
#[derive(Clone, Debug)]
pub struct CustomerSummary<'a> {
    /// The inventory of its partner.
    pub inventory: &'a Inventory,
    /// The stored state of the customer.
    pub customer: &'a Customer,
    /// Its rows of the service list, grouped by service.
    pub services: Vec<Service<'a>>,
    /// All issues, each with its worst severity.
    pub issues: Issues,
    /// The seats or capacity with the highest ratio of used to purchased.
    pub most_utilized: Option<Utilization<'a>>,
    /// The expiry of the worst issue, otherwise the next one.
    pub expiry: Option<Expiry<'a>>,
    /// When the oldest value was received.
    pub oldest: Option<Timestamp>,
    /// Its targets by status, including its rows of the lists of customers.
    pub targets: StatusCounts,
}

/// When a subscription expires or expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry<'a> {
    /// The expiration date.
    pub at: Timestamp,
    /// The name of the service.
    pub service: &'a str,
    /// The issue about it, if there is one.
    pub issue: Option<(Issue, Severity)>,
}

impl Expiry<'_> {
    /// Sort key, the most urgent first: dates with an issue, then the others; the nearest date first, past or future.
    fn urgency(&self) -> impl Ord + use<> {
        let date = self.at.as_second();
        let is_past = matches!(self.issue, Some((Issue::Expired, _)));
        (
            self.issue.is_none(),
            self.issue.map(|(issue, severity)| (severity, issue)),
            if is_past { -date } else { date },
        )
    }
}

/// Order of customers, the most severe first: by severity and issue, then by date if the issue is about a date, otherwise
/// by utilization. A total order.
#[must_use]
pub fn by_severity(a: &CustomerSummary<'_>, b: &CustomerSummary<'_>) -> Ordering {
    // Customers without an issue, or without a date, come last.
    let rank = |row: &CustomerSummary<'_>| (row.issues.worst().is_none(), row.issues.worst());
    let ratio = |row: &CustomerSummary<'_>| row.most_utilized.map_or(-1.0, Utilization::ratio);
    let by_date = || {
        let urgency = |row: &CustomerSummary<'_>| (row.expiry.is_none(), row.expiry.as_ref().map(Expiry::urgency));
        urgency(a).cmp(&urgency(b))
    };
    let by_ratio = || ratio(b).total_cmp(&ratio(a));
    rank(a)
        .cmp(&rank(b))
        .then_with(|| match rank(a) {
            (_, Some((_, Issue::Expired | Issue::Expiring))) => by_date().then_with(by_ratio),
            _ => by_ratio().then_with(by_date),
        })
        .then_with(|| a.customer.name.cmp(&b.customer.name))
        .then_with(|| (&a.inventory.partner, &a.customer.id).cmp(&(&b.inventory.partner, &b.customer.id)))
}

/// Summarizes one customer.
#[must_use]
pub fn row<'a>(inventory: &'a Inventory, customer: &'a Customer, now: Timestamp) -> CustomerSummary<'a> {
    let mut row = CustomerSummary {
        inventory,
        customer,
        services: service_summary::services(customer, now),
        issues: Issues::default(),
        most_utilized: None,
        expiry: None,
        oldest: inventory.lists().filter_map(|(of, _)| customer.last_success(of)).min(),
        targets: StatusCounts::default(),
    };
    let of_lists = inventory.lists().filter_map(|(of, list)| customer_list_status(inventory, customer, of, list, now));
    of_lists.for_each(|status| row.targets.add(status, 1));
    for (query, known) in &customer.targets {
        row.targets.add(inventory.status(*query, known, now), 1);
        if known.absence == Absence::Confirmed {
            continue;
        }
        let Some((seen, observation)) = &known.observation else { continue };
        let seen = seen.get();
        row.oldest = Some(row.oldest.map_or(seen, |oldest| oldest.min(seen)));
        if let Observation::TenantSeats(tenants) = observation {
            for tenant in tenants.iter() {
                row.issues.merge(&service_summary::tenant_issues(tenant.seats));
            }
        }
    }
    for service in &row.services {
        row.issues.merge(&service.issues());
    }
    row.most_utilized = most_utilized(&row.services);
    row.expiry = expiry(&row.services, now);
    for (status, issue, severity) in [
        (TargetStatus::Stale, Issue::Stale, Severity::Warning),
        (TargetStatus::Failing, Issue::Failing, Severity::Warning),
        (TargetStatus::Pending, Issue::Pending, Severity::Info),
    ] {
        row.issues.insert_some(issue, (row.targets.get(status) > 0).then_some(severity));
    }
    row
}

fn most_utilized<'a>(services: &[Service<'a>]) -> Option<Utilization<'a>> {
    let all = services.iter().flat_map(|service| [service.seats, service.capacity]).flatten();
    all.reduce(|most, next| if next.ratio() > most.ratio() { next } else { most })
}

fn expiry<'a>(services: &[Service<'a>], now: Timestamp) -> Option<Expiry<'a>> {
    let rows = services.iter().flat_map(|service| service.rows.iter().map(move |row| (service, &row.subscription)));
    let dates = rows.filter_map(|(service, row)| {
        let (at, issue) = (row.expires.map(CompactTimestamp::get)?, service.expiry(row));
        (at > now || issue.is_some()).then_some(Expiry { at, service: service.name, issue })
    });
    dates.min_by(|a, b| a.urgency().cmp(&b.urgency()))
}

/// Whether the configured label `alerting="off"` mutes the customer's alerts; only Prometheus knows the other mutes of
/// `settings.rules.yml`.
#[must_use]
pub fn is_muted(customer: &Customer) -> bool {
    customer.labels.iter().any(|(name, value)| name == "alerting" && value == "off")
}

/// The status of the customer's row of a list; `None` in the service list if only the list of customers contains the
/// customer.
#[must_use]
pub fn customer_list_status(
    inventory: &Inventory,
    customer: &Customer,
    collector: Collector,
    list: &Listing,
    now: Timestamp,
) -> Option<TargetStatus> {
    if collector == Collector::Services && customer.is_unlisted() {
        return None;
    }
    Some(match customer.last_success(collector) {
        _ if inventory.not_granted.contains(&collector) => TargetStatus::NotGranted,
        Some(seen) if is_expired(seen, inventory.max_age(collector), now) => TargetStatus::Stale,
        _ if list.failure.is_some() => TargetStatus::Failing,
        None if list.completed.is_some() && collector != Collector::Services => TargetStatus::Absent,
        None => TargetStatus::Pending,
        Some(_) => TargetStatus::Fresh,
    })
}

/// Sort key of the targets on a page: failing ones first.
#[must_use]
pub fn display_order(status: TargetStatus) -> impl Ord {
    match status {
        TargetStatus::Failing => 0,
        TargetStatus::Stale => 1,
        TargetStatus::Pending => 2,
        TargetStatus::Fresh => 3,
        TargetStatus::Absent | TargetStatus::NotGranted => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::tests::samples::{at, bare, day, listed, modelled, seats, subscription};
    use elements::types::{FailureReason, Quantity, Subscription};

    fn licensed(assigned: u32, purchased: impl Into<Quantity>) -> Subscription {
        Subscription {
            licenses_assigned: Some(assigned.into()),
            seats_purchased: Some(purchased.into()),
            ..subscription("Cloud Backup for Microsoft 365")
        }
    }

    fn until(date: i64) -> Subscription {
        Subscription { expires: Some(day(date).into()), ..subscription("Opus") }
    }

    fn issues(subscriptions: Vec<Subscription>) -> Vec<(&'static str, &'static str)> {
        let inventory = listed("main", vec![("a", "A", subscriptions)]);
        row_of(&inventory).issues.iter().map(|(issue, severity)| (issue.as_str(), severity.as_str())).collect()
    }

    fn row_of(inventory: &Inventory) -> CustomerSummary<'_> {
        row(inventory, &inventory.customers[&"a".into()], at(0))
    }

    #[test]
    fn headroom_decides() {
        assert_eq!(issues(vec![licensed(111, 100)]), [("over_assigned", "critical")]);
        assert_eq!(issues(vec![licensed(110, 100)]), [("over_assigned", "warning")]);
        assert_eq!(issues(vec![licensed(20, 20)]), [("exhausted", "warning")]);
        assert_eq!(issues(vec![licensed(98, 100)]), [("low", "warning")]);
        assert_eq!(issues(vec![licensed(18, 20)]), [("low", "warning")]);
        assert!(issues(vec![licensed(17, 20)]).is_empty());
        assert!(issues(vec![licensed(17, 0)]).is_empty(), "nothing was bought, so nothing is over-used");
        assert!(issues(vec![licensed(17, Quantity::UNLIMITED)]).is_empty());
        for model in ["Unlimited Users", "1 GB/user/year"] {
            assert!(issues(vec![modelled(model, licensed(30, 20))]).is_empty(), "{model} is not about seats");
            assert!(issues(vec![modelled(model, subscription("Opus")), licensed(17, 20)]).is_empty());
        }
        assert_eq!(issues(vec![modelled("Unlimited organizations", licensed(30, 20))])[0].0, "over_assigned");
    }

    #[test]
    fn rows_of_one_service_are_added_up() {
        assert!(issues(vec![licensed(167, 5), licensed(167, 242), licensed(167, 242)]).is_empty(), "a renewal");
        let expired = Subscription { expires: Some(day(-1).into()), ..licensed(167, 242) };
        assert_eq!(issues(vec![licensed(167, 5), expired]), [("over_assigned", "critical")], "it no longer counts");
        let inventory = listed("main", vec![("a", "A", vec![licensed(167, 5), licensed(167, 242)])]);
        let row = row_of(&inventory);
        assert_eq!((row.services[0].purchased, row.services[0].assigned), (Some(247.into()), Some(167.into())));
        assert_eq!(row.most_utilized.map(Utilization::headroom), Some(80.0));
    }

    #[test]
    fn dates_matter_when_they_are_near() {
        assert!(issues(vec![until(31)]).is_empty());
        for (days, severity) in [(30, "info"), (15, "info"), (14, "warning"), (4, "warning"), (3, "critical")] {
            assert_eq!(issues(vec![until(days)]), [("expiring", severity)], "{days}");
        }
        for (days, severity) in [(0, "critical"), (-14, "critical"), (-15, "warning"), (-30, "info"), (-900, "info")] {
            assert_eq!(issues(vec![until(days)]), [("expired", severity)], "{days}");
        }
        assert!(issues(vec![until(-3), until(400)]).is_empty(), "renewed");
        assert!(issues(vec![until(-3), subscription("Opus")]).is_empty(), "pay as you go runs on");
        assert_eq!(issues(vec![until(-3), subscription("Fly")]), [("expired", "critical")]);
        assert_eq!(issues(vec![until(-3), until(-90)]), [("expired", "critical")], "the latest counts");
    }

    #[test]
    fn a_renewal_covers_what_it_carries() {
        let row = |date, seats: u32| Subscription { seats_purchased: Some(seats.into()), ..until(date) };
        assert!(issues(vec![row(10, 20), row(300, 20)]).is_empty());
        assert_eq!(issues(vec![row(10, 20), row(300, 19)]), [("expiring", "warning")]);
        assert_eq!(issues(vec![row(2, 20), row(20, 20)]), [("expiring", "info")], "it expires itself within 30 days");
        assert!(issues(vec![until(2), until(300)]).is_empty(), "without seats one row is enough");
        assert_eq!(issues(vec![row(2, 20), subscription("Opus")]), [("expiring", "critical")]);
    }

    #[test]
    fn unused_seats_matter_before_a_renewal() {
        let row = |assigned, date| Subscription { expires: Some(day(date).into()), ..licensed(assigned, 20) };
        assert_eq!(issues(vec![row(13, 45)]), [("unused", "info")]);
        assert!(issues(vec![row(13, 46)]).is_empty());
        assert!(issues(vec![row(14, 45)]).is_empty(), "0.7 are used");
        assert!(issues(vec![row(0, 45)]).is_empty(), "not in use at all");
        let contract = Subscription { contract_ends: Some(day(45).into()), ..row(13, 400) };
        assert_eq!(issues(vec![contract]), [("contract_ending", "info"), ("unused", "info")]);
    }

    #[test]
    fn contracts_end() {
        let contract = |date| vec![Subscription { contract_ends: Some(day(date).into()), ..subscription("Opus") }];
        assert!(issues(contract(61)).is_empty() && issues(contract(-30)).is_empty());
        assert_eq!(issues(contract(60)), [("contract_ending", "info")]);
        assert_eq!(issues(contract(-29)), [("contract_ending", "info")]);
    }

    #[test]
    fn the_date_of_the_worst_is_shown_else_the_next() {
        let date = |subscriptions| {
            let inventory = listed("main", vec![("a", "A", subscriptions)]);
            row_of(&inventory).expiry.map(|expiry| expiry.at)
        };
        assert_eq!(date(vec![until(400), until(40)]), Some(day(40)));
        assert_eq!(date(vec![until(-100), until(40)]), Some(day(40)), "renewed");
        assert_eq!(date(vec![until(-3)]), Some(day(-3)));
        assert_eq!(date(vec![until(-100)]), Some(day(-100)), "however long ago");
        let fly = |date: i64| Subscription { expires: Some(day(date).into()), ..subscription("Fly") };
        assert_eq!(date(vec![until(-100), fly(2)]), Some(day(2)), "critical");
        assert_eq!(date(vec![until(-100), fly(-2)]), Some(day(-2)));
        assert_eq!(date(vec![]), None);
    }

    #[test]
    fn capacity_is_that_of_the_seats_or_the_purchased_one() {
        let used = |used: u32| Subscription {
            capacity_used: Some(used.into()),
            capacity_purchased: Some(100.into()),
            ..subscription("Opus")
        };
        assert_eq!(issues(vec![used(100)]), [("capacity_low", "critical")]);
        assert_eq!(issues(vec![used(90)]), [("capacity_low", "warning")]);
        assert!(issues(vec![used(89)]).is_empty());
        assert!(issues(vec![used(100), used(20)]).is_empty(), "rows of a service are added up");
        let protected = Subscription { capacity_protected: Some(10.into()), ..used(100) };
        assert!(issues(vec![protected]).is_empty(), "what is protected counts");
        let gb = |number: f64| Quantity::new(number * f64::from(1 << 30));
        let per_seat = |protected| Subscription { capacity_protected: gb(protected), ..licensed(30, 20) };
        assert_eq!(issues(vec![modelled("1 GB/User/Year", per_seat(19.0))]), [("capacity_low", "warning")]);
        assert!(issues(vec![modelled("1 GB/User/Year", per_seat(17.0))]).is_empty());
    }

    #[test]
    fn nothing_available_is_information_about_a_tenant() {
        let mut inventory = listed("main", vec![("a", "A", vec![licensed(10, 20)])]);
        let issues = |inventory: &Inventory| row_of(inventory).issues.by_severity();
        seats(&mut inventory, "a", 14, 0);
        assert_eq!(issues(&inventory), [(Issue::TenantExhausted, Severity::Info)]);
        seats(&mut inventory, "a", 9, 1);
        assert_eq!(issues(&inventory), [(Issue::TenantLow, Severity::Info)]);
        seats(&mut inventory, "a", 0, 0);
        assert!(issues(&inventory).is_empty());
    }

    #[test]
    fn the_worst_comes_first() {
        let customers = [
            ("fine", vec![until(300)]),
            ("unknown", vec![]),
            ("expires_in_20_days", vec![until(20)]),
            ("expires_in_5_days", vec![until(5)]),
            ("expires_tomorrow", vec![until(1)]),
            ("busy", vec![licensed(80, 100)]),
            ("over", vec![licensed(30, 20)]),
            ("slightly_over", vec![licensed(21, 20)]),
            ("none_left", vec![licensed(20, 20)]),
            ("low", vec![licensed(95, 100)]),
            ("expired", vec![until(-2)]),
            ("expired_long_ago", vec![until(-90)]),
            ("tenant", vec![]),
        ];
        let mut inventory = listed("main", customers.into_iter().map(|(id, rows)| (id, id, rows)).collect());
        seats(&mut inventory, "tenant", 14, 0);
        let mut rows: Vec<_> = inventory.customers.values().map(|customer| row(&inventory, customer, at(1))).collect();
        rows.sort_by(by_severity);
        let order: Vec<_> = rows.iter().map(|row| row.customer.id.as_str()).collect();
        let critical = ["over", "expired", "expires_tomorrow"];
        let warning = ["slightly_over", "none_left", "expires_in_5_days", "low"];
        let rest = ["expired_long_ago", "expires_in_20_days", "tenant", "busy", "fine", "unknown"];
        assert_eq!(order, [&critical[..], &warning, &rest].concat());
    }

    #[test]
    fn freshness_is_that_of_the_oldest() {
        let mut inventory = listed("main", vec![("a", "A", vec![])]);
        seats(&mut inventory, "a", 1, 9);
        inventory.upsert_listed(
            elements::types::ListedCustomer { id: "a".into(), name: None, subscriptions: Some(vec![]) },
            at(100),
        );
        assert_eq!(row_of(&inventory).oldest, Some(at(0)));
        let stale = row(&inventory, &inventory.customers[&"a".into()], at(3_650));
        assert_eq!(stale.targets.get(TargetStatus::Stale), 1);
        assert!(stale.issues.contains(Issue::Stale));
        inventory.listing.record_failure(FailureReason::Timeout, at(101));
        assert_eq!(row_of(&inventory).targets.get(TargetStatus::Failing), 1);
    }

    #[test]
    fn a_customer_of_the_configuration_waits_for_its_row() {
        let mut inventory = bare("main");
        inventory.upsert_listed(
            elements::types::ListedCustomer { id: "a".into(), name: None, subscriptions: Some(vec![]) },
            at(0),
        );
        let mut customer = Customer::clone(&inventory.customers[&"a".into()]);
        customer.services = None;
        let pending = |inventory: &Inventory| row(inventory, &customer, at(1)).targets.get(TargetStatus::Pending);
        assert_eq!(pending(&inventory), 1);
        inventory.listing.wanted = false;
        assert_eq!(pending(&inventory), 0);
    }
}
