//! The signals that the process answers to.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ready at the first SIGTERM or SIGINT. The handlers stand when this returns, not only when the future is polled.
pub fn termination() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Every SIGHUP: the configuration is to be read again.
pub(super) fn hangup() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}
