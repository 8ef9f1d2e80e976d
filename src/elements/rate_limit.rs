//! The budget of one app registration: rate, burst and concurrency, and what a 429 does to them.
//!
//! [`bucket`] is the pure state machine, [`RateLimiter`] lets tasks wait for it. All partners of the configuration that
//! use a registration share one limiter. Promised:
//! - in any window of `t` seconds no more than `rate * t + burst` requests go out, of the configured rate. A permit that
//!   is not used yet keeps its place in the bucket, so holding permits back gains nothing;
//! - timers fire late, and what is gained meanwhile is not lost: the bucket grows with the time that has passed, and holds
//!   beside the request that is waited for what [`bucket::TIMER_SLACK`] brings. A burst above 1 has room for that. For a
//!   burst of 1 the bucket is larger by less than one request: the bound above then holds whenever `rate * t` is whole,
//!   and else within one request;
//! - the 429 that begins a pause halves the rate, not below a tenth of the configured one; those in flight when it begins
//!   belong to the same event and may only extend it. During a pause nothing goes out, whatever permits there are;
//! - after a pause, the rate regains 5 % of the configured one per second, from an empty bucket on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use self::bucket::{AimdBucket, Verdict};
pub(super) use self::bucket::{MAX_RETRY_AFTER, RateLimitState, backoff};
use crate::config::BudgetSettings;

mod bucket;
#[cfg(test)]
mod tests;

/// Lets requests through, in the order in which they came. Cheap to clone; every clone is the same limiter.
#[derive(Clone, Debug)]
pub(super) struct RateLimiter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bucket: Mutex<AimdBucket>,
    slots: Arc<Semaphore>,
    /// Held by the task that waits for the rate; the others queue behind it.
    queue_lock: tokio::sync::Mutex<()>,
    /// A permit was used or returned, or a pause began.
    changed: Notify,
    started: Instant,
}

/// The right to send one request: a place in the bucket and, but for token requests, one of the concurrency slots,
/// which is free again when this is dropped. Hold it only while there is something to send.
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
    pub(super) fn new(budget: BudgetSettings) -> Self {
        let slots = usize::try_from(budget.concurrency.max(1)).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Inner {
            bucket: Mutex::new(AimdBucket::new(budget.requests_per_second, budget.burst.max(1))),
            slots: Arc::new(Semaphore::new(slots)),
            queue_lock: tokio::sync::Mutex::new(()),
            changed: Notify::new(),
            started: Instant::now(),
        }))
    }

    /// Waits for a slot, the end of a pause and the rate. Nothing is lost if the future is dropped.
    pub(super) async fn acquire(&self) -> Permit {
        // The semaphore is never closed, so there is always a permit in the end.
        let slot = Arc::clone(&self.0.slots).acquire_owned().await.ok();
        self.acquire_with(slot).await
    }

    /// The same for a token request, which takes no slot: those who have one may be waiting for the token.
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

    /// The request was answered with 429.
    pub(super) fn throttled(&self, permit: &Permit, retry_after: Option<Duration>) {
        self.bucket().throttled(self.now(), permit.generation, retry_after, fastrand::f64());
        self.0.changed.notify_one();
    }

    /// The request was answered, and not with 429.
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
        self.0.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// To be called right before the request goes out: false if requests were paused since, or if this was used before;
    /// then it must not.
    pub(super) fn send(&mut self) -> bool {
        let go = !self.sent && self.limiter.bucket().send(self.limiter.now(), self.generation);
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
