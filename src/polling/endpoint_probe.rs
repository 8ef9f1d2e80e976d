//! Endpoints 1 and 2 are older than the rest: an environment may have neither, and then answers 404 to all who ask.
//!
//! That is one absence, found out once and tried again daily, instead of one for every customer. Pure.

use jiff::Timestamp;

use super::backoff::ABSENCE_INTERVAL;

/// 404s for half of the targets, and no answer ever, mean that the endpoint is not there: fewer could be customers who
/// all happen to lack what they were asked for. So many 404s at least, and at most, however many targets there are.
const MIN_404S: std::ops::RangeInclusive<u64> = 3..=50;

/// What is known about the existence of an endpoint of one partner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct EndpointProbe {
    state: State,
    /// It was missing before, and nobody was told otherwise since.
    suppressed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It has answered; a 404 is about the customer.
    Present,
    /// It has answered nothing but this many 404s.
    Unknown(u64),
    /// It is not there; not worth asking before this time.
    Missing(Timestamp),
}

impl Default for State {
    fn default() -> Self {
        Self::Unknown(0)
    }
}

impl EndpointProbe {
    /// Whether to ask now. After a day the evidence is gathered anew.
    pub(super) fn is_worth_asking(&mut self, now: Timestamp) -> bool {
        if let State::Missing(until) = self.state {
            if now < until {
                return false;
            }
            self.state = State::Unknown(0);
        }
        true
    }

    /// It answered 404 to one of so many targets. Returns whether that completes the evidence.
    pub(super) fn miss(&mut self, targets: u64, now: Timestamp) -> bool {
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

    /// It answered. Returns whether others were told that it was missing, so that they are asked at once.
    pub(super) fn answer(&mut self) -> bool {
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
        assert!((1..15).all(|_| !endpoint.miss(30, START) && endpoint.is_worth_asking(START)));
        assert!(endpoint.miss(30, START));
        assert!(!endpoint.is_worth_asking(START));
        assert!(!endpoint.miss(30, START), "an answer that was under way is no news");
        assert!(endpoint.is_worth_asking(START + day));
        assert!(!endpoint.miss(30, START + day), "the evidence is gathered anew");
        assert!(endpoint.answer(), "those who were not asked are to be asked");
        assert!(!endpoint.answer());
        assert!((0..100).all(|_| !endpoint.miss(30, START)), "from now on a 404 is about the customer");
        assert!(endpoint.is_worth_asking(START));
    }

    #[test]
    fn a_first_answer_is_no_news_to_those_who_were_asked() {
        let mut endpoint = EndpointProbe::default();
        assert!(!endpoint.miss(5, START));
        assert!(!endpoint.answer());
    }

    #[test]
    fn the_evidence_grows_with_the_number_of_targets() {
        for (targets, needed) in [(1, 3), (5, 3), (30, 15), (99, 50), (100_000, 50)] {
            let mut endpoint = EndpointProbe::default();
            let asked = (1..=100).find(|_| endpoint.miss(targets, START)).unwrap();
            assert_eq!(asked, needed, "{targets} targets");
        }
    }
}
