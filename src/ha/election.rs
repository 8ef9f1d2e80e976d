//! Acquires or renews the lease every `retry_period`, and derives the [`Leadership`] from the results.

use std::future::poll_fn;
use std::task::{Poll, ready};
use std::time::Duration;

use elements::clock::Clock;
use jiff::Timestamp;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinHandle};
use tracing::{info, warn};

use super::azure_blob::AzureBlob;
use super::etcd::Etcd;
use super::kubernetes::Kubernetes;
use super::{Backend, Holder};
use crate::config::{HaSettings, LeaseSettings};
use crate::remote::RemoteError;

/// The interval at which the end of the right to poll is looked for.
const TICK: Duration = Duration::from_millis(50);

/// What this replica knows of the lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// Until when this replica may poll; `None` while it does not hold the lease.
    pub until: Option<Timestamp>,
    /// The other replica that holds the lease, as of the last attempt that the engine answered.
    pub leader: Option<String>,
    /// The start of the last successful renewal, or when another holder was last seen.
    pub renewed_at: Option<Timestamp>,
    /// How often the holder has changed, the first one included.
    pub transitions: u64,
    /// Why the last attempt failed, if it did.
    pub error: Option<String>,
}

impl Leadership {
    /// What is known after an attempt that began at `started` and found this holder.
    fn after(&self, holder: Holder, started: Timestamp, renew_deadline: Duration) -> Self {
        let mut next = Self { error: None, ..self.clone() };
        match holder {
            Holder::Us => {
                next.transitions += u64::from(self.until.is_none());
                next.until = Some(started.saturating_add(renew_deadline).unwrap_or(Timestamp::MAX));
                (next.leader, next.renewed_at) = (None, Some(started));
            }
            Holder::Other(leader) => {
                next.transitions += u64::from(self.leader.as_ref() != Some(&leader));
                (next.until, next.leader, next.renewed_at) = (None, Some(leader), Some(started));
            }
            // The right to poll ends by itself; the next attempt finds the holder.
            Holder::Unknown => next.leader = None,
        }
        next
    }
}

/// Follows the lease. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Watcher {
    leadership: watch::Receiver<Leadership>,
    clock: Clock,
}

impl Watcher {
    /// What is known now.
    #[must_use]
    pub fn leadership(&self) -> Leadership {
        self.leadership.borrow().clone()
    }

    /// Whether this replica may poll.
    #[must_use]
    pub fn is_leading(&self) -> bool {
        self.leadership.borrow().until.is_some_and(|until| self.clock.now() < until)
    }

    /// Waits until this replica may poll.
    pub async fn acquired(&mut self) {
        let clock = self.clock;
        self.wait_for(|seen| seen.until.is_some_and(|until| clock.now() < until)).await;
    }

