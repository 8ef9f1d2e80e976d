//! The one clock of the daemon: the wall clock at start, carried on by a clock that counts suspend (`CLOCK_BOOTTIME`).
//!
//! Ages and due times are differences of its readings: setting the wall clock neither ages a value nor moves a poll, and
//! a machine that was suspended finds its values as old as they are. A time becomes wall time, by [`Clock::wall`] or
//! [`Clock::correction`], only when it is rendered or saved. Under tokio's paused time it stands still with everything else.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// A wall clock that is off by less was not set: it is being disciplined.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(2);
/// Timers of the runtime do not count suspend, so none sleeps longer at a time.
pub const MAX_SLEEP: Duration = Duration::from_secs(30);

/// Cheap to copy; every copy reads the same time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    anchor: Timestamp,
    started: Instant,
    suspended: fn() -> Duration,
    suspended_before: Duration,
    wall: Option<fn() -> Timestamp>,
}

impl Clock {
    /// A clock that reads the wall clock's time now.
    #[must_use]
    pub fn start() -> Self {
        Self::following(Timestamp::now, suspended)
    }

    /// A clock over these sources: the wall clock, and how long the machine has been suspended since it was booted.
    #[must_use]
    pub fn following(wall: fn() -> Timestamp, suspended: fn() -> Duration) -> Self {
        let (anchor, started, suspended_before) = (wall(), Instant::now(), suspended());
        Self { anchor, started, suspended, suspended_before, wall: Some(wall) }
    }

    /// A clock that reads `anchor` now and that no wall clock corrects.
    #[must_use]
    pub fn starting_at(anchor: Timestamp) -> Self {
        Self { anchor, wall: None, ..Self::start() }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let elapsed = self.started.elapsed() + (self.suspended)().saturating_sub(self.suspended_before);
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

    /// Resolves at a time of this clock, at most [`MAX_SLEEP`] late where the machine was suspended meanwhile; a past time
    /// is now.
    pub async fn sleep_until(&self, at: Timestamp) {
        while let Ok(left) = Duration::try_from(at.duration_since(self.now()))
            && !left.is_zero()
        {
            tokio::time::sleep(left.min(MAX_SLEEP)).await;
        }
    }

    /// The runtime's instant of a time of this clock; a past time is now.
    #[must_use]
    pub fn instant(&self, at: Timestamp) -> Instant {
        let ahead = at.duration_since(self.now());
        Instant::now() + Duration::try_from(ahead).unwrap_or_default()
    }
}

/// How long the machine has been suspended since it was booted, in whole seconds: what the monotonic clock does not count.
#[must_use]
pub fn suspended() -> Duration {
    let read = |id| Duration::try_from(clock_gettime(id)).unwrap_or_default();
    let all = read(ClockId::Boottime);
    // Rounded, so that two readings differ only if the machine was suspended between them.
    let suspended = all.saturating_sub(read(ClockId::Monotonic)) + Duration::from_millis(500);
    Duration::from_secs(suspended.as_secs())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

    use super::*;

    static SET_FORWARD: AtomicI64 = AtomicI64::new(0);
    static SUSPENDED: AtomicU64 = AtomicU64::new(0);

    fn wall() -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(SET_FORWARD.load(Ordering::Relaxed))
    }

    #[test]
    fn a_wall_clock_that_is_set_moves_what_is_exported_and_nothing_else() {
        let clock = Clock::following(wall, suspended);
        let before = clock.now();
        assert_eq!(clock.correction(), SignedDuration::ZERO);
        for seconds in [3600, -3600] {
            SET_FORWARD.store(seconds, Ordering::Relaxed);
            assert!(clock.now().duration_since(before).abs() < SignedDuration::from_mins(5));
            let moved = clock.wall(before).duration_since(before).as_secs();
            assert!((moved - seconds).abs() <= 1, "{moved}");
        }
        assert_eq!(Clock::starting_at(before).correction(), SignedDuration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sleep_ends_soon_after_a_suspend_that_it_would_have_ended_in() {
        let clock = Clock::following(Timestamp::now, || Duration::from_secs(SUSPENDED.load(Ordering::Relaxed)));
        let (start, began) = (clock.now(), Instant::now());
        clock.sleep_until(start + Duration::from_secs(90)).await;
        assert_eq!(began.elapsed().as_secs(), 90, "without a suspend");
        let began = Instant::now();
        let sleeping = tokio::spawn(async move { clock.sleep_until(clock.now() + Duration::from_hours(1)).await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        SUSPENDED.fetch_add(7200, Ordering::Relaxed);
        sleeping.await.unwrap();
        assert!(began.elapsed() <= MAX_SLEEP, "{:?}", began.elapsed());
        assert!(clock.now() >= start + Duration::from_hours(2), "its hours count");
    }
}
