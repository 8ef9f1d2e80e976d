//! Limits the number of connections, and closes idle ones for new ones.
//!
//! All listeners of a server share one limit, which is below the limit on open files. When it is nearly reached, the
//! connections that have been idle longest are closed, so that neither silent clients nor clients that stop reading
//! lock out a scraper. [`Activity::eviction_rank`] decides which may be closed.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::activity::Activity;
use super::server::Limits;

/// One connection in this many is kept free, because closing a connection takes time.
const RESERVE_DIVISOR: usize = 16;
/// The minimum time between two searches, each of which visits every connection.
const SEARCH_INTERVAL: Duration = Duration::from_millis(5);

/// The connections of a server.
#[derive(Debug)]
pub(crate) struct Connections {
    limits: Limits,
    places: Arc<Semaphore>,
    reserve: usize,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    activities: Vec<Arc<Activity>>,
    searched_at: Option<Instant>,
}

impl Connections {
    /// At most [`Limits::connections`] at the same time.
    pub(crate) fn new(limits: Limits) -> Self {
        let places = Arc::new(Semaphore::new(limits.connections));
        Self { limits, places, reserve: limits.connections / RESERVE_DIVISOR, list: Mutex::default() }
    }

    /// Waits for a place for a connection that has been accepted; others are closed for it. May be dropped.
    pub(crate) async fn acquire(self: &Arc<Self>) -> ConnectionGuard {
        let place = loop {
            let free = self.places.available_permits();
            if free <= self.reserve / 2 {
                self.evict((self.reserve - free).max(1));
            }
            if let Ok(Ok(place)) = timeout(SEARCH_INTERVAL, Arc::clone(&self.places).acquire_owned()).await {
                break place;
            }
        };
        let activity = Arc::new(Activity::new(self.limits));
        self.list().activities.push(Arc::clone(&activity));
        ConnectionGuard { activity, connections: Arc::clone(self), _place: place }
    }

    /// Evicts connections until `count` of them are being closed, or none is left that may be evicted.
    fn evict(&self, count: usize) {
        let now = Instant::now();
        let mut list = self.list();
        if list.searched_at.is_some_and(|searched_at| now < searched_at + SEARCH_INTERVAL) {
            return;
        }
        list.searched_at = Some(now);
        let (evicted, others): (Vec<_>, Vec<_>) = list.activities.iter().partition(|activity| activity.is_evicted());
        let mut ranked: Vec<_> =
            others.into_iter().filter_map(|activity| Some((activity.eviction_rank(now)?, activity))).collect();
        ranked.sort_unstable_by_key(|&(rank, _)| rank);
        for (rank, activity) in ranked.into_iter().take(count.saturating_sub(evicted.len())) {
            activity.evict(rank);
        }
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock()
    }
}

/// A connection and its place, which is free when this is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionGuard {
    pub(crate) activity: Arc<Activity>,
    connections: Arc<Connections>,
    _place: OwnedSemaphorePermit,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.connections.list().activities.retain(|activity| !Arc::ptr_eq(activity, &self.activity));
    }
}

/// As many connections as are wanted, or as the limit on open files leaves: then a warning is logged.
pub(crate) fn within_open_files(wanted: usize, others: usize) -> usize {
    let Some(limit) = open_files_limit() else { return wanted };
    let left = limit.saturating_sub(others).max(1);
    if left < wanted {
        warn!(
            "the limit of {limit} open files leaves room for {left} connections instead of {wanted}; raise it to {} \
             (LimitNOFILE= of systemd, `ulimit -n`)",
            wanted + others
        );
    }
    wanted.min(left)
}

/// The soft limit on open files of this process; `None` without one.
fn open_files_limit() -> Option<usize> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current?;
    usize::try_from(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn full(count: usize) -> (Arc<Connections>, Vec<ConnectionGuard>) {
        let connections = Arc::new(Connections::new(Limits { connections: count, ..Limits::default() }));
        let mut guards = Vec::new();
        for _ in 0..count {
            guards.push(connections.acquire().await);
        }
        (connections, guards)
    }

    /// The connection that is closed for the next one.
    fn evicted(connections: &Connections, guards: &[ConnectionGuard]) -> Option<usize> {
        let before: Vec<_> = guards.iter().map(|guard| guard.activity.is_evicted()).collect();
        connections.list().searched_at = None;
        connections.evict(1 + before.iter().filter(|&&evicted| evicted).count());
        (0..guards.len()).find(|&index| guards[index].activity.is_evicted() && !before[index])
    }

    #[tokio::test(start_paused = true)]
    async fn the_connection_that_idles_longest_is_closed_and_never_one_that_waits_for_us() {
        let (connections, guards) = full(5).await;
        let later = Duration::from_secs(1);
        for index in [3, 1, 0, 2] {
            guards[index].activity.opening();
            tokio::time::advance(later).await;
        }
        guards[3].activity.request_received();
        tokio::time::advance(later).await;
        assert_eq!(evicted(&connections, &guards), Some(1));
        assert_eq!(evicted(&connections, &guards), Some(0));
        assert_eq!(evicted(&connections, &guards), Some(2));
        assert_eq!(evicted(&connections, &guards), None, "one is being answered, one was not looked at yet");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_in_the_middle_of_its_answer_is_closed_last() {
        let (connections, guards) = full(2).await;
        for guard in &guards {
            guard.activity.request_received();
            guard.activity.wrote_some();
        }
        guards[1].activity.wrote_all();
        tokio::time::advance(Duration::from_millis(200)).await;
        assert_eq!(evicted(&connections, &guards), Some(1));
        assert_eq!(evicted(&connections, &guards), None);
        tokio::time::advance(Duration::from_millis(400)).await;
        assert_eq!(evicted(&connections, &guards), Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn if_all_read_the_one_that_has_done_so_longest_is_closed() {
        let (connections, guards) = full(2).await;
        for guard in guards.iter().rev() {
            guard.activity.request_received();
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        for guard in &guards {
            guard.activity.wrote_some();
        }
        assert_eq!(evicted(&connections, &guards), Some(1));
        assert_eq!(evicted(&connections, &guards), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_has_arrived_keeps_its_connection() {
        let (connections, guards) = full(1).await;
        guards[0].activity.opening();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(evicted(&connections, &guards), Some(0));
        let read = async {
            guards[0].activity.request_received();
            std::future::pending::<()>().await;
        };
        let outcome = tokio::time::timeout(Duration::from_secs(1), async {
            tokio::select! { () = read => {}, () = guards[0].activity.evicted() => {} }
        });
        assert!(outcome.await.is_err(), "it was closed");
        assert!(!guards[0].activity.is_evicted());
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_free_again_when_its_connection_is_gone() {
        let (connections, mut guards) = full(2).await;
        assert!(timeout(Duration::from_secs(1), connections.acquire()).await.is_err());
        guards.pop();
        guards.push(connections.acquire().await);
        assert_eq!(connections.list().activities.len(), 2);
    }
}
