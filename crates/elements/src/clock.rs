//! The clock of the daemon: the wall clock at start, advanced by a clock that includes suspend (`CLOCK_BOOTTIME`).
//!
//! Ages and due times are differences of its readings. Setting the wall clock therefore neither ages a value nor moves
//! a poll, and after a suspend the values are as old as they really are. A time is converted to wall-clock time, by
//! [`Clock::wall`] or [`Clock::correction`], only when it is rendered or saved. Under tokio's paused time it stands
//! still like all timers.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// Smaller differences are ignored: the wall clock is being adjusted by NTP and was not set.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(2);
/// Timers of the runtime do not count suspend, so no timer sleeps longer than this at a time.
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
    /// A clock that starts at the wall clock's current time.
    #[must_use]
    pub fn start() -> Self {
        Self::following(Timestamp::now, suspended)
    }

    /// A clock with these sources: the wall clock, and how long the machine has been suspended since boot.
    #[must_use]
    pub fn following(wall: fn() -> Timestamp, suspended: fn() -> Duration) -> Self {
        let (anchor, started, suspended_before) = (wall(), Instant::now(), suspended());
        Self { anchor, started, suspended, suspended_before, wall: Some(wall) }
    }

    /// A clock that starts at `anchor` and is never corrected by a wall clock.
    #[must_use]
    pub fn starting_at(anchor: Timestamp) -> Self {
        Self { anchor, wall: None, ..Self::start() }
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let elapsed = self.started.elapsed() + (self.suspended)().saturating_sub(self.suspended_before);
        self.anchor.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// How far the wall clock was set forward (negative: back) since the start, in whole seconds; zero if it was not
    /// set.
    #[must_use]
    pub fn correction(&self) -> SignedDuration {
        let Some(wall) = self.wall else { return SignedDuration::ZERO };
        let ahead = wall().duration_since(self.now());
        // Rounded, so that a clock that was set by whole seconds does not alternate between two values.
        let half = SignedDuration::from_millis(500 * i64::from(ahead.signum()));
        if ahead.abs() < TOLERANCE { SignedDuration::ZERO } else { SignedDuration::from_secs((ahead + half).as_secs()) }
    }

    /// Converts a time of this clock to wall-clock time.
    #[must_use]
    pub fn wall(&self, at: Timestamp) -> Timestamp {
        at.saturating_add(self.correction()).unwrap_or(at)
    }

    /// The current wall-clock time.
    #[must_use]
    pub fn wall_now(&self) -> Timestamp {
        self.wall(self.now())
    }

    /// Resolves at a time of this clock, at most [`MAX_SLEEP`] late if the machine was suspended meanwhile. A past time
    /// resolves at once.
    pub async fn sleep_until(&self, at: Timestamp) {
        while let Ok(left) = Duration::try_from(at.duration_since(self.now()))
            && !left.is_zero()
        {
            tokio::time::sleep(left.min(MAX_SLEEP)).await;
        }
    }

    /// The runtime's instant of a time of this clock; a past time becomes the current instant.
    #[must_use]
    pub fn instant(&self, at: Timestamp) -> Instant {
        let ahead = at.duration_since(self.now());
        Instant::now() + Duration::try_from(ahead).unwrap_or_default()
    }
}

/// How long the machine has been suspended since boot, in whole seconds. The monotonic clock does not count it.
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
    fn setting_the_wall_clock_changes_exported_times_only() {
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
    async fn a_sleep_that_is_due_during_a_suspend_ends_soon_after_it() {
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
