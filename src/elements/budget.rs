//! How much one app registration asks: rate, burst and concurrency, and what a 429 does to them.
//!
//! [`Throttle`] is the pure state machine, [`Gate`] lets tasks wait for it. Promised:
//! - in any window of `t` seconds no more than `rate * t + burst` requests go out, of the configured rate. A request
//!   that was admitted and is not sent yet keeps its place in the bucket, so holding admissions back gains nothing;
//! - nobody who waits is woken to the moment, and what is gained meanwhile is not lost: the bucket grows with the time
//!   that has passed, and holds beside the one request that is waited for what [`LATENESS`] brings. A burst above 1 has
//!   room for that. For a burst of 1 the bucket is larger by less than one request: the bound above then holds whenever
//!   `rate * t` is whole, and else within one request;
//! - the 429 that closes an open gate halves the rate, not below a tenth of the configured one; those that were under
//!   way when it closed belong to the same event and may only keep it closed for longer. A closed gate lets nothing
//!   out, not even what it admitted before;
//! - open, the rate regains 5 % of the configured one per second; the bucket is empty when the gate opens again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::config::BudgetSettings;

#[cfg(test)]
mod tests;

/// By how much a wake-up may be late and lose nothing of the rate. Timers have a granularity of a millisecond, and a busy
/// machine adds some.
const LATENESS: Duration = Duration::from_millis(5);
/// What a burst of 1 may have on top of it for that; below 1.
const MOST_CARRIED: f64 = 0.9;
/// Of the configured rate: what is left of it at least, and what it regains per second.
const FLOOR: f64 = 0.1;
const REGAIN_PER_SECOND: f64 = 0.05;
/// A closure without `Retry-After` lasts up to 1 s, then 2 s, 4 s and so on, no longer than this.
const LONGEST_BACKOFF: Duration = Duration::from_mins(1);
/// No closure is shorter, whatever the jitter or `Retry-After` say.
pub(super) const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
/// No `Retry-After` is believed beyond this.
pub(super) const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// A pause after the `consecutive`-th failure (from 1): the ceiling doubles from 1 s up to `longest`, `jitter` (0 to 1)
/// says where between [`SHORTEST_PAUSE`] and the ceiling it lies.
pub(super) fn pause(consecutive: u32, longest: Duration, jitter: f64) -> Duration {
    let doublings = consecutive.saturating_sub(1).min(31);
    let ceiling = Duration::from_secs(1_u64 << doublings).min(longest);
    SHORTEST_PAUSE + ceiling.saturating_sub(SHORTEST_PAUSE).mul_f64(jitter.clamp(0.0, 1.0))
}

/// Rate, bucket and closure, as of a time that only grows: the time since the start.
#[derive(Debug)]
pub(super) struct Throttle {
    configured: f64,
    /// What the bucket holds at most: the burst, or a little more than one request.
    capacity: f64,
    rate: f64,
    tokens: f64,
    /// Admitted and neither sent nor given back. `tokens + held` never exceeds the capacity.
    held: f64,
    closed_until: Option<Duration>,
    /// Counts closures; an admission of an older epoch is void.
    epoch: u64,
    /// Closures since the last success.
    consecutive: u32,
    throttled: Duration,
    /// Everything above is accounted for up to here.
    now: Duration,
}

/// What [`Throttle::admit`] says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    /// Go, under this epoch.
    Admitted(u64),
    /// Not before this time.
    NotBefore(Duration),
    /// Not before an admission is sent or given back.
    Full,
}

/// What a scrape reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ThrottleState {
    /// Until when the gate is closed, if it is.
    pub(super) closed_for: Option<Duration>,
    /// Requests per second, now.
    pub(super) rate: f64,
    /// All closures so far, the present one up to now.
    pub(super) throttled: Duration,
}

impl Throttle {
    /// Open, with a full bucket, at time 0.
    pub(super) fn new(requests_per_second: f64, burst: u32) -> Self {
        let burst = f64::from(burst);
        Self {
            configured: requests_per_second,
            capacity: burst.max(1.0 + (requests_per_second * LATENESS.as_secs_f64()).min(MOST_CARRIED)),
            rate: requests_per_second,
            tokens: burst,
            held: 0.0,
            closed_until: None,
            epoch: 0,
            consecutive: 0,
            throttled: Duration::ZERO,
            now: Duration::ZERO,
        }
    }

