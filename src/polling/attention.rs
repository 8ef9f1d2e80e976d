//! Who is asked more often, with `adaptive: true`: those close to exhaustion or expiry, at the cost of those who are
//! quiet. Pure.
//!
//! Every target that has an answer has a pace: 1 is the configured interval, 2 half of it. [`Urgency`] says who wants
//! how much, relative to each other; paces stay between a quarter of an interval and twice the interval, less than that
//! if `max_age` is below four intervals. Promised:
//! - the paces of all targets never add up to more than their number: what somebody is asked more often, others were
//!   asked less often before. Only if targets leave that were asked seldom, it takes until the next poll of the others;
//! - if all are alike, whichever way, all have the configured interval;
//! - no target waits longer than the slowest pace, whoever else is urgent.
//!
//! A change costs the same however many targets there are.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::config::Schedule;
use crate::domain::{Answer, Question, Seats, Service, Subscription};
use crate::inventory::Customer;

/// Paces are counted in thousandths, so that nothing is lost by rounding.
const EVEN: i64 = 1000;
const FASTEST: f64 = 4.0;
const SLOWEST: f64 = 0.5;

/// So few seats are left: as a share of assigned and available together, and as a number. Either is enough.
const FEW: (f64, f64) = (0.10, 2.0);
const SOME: (f64, f64) = (0.25, 5.0);
/// So close is an expiration or the end of a contract; and so long ago, since a renewal may come late.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
const AHEAD: SignedDuration = SignedDuration::from_hours(45 * 24);
const BEHIND: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How much a target deserves to be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// Plenty is left, or nothing is counted.
    #[default]
    Quiet,
    /// A quarter is left, or 45 days, or it has changed since it was last asked.
    Watched,
    /// A tenth or two seats are left, or 14 days; or it is watched and has changed.
    Urgent,
}

impl Urgency {
    const ALL: [Self; 3] = [Self::Quiet, Self::Watched, Self::Urgent];

    /// How many times as often as a quiet target it wants to be asked.
    const fn weight(self) -> f64 {
        match self {
            Self::Quiet => 1.0,
            Self::Watched => 2.0,
            Self::Urgent => 4.0,
        }
    }

    /// How urgent the target is after this answer, which the customer does not have yet. What is unlimited is quiet, and
    /// so is what the API did not give.
    #[must_use]
    pub(super) fn of(customer: &Customer, question: Question, answer: &Answer, now: Timestamp) -> Self {
        let rows = customer.services.iter().flat_map(|services| services.subscriptions.iter());
        let its_rows = rows.map(|known| &known.subscription).filter(|row| is_about(row, question));
        let by_rows = its_rows.map(|row| of_row(row, question, now)).max().unwrap_or_default();
        let by_seats = match answer {
            Answer::CustomerSeats(seats) => of_seats(*seats),
            Answer::TenantSeats(tenants) => tenants.iter().map(|row| of_seats(row.seats)).max().unwrap_or_default(),
            // What the numbers of a product are a part of, only the service list says.
            Answer::ProductPurchased(_) | Answer::ProductAvailable(_) => Self::Quiet,
        };
        let known = customer.targets.iter().find(|(known, _)| *known == question);
        let before = known.and_then(|(_, known)| known.answer.as_ref());
        let changed = before.is_some_and(|(_, before)| before != answer);
        match by_rows.max(by_seats) {
            Self::Quiet if changed => Self::Watched,
            Self::Watched if changed => Self::Urgent,
            urgency => urgency,
        }
    }
}

fn is_about(row: &Subscription, question: Question) -> bool {
    let service = Service::from_name(&row.kind.service);
    match question {
        Question::TenantSeats(kind) | Question::CustomerSeats(kind) => service.tenant_type == Some(kind),
        Question::ProductPurchased(product) | Question::ProductAvailable(product) => service.product == Some(product),
    }
}

fn of_row(row: &Subscription, question: Question, now: Timestamp) -> Urgency {
    let is_within = |ahead| {
        let dates = [row.expires, row.contract_ends];
        dates.into_iter().flatten().map(|at| at.get().duration_since(now)).any(|left| left <= ahead && left >= -BEHIND)
    };
    let by_date = match () {
        () if is_within(SOON) => Urgency::Urgent,
        () if is_within(AHEAD) => Urgency::Watched,
        () => Urgency::Quiet,
    };
    let by_seats = match question {
        Question::TenantSeats(_) | Question::CustomerSeats(_) => Urgency::Quiet,
        Question::ProductPurchased(_) | Question::ProductAvailable(_) => {
            match (row.licenses_assigned, row.seats_purchased) {
                (Some(assigned), Some(purchased)) if !purchased.is_zero() => {
                    of_left((purchased.get() - assigned.get()).max(0.0), purchased.get())
                }
                _ => Urgency::Quiet,
            }
        }
    };
    by_date.max(by_seats)
}

