//! State machine of the rate limiter: a token bucket whose rate follows AIMD. Pure: time is passed in.
//!
//! Additive increase: the rate recovers by 5 % of the configured one per second. Multiplicative decrease: a 429 halves
//! it, but not below a tenth of the configured one, and pauses all requests.

use std::time::Duration;

/// How late a timer may fire without losing capacity. Timers have a granularity of a millisecond, and a busy machine
/// adds some.
pub(super) const TIMER_SLACK: Duration = Duration::from_millis(5);
/// The additional capacity of a burst of 1 for late timers, in requests; below 1.
pub(super) const MAX_CARRY: f64 = 0.9;
/// As shares of the configured rate: its minimum, and its recovery per second.
const FLOOR: f64 = 0.1;
const REGAIN_PER_SECOND: f64 = 0.05;
/// A pause without `Retry-After` lasts up to 1 s, then 2 s, 4 s and so on, up to this.
const MAX_BACKOFF: Duration = Duration::from_mins(1);
/// The minimum of a pause, whatever the jitter or `Retry-After` is.
pub(crate) const MIN_PAUSE: Duration = Duration::from_millis(500);
/// The maximum of `Retry-After`.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// The pause after the `consecutive`-th failure (from 1): the ceiling doubles from 1 s up to `longest`, and `jitter` (0
/// to 1) selects the pause between [`MIN_PAUSE`] and the ceiling.
pub(crate) fn backoff(consecutive: u32, longest: Duration, jitter: f64) -> Duration {
    let doublings = consecutive.saturating_sub(1).min(31);
    let ceiling = Duration::from_secs(1_u64 << doublings).min(longest);
    MIN_PAUSE + ceiling.saturating_sub(MIN_PAUSE).mul_f64(jitter.clamp(0.0, 1.0))
}

/// Rate, bucket and pause at a point in time, measured since the start; it never decreases.
#[derive(Debug)]
pub(super) struct AimdBucket {
    /// The configured rate in requests per second.
    configured: f64,
    /// The capacity of the bucket in requests: the burst, or a little more than one.
    capacity: f64,
    /// The current rate in requests per second.
    rate: f64,
    tokens: f64,
    /// Permits that are neither used nor returned. `tokens + reserved` never exceeds the capacity.
    reserved: f64,
    paused_until: Option<Duration>,
    /// The number of pauses; a permit of an earlier generation is invalid.
    pub(super) generation: u64,
    /// Pauses since the last success.
    pub(super) consecutive: u32,
    paused_total: Duration,
    /// The fields above are up to date as of this time.
    now: Duration,
}

/// The result of [`AimdBucket::acquire`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    /// Granted, with a permit of this generation.
    Acquired(u64),
    /// Not before this time.
    NotBefore(Duration),
    /// Not before a permit is used or returned.
    Exhausted,
}

/// What a scrape reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RateLimitState {
    /// The remaining time of a pause, if there is one.
    pub(crate) paused_for: Option<Duration>,
    /// The current rate in requests per second.
    pub(crate) rate: f64,
    /// The total duration of all pauses so far, including the current one.
    pub(crate) paused_total: Duration,
}

impl AimdBucket {
    /// Not paused, with a full bucket, at time 0.
    pub(super) fn new(requests_per_second: f64, burst: u32) -> Self {
        let burst = f64::from(burst);
        Self {
            configured: requests_per_second,
            capacity: burst.max(1.0 + (requests_per_second * TIMER_SLACK.as_secs_f64()).min(MAX_CARRY)),
            rate: requests_per_second,
            tokens: burst,
            reserved: 0.0,
            paused_until: None,
            generation: 0,
            consecutive: 0,
            paused_total: Duration::ZERO,
            now: Duration::ZERO,
        }
    }

