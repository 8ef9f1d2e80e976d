//! The one clock of the daemon: the wall clock at start, carried on by the monotonic one.
//!
//! Ages and due times are differences of its readings, so that a wall clock that is set while the daemon runs neither
//! ages a value nor moves a poll. Time that the machine slept counts. What the world is told of a time goes through
//! [`Clock::wall`], which follows the wall clock. Under tokio's paused time it stands still with everything else.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// A wall clock that is off by less was not set: it is being disciplined, and both are right enough.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(2);

/// Cheap to copy; every copy reads the same time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    anchor: Timestamp,
    started: Instant,
    slept_before: Duration,
    wall: Option<fn() -> Timestamp>,
}

impl Clock {
    /// A clock that reads the wall clock's time now.
    #[must_use]
    pub fn start() -> Self {
        Self::following(Timestamp::now)
    }

    /// A clock that reads this wall clock's time now.
    #[must_use]
    pub fn following(wall: fn() -> Timestamp) -> Self {
        Self { wall: Some(wall), ..Self::starting_at(wall()) }
    }

    /// A clock that reads `anchor` now and that no wall clock corrects.
    #[must_use]
    pub fn starting_at(anchor: Timestamp) -> Self {
        Self { anchor, started: Instant::now(), slept_before: slept(), wall: None }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let elapsed = self.started.elapsed() + slept().saturating_sub(self.slept_before);
        self.anchor.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// What the wall clock was set forward by (negative: back) since the start, in whole seconds; zero if it was not.
    #[must_use]
    pub fn correction(&self) -> SignedDuration {
        let Some(wall) = self.wall else { return SignedDuration::ZERO };
        let ahead = wall().duration_since(self.now());
        // Rounded, so that a clock that was set by whole seconds does not waver between two of them.
        let half = SignedDuration::from_millis(500 * i64::from(ahead.signum()));
        if ahead.abs() < TOLERANCE { SignedDuration::ZERO } else { SignedDuration::from_secs((ahead + half).as_secs()) }
    }

    /// A time of this clock as the wall clock has it.
    #[must_use]
    pub fn wall(&self, at: Timestamp) -> Timestamp {
        at.saturating_add(self.correction()).unwrap_or(at)
    }

    /// Now, as the wall clock has it.
    #[must_use]
    pub fn wall_now(&self) -> Timestamp {
        self.wall(self.now())
    }

    /// The runtime's instant of a time of this clock, for sleeping until it; a past time is now.
    #[must_use]
    pub fn instant(&self, at: Timestamp) -> Instant {
        let ahead = at.duration_since(self.now());
        Instant::now() + Duration::try_from(ahead).unwrap_or_default()
    }
}

/// How long the machine has slept since it was started, in whole seconds: what the monotonic clock does not count.
fn slept() -> Duration {
    let read = |id| Duration::try_from(clock_gettime(id)).unwrap_or_default();
    let all = read(ClockId::Boottime);
    // Rounded, so that two readings differ only if the machine slept between them.
    let slept = all.saturating_sub(read(ClockId::Monotonic)) + Duration::from_millis(500);
    Duration::from_secs(slept.as_secs())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    static SET_FORWARD: AtomicI64 = AtomicI64::new(0);

    fn wall() -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(SET_FORWARD.load(Ordering::Relaxed))
    }

    #[test]
    fn a_wall_clock_that_is_set_moves_what_is_told_and_nothing_else() {
        let clock = Clock::following(wall);
        let before = clock.now();
        assert_eq!(clock.correction(), SignedDuration::ZERO);
        for seconds in [3600, -3600] {
            SET_FORWARD.store(seconds, Ordering::Relaxed);
            assert!(clock.now().duration_since(before).abs() < SignedDuration::from_mins(5));
            let told = clock.wall(before).duration_since(before).as_secs();
            assert!((told - seconds).abs() <= 1, "{told}");
        }
        assert_eq!(Clock::starting_at(before).correction(), SignedDuration::ZERO);
    }
}
