//! The one clock of the daemon: the wall clock at start, carried on by the monotonic one.
//!
//! Ages and due times are differences of its readings, so that a wall clock that jumps neither ages a value nor
//! moves a poll. Under tokio's paused time it stands still with everything else.

use jiff::Timestamp;
use tokio::time::Instant;

/// Cheap to copy; every copy reads the same time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    anchor: Timestamp,
    started: Instant,
}

impl Clock {
    /// A clock that reads the wall clock's time now.
    #[must_use]
    pub fn start() -> Self {
        Self::starting_at(Timestamp::now())
    }

    /// A clock that reads `anchor` now.
    #[must_use]
    pub fn starting_at(anchor: Timestamp) -> Self {
        Self { anchor, started: Instant::now() }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.anchor.saturating_add(self.started.elapsed()).unwrap_or(Timestamp::MAX)
    }

    /// The runtime's instant of a time of this clock, for sleeping until it; a past time is now.
    #[must_use]
    pub fn instant(&self, at: Timestamp) -> Instant {
        let ahead = at.duration_since(self.now());
        Instant::now() + std::time::Duration::try_from(ahead).unwrap_or_default()
    }
}
