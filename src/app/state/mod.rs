//! The state writer: restores the state before the first poll, saves it after changes and at the end.
//!
//! Nothing here stops the daemon. A file with invalid content is quarantined, a file that cannot be read is left alone,
//! and a failed save is repeated. Each failure is logged once, and the metrics show how long it lasts.

mod blob;
mod file;
mod metrics;
mod store;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use elements::clock::Clock;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use super::leader::SharedState;
use super::partner::Partner;
use super::partners::ActiveConfig;
use crate::config::StateSettings;
use crate::health::Progress;
use crate::inventory::state_file::{KnownPartner, State};
use crate::panics::{self, Task};
pub(super) use metrics::StateMetrics;
use store::Store;

/// Waits this many times the duration of the last save, so saving takes at most 5 % of a core.
const DUTY_FACTOR: u32 = 20;

/// Saves the state.
#[derive(Debug)]
pub(super) struct StateWriter {
    saver: Arc<Mutex<Saver>>,
    metrics: StateMetrics,
    interval: Duration,
    clock: Clock,
    progress: Progress,
    /// Whether the lock could not be taken, so that a save is due even without a change.
    unsaved: bool,
}

/// A running state writer.
#[derive(Debug)]
pub(super) struct StateWriterHandle {
    stop: oneshot::Sender<Instant>,
    task: JoinHandle<()>,
}

impl StateWriterHandle {
    /// Saves unsaved changes and ends, at the deadline at the latest.
    pub(super) async fn end(self, deadline: Instant) {
        let _ = self.stop.send(deadline);
        // The panic of the task was already noticed; its hook has logged it.
        if !self.task.is_finished() {
            let _ = timeout_at(deadline, self.task).await;
        }
    }
}

