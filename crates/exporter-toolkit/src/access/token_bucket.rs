//! `rate_limit`: a token bucket shared by all clients.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Starts full.
pub(super) struct TokenBucket {
    interval: Duration,
    burst: f64,
    level: Mutex<(f64, Instant)>,
}

impl TokenBucket {
    /// One request per `interval` (above zero), and `burst` at once. A burst of 0 refuses every request.
    pub(super) fn new(interval: Duration, burst: u32) -> Self {
        Self { interval, burst: burst.into(), level: Mutex::new((burst.into(), Instant::now())) }
    }

    /// Takes a token, if there is one.
    pub(super) fn try_acquire(&self) -> bool {
        let mut level = self.level.lock();
        let now = Instant::now();
        let (requests, since) = *level;
        let requests = (requests + now.duration_since(since).div_duration_f64(self.interval)).min(self.burst);
        let admitted = requests >= 1.0;
        *level = (if admitted { requests - 1.0 } else { requests }, now);
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_one_each_interval() {
        let bucket = TokenBucket::new(Duration::from_secs(1), 3);
        let admitted = |times| (0..times).filter(|_| bucket.try_acquire()).count();
        assert_eq!(admitted(10), 3);
        tokio::time::advance(Duration::from_millis(2500)).await;
        assert_eq!(admitted(10), 2);
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(admitted(10), 1);
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(admitted(10), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_nothing_lets_nobody_through() {
        let bucket = TokenBucket::new(Duration::from_secs(1), 0);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!bucket.try_acquire());
    }
}
