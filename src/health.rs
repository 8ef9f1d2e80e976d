//! Whether work that must go on goes on: what `/-/healthy` and the watchdog of the service manager report.
//!
//! Work stands still when an attempt has been due or in flight, and none has *ended*, in success or in failure, for
//! longer than all deadlines of one attempt together. A failed request, a failed save, a long first pass are progress;
//! a pause that was asked for (HTTP 429) does not count.
//!
//! Times here are of the monotonic clock: a machine that was suspended did not stand still.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What the work itself reports. Cheap to clone; every clone is the same.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    due: Mutex<Option<Instant>>,
    ended: AtomicU64,
}

impl Progress {
    /// When the next attempt is due: now while one is in flight, `None` while there is nothing to do.
    pub fn due(&self, at: Option<Instant>) {
        *lock(&self.0.due) = at;
    }

    /// An attempt ended, in success or in failure.
    pub fn ended(&self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// Watches over one piece of work. [`Monitor::stalled`] must be called every few seconds: it sees what has changed since
/// the last call.
#[derive(Debug)]
pub struct Monitor {
    /// What the work is called in answers and logs.
    pub name: String,
    progress: Progress,
    limit: Duration,
    /// The attempts that had ended when progress was last seen, and when that was.
    last: Mutex<(u64, Instant)>,
}

impl Monitor {
    /// `limit`: all deadlines of one attempt together.
    #[must_use]
    pub fn new(name: impl Into<String>, progress: Progress, limit: Duration) -> Self {
        Self { name: name.into(), progress, limit, last: Mutex::new((0, Instant::now())) }
    }

    /// How long the work has stood still, if that is longer than it may. `more` are attempts that are counted elsewhere;
    /// `paused`: nothing may be attempted at the moment.
    pub fn stalled(&self, more: u64, paused: bool) -> Option<Duration> {
        let now = Instant::now();
        let is_due = lock(&self.progress.0.due).is_some_and(|due| due <= now);
        let ended = self.progress.0.ended.load(Ordering::Relaxed).wrapping_add(more);
        let mut last = lock(&self.last);
        if paused || !is_due || last.0 != ended {
            *last = (ended, now);
        }
        let stalled = now.duration_since(last.1);
        (stalled > self.limit).then_some(stalled)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(100);
    const STEP: Duration = Duration::from_secs(5);

    /// As it is checked in the daemon, every few seconds; what the last check said.
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
        progress.due(Some(Instant::now() + LIMIT));
        assert_eq!(wait(&monitor, LIMIT, || (0, false)).await, None, "it is due only later");
        assert_eq!(wait(&monitor, LIMIT.mul_f64(0.9), || (0, false)).await, None, "it may take so long");
        let stalled = wait(&monitor, LIMIT, || (0, false)).await.unwrap();
        assert!(stalled > LIMIT && stalled <= LIMIT * 2 + STEP, "{stalled:?}");
        progress.ended();
        assert_eq!(wait(&monitor, STEP, || (0, false)).await, None, "an attempt ended, however");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_long_attempts_and_pauses_are_progress() {
        let progress = Progress::default();
        let monitor = Monitor::new("work", progress.clone(), LIMIT);
        progress.due(Some(Instant::now()));
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