/// Resolves when the writer panicked outside of a save (a bug).
pub(super) async fn first_panic(writer: Option<&mut StateWriterHandle>) -> JoinError {
    match writer {
        Some(writer) => match (&mut writer.task).await {
            Err(error) => error,
            Ok(()) => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

impl StateWriter {
    /// Reads the state. Blocks on the disk or the network; must be called in a runtime.
    pub(super) fn open(
        settings: &StateSettings,
        shared_state: Option<SharedState>,
        metrics: StateMetrics,
        progress: Progress,
        clock: Clock,
    ) -> io::Result<(Self, Option<State>)> {
        let mut store = Store::new(&settings.location, shared_state)?;
        let locked = store.lock();
        let restored = panics::sync_scope(Task::State, || restore(&mut store, &metrics, clock));
        let mut saver = Saver { store, metrics: metrics.clone(), clock, failing: false };
        // Report problems with saving at the start, and not only when there is something to save.
        if let Err(error) = &locked {
            saver.failed(error);
        }
        let saver = Arc::new(Mutex::new(saver));
        let interval = settings.interval;
        Ok((Self { saver, metrics, interval, clock, progress, unsaved: locked.is_err() }, restored))
    }

    /// From now on, the state of the running partners is saved after `changed` signals changes.
    pub(super) fn start(
        self,
        running: watch::Receiver<Arc<ActiveConfig>>,
        changed: watch::Receiver<()>,
    ) -> StateWriterHandle {
        let known = move || {
            let running = Arc::clone(&running.borrow());
            running.partners.iter().map(Partner::persisted).collect()
        };
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            // A dropped sender means the same: stop now.
            stopped.await.unwrap_or_else(|_| Instant::now())
        };
        let task = tokio::spawn(panics::scope(Task::State, self.run(known, changed, shutdown)));
        StateWriterHandle { stop, task }
    }

    /// Saves until `shutdown`, which resolves with the deadline of the last save.
    async fn run(
        mut self,
        known: impl Fn() -> Vec<KnownPartner> + Send + Sync + 'static,
        mut changed: watch::Receiver<()>,
        shutdown: impl Future<Output = Instant>,
    ) {
        let known = Arc::new(known);
        let mut earliest = self.after(self.interval);
        tokio::pin!(shutdown);
        let deadline = loop {
            let unsaved = self.unsaved;
            let change = async {
                // A dropped sender signals no more changes.
                if !unsaved && changed.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                deadline = &mut shutdown => break deadline,
                () = change => self.unsaved = true,
            }
            tokio::select! {
                deadline = &mut shutdown => break deadline,
                () = self.clock.sleep_until(earliest) => {}
            }
            changed.mark_unchanged();
            let start = Instant::now();
            self.progress.set_next_due(Some(start));
            tokio::select! {
                // A blocked save does not delay the shutdown: its content is saved again then, or not at all.
                deadline = &mut shutdown => {
                    self.unsaved = true;
                    break deadline;
                }
                saved = self.save(&known) => self.unsaved = !saved,
            }
            self.progress.attempt_ended();
            self.progress.set_next_due(None);
            earliest = self.after(self.interval.max(start.elapsed() * DUTY_FACTOR));
        };
        self.progress.set_next_due(None);
        if !self.unsaved && !changed.has_changed().unwrap_or(true) {
            return;
        }
        if timeout_at(deadline, self.save(&known)).await.is_err() {
            warn!("the state was not saved at shutdown: writing it takes too long");
        }
    }

    fn after(&self, time: Duration) -> jiff::Timestamp {
        self.clock.now().saturating_add(time).unwrap_or(jiff::Timestamp::MAX)
    }

    /// Saves outside of the runtime's threads. Returns whether it succeeded; a save that panics counts as failed and is
    /// repeated.
    async fn save(&self, known: &Arc<impl Fn() -> Vec<KnownPartner> + Send + Sync + 'static>) -> bool {
        let (saver, known) = (Arc::clone(&self.saver), Arc::clone(known));
        let save = move || saver.lock().save(known());
        let result = panics::spawn_blocking(Task::State, save).await;
        result.unwrap_or_else(|_| {
            self.metrics.save_failed();
            false
        })
    }
}

fn restore(store: &mut Store, metrics: &StateMetrics, clock: Clock) -> Option<State> {
    metrics.restored(true);
    let failed = |what: String| {
        metrics.restored(false);
        warn!("{what}; starting without it; everything will be polled again");
        None
    };
    let name = store.name();
    let decoded = match store.read() {
        Ok(decoded) => decoded?,
        Err(error) => return failed(format!("the state {name} cannot be read{}: {error}", store.unread())),
    };
    match decoded {
        Ok(mut state) => {
            state.saved = state.saved.min(clock.wall_now());
            metrics.saved(state.saved);
            let customers: usize = state.partners.iter().map(|known| known.past.customers.len()).sum();
            info!(file = store.path(), customers, saved = %state.saved, "the state was restored");
            Some(state)
        }
        Err(error) => failed(match store.quarantine(clock.wall_now()) {
            Ok(how) => format!("the state {name} cannot be used: {error}; {how}"),
            Err(why) => format!("the state {name} cannot be used: {error}; it cannot be renamed either: {why}"),
        }),
    }
}

#[derive(Debug)]
struct Saver {
    store: Store,
    metrics: StateMetrics,
    clock: Clock,
    /// Whether the last save failed and was logged.
    failing: bool,
}

impl Saver {
    fn save(&mut self, partners: Vec<KnownPartner>) -> bool {
        let state = State { saved: self.clock.wall_now(), correction: self.clock.correction(), partners };
        match self.store.write(&state) {
            Ok(()) => {
                self.metrics.saved(state.saved);
                if std::mem::take(&mut self.failing) {
                    info!(file = self.store.path(), "the state is saved again");
                }
                true
            }
            Err(error) => {
                self.failed(&error);
                false
            }
        }
    }

    fn failed(&mut self, error: &io::Error) {
        self.metrics.save_failed();
        if !std::mem::replace(&mut self.failing, true) {
            let advice = self.store.advice(error);
            warn!(file = self.store.path(), "the state cannot be saved, retrying: {error}{advice}");
        }
    }
}

#[cfg(test)]
mod tests;
