//! Aggregates the rows of a customer's service list by service: seats, capacity, dates and issues.
//!
//! Pure. The recording rules and alerts of `deploy/prometheus` compute the same as queries; `tests::rules` compares both
//! over generated customers.

use elements::types::{CompactTimestamp, Quantity, Seats, Subscription};
use jiff::{SignedDuration, Timestamp};

use super::issue::{Issue, Issues, Severity};
use super::thresholds::{
    CAPACITY_FULL, CAPACITY_LOW, CONTRACT_DAYS, CONTRACT_ENDED_DAYS, EXPIRED_CRITICAL_DAYS, EXPIRED_WARNING_DAYS,
    EXPIRING_CRITICAL_DAYS, EXPIRING_INFO_DAYS, EXPIRING_WARNING_DAYS, SEATS_LOW, SEATS_OVER, SEATS_UNUSED,
    SEATS_UNUSED_DAYS, SEATS_UNUSED_MIN, TENANT_SEATS_LOW,
};
use super::utilization::{Resource, Utilization, tenant_ratio};
use crate::inventory::{Customer, KnownSubscription};

/// Days before the expiry, the narrowest band first.
const EXPIRING: [(Severity, i64); 3] = [
    (Severity::Critical, EXPIRING_CRITICAL_DAYS),
    (Severity::Warning, EXPIRING_WARNING_DAYS),
    (Severity::Info, EXPIRING_INFO_DAYS),
];

/// The rows of one service of one customer, taken together.
#[derive(Clone, Debug)]
pub struct Service<'a> {
    /// The label `service_name`.
    pub name: &'a str,
    /// Sorted by expiration date; rows without a date come last.
    pub rows: Vec<&'a KnownSubscription>,
    /// The number of rows that have not expired; a row without a date never expires.
    pub running: usize,
    /// Seats purchased, summed over the running rows. A renewal stands beside the row that it replaces.
    pub purchased: Option<Quantity>,
    /// Microsoft licences assigned: the largest of the running rows, since each repeats the customer's number.
    pub assigned: Option<Quantity>,
    /// Assigned of purchased seats; `None` if none are purchased, there is no limit, the assigned licences are unknown, or
    /// the model does not count seats.
    pub seats: Option<Utilization<'a>>,
    /// Bytes protected (used, where nothing is protected) of those purchased, summed over the running rows.
    pub capacity: Option<Utilization<'a>>,
    /// When its last row expired, if all rows have expired.
    pub expired: Option<Timestamp>,
    /// The next renewal, if many seats are unused.
    pub unused_until: Option<Timestamp>,
    now: Timestamp,
    /// By band of [`EXPIRING`]: whether the rows that expire later have enough seats to replace those that expire within it.
    covered: [bool; EXPIRING.len()],
}

/// The services of a customer, by name.
#[must_use]
pub fn services(customer: &Customer, now: Timestamp) -> Vec<Service<'_>> {
    let Some(services) = &customer.services else { return Vec::new() };
    let mut rows: Vec<_> = services.subscriptions.iter().collect();
    rows.sort_by_key(|row| {
        let Subscription { key, expires, .. } = &row.subscription;
        (&*key.service, expires.map_or(Timestamp::MAX, CompactTimestamp::get))
    });
    let same =
        |a: &&KnownSubscription, b: &&KnownSubscription| a.subscription.key.service == b.subscription.key.service;
    rows.chunk_by(same).filter_map(|rows| Service::new(rows, now)).collect()
}

/// The issues of a tenant with these seats.
#[must_use]
pub fn tenant_issues(seats: Seats) -> Issues {
    let mut issues = Issues::default();
    let is_assigned = seats.assigned.is_some_and(|assigned| !assigned.is_zero() && !assigned.is_unlimited());
    if is_assigned && seats.available.is_some_and(Quantity::is_zero) {
        issues.insert(Issue::TenantExhausted, Severity::Info);
    } else if tenant_ratio(seats).is_some_and(|ratio| ratio >= TENANT_SEATS_LOW) {
        issues.insert(Issue::TenantLow, Severity::Info);
    }
    issues
}