/// Available is read as what is left.
fn of_seats(seats: Seats) -> Urgency {
    match (seats.assigned, seats.available) {
        (Some(assigned), Some(available)) => of_left(available.get(), assigned.get() + available.get()),
        _ => Urgency::Quiet,
    }
}

fn of_left(left: f64, of: f64) -> Urgency {
    // 0 of 0 is common where nothing is counted.
    if of == 0.0 || left.is_infinite() {
        return Urgency::Quiet;
    }
    let is_within = |(share, seats): (f64, f64)| left <= share * of || left <= seats;
    if is_within(FEW) {
        Urgency::Urgent
    } else if is_within(SOME) {
        Urgency::Watched
    } else {
        Urgency::Quiet
    }
}

/// The paces of a partner's targets of one collector.
#[derive(Debug)]
pub(super) struct Attention<T> {
    schedule: Schedule,
    slowest: f64,
    targets: HashMap<T, (Urgency, i64)>,
    /// Targets by urgency.
    counts: [i64; 3],
    /// The sum of all paces.
    spent: i64,
}

impl<T: Eq + Hash> Attention<T> {
    /// Nobody is known yet.
    #[must_use]
    pub(super) fn new(schedule: Schedule) -> Self {
        // Between two polls there is never more than half of max_age: a failure must not cost the value.
        let stretch = schedule.max_age.as_secs_f64() / (2.0 * schedule.interval.as_secs_f64());
        let slowest = 1.0 / stretch.clamp(1.0, 1.0 / SLOWEST);
        Self { schedule, slowest, targets: HashMap::new(), counts: [0; 3], spent: 0 }
    }

    /// A target was answered: how urgent it is from now on, and the interval until its next poll.
    pub(super) fn judge(&mut self, target: T, urgency: Urgency) -> Duration {
        let known = self.targets.remove(&target);
        let before = known.map_or(EVEN, |(_, pace)| pace);
        match known {
            Some((before, _)) => self.count(before, -1),
            None => self.spent += EVEN,
        }
        self.count(urgency, 1);
        let (wanted, slowest) = (thousandths(self.wanted(urgency)), thousandths(self.slowest));
        // What others have left, and what it had itself.
        let to_be_had = before + self.counts.iter().sum::<i64>() * EVEN - self.spent;
        let pace = wanted.min(to_be_had).max(slowest);
        self.spent += pace - before;
        self.targets.insert(target, (urgency, pace));
        self.paced(pace)
    }

    /// The interval of a target as it was last judged; the configured one for others.
    #[must_use]
    pub(super) fn interval(&self, target: &T) -> Duration {
        self.paced(self.targets.get(target).map_or(EVEN, |&(_, pace)| pace))
    }

    /// A target is gone, or absent.
    pub(super) fn forget(&mut self, target: &T) {
        if let Some((urgency, pace)) = self.targets.remove(target) {
            self.count(urgency, -1);
            self.spent -= pace;
        }
    }

    fn paced(&self, pace: i64) -> Duration {
        self.schedule.interval.mul_f64(EVEN as f64 / pace as f64)
    }

    fn count(&mut self, urgency: Urgency, by: i64) {
        if let Some(count) = self.counts.get_mut(urgency as usize) {
            *count += by;
        }
    }

    /// The pace of this urgency if all paces are to add up to the number of targets: in proportion to the weights, each
    /// within its bounds.
    fn wanted(&self, urgency: Urgency) -> f64 {
        let pace = |urgency: Urgency, unit: f64| (urgency.weight() * unit).clamp(self.slowest, FASTEST);
        let all: i64 = self.counts.iter().sum();
        let sum = |unit| -> f64 {
            Urgency::ALL.into_iter().zip(self.counts).map(|(each, count)| count as f64 * pace(each, unit)).sum()
        };
        // The sum grows with the unit, from at most `all` to four times that.
        let (mut low, mut high) = (0.0, FASTEST);
        for _ in 0..40 {
            let middle = f64::midpoint(low, high);
            if sum(middle) <= all as f64 {
                low = middle;
            } else {
                high = middle;
            }
        }
        pace(urgency, low)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a pace is at most 4")]
fn thousandths(pace: f64) -> i64 {
    (pace * EVEN as f64).round() as i64
}

#[cfg(test)]
mod tests;