    /// Asks to send one request.
    pub(super) fn admit(&mut self, now: Duration) -> Verdict {
        self.advance(now);
        if let Some(until) = self.closed_until {
            return Verdict::NotBefore(until);
        }
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            self.held += 1.0;
            return Verdict::Admitted(self.epoch);
        }
        if self.held > self.capacity - 1.0 {
            return Verdict::Full;
        }
        Verdict::NotBefore(self.now + self.time_to_gain(1.0 - self.tokens))
    }

    /// An admitted request is about to go out: false if the gate has closed since, then it must not.
    pub(super) fn send(&mut self, now: Duration, epoch: u64) -> bool {
        self.advance(now);
        let valid = epoch == self.epoch;
        if valid {
            self.held -= 1.0;
        }
        valid
    }

    /// An admitted request is not going to be sent.
    pub(super) fn give_back(&mut self, now: Duration, epoch: u64) {
        self.advance(now);
        if epoch == self.epoch {
            self.held -= 1.0;
            self.tokens += 1.0;
        }
    }

    /// A request of `epoch` was answered with 429. `jitter` (0 to 1) places the end of a closure without `Retry-After`.
    pub(super) fn throttled(&mut self, now: Duration, epoch: u64, retry_after: Option<Duration>, jitter: f64) {
        self.advance(now);
        let asked = retry_after.map(|wait| wait.clamp(SHORTEST_PAUSE, LONGEST_RETRY_AFTER));
        if epoch == self.epoch {
            self.consecutive = self.consecutive.saturating_add(1);
            self.rate = (self.rate / 2.0).max(self.configured * FLOOR);
            let wait = asked.unwrap_or_else(|| pause(self.consecutive, LONGEST_BACKOFF, jitter));
            self.close(self.now + wait);
        } else if let Some(wait) = asked {
            // A straggler of the closure before: it may extend that, also when it is just over.
            match self.closed_until {
                Some(until) => self.closed_until = Some(until.max(self.now + wait)),
                None => self.close(self.now + wait),
            }
        }
    }

    /// A request of `epoch` was answered and not throttled.
    pub(super) fn succeeded(&mut self, epoch: u64) {
        if epoch == self.epoch {
            self.consecutive = 0;
        }
    }

    /// What a scrape reads.
    pub(super) fn state(&mut self, now: Duration) -> ThrottleState {
        self.advance(now);
        ThrottleState {
            closed_for: self.closed_until.map(|until| until.saturating_sub(self.now)),
            rate: self.rate,
            throttled: self.throttled,
        }
    }

    /// Voids what is admitted and empties the bucket.
    fn close(&mut self, until: Duration) {
        self.epoch += 1;
        self.tokens = 0.0;
        self.held = 0.0;
        self.closed_until = Some(until);
    }

    /// Accounts for the time up to `now`; a time that lies before an earlier one is that one.
    fn advance(&mut self, now: Duration) {
        let now = now.max(self.now);
        if let Some(until) = self.closed_until {
            let end = until.min(now);
            self.throttled += end.saturating_sub(self.now);
            self.now = self.now.max(end);
            if now < until {
                return;
            }
            self.closed_until = None;
        }
        let open = now.saturating_sub(self.now).as_secs_f64();
        let growing = open.min(self.time_to_recover());
        let gained = self.rate * growing + 0.5 * self.growth() * growing * growing + self.configured * (open - growing);
        self.tokens = (self.tokens + gained).min(self.capacity - self.held).max(0.0);
        self.rate = (self.rate + self.growth() * growing).min(self.configured);
        self.now = now;
    }

    fn growth(&self) -> f64 {
        self.configured * REGAIN_PER_SECOND
    }

    /// Seconds until the rate is the configured one.
    fn time_to_recover(&self) -> f64 {
        ((self.configured - self.rate) / self.growth()).max(0.0)
    }

    /// How long the open gate takes to gain so many tokens, rounded up.
    fn time_to_gain(&self, tokens: f64) -> Duration {
        let growing = self.time_to_recover();
        let while_growing = (self.rate + 0.5 * self.growth() * growing) * growing;
        let seconds = if tokens <= while_growing {
            let growth = self.growth();
            ((self.rate * self.rate + 2.0 * growth * tokens).sqrt() - self.rate) / growth
        } else {
            growing + (tokens - while_growing) / self.configured
        };
        // A rate close to 0 must not overflow; whoever waits asks again.
        Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_RETRY_AFTER).min(LONGEST_RETRY_AFTER)
            + Duration::from_micros(1)
    }
}