impl<'a> Service<'a> {
    fn new(rows: &[&'a KnownSubscription], now: Timestamp) -> Option<Self> {
        let name = &*rows.first()?.subscription.key.service;
        let running: Vec<_> = rows.iter().map(|row| &row.subscription).filter(|row| is_running(row, now)).collect();
        let purchased = sum(running.iter().map(|row| row.seats_purchased.map(Quantity::get)));
        let assigned = running.iter().filter_map(|row| row.licenses_assigned).max();
        let is_about_seats = !running.iter().any(|row| is_not_about_seats(&row.key.model));
        let seats = purchased.zip(assigned).filter(|_| is_about_seats);
        let seats = seats.and_then(|(total, used)| Utilization::new(Resource::Seats(name), used, total));
        let latest = rows.iter().filter_map(|row| row.subscription.expires).max().map(CompactTimestamp::get);
        Some(Self {
            name,
            rows: rows.to_vec(),
            running: running.len(),
            purchased,
            assigned,
            seats,
            capacity: capacity(name, &running),
            expired: latest.filter(|_| running.is_empty()),
            unused_until: seats.filter(|&seats| is_unused(seats)).and_then(|_| renewal(&running, now)),
            now,
            covered: EXPIRING.map(|(_, days)| is_covered(&running, days, now)),
        })
    }

    /// All issues with their worst severities. Of low, exhausted and over-assigned only the worst is included, and the same
    /// for expiring and expired; the bands of the alerts are cumulative.
    #[must_use]
    pub fn issues(&self) -> Issues {
        let mut issues = Issues::default();
        if let Some((issue, severity)) = self.seats.and_then(seats_issue) {
            issues.insert(issue, severity);
        }
        issues.insert_some(Issue::CapacityLow, self.capacity.and_then(capacity_severity));
        issues.insert_some(Issue::Unused, self.unused_until.map(|_| Severity::Info));
        for row in &self.rows {
            if let Some((issue, severity)) = self.expiry(&row.subscription) {
                issues.insert(issue, severity);
            }
            issues.insert_some(Issue::ContractEnding, self.contract(&row.subscription));
        }
        issues
    }

    /// The severity of the utilization of its seats or its capacity.
    #[must_use]
    pub fn severity(&self, resource: Resource<'_>) -> Option<Severity> {
        match resource {
            Resource::Seats(_) => self.seats.and_then(seats_issue).map(|(_, severity)| severity),
            Resource::Capacity(_) => self.capacity.and_then(capacity_severity),
        }
    }

    /// Whether one of its rows is expiring, or is the one with which the service expired.
    #[must_use]
    pub fn expiry(&self, row: &Subscription) -> Option<(Issue, Severity)> {
        let at = row.expires?.get();
        let left = at.duration_since(self.now);
        if is_running(row, self.now) {
            let mut bands = EXPIRING.into_iter().zip(self.covered);
            let band = bands.find(|&((_, limit), covered)| left <= days(limit) && !covered);
            return band.map(|((severity, _), _)| (Issue::Expiring, severity));
        }
        (self.expired == Some(at)).then(|| {
            let severity = match -left {
                ago if ago < days(EXPIRED_CRITICAL_DAYS) => Severity::Critical,
                ago if ago < days(EXPIRED_WARNING_DAYS) => Severity::Warning,
                _ => Severity::Info,
            };
            (Issue::Expired, severity)
        })
    }

    fn contract(&self, row: &Subscription) -> Option<Severity> {
        let left = row.contract_ends?.get().duration_since(self.now);
        (left > -days(CONTRACT_ENDED_DAYS) && left <= days(CONTRACT_DAYS)).then_some(Severity::Info)
    }
}

const fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

fn is_running(row: &Subscription, now: Timestamp) -> bool {
    row.expires.is_none_or(|expires| expires.get() > now)
}

/// Models that count capacity (per user or in all) and not seats.
fn is_not_about_seats(model: &str) -> bool {
    let model = model.to_lowercase();
    model.contains("unlimited users") || model.contains("gb/user/year")
}

/// `None` if there are no values, or the sum is not a valid quantity.
fn sum(values: impl Iterator<Item = Option<f64>>) -> Option<Quantity> {
    values.flatten().reduce(|a, b| a + b).and_then(Quantity::new)
}

fn seats_issue(seats: Utilization<'_>) -> Option<(Issue, Severity)> {
    let (headroom, ratio) = (seats.headroom(), seats.ratio());
    if headroom < 0.0 {
        let is_critical = ratio > 1.0 + SEATS_OVER;
        Some((Issue::OverAssigned, if is_critical { Severity::Critical } else { Severity::Warning }))
    } else if headroom <= 0.0 {
        Some((Issue::Exhausted, Severity::Warning))
    } else {
        (ratio >= SEATS_LOW).then_some((Issue::Low, Severity::Warning))
    }
}

fn capacity<'a>(name: &'a str, running: &[&Subscription]) -> Option<Utilization<'a>> {
    let purchased = |row: &&Subscription| match row.key.capacity_per_seat() {
        Some(per_seat) => row.seats_purchased.map(|seats| per_seat.get() * seats.get()),
        None => row.capacity_purchased.map(Quantity::get),
    };
    let total = sum(running.iter().map(purchased))?;
    let protected = sum(running.iter().map(|row| row.capacity_protected.map(Quantity::get)));
    let used = sum(running.iter().map(|row| row.capacity_used.map(Quantity::get)));
    let in_use = protected.filter(|protected| !protected.is_zero()).or(used).or(protected)?;
    Utilization::new(Resource::Capacity(name), in_use, total)
}

fn capacity_severity(capacity: Utilization<'_>) -> Option<Severity> {
    match capacity.ratio() {
        ratio if ratio >= CAPACITY_FULL => Some(Severity::Critical),
        ratio if ratio >= CAPACITY_LOW => Some(Severity::Warning),
        _ => None,
    }
}

fn is_unused(seats: Utilization<'_>) -> bool {
    let ratio = seats.ratio();
    ratio > 0.0 && ratio < SEATS_UNUSED && seats.headroom() >= SEATS_UNUSED_MIN
}

/// The first day within [`SEATS_UNUSED_DAYS`] on which a running row expires or its contract ends.
fn renewal(running: &[&Subscription], now: Timestamp) -> Option<Timestamp> {
    let dates = running.iter().flat_map(|row| [row.expires, row.contract_ends]).flatten().map(CompactTimestamp::get);
    dates.filter(|&date| date > now && date.duration_since(now) <= days(SEATS_UNUSED_DAYS)).min()
}

/// Whether the rows that expire after this many days cover the seats of those that expire within them; if those have no
/// seats, one later row is enough.
fn is_covered(running: &[&Subscription], limit: i64, now: Timestamp) -> bool {
    /// Seats of a row without a limit.
    const UNLIMITED_SEATS: f64 = 1e12;
    let is_within = |row: &&&Subscription| row.expires.is_some_and(|at| at.get().duration_since(now) <= days(limit));
    let seats = |row: &&Subscription| row.seats_purchased.map_or(0.0, |seats| seats.get().min(UNLIMITED_SEATS));
    let within: f64 = running.iter().filter(is_within).map(seats).sum();
    let all: f64 = running.iter().map(seats).sum();
    if within > 0.0 { 2.0 * within <= all } else { running.iter().filter(is_within).count() < running.len() }
}
