//! Endpoints 1 and 2 are older than the rest: an environment may have neither, and then answers 404 to all who ask.
//!
//! That is one absence, found out once and tried again daily, instead of one for every customer. Pure.

use jiff::Timestamp;

use super::cadence::ABSENCE_INTERVAL;

/// So many 404s, and never an answer, say that the endpoint is not there. Fewer could be customers who all happen to
/// lack what they were asked for.
const EVIDENCE: u32 = 8;

/// What is known about the existence of an endpoint of one partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegacyEndpoint {
    /// It has answered; a 404 is about the customer.
    Present,
    /// It has answered nothing but this many 404s.
    Unknown(u32),
    /// It is not there; not worth asking before this time.
    Missing(Timestamp),
}

impl Default for LegacyEndpoint {
    fn default() -> Self {
        Self::Unknown(0)
    }
}

impl LegacyEndpoint {
    /// Whether to ask now. After a day the evidence is gathered anew.
    pub fn is_worth_asking(&mut self, now: Timestamp) -> bool {
        if let Self::Missing(until) = *self {
            if now < until {
                return false;
            }
            *self = Self::Unknown(0);
        }
        true
    }

    /// It answered 404. Returns whether that completes the evidence.
    pub fn miss(&mut self, now: Timestamp) -> bool {
        match *self {
            Self::Unknown(misses) if misses + 1 >= EVIDENCE => {
                *self = Self::Missing(now.saturating_add(ABSENCE_INTERVAL).unwrap_or(Timestamp::MAX));
                true
            }
            Self::Unknown(misses) => {
                *self = Self::Unknown(misses + 1);
                false
            }
            Self::Present | Self::Missing(_) => false,
        }
    }

    /// It answered. Returns whether that is news, so that those who were told it was missing are asked at once.
    pub fn answer(&mut self) -> bool {
        std::mem::replace(self, Self::Present) != Self::Present
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_endpoint_that_never_answered_is_missing_and_only_for_a_day() {
        let (start, day) = (Timestamp::UNIX_EPOCH, jiff::SignedDuration::from_hours(24));
        let mut endpoint = LegacyEndpoint::default();
        assert!((1..EVIDENCE).all(|_| !endpoint.miss(start) && endpoint.is_worth_asking(start)));
        assert!(endpoint.miss(start));
        assert!(!endpoint.is_worth_asking(start));
        assert!(!endpoint.miss(start), "an answer that was under way is no news");
        assert!(endpoint.is_worth_asking(start + day));
        assert_eq!(endpoint, LegacyEndpoint::Unknown(0));
        assert!(endpoint.answer());
        assert!(!endpoint.answer());
        assert!((0..100).all(|_| !endpoint.miss(start)), "from now on a 404 is about the customer");
        assert!(endpoint.is_worth_asking(start));
    }
}