/// Lets requests through, in the order in which they came. Cheap to clone; every clone is the same gate.
#[derive(Clone, Debug)]
pub(super) struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    throttle: Mutex<Throttle>,
    slots: Arc<Semaphore>,
    /// Held by the one that waits for the rate; the others queue behind it.
    turnstile: tokio::sync::Mutex<()>,
    /// Room was made, or the gate closed.
    changed: Notify,
    started: Instant,
}

/// The right to send one request: a place in the bucket and, but for token requests, one of the concurrency slots,
/// which is free again when this is dropped. Hold it only while there is something to send.
#[derive(Debug)]
#[must_use = "dropping it gives the request's place back"]
pub struct Admission {
    gate: Gate,
    _slot: Option<OwnedSemaphorePermit>,
    epoch: u64,
    sent: bool,
}

impl Gate {
    /// Open, with a full bucket.
    pub(super) fn new(budget: BudgetSettings) -> Self {
        let slots = usize::try_from(budget.concurrency.max(1)).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Inner {
            throttle: Mutex::new(Throttle::new(budget.requests_per_second, budget.burst.max(1))),
            slots: Arc::new(Semaphore::new(slots)),
            turnstile: tokio::sync::Mutex::new(()),
            changed: Notify::new(),
            started: Instant::now(),
        }))
    }

    /// Waits for a slot, an open gate and the rate. Nothing is lost if the future is dropped.
    pub(super) async fn admit(&self) -> Admission {
        // The semaphore is never closed, so there is always a permit in the end.
        let slot = Arc::clone(&self.0.slots).acquire_owned().await.ok();
        self.pass(slot).await
    }

    /// The same for a token request, which takes no slot: whoever has one may be waiting for the token.
    pub(super) async fn admit_token_request(&self) -> Admission {
        self.pass(None).await
    }

    async fn pass(&self, slot: Option<OwnedSemaphorePermit>) -> Admission {
        let _turn = self.0.turnstile.lock().await;
        loop {
            let verdict = self.throttle().admit(self.now());
            match verdict {
                Verdict::Admitted(epoch) => return Admission { gate: self.clone(), _slot: slot, epoch, sent: false },
                Verdict::Full => self.0.changed.notified().await,
                Verdict::NotBefore(time) => {
                    let _ = tokio::time::timeout_at(self.0.started + time, self.0.changed.notified()).await;
                }
            }
        }
    }

    /// The request was answered with 429.
    pub(super) fn throttled(&self, admission: &Admission, retry_after: Option<Duration>) {
        self.throttle().throttled(self.now(), admission.epoch, retry_after, fastrand::f64());
        self.0.changed.notify_one();
    }

    /// The request was answered, and not with 429.
    pub(super) fn succeeded(&self, admission: &Admission) {
        self.throttle().succeeded(admission.epoch);
    }

    /// What a scrape reads.
    pub(super) fn state(&self) -> ThrottleState {
        self.throttle().state(self.now())
    }

    fn now(&self) -> Duration {
        self.0.started.elapsed()
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.0.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admission {
    /// To be called right before the request goes out: false if the gate has closed since, or if this was used before;
    /// then it must not.
    pub(super) fn send(&mut self) -> bool {
        let go = !self.sent && self.gate.throttle().send(self.gate.now(), self.epoch);
        self.sent = true;
        self.gate.0.changed.notify_one();
        go
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if !self.sent {
            self.gate.throttle().give_back(self.gate.now(), self.epoch);
            self.gate.0.changed.notify_one();
        }
    }
}
