//! Signals. SIGTERM and SIGINT end the process within 10 seconds, from its first instruction on and whatever hangs.
//!
//! The daemon ends in good order within [`GRACE`]. What cannot be interrupted, such as storage that does not answer or a
//! standard error that nobody reads, is left behind: [`EXIT_AFTER`] the signal the process exits.

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing::error;

/// For the whole shutdown of the daemon: polls, connections, the last save of the state.
pub const GRACE: Duration = Duration::from_secs(7);
/// After this the process ends, finished or not.
const EXIT_AFTER: Duration = Duration::from_secs(9);
/// For the log line that says so: standard error may be what hangs.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Whether the process is to end. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Option<i32>>);

impl Shutdown {
    /// Installs the handlers. To be called first of all: until then SIGTERM does not end a process that is PID 1.
    pub fn install() -> io::Result<Self> {
        // Ignored: beyond a limit on file sizes, writes fail as they do on a full disk.
        signal_hook::flag::register(SIGXFSZ, std::sync::Arc::default())?;
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        let (signalled, receiver) = watch::channel(None);
        let (start_deadline, started) = mpsc::channel();
        let spawn = |name: &str, body: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new().name(name.to_owned()).spawn(body).map(drop)
        };
        spawn("deadline", Box::new(move || exit_after_the_deadline(&started)))?;
        spawn(
            "signals",
            Box::new(move || {
                for signal in signals.forever() {
                    signalled.send_replace(Some(signal));
                    // From the second one on, the deadline runs already.
                    let _ = start_deadline.send(());
                }
            }),
        )?;
        Ok(Self(receiver))
    }

    /// Resolves with the signal once one has come.
    pub async fn signalled(mut self) -> i32 {
        let signal = self.0.wait_for(Option::is_some).await.map(|signal| signal.unwrap_or(SIGTERM));
        match signal {
            Ok(signal) => signal,
            // The thread that waits for signals lives as long as the process.
            Err(_) => std::future::pending().await,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a thread of its own, outside of the runtime, which may hang")]
fn exit_after_the_deadline(started: &mpsc::Receiver<()>) {
    if started.recv().is_err() {
        return;
    }
    std::thread::sleep(EXIT_AFTER);
    let say = || error!("the shutdown took longer than {EXIT_AFTER:?}; exiting without having finished it");
    if std::thread::Builder::new().spawn(say).is_ok() {
        std::thread::sleep(LAST_WORDS);
    }
    signal_hook::low_level::exit(1);
}

/// Every SIGHUP: the configuration is to be read again.
pub(super) fn hangup() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}