    /// Takes a permit for one request, if one is available.
    pub(super) fn acquire(&mut self, now: Duration) -> Verdict {
        self.advance(now);
        if let Some(until) = self.paused_until {
            return Verdict::NotBefore(until);
        }
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            self.reserved += 1.0;
            return Verdict::Acquired(self.generation);
        }
        if self.reserved > self.capacity - 1.0 {
            return Verdict::Exhausted;
        }
        Verdict::NotBefore(self.now + self.time_to_gain(1.0 - self.tokens))
    }

    /// Uses a permit: returns false if requests were paused since; then the request must not be sent.
    pub(super) fn redeem(&mut self, now: Duration, generation: u64) -> bool {
        self.advance(now);
        let valid = generation == self.generation;
        if valid {
            self.reserved -= 1.0;
        }
        valid
    }

    /// Returns an unused permit.
    pub(super) fn give_back(&mut self, now: Duration, generation: u64) {
        self.advance(now);
        if generation == self.generation {
            self.reserved -= 1.0;
            self.tokens += 1.0;
        }
    }

    /// Records a 429 to a request of `generation`. `jitter` (0 to 1) selects the length of a pause without
    /// `Retry-After`.
    pub(super) fn throttled(&mut self, now: Duration, generation: u64, retry_after: Option<Duration>, jitter: f64) {
        self.advance(now);
        let asked = retry_after.map(|wait| wait.clamp(MIN_PAUSE, MAX_RETRY_AFTER));
        if generation == self.generation {
            self.consecutive = self.consecutive.saturating_add(1);
            self.rate = (self.rate / 2.0).max(self.configured * FLOOR);
            let wait = asked.unwrap_or_else(|| backoff(self.consecutive, MAX_BACKOFF, jitter));
            self.pause(self.now + wait);
        } else if let Some(wait) = asked {
            // It was in flight when the previous pause began: it may extend that pause, even if it has just ended.
            match self.paused_until {
                Some(until) => self.paused_until = Some(until.max(self.now + wait)),
                None => self.pause(self.now + wait),
            }
        }
    }

    /// Records another response to a request of `generation`.
    pub(super) fn succeeded(&mut self, generation: u64) {
        if generation == self.generation {
            self.consecutive = 0;
        }
    }

    /// What a scrape reads.
    pub(super) fn state(&mut self, now: Duration) -> RateLimitState {
        self.advance(now);
        RateLimitState {
            paused_for: self.paused_until.map(|until| until.saturating_sub(self.now)),
            rate: self.rate,
            paused_total: self.paused_total,
        }
    }

    /// Invalidates all permits and empties the bucket.
    fn pause(&mut self, until: Duration) {
        self.generation += 1;
        self.tokens = 0.0;
        self.reserved = 0.0;
        self.paused_until = Some(until);
    }

    /// Advances the state to `now`; an earlier time than before changes nothing.
    fn advance(&mut self, now: Duration) {
        let now = now.max(self.now);
        if let Some(until) = self.paused_until {
            let end = until.min(now);
            self.paused_total += end.saturating_sub(self.now);
            self.now = self.now.max(end);
            if now < until {
                return;
            }
            self.paused_until = None;
        }
        let elapsed = now.saturating_sub(self.now).as_secs_f64();
        let growing = elapsed.min(self.time_to_recover());
        let gained =
            self.rate * growing + 0.5 * self.growth() * growing * growing + self.configured * (elapsed - growing);
        self.tokens = (self.tokens + gained).min(self.capacity - self.reserved).max(0.0);
        self.rate = (self.rate + self.growth() * growing).min(self.configured);
        self.now = now;
    }

    /// Recovery of the rate, in requests per second, per second.
    fn growth(&self) -> f64 {
        self.configured * REGAIN_PER_SECOND
    }

    /// Seconds until the rate is the configured one.
    fn time_to_recover(&self) -> f64 {
        ((self.configured - self.rate) / self.growth()).max(0.0)
    }

    /// The time to gain this many tokens without a pause, rounded up.
    fn time_to_gain(&self, tokens: f64) -> Duration {
        let growing = self.time_to_recover();
        let while_growing = (self.rate + 0.5 * self.growth() * growing) * growing;
        let seconds = if tokens <= while_growing {
            let growth = self.growth();
            ((self.rate * self.rate + 2.0 * growth * tokens).sqrt() - self.rate) / growth
        } else {
            growing + (tokens - while_growing) / self.configured
        };
        // A rate close to 0 must not overflow; the caller asks again.
        Duration::try_from_secs_f64(seconds).unwrap_or(MAX_RETRY_AFTER).min(MAX_RETRY_AFTER) + Duration::from_micros(1)
    }
}
