//! Shutdown signals. SIGTERM and SIGINT end the process within 10 seconds, from its first instruction on and even if
//! something hangs.
//!
//! The daemon shuts down in order within [`GRACE`]. Anything that cannot be interrupted, such as unresponsive storage
//! or a standard error that is not read, is abandoned: the process exits [`EXIT_AFTER`] the signal.

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing::error;

/// The time limit of the whole shutdown: polls, connections, the last save of the state.
pub const GRACE: Duration = Duration::from_secs(7);
/// After this the process exits in any case.
const EXIT_AFTER: Duration = Duration::from_secs(9);
/// The time limit for the log line about that, because standard error may be the part that hangs.
const LOG_TIMEOUT: Duration = Duration::from_millis(200);

/// Signals whether the process must end. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Option<i32>>);

impl Shutdown {
    /// Installs the handlers. Call it first: until then, SIGTERM does not end a process with PID 1.
    pub fn install() -> io::Result<Self> {
        // Ignored, so that writes beyond a file size limit fail like writes to a full disk.
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
                    // From the second signal on, the deadline is already running.
                    let _ = start_deadline.send(());
                }
            }),
        )?;
        Ok(Self(receiver))
    }

    /// Resolves with the signal when one has arrived.
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
    let say = || error!("the shutdown took longer than {EXIT_AFTER:?}; exiting without completing it");
    if std::thread::Builder::new().spawn(say).is_ok() {
        std::thread::sleep(LOG_TIMEOUT);
    }
    signal_hook::low_level::exit(1);
}

/// Every SIGHUP, which requests a reload.
pub(super) fn hangup() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}
