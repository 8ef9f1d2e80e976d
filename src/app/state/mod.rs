//! The state writer: restores the state once before the first poll, saves it after changes and at shutdown.
//!
//! Nothing here stops the daemon. A file with invalid content is quarantined, a file that cannot be read is left alone,
//! and a failed save is repeated. Each failure is logged once, and the metrics show how long it lasts.

mod file;
mod metrics;

use std::future::Future;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use elements::clock::Clock;
use prometheus::Registry;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use super::partner::Partner;
use super::partners::Running;
use crate::config::{StateSettings, folder_of};
use crate::health::Progress;
use crate::inventory::state_file::{KnownPartner, State};
use crate::panics::{self, Task};
use file::StateFile;
use metrics::StateMetrics;

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
    progress: Progress,
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

    /// The health check of the saves.
    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
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
    /// Reads the state file. Blocks on the disk.
    pub(super) fn open(
        settings: &StateSettings,
        registry: &Registry,
        clock: Clock,
    ) -> prometheus::Result<(Self, Option<State>)> {
        let metrics = StateMetrics::new(registry)?;
        let mut file = StateFile::new(settings.file.clone());
        let locked = file.lock();
        let restored = panics::sync_scope(Task::State, || restore(&mut file, &metrics, clock));
        let mut saver = Saver { file, metrics: metrics.clone(), clock, failing: false };
        // Report problems with saving at the start, and not only when there is something to save.
        if let Err(error) = &locked {
            saver.failed(error);
        }
        let saver = Arc::new(Mutex::new(saver));
        let interval = settings.interval;
        let progress = Progress::default();
        Ok((Self { saver, metrics, interval, clock, progress, unsaved: locked.is_err() }, restored))
    }

    /// From now on, the state of the running partners is saved after `changed` signals changes.
    pub(super) fn start(
        self,
        running: watch::Receiver<Arc<Running>>,
        changed: watch::Receiver<()>,
    ) -> StateWriterHandle {
        let known = move || {
            let running = Arc::clone(&running.borrow());
            running.partners.iter().map(Partner::known).collect()
        };
        let (stop, stopped) = oneshot::channel();
        let progress = self.progress.clone();
        let shutdown = async {
            // A dropped sender means the same: stop now.
            stopped.await.unwrap_or_else(|_| Instant::now())
        };
        let task = tokio::spawn(panics::scope(Task::State, self.run(known, changed, shutdown)));
        StateWriterHandle { stop, task, progress }
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
            self.progress.due(Some(start));
            tokio::select! {
                // A blocked save does not delay the shutdown: its content is saved again then, or not at all.
                deadline = &mut shutdown => {
                    self.unsaved = true;
                    break deadline;
                }
                saved = self.save(&known) => self.unsaved = !saved,
            }
            self.progress.ended();
            self.progress.due(None);
            earliest = self.after(self.interval.max(start.elapsed() * DUTY_FACTOR));
        };
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
        let save = move || saver.lock().unwrap_or_else(PoisonError::into_inner).save(known());
        let result = tokio::task::spawn_blocking(|| panics::sync_scope(Task::State, save)).await;
        result.unwrap_or_else(|_| {
            self.metrics.save_failed();
            false
        })
    }
}

fn restore(file: &mut StateFile, metrics: &StateMetrics, clock: Clock) -> Option<State> {
    metrics.restored(true);
    let failed = |what: String| {
        metrics.restored(false);
        warn!("{what}; starting without it; everything will be polled again");
        None
    };
    let path = file.path().display().to_string();
    let decoded = match file.read(State::read) {
        Ok(decoded) => decoded?,
        Err(error) => return failed(format!("the state file {path} cannot be read and is left unchanged: {error}")),
    };
    match decoded {
        Ok(mut state) => {
            state.saved = state.saved.min(clock.wall_now());
            metrics.saved(state.saved);
            let customers: usize = state.partners.iter().map(|known| known.past.customers.len()).sum();
            info!(file = path, customers, saved = %state.saved, "the state was restored");
            Some(state)
        }
        Err(error) => failed(match file.quarantine(clock.wall_now()) {
            Ok(aside) => {
                format!("the state file {path} cannot be used: {error}; it was renamed to {}", aside.display())
            }
            Err(why) => format!("the state file {path} cannot be used: {error}; it cannot be renamed either: {why}"),
        }),
    }
}

#[derive(Debug)]
struct Saver {
    file: StateFile,
    metrics: StateMetrics,
    clock: Clock,
    /// Whether the last save failed and was logged.
    failing: bool,
}

impl Saver {
    fn save(&mut self, partners: Vec<KnownPartner>) -> bool {
        let state = State { saved: self.clock.wall_now(), correction: self.clock.correction(), partners };
        match self.file.write(|file| state.write_to(file)) {
            Ok(()) => {
                self.metrics.saved(state.saved);
                if std::mem::take(&mut self.failing) {
                    info!(file = %self.file.path().display(), "the state is saved again");
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
            let path = self.file.path();
            warn!(file = %path.display(), "the state cannot be saved, retrying: {error}{}", advice(error, path));
        }
    }
}

/// Advice that the system's message does not contain.
fn advice(error: &io::Error, path: &Path) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound if !folder_of(path).is_dir() => "; its folder does not exist: create it",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "; its folder must be writable, because the file is replaced as a whole"
        }
        ErrorKind::FileTooLarge => "; it exceeds the limit on file sizes: raise it (ulimit -f, LimitFSIZE=)",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
