//! Detects that the budget is too small for the configured intervals, and reports each transition once. Pure.

use std::time::Duration;

use elements::Budget;

/// The plan must fit into this share of the capacity before the overload ends.
const RECOVERY_SHARE: f64 = 0.95;
/// The mean duration is used after this many polls; from then on the newest poll has the weight one in this number.
const SAMPLES: u32 = 50;

/// The request limits of a partner, the mean duration of its polls, and whether an overload was reported.
#[derive(Clone, Debug)]
pub(super) struct Overload {
    budget: Budget,
    /// The number of single-request polls, and their mean duration in seconds.
    polls: u32,
    mean_seconds: f64,
    reported: bool,
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transition {
    /// The intervals can no longer be kept.
    Begins,
    /// The intervals can be kept again.
    Ends,
}

/// The limit that bounds the requests of a partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// `budget.requests_per_second`
    Rate,
    /// `budget.concurrency`, divided by the duration of a request.
    Concurrency,
}

impl Bound {
    /// The configuration key.
    #[must_use]
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "requests_per_second",
            Self::Concurrency => "concurrency",
        }
    }
}

impl Overload {
    /// The initial state: not overloaded.
    #[must_use]
    pub(super) const fn new(budget: Budget) -> Self {
        Self { budget, polls: 0, mean_seconds: 0.0, reported: false }
    }

    /// Records the duration of a poll of one target.
    pub(super) fn record_duration(&mut self, time: Duration) {
        self.polls = self.polls.saturating_add(1).min(SAMPLES);
        self.mean_seconds += (time.as_secs_f64() - self.mean_seconds) / f64::from(self.polls);
    }

    /// The capacity in requests per second, and the limit that determines it.
    #[must_use]
    pub(super) fn capacity(&self) -> (f64, Bound) {
        let rate = self.budget.requests_per_second;
        let at_once = f64::from(self.budget.concurrency);
        // Concurrent requests divided by the duration of each.
        if self.polls == SAMPLES && rate * self.mean_seconds > at_once {
            (at_once / self.mean_seconds, Bound::Concurrency)
        } else {
            (rate, Bound::Rate)
        }
    }

    /// `needed`: requests per second of the plan. `late`: the delay of the most overdue target. `shortest`: the
    /// shortest interval.
    pub(super) fn update(&mut self, needed: f64, late: Duration, shortest: Duration) -> Option<Transition> {
        let (capacity, _) = self.capacity();
        let begins = needed > capacity || late > shortest;
        let ends = needed <= capacity * RECOVERY_SHARE && late < shortest / 2;
        match self.reported {
            false if begins => {
                self.reported = true;
                Some(Transition::Begins)
            }
            true if ends => {
                self.reported = false;
                Some(Transition::Ends)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn overload() -> Overload {
        let timeout = Duration::from_secs(30);
        Overload::new(Budget { requests_per_second: 10.0, burst: 10, concurrency: 4, timeout })
    }

    #[test]
    fn it_is_reported_once_and_its_end_once() {
        let mut overload = overload();
        let mut observe = |needed, late| overload.update(needed, late, MINUTE);
        assert_eq!(observe(9.9, Duration::ZERO), None);
        assert_eq!(observe(10.1, Duration::ZERO), Some(Transition::Begins), "the plan is too large");
        assert_eq!(observe(10.1, MINUTE * 9), None);
        assert_eq!(observe(9.9, Duration::ZERO), None, "that is no room to speak of");
        assert_eq!(observe(9.0, MINUTE), None, "it has to catch up");
        assert_eq!(observe(9.0, MINUTE / 3), Some(Transition::Ends));
        assert_eq!(observe(9.0, MINUTE), None);
        assert_eq!(observe(1.0, MINUTE * 2), Some(Transition::Begins), "whatever the plan says, it is late");
    }

    #[test]
    fn what_takes_long_is_bounded_by_concurrency() {
        let mut overload = overload();
        overload.record_duration(Duration::from_secs(9));
        assert_eq!(overload.capacity(), (10.0, Bound::Rate), "one poll says nothing");
        (0..1000).for_each(|_| overload.record_duration(Duration::from_millis(800)));
        let (capacity, bound) = overload.capacity();
        assert!((capacity - 5.0).abs() < 0.01 && bound == Bound::Concurrency, "{capacity}");
        assert_eq!(overload.update(6.0, Duration::ZERO, MINUTE), Some(Transition::Begins));
        (0..1000).for_each(|_| overload.record_duration(Duration::from_millis(80)));
        assert_eq!(overload.capacity(), (10.0, Bound::Rate));
    }
}
