//! Computes the next due time of a polled target. Pure; randomness is an argument.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The delay after a first failure; it doubles with every further failure.
const FIRST_BACKOFF: Duration = Duration::from_secs(15);
/// The largest jitter, as a share of the interval. It makes targets that started together drift apart. Jitter is only
/// added, never subtracted: a target is never polled more often than its interval allows.
const JITTER: f64 = 0.05;
/// Interval between two polls of a target that is absent.
pub(super) const ABSENCE_INTERVAL: Duration = Duration::from_hours(24);

/// The outcome of a poll, as input for the next due time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PollOutcome {
    /// A result.
    Answered,
    /// Absent, without a value or a failure before, in the first pass or after it: the customer does not have it.
    Absent,
    /// Absent, but it had values, or is new; with the number of absent results and failures in a row before. A target that is gone
    /// for good costs a few more requests, and a target that an outage reported as absent recovers soon.
    Missed(u32),
    /// Failed, after this many failures in a row.
    Failed(u32),
}

/// The next due time of a target polled at `now`. `chance` is from 0 to 1, the share of the jitter.
#[must_use]
pub(super) fn next_due(now: Timestamp, outcome: PollOutcome, interval: Duration, chance: f64) -> Timestamp {
    let pause = match outcome {
        PollOutcome::Answered => jittered(interval, chance),
        PollOutcome::Absent => jittered(ABSENCE_INTERVAL.max(interval), chance),
        PollOutcome::Missed(before) => {
            let doubled = interval.saturating_mul(1 << before.saturating_sub(1).min(20));
            jittered(doubled.min(ABSENCE_INTERVAL.max(interval)), chance)
        }
        PollOutcome::Failed(before) => {
            let ceiling = FIRST_BACKOFF.saturating_mul(1 << before.min(20)).min(interval);
            // Equal jitter: never zero, never above the ceiling.
            ceiling.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
        }
    };
    now.saturating_add(SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX)).unwrap_or(Timestamp::MAX)
}

fn jittered(interval: Duration, chance: f64) -> Duration {
    interval.mul_f64(1.0 + JITTER * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn intervals_are_kept_within_the_jitter(seconds in 1..100_000_u64, chance in 0.0..1.0_f64, before in 0..50_u32) {
            let interval = Duration::from_secs(seconds);
            let now = Timestamp::UNIX_EPOCH;
            let pause = |outcome| next_due(now, outcome, interval, chance).duration_since(now).as_secs_f64();
            let interval = interval.as_secs_f64();
            let answered = pause(PollOutcome::Answered);
            prop_assert!(answered >= interval && answered <= interval * (1.0 + JITTER) + 1e-6);
            prop_assert!(pause(PollOutcome::Absent) >= 86_400.0);
            let missed = pause(PollOutcome::Missed(before));
            prop_assert!(missed >= interval - 1e-6, "not before the interval");
            prop_assert!(before > 1 || missed <= interval * (1.0 + JITTER) + 1e-6, "the first two an interval later");
            prop_assert!(missed <= pause(PollOutcome::Missed(before + 1)) + 1e-6, "then later and later");
            prop_assert!(missed <= pause(PollOutcome::Absent) + 1e-6, "and daily in the end");
            let failed = pause(PollOutcome::Failed(before));
            prop_assert!(failed > 0.0 && failed <= interval, "never longer than the interval");
            prop_assert!(failed <= pause(PollOutcome::Failed(before + 1)) + 1e-6, "grows with every failure");
        }
    }
}