    /// Resolves when the right to poll ends: by time, or because another replica holds the lease. Looks at the clock every
    /// `TICK` and whenever it is polled, because timers do not count suspend, and after SIGCONT fire one after the other.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        let (watcher, mut ticks) = (self.clone(), tokio::time::interval(TICK));
        poll_fn(move |context| {
            while watcher.is_leading() {
                ready!(ticks.poll_tick(context));
            }
            Poll::Ready(())
        })
    }

    /// Waits until another replica holds the lease; returns its identity.
    pub async fn replaced(&mut self) -> String {
        self.wait_for(|seen| seen.leader.is_some()).await;
        self.leadership().leader.unwrap_or_default()
    }

    /// Waits until the condition is true; never resolves if the election has ended.
    pub async fn wait_for(&mut self, condition: impl FnMut(&Leadership) -> bool) {
        if self.leadership.wait_for(condition).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// This replica's part in an election, which runs until it resigns.
#[derive(Debug)]
pub struct Election {
    /// Follows the lease.
    pub watcher: Watcher,
    resign: oneshot::Sender<()>,
    task: JoinHandle<()>,
    /// The id that writes to the leased blob must carry; only in Azure storage.
    pub lease_id: Option<String>,
}

impl Election {
    /// Joins it. Must be called in a runtime; blocks while certificates are read.
    pub fn start(settings: &HaSettings, clock: Clock) -> Result<Self, RemoteError> {
        Ok(match &settings.lease {
            LeaseSettings::Kubernetes(lease) => Self::with(Kubernetes::new(lease, settings)?, settings, clock),
            LeaseSettings::Etcd(lease) => Self::with(Etcd::new(lease, settings)?, settings, clock),
            LeaseSettings::AzureBlob(blob) => {
                let backend = AzureBlob::new(blob, settings)?;
                let lease_id = Some(backend.lease_id.clone());
                Self { lease_id, ..Self::with(backend, settings, clock) }
            }
        })
    }

    fn with(mut backend: impl Backend, settings: &HaSettings, clock: Clock) -> Self {
        let (sender, leadership) = watch::channel(Leadership::default());
        let ((resign, resigned), settings) = (oneshot::channel(), settings.clone());
        let task = tokio::spawn(async move {
            tokio::select! {
                // A dropped election resigns as well.
                _ = resigned => {}
                () = run(&mut backend, &sender, &settings, clock) => {}
            }
            if sender.send_replace(Leadership::default()).until.is_some() {
                match backend.release().await {
                    Ok(()) => info!("released the lease"),
                    Err(error) => warn!(%error, "the lease could not be released; it ends by itself"),
                }
            }
        });
        Self { watcher: Watcher { leadership, clock }, resign, task, lease_id: None }
    }

    /// Gives the lease back, so that another replica takes over at once. The caller has stopped polling before.
    pub async fn resign(self) {
        let _ = self.resign.send(());
        // A panic was logged by its hook.
        let _ = self.task.await;
    }

    /// Resolves when the task panicked (a bug).
    pub async fn failed(&mut self) -> JoinError {
        match (&mut self.task).await {
            Err(error) => error,
            Ok(()) => std::future::pending().await,
        }
    }
}

/// Acquires or renews the lease every `retry_period`, with a random ±10 %. Never returns.
async fn run(backend: &mut impl Backend, sender: &watch::Sender<Leadership>, settings: &HaSettings, clock: Clock) {
    loop {
        let started = clock.now();
        let before = sender.borrow().clone();
        let next = match backend.acquire_or_renew(started).await {
            Ok(holder) => before.after(holder, started, settings.renew_deadline),
            Err(error) => Leadership { error: Some(error.to_string()), ..before.clone() },
        };
        match (&before.error, &next.error) {
            (None, Some(error)) => warn!(error, "the lease cannot be read or renewed, retrying"),
            (Some(_), None) => info!("the lease can be read and renewed again"),
            _ => {}
        }
        if let Some(leader) = next.leader.as_ref().filter(|leader| before.leader.as_ref() != Some(*leader)) {
            info!(leader, "another replica leads");
        }
        sender.send_replace(next);
        tokio::time::sleep(settings.retry_period.mul_f64(0.9 + 0.2 * fastrand::f64())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_right_to_poll_is_counted_from_the_start_of_the_renewal() {
        const DEADLINE: Duration = Duration::from_secs(30);
        let first = Leadership::default().after(Holder::Us, at(100), DEADLINE);
        assert_eq!((first.until, first.renewed_at, first.transitions), (Some(at(130)), Some(at(100)), 1));
        let renewed = first.after(Holder::Us, at(105), DEADLINE);
        assert_eq!((renewed.until, renewed.transitions), (Some(at(135)), 1));
        let uncertain = renewed.after(Holder::Unknown, at(110), DEADLINE);
        assert_eq!((uncertain.until, uncertain.transitions), (Some(at(135)), 1), "it may have been a stranger's write");
        let replaced = uncertain.after(Holder::Other("b".to_owned()), at(111), DEADLINE);
        assert_eq!((replaced.until, replaced.leader.as_deref(), replaced.transitions), (None, Some("b"), 2));
        assert_eq!(replaced.after(Holder::Other("b".to_owned()), at(112), DEADLINE).transitions, 2);
        assert_eq!(replaced.after(Holder::Other("c".to_owned()), at(112), DEADLINE).transitions, 3);
    }

    /// An engine that grants the lease once and then never answers.
    struct Freezes(bool);

    impl Backend for Freezes {
        async fn acquire_or_renew(&mut self, _: Timestamp) -> Result<Holder, RemoteError> {
            if std::mem::replace(&mut self.0, true) {
                std::future::pending::<()>().await;
            }
            Ok(Holder::Us)
        }

        async fn release(&mut self) -> Result<(), RemoteError> {
            Ok(())
        }
    }

    fn settings() -> HaSettings {
        let yaml = "partners: [{ auth: { client_id: a, client_secret: b } }]\nha: { lease: { etcd: { endpoints: [http://localhost], key: k } } }";
        crate::config::Config::parse(yaml, std::path::Path::new(".")).unwrap().ha.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_right_to_poll_ends_although_the_engine_is_frozen() {
        let clock = Clock::start();
        let election = Election::with(Freezes(false), &settings(), clock);
        let mut watcher = election.watcher.clone();
        watcher.acquired().await;
        let began = clock.now();
        watcher.lost().await;
        let led = Duration::try_from(clock.now().duration_since(began)).unwrap();
        assert!(led <= Duration::from_secs(30) && led > Duration::from_secs(29), "{led:?}");
        assert!(!watcher.is_leading());
    }
}
