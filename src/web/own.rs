//! The exporter's own metrics, as scrapes share them.
//!
//! To gather, format and compress them costs more than all else about a scrape. So they are made at most a tenth of the
//! time, and by one scrape while others wait for it: a crowd of scrapers costs hardly more than one. What is shared is
//! as old as it took to make, nine times over, and [`MOST`] at most; one that comes alone finds them made anew for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::Instant;

use crate::exposition::{Format, Own};

/// After they were made, they are kept for as many times as long as it took.
const REST: u32 = 9;
/// But no longer than this.
const MOST: Duration = Duration::from_millis(100);

/// In both formats.
#[derive(Debug)]
pub(super) struct Shared {
    text: Place,
    openmetrics: Place,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self { text: Place::new(), openmetrics: Place::new() }
    }

    /// Those that were made a moment ago under the same configuration, or what `make` makes, which may take a while.
    /// Fails if that panics.
    pub(super) async fn get(
        &self,
        format: Format,
        configuration: u64,
        make: impl FnOnce() -> Own + Send + 'static,
    ) -> Result<Arc<Own>, JoinError> {
        match format {
            Format::Text => self.text.get(configuration, make).await,
            Format::OpenMetrics => self.openmetrics.get(configuration, make).await,
        }
    }

    /// Something changed that whoever asks next must see.
    pub(super) fn forget(&self) {
        for place in [&self.text, &self.openmetrics] {
            *lock(&place.last) = None;
        }
    }
}

/// What was made last, if anything, until when it is good enough, and under which configuration.
type Last = Option<(Arc<Own>, Instant, u64)>;

#[derive(Debug)]
struct Place {
    /// Who makes them, while others wait.
    turn: Arc<Semaphore>,
    last: Arc<Mutex<Last>>,
}

impl Place {
    fn new() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), last: Arc::default() }
    }

    async fn get(
        &self,
        configuration: u64,
        make: impl FnOnce() -> Own + Send + 'static,
    ) -> Result<Arc<Own>, JoinError> {
        if let Some(own) = self.fresh(configuration) {
            return Ok(own);
        }
        // Nobody closes the semaphore.
        let turn = Arc::clone(&self.turn).acquire_owned().await.ok();
        if let Some(own) = self.fresh(configuration) {
            return Ok(own);
        }
        let last = Arc::clone(&self.last);
        // The turn lasts until it ends, though the peer may be gone.
        spawn_blocking(move || {
            let _turn = turn;
            let start = Instant::now();
            let own = Arc::new(make());
            let rest = (start.elapsed() * REST).min(MOST);
            let before = lock(&last).replace((Arc::clone(&own), Instant::now() + rest, configuration));
            drop(before);
            own
        })
        .await
    }

    fn fresh(&self, configuration: u64) -> Option<Arc<Own>> {
        let last = lock(&self.last);
        let (own, until, made_under) = last.as_ref()?;
        (Instant::now() < *until && *made_under == configuration).then(|| Arc::clone(own))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "what blocks here is off the runtime's threads")]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Takes a while.
    fn make(count: &Arc<AtomicU32>) -> impl FnOnce() -> Own + Send + 'static {
        let count = Arc::clone(count);
        move || {
            count.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(20));
            Own::new(Format::Text, &[])
        }
    }

    #[tokio::test]
    async fn a_crowd_has_them_made_once_and_who_comes_later_again() {
        let (shared, count) = (Shared::new(), Arc::new(AtomicU32::new(0)));
        let get = || shared.get(Format::Text, 1, make(&count));
        let (one, two, three) = tokio::join!(get(), get(), get());
        let one = one.unwrap();
        assert!(Arc::ptr_eq(&one, &two.unwrap()) && Arc::ptr_eq(&one, &three.unwrap()));
        assert_eq!(count.load(Ordering::Relaxed), 1);
        while Arc::ptr_eq(&one, &get().await.unwrap()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let again = get().await.unwrap();
        shared.forget();
        assert!(!Arc::ptr_eq(&again, &get().await.unwrap()));
        let again = get().await.unwrap();
        let reloaded = shared.get(Format::Text, 2, make(&count)).await.unwrap();
        assert!(!Arc::ptr_eq(&again, &reloaded), "another configuration has others");
        shared.get(Format::OpenMetrics, 2, make(&count)).await.unwrap();
    }

    #[tokio::test]
    async fn one_that_fails_fails_alone() {
        let (shared, count) = (Shared::new(), Arc::new(AtomicU32::new(0)));
        assert!(shared.get(Format::Text, 1, || panic!("a test")).await.is_err());
        assert!(shared.get(Format::Text, 1, make(&count)).await.is_ok());
    }
}
