//! What is known, kept across restarts: read once before anything is asked, saved when it changed and at the end.
//!
//! Nothing here stops the daemon. A file that is no state is set aside, one that cannot be read is left alone, a save
//! that fails is tried again: each is said in the log once and in the metrics as long as it lasts.

mod counters;
mod file;

use std::future::Future;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::Registry;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use super::partner::Partner;
use super::partners::Running;
use crate::clock::Clock;
use crate::config::{StateSettings, folder_of};
use crate::inventory::state_file::{KnownPartner, State};
use counters::StateCounters;
use file::StateFile;

/// Between two saves this many times as long as the last one took, so that saving stays a small part of the work.
const RESTRAINT: u32 = 20;
/// The last save is not waited for longer: the daemon ends within seconds, whatever the disk does.
const LAST_SAVE_WITHIN: Duration = Duration::from_secs(4);

/// The one who keeps the state file.
#[derive(Debug)]
pub(super) struct Keeper {
    saver: Arc<Mutex<Saver>>,
    interval: Duration,
}

/// A keeper at work.
#[derive(Debug)]
pub(super) struct Keeping {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Keeping {
    /// Saves what is not saved yet, and ends.
    pub(super) async fn end(self) {
        // If it panicked, that said so itself.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

impl Keeper {
    /// Reads the state file. Blocks for as long as that takes.
    pub(super) fn open(
        settings: &StateSettings,
        registry: &Registry,
        clock: Clock,
    ) -> prometheus::Result<(Self, Option<State>)> {
        let counters = StateCounters::new(registry)?;
        let mut file = StateFile::new(settings.file.clone());
        let locked = file.lock();
        let restored = restore(&mut file, &counters, clock);
        let mut saver = Saver { file, counters, clock, failing: false };
        // What would be in the way of a save is better known now than when there is something to save.
        if let Err(error) = locked {
            saver.failed(&error);
        }
        Ok((Self { saver: Arc::new(Mutex::new(saver)), interval: settings.interval }, restored))
    }

    /// From now on what is known of the running partners is saved after `changed` told of changes.
    pub(super) fn start(self, running: watch::Receiver<Arc<Running>>, changed: watch::Receiver<()>) -> Keeping {
        let known = move || {
            let running = Arc::clone(&running.borrow());
            running.partners.iter().map(Partner::known).collect()
        };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let stopped = async {
                // A sender that is gone means the same.
                let _ = stopped.await;
            };
            self.keep(known, changed, stopped).await;
        });
        Keeping { stop, task }
    }

    async fn keep(
        self,
        known: impl Fn() -> Vec<KnownPartner> + Send + Sync + 'static,
        mut changed: watch::Receiver<()>,
        shutdown: impl Future<Output = ()>,
    ) {
        let known = Arc::new(known);
        let mut earliest = Instant::now() + self.interval;
        let mut unsaved = self.saver.lock().unwrap_or_else(PoisonError::into_inner).failing;
        tokio::pin!(shutdown);
        loop {
            let change = async {
                // A sender that is gone changes nothing any more.
                if !unsaved && changed.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = &mut shutdown => break,
                () = change => unsaved = true,
            }
            tokio::select! {
                () = &mut shutdown => break,
                () = sleep_until(earliest) => {}
            }
            changed.mark_unchanged();
            let start = Instant::now();
            tokio::select! {
                // One that hangs does not hold up the end: what it saves is saved again then, or not at all.
                () = &mut shutdown => {
                    unsaved = true;
                    break;
                }
                saved = self.save(&known) => unsaved = !saved,
            }
            earliest = Instant::now() + self.interval.max(start.elapsed() * RESTRAINT);
        }
        if !unsaved && !changed.has_changed().unwrap_or(true) {
            return;
        }
        if timeout(LAST_SAVE_WITHIN, self.save(&known)).await.is_err() {
            warn!("the state was not saved at the end: writing it takes too long");
        }
    }

    /// Off the threads of the runtime. Whether it worked.
    async fn save(&self, known: &Arc<impl Fn() -> Vec<KnownPartner> + Send + Sync + 'static>) -> bool {
        let (saver, known) = (Arc::clone(&self.saver), Arc::clone(known));
        let saving =
            tokio::task::spawn_blocking(move || saver.lock().unwrap_or_else(PoisonError::into_inner).save(known()));
        // It panicked, which says so itself.
        saving.await.unwrap_or(false)
    }
}

fn restore(file: &mut StateFile, counters: &StateCounters, clock: Clock) -> Option<State> {
    counters.restored(true);
    let failed = |what: String| {
        counters.restored(false);
        warn!("{what}; starting without it, all is asked anew");
        None
    };
    let path = file.path().display().to_string();
    let content = match file.read() {
        Ok(content) => content?,
        Err(error) => return failed(format!("the state file {path} cannot be read and is left as it is: {error}")),
    };
    match State::decode(&content) {
        Ok(mut state) => {
            state.saved = state.saved.min(clock.wall_now());
            counters.saved(state.saved);
            let customers: usize = state.partners.iter().map(|known| known.past.customers.len()).sum();
            info!(file = path, customers, saved = %state.saved, "the state was restored");
            Some(state)
        }
        Err(damage) => failed(match file.set_aside(clock.wall_now()) {
            Ok(aside) => {
                format!("the state file {path} cannot be used: {damage}; it was renamed to {}", aside.display())
            }
            Err(error) => {
                format!("the state file {path} cannot be used: {damage}; it cannot be renamed either: {error}")
            }
        }),
    }
}

#[derive(Debug)]
struct Saver {
    file: StateFile,
    counters: StateCounters,
    clock: Clock,
    /// Whether the last save failed, which was said.
    failing: bool,
}

impl Saver {
    fn save(&mut self, partners: Vec<KnownPartner>) -> bool {
        let state = State { saved: self.clock.wall_now(), partners };
        match self.file.write(|file| state.write_to(file)) {
            Ok(()) => {
                self.counters.saved(state.saved);
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
        self.counters.save_failed();
        if !std::mem::replace(&mut self.failing, true) {
            let path = self.file.path();
            warn!(file = %path.display(), "the state cannot be saved, trying again: {error}{}", advice(error, path));
        }
    }
}

/// What the system does not say.
fn advice(error: &io::Error, path: &Path) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound if !folder_of(path).is_dir() => "; its folder is not there: make it",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "; its folder must be writable, since the file is replaced as a whole"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests;
