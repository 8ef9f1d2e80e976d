//! The rate limiter of one app registration: rate, burst and concurrency, and the reaction to a 429.
//!
//! [`bucket`] is the pure state machine; [`RateLimiter`] lets tasks wait for it. All partners of the configuration that
//! use a registration share one limiter. Guarantees:
//! - In any window of `t` seconds at most `rate * t + burst` requests are sent, with the configured rate. An unused
//!   permit keeps its place in the bucket, so holding permits back gains nothing.
//! - Timers fire late, but no capacity is lost: the bucket grows with the elapsed time, and can hold, besides the
//!   request that is waiting, what [`bucket::TIMER_SLACK`] adds. A burst above 1 includes that. With a burst of 1
//!   the bucket is larger by less than one request: the bound above then holds exactly if `rate * t` is whole, and
//!   otherwise within one request.
//! - The 429 that starts a pause halves the rate, but not below a tenth of the configured one. Requests in flight at
//!   that time belong to the same event and may only extend the pause. During a pause nothing is sent, whatever permits
//!   exist.
//! - After a pause the bucket starts empty, and the rate recovers by 5 % of the configured one per second.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use self::bucket::{AimdBucket, Verdict};
pub(super) use self::bucket::{MAX_RETRY_AFTER, RateLimitState, backoff};
use crate::config::Budget;

mod bucket;
#[cfg(test)]
mod tests;

/// Grants permits in the order of the callers. Cheap to clone; clones share one limiter.
#[derive(Clone, Debug)]
pub(super) struct RateLimiter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bucket: Mutex<AimdBucket>,
    slots: Arc<Semaphore>,
    /// Held by the task that waits for the rate; the others queue behind it.
    queue_lock: tokio::sync::Mutex<()>,
    /// Signalled when a permit was used or returned, or a pause began.
    changed: Notify,
    started: Instant,
}

/// The right to send one request: a place in the bucket and, except for token requests, one of the concurrency slots,
/// which is released on drop. Hold it only while there is a request to send.
#[derive(Debug)]
#[must_use = "dropping it returns the request's place"]
pub struct Permit {
    limiter: RateLimiter,
    _slot: Option<OwnedSemaphorePermit>,
    generation: u64,
    sent: bool,
}

impl RateLimiter {
    /// Not paused, with a full bucket.
    pub(super) fn new(budget: Budget) -> Self {
        let slots = usize::try_from(budget.concurrency.max(1)).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Inner {
            bucket: Mutex::new(AimdBucket::new(budget.requests_per_second, budget.burst.max(1))),
            slots: Arc::new(Semaphore::new(slots)),
            queue_lock: tokio::sync::Mutex::new(()),
            changed: Notify::new(),
            started: Instant::now(),
        }))
    }

    /// Waits for a slot, the end of a pause and the rate. Dropping the future loses nothing.
    pub(super) async fn acquire(&self) -> Permit {
        // The semaphore is never closed, so a permit always becomes available.
        let slot = Arc::clone(&self.0.slots).acquire_owned().await.ok();
        self.acquire_with(slot).await
    }

    /// The same for a token request. It takes no slot, because the slot holders may be waiting for the token.
    pub(super) async fn acquire_for_token_request(&self) -> Permit {
        self.acquire_with(None).await
    }

    async fn acquire_with(&self, slot: Option<OwnedSemaphorePermit>) -> Permit {
        let _turn = self.0.queue_lock.lock().await;
        loop {
            let verdict = self.bucket().acquire(self.now());
            match verdict {
                Verdict::Acquired(generation) => {
                    return Permit { limiter: self.clone(), _slot: slot, generation, sent: false };
                }
                Verdict::Exhausted => self.0.changed.notified().await,
                Verdict::NotBefore(time) => {
                    let _ = tokio::time::timeout_at(self.0.started + time, self.0.changed.notified()).await;
                }
            }
        }
    }

    /// Records a 429 response.
    pub(super) fn throttled(&self, permit: &Permit, retry_after: Option<Duration>) {
        self.bucket().throttled(self.now(), permit.generation, retry_after, fastrand::f64());
        self.0.changed.notify_one();
    }

    /// Records any other response.
    pub(super) fn succeeded(&self, permit: &Permit) {
        self.bucket().succeeded(permit.generation);
    }

    /// What a scrape reads.
    pub(super) fn state(&self) -> RateLimitState {
        self.bucket().state(self.now())
    }

    fn now(&self) -> Duration {
        self.0.started.elapsed()
    }

    fn bucket(&self) -> MutexGuard<'_, AimdBucket> {
        self.0.bucket.lock()
    }
}

impl Permit {
    /// Call it right before sending the request. Returns false if requests were paused since, or if the permit was used
    /// before; then the request must not be sent.
    pub(super) fn redeem(&mut self) -> bool {
        let go = !self.sent && self.limiter.bucket().redeem(self.limiter.now(), self.generation);
        self.sent = true;
        self.limiter.0.changed.notify_one();
        go
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.sent {
            self.limiter.bucket().give_back(self.limiter.now(), self.generation);
            self.limiter.0.changed.notify_one();
        }
    }
}
