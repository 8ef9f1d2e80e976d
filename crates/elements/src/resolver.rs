//! Name resolution with the system's resolver and a limit on concurrent lookups.
//!
//! The system's resolver blocks a thread and a socket while it waits for name servers: half a minute if one does not
//! answer. By then the caller has timed out, and tries again. Without a limit, such an outage would fill the runtime's
//! threads for blocking work, which other modules need.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

/// Concurrent lookups, including those that no caller waits for any more.
const AT_ONCE: usize = 4;

type Lookup = dyn Fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>> + Send + Sync;

/// The resolver of one partner. Cheap to clone; clones share the limit.
#[derive(Clone)]
pub(super) struct Resolver {
    permits: Arc<Semaphore>,
    lookup: Arc<Lookup>,
}

impl Resolver {
    /// Uses the system's resolver.
    pub(super) fn system() -> Self {
        Self::new(|name| async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
    }

    /// Uses `lookup`.
    pub(super) fn new<F>(lookup: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        let lookup = Arc::new(move |name| Box::pin(lookup(name)) as Pin<Box<_>>);
        Self { permits: Arc::new(Semaphore::new(AT_ONCE)), lookup }
    }

    /// Waits for a permit, then for the addresses. A running lookup keeps its permit until it ends.
    async fn look_up(self, name: String) -> io::Result<Vec<SocketAddr>> {
        let permit = self.permits.acquire_owned().await.map_err(io::Error::other)?;
        let lookup = (self.lookup)(name);
        let looked_up = tokio::spawn(async move {
            let addresses = lookup.await;
            drop(permit);
            addresses
        });
        looked_up.await.map_err(io::Error::other)?
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let addresses: Addrs = Box::new(resolver.look_up(name.as_str().to_owned()).await?.into_iter());
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
        let addresses = Resolver::system().resolve("localhost".parse().unwrap()).await.unwrap();
        assert!(addresses.collect::<Vec<_>>().iter().all(|address| address.ip().is_loopback()));
    }

    #[tokio::test(start_paused = true)]
    async fn abandoned_lookups_do_not_accumulate() {
        let (go_on, begun) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let resolver = {
            let (go_on, begun) = (go_on.clone(), begun.clone());
            Resolver::new(move |_| {
                let (go_on, begun) = (go_on.clone(), begun.clone());
                async move {
                    begun.fetch_add(1, Ordering::Relaxed);
                    go_on.notified().await;
                    Ok(Vec::new())
                }
            })
        };
        for _ in 0..20 {
            let asked = resolver.clone().look_up("x".to_owned());
            assert!(tokio::time::timeout(Duration::from_secs(1), asked).await.is_err());
        }
        assert_eq!(begun.load(Ordering::Relaxed), AT_ONCE);
        go_on.notify_waiters();
        let asked = tokio::spawn(resolver.look_up("x".to_owned()));
        while begun.load(Ordering::Relaxed) == AT_ONCE {
            tokio::task::yield_now().await;
        }
        go_on.notify_waiters();
        assert!(asked.await.unwrap().is_ok());
    }
}
