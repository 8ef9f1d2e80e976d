//! Named fault profiles: a good day, a bad day, an outage, and so on.

use std::time::Duration;

use elements::types::Collector;

use super::faults::{Fault, RetryAfter, Rule, When};
use super::path::Operation;

/// The names of the profiles.
pub const PROFILES: &[&str] = &["none", "lively", "rough", "throttled", "outage"];

/// The rules of a named profile; `None` if the name is unknown.
#[must_use]
pub fn profile(name: &str) -> Option<Vec<Rule>> {
    let millis = Duration::from_millis;
    let services = Operation::Api(Collector::Services);
    Some(match name {
        "none" => Vec::new(),
        "lively" => vec![
            Rule::new(Fault::Latency { fixed: millis(20), jitter: millis(180) }),
            Rule::new(Fault::Latency { fixed: millis(300), jitter: millis(700) }).on(services),
            Rule::new(Fault::Status(500)).share(0.005),
            Rule::new(Fault::Throttle(RetryAfter::Seconds(2))).share(0.002),
        ],
        "rough" => vec![
            Rule::new(Fault::Latency { fixed: millis(100), jitter: millis(1500) }),
            Rule::new(Fault::Latency { fixed: millis(0), jitter: millis(1000) }).on(Operation::Token),
            Rule::new(Fault::RevokeTokens(Duration::from_mins(10))),
            Rule::new(Fault::Status(500)).share(0.03),
            Rule::new(Fault::Status(503)).share(0.03),
            Rule::new(Fault::Throttle(RetryAfter::Seconds(5))).share(0.02),
            Rule::new(Fault::Throttle(RetryAfter::Absent)).share(0.01),
            Rule::new(Fault::Throttle(RetryAfter::Date(5))).share(0.01),
            Rule::new(Fault::Truncated).share(0.01),
            Rule::new(Fault::MalformedJson).share(0.01),
            Rule::new(Fault::Html).share(0.005),
            Rule::new(Fault::Reset).share(0.01),
            Rule::new(Fault::Hang).share(0.002),
            Rule::new(Fault::CustomerLeaves).on(services).share(0.05),
            Rule::new(Fault::CustomerJoins).on(services).share(0.05),
            Rule::new(Fault::Status(503)).on(Operation::Token).share(0.1),
        ],
        "throttled" => vec![Rule {
            when: When::FirstOfEvery { first: Duration::from_secs(10), every: Duration::from_mins(1) },
            ..Rule::new(Fault::Throttle(RetryAfter::Seconds(5)))
        }],
        "outage" => vec![Rule::new(Fault::Status(503)), Rule::new(Fault::Status(503)).on(Operation::Token)],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_profile_exists() {
        assert!(PROFILES.iter().all(|name| profile(name).is_some()));
        assert!(profile("nonesuch").is_none());
    }
}
