//! Names to addresses, as the system resolves them, a few at a time.
//!
//! The system's resolver blocks a thread, and holds a socket, for as long as name servers keep it waiting: half a minute
//! for one that is silent. Whoever asked has given up by then, and asks again. Without a bound, such an outage would
//! fill the runtime's threads for blocking work, which others need.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

/// Look-ups at the same time, those included that nobody waits for any more.
const AT_ONCE: usize = 4;

/// The resolver of one HTTP client.
#[derive(Debug)]
pub(super) struct Resolver(Arc<Semaphore>);

impl Resolver {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }

    /// Waits for its turn, then for the addresses; a look-up that has begun keeps its turn to its end.
    async fn in_turn<F>(turns: Arc<Semaphore>, look_up: F) -> io::Result<Vec<SocketAddr>>
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        let turn = turns.acquire_owned().await.map_err(io::Error::other)?;
        let looked_up = tokio::spawn(async move {
            let addresses = look_up.await;
            drop(turn);
            addresses
        });
        looked_up.await.map_err(io::Error::other)?
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let turns = Arc::clone(&self.0);
        Box::pin(async move {
            let look_up = async move { Ok(tokio::net::lookup_host((name.as_str(), 0)).await?.collect()) };
            let addresses: Addrs = Box::new(Self::in_turn(turns, look_up).await?.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn names_are_resolved() {
        let addresses = Resolver::new().resolve("localhost".parse().unwrap()).await.unwrap();
        assert!(addresses.collect::<Vec<_>>().iter().all(|address| address.ip().is_loopback()));
    }

    #[tokio::test(start_paused = true)]
    async fn look_ups_that_nobody_waits_for_do_not_add_up() {
        let (resolver, go_on, begun) = (Resolver::new(), Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let look_up = || {
            let (go_on, begun) = (go_on.clone(), begun.clone());
            async move {
                begun.fetch_add(1, Ordering::Relaxed);
                go_on.notified().await;
                Ok(Vec::new())
            }
        };
        for _ in 0..20 {
            let asked = Resolver::in_turn(resolver.0.clone(), look_up());
            assert!(tokio::time::timeout(Duration::from_secs(1), asked).await.is_err());
        }
        assert_eq!(begun.load(Ordering::Relaxed), AT_ONCE);
        go_on.notify_waiters();
        let asked = tokio::spawn(Resolver::in_turn(resolver.0.clone(), look_up()));
        while begun.load(Ordering::Relaxed) == AT_ONCE {
            tokio::task::yield_now().await;
        }
        go_on.notify_waiters();
        assert!(asked.await.unwrap().is_ok());
    }
}
