//! Wall clocks that can be set.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

use crate::support::{Samples, of};

/// In seconds: far less than the clocks are set by, and more than the duration of a row.
const REACH: f64 = 120.0;

/// The wall clock of one daemon. It is read by a plain function, so each daemon has its own.
#[derive(Debug)]
pub struct Wall {
    forward: AtomicI64,
    pub read: fn() -> Timestamp,
}

pub static WALLS: [Wall; 3] = [
    Wall { forward: AtomicI64::new(0), read: || WALLS[0].now() },
    Wall { forward: AtomicI64::new(0), read: || WALLS[1].now() },
    Wall { forward: AtomicI64::new(0), read: || WALLS[2].now() },
];

impl Wall {
    fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(self.forward.load(Ordering::Relaxed))
    }

    /// Sets it ahead by this many seconds; negative: behind.
    pub fn set_forward(&self, seconds: i64) {
        self.forward.store(seconds, Ordering::Relaxed);
    }

    /// All exported times use this clock: polls are within the last intervals, and a token expires soon.
    pub fn check(&self, samples: &Samples) -> Result<(), String> {
        let now = self.now().as_millisecond() as f64 / 1000.0;
        let past =
            ["avepoint_collector_last_success_timestamp_seconds", "avepoint_discovery_last_success_timestamp_seconds"];
        let past = past.into_iter().flat_map(|family| of(samples, family));
        let future = of(samples, "avepoint_auth_token_expiration_timestamp_seconds");
        match past.chain(future).find(|(_, time)| (time - now).abs() > REACH) {
            Some((series, time)) => Err(format!("{series} is {} s ahead of the wall clock", time - now)),
            None => Ok(()),
        }
    }
}
