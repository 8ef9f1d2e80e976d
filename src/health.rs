//! Liveness: detects work that is stalled, for `/-/healthy` and the systemd watchdog.
//!
//! Work is stalled when an attempt has been due or in flight, and none has *ended*, in success or failure, for longer
//! than all deadlines of one attempt together. A failed request, a failed save and a long first pass count as progress;
//! a pause after HTTP 429 does not count as a stall.
//!
//! Times here are of the monotonic clock, so a suspended machine does not count as stalled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The progress that the work reports. Cheap to clone; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    due: Mutex<Option<Instant>>,
    ended: AtomicU64,
}

impl Progress {
    /// When the next attempt is due: now while one is in flight, `None` if there is nothing to do.
    pub fn set_next_due(&self, at: Option<Instant>) {
        *self.0.due.lock() = at;
    }

    /// Records that an attempt ended, in success or failure.
    pub fn attempt_ended(&self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// Monitors one kind of work. Call [`Monitor::stalled`] every few seconds: it detects changes since the last call.
#[derive(Debug)]
pub struct Monitor {
    /// The name in responses and logs.
    pub name: String,
    progress: Progress,
    limit: Duration,
    /// The number of ended attempts at the last progress, and the time of it.
    last: Mutex<(u64, Instant)>,
}

impl Monitor {
    /// `limit`: the sum of all deadlines of one attempt.
    #[must_use]
    pub fn new(name: impl Into<String>, progress: Progress, limit: Duration) -> Self {
        Self { name: name.into(), progress, limit, last: Mutex::new((0, Instant::now())) }
    }

    /// How long the work has been stalled, if that is longer than the limit. `more`: attempts that are counted
    /// elsewhere; `paused`: no attempt is allowed at the moment.
    pub fn stalled(&self, more: u64, paused: bool) -> Option<Duration> {
        let now = Instant::now();
        let is_due = self.progress.0.due.lock().is_some_and(|due| due <= now);
        let ended = self.progress.0.ended.load(Ordering::Relaxed).wrapping_add(more);
        let mut last = self.last.lock();
        if paused || !is_due || last.0 != ended {
            *last = (ended, now);
        }
        let stalled = now.duration_since(last.1);
        (stalled > self.limit).then_some(stalled)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(100);
    const STEP: Duration = Duration::from_secs(5);

    /// Checks every few seconds like the daemon; returns the last result.
    async fn wait(monitor: &Monitor, time: Duration, mut attempt: impl FnMut() -> (u64, bool)) -> Option<Duration> {
        let end = Instant::now() + time;
        loop {
            advance(STEP).await;
            let (more, paused) = attempt();
            let stalled = monitor.stalled(more, paused);
            if Instant::now() >= end {
                return stalled;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_is_due_and_does_not_end_stands_still() {
        let progress = Progress::default();
        let monitor = Monitor::new("work", progress.clone(), LIMIT);
        assert_eq!(wait(&monitor, LIMIT * 9, || (0, false)).await, None, "nothing is due");
        progress.set_next_due(Some(Instant::now() + LIMIT));
        assert_eq!(wait(&monitor, LIMIT, || (0, false)).await, None, "it is due only later");
        assert_eq!(wait(&monitor, LIMIT.mul_f64(0.9), || (0, false)).await, None, "it may take so long");
        let stalled = wait(&monitor, LIMIT, || (0, false)).await.unwrap();
        assert!(stalled > LIMIT && stalled <= LIMIT * 2 + STEP, "{stalled:?}");
        progress.attempt_ended();
        assert_eq!(wait(&monitor, STEP, || (0, false)).await, None, "an attempt ended, however");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_long_attempts_and_pauses_are_progress() {
        let progress = Progress::default();
        let monitor = Monitor::new("work", progress.clone(), LIMIT);
        progress.set_next_due(Some(Instant::now()));
        let mut requests = 0;
        let long = wait(&monitor, LIMIT * 9, || {
            requests += 1;
            (requests, false)
        });
        assert_eq!(long.await, None, "requests of one long attempt end");
        assert_eq!(wait(&monitor, LIMIT * 36, || (requests, true)).await, None, "a pause of an hour");
        assert_eq!(wait(&monitor, LIMIT / 2, || (requests, false)).await, None, "after it, it has time again");
        assert!(wait(&monitor, LIMIT, || (requests, false)).await.is_some());
    }
}
