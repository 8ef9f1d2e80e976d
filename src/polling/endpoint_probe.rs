//! Detects endpoints that do not exist: an environment may lack `customer_seats` and `products_available` and then
//! answers every query with 404.
//!
//! It then counts as one absence, detected once and checked daily, instead of one absence per customer. Pure.

use jiff::Timestamp;

use super::backoff::ABSENCE_INTERVAL;

/// An endpoint counts as missing if it answered 404 for half of the targets and never anything else; fewer could be
/// customers that do not have what was queried. These are the lower and upper bounds of that number.
const MIN_404S: std::ops::RangeInclusive<u64> = 3..=50;

/// Whether an endpoint exists for one partner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct EndpointProbe {
    state: State,
    /// Whether the endpoint was missing before and other targets were not notified since.
    suppressed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It has answered; a 404 is about the customer.
    Present,
    /// It has answered only 404s, this many.
    Unknown(u64),
    /// It does not exist; suppress queries until this time.
    Missing(Timestamp),
}

impl Default for State {
    fn default() -> Self {
        Self::Unknown(0)
    }
}

impl EndpointProbe {
    /// Whether to query now. After a day the 404s are counted anew.
    pub(super) fn should_query(&mut self, now: Timestamp) -> bool {
        if let State::Missing(until) = self.state {
            if now < until {
                return false;
            }
            self.state = State::Unknown(0);
        }
        true
    }

    /// Records a 404 for one of this many targets. Returns whether the endpoint now counts as missing.
    pub(super) fn record_404(&mut self, targets: u64, now: Timestamp) -> bool {
        let State::Unknown(before) = self.state else { return false };
        let misses = before + 1;
        if misses < targets.div_ceil(2).clamp(*MIN_404S.start(), *MIN_404S.end()) {
            self.state = State::Unknown(misses);
            return false;
        }
        let until = now.saturating_add(ABSENCE_INTERVAL).unwrap_or(Timestamp::MAX);
        *self = Self { state: State::Missing(until), suppressed: true };
        true
    }

    /// Records an answer. Returns whether targets were suppressed, so that they become due at once.
    pub(super) fn record_response(&mut self) -> bool {
        std::mem::replace(self, Self { state: State::Present, suppressed: false }).suppressed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn only_an_endpoint_that_never_answered_is_missing_and_only_for_a_day() {
        let day = jiff::SignedDuration::from_hours(24);
        let mut endpoint = EndpointProbe::default();
        assert!((1..15).all(|_| !endpoint.record_404(30, START) && endpoint.should_query(START)));
        assert!(endpoint.record_404(30, START));
        assert!(!endpoint.should_query(START));
        assert!(!endpoint.record_404(30, START), "an answer that was under way is no news");
        assert!(endpoint.should_query(START + day));
        assert!(!endpoint.record_404(30, START + day), "the evidence is gathered anew");
        assert!(endpoint.record_response(), "those who were not asked are to be asked");
        assert!(!endpoint.record_response());
        assert!((0..100).all(|_| !endpoint.record_404(30, START)), "from now on a 404 is about the customer");
        assert!(endpoint.should_query(START));
    }

    #[test]
    fn a_first_answer_is_no_news_to_those_who_were_asked() {
        let mut endpoint = EndpointProbe::default();
        assert!(!endpoint.record_404(5, START));
        assert!(!endpoint.record_response());
    }

    #[test]
    fn the_evidence_grows_with_the_number_of_targets() {
        for (targets, needed) in [(1, 3), (5, 3), (30, 15), (99, 50), (100_000, 50)] {
            let mut endpoint = EndpointProbe::default();
            let asked = (1..=100).find(|_| endpoint.record_404(targets, START)).unwrap();
            assert_eq!(asked, needed, "{targets} targets");
        }
    }
}
