//! systemd integration: inherited listening sockets (`LISTEN_FDS`) and notifications (`sd_notify`).
//!
//! Without `NOTIFY_SOCKET` nothing is sent. A notification that cannot be sent is logged at debug level; the service
//! works without it.

use std::io;
use std::net::TcpListener;
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tracing::{debug, error};

/// The number of queued notifications if the manager does not read; further ones are dropped.
const MAX_QUEUED: usize = 16;

/// Takes the inherited TCP listening sockets, at least one, and removes their variables from the environment. Call it
/// once, before there are other threads.
pub fn listeners() -> io::Result<Vec<TcpListener>> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
    // Without it, the sockets belong to another process.
    let is_recipient = std::env::var("LISTEN_PID").is_ok();
    let mut inherited = if is_recipient { ListenFd::from_env() } else { ListenFd::empty() };
    if inherited.len() == 0 {
        return Err(invalid("systemd passed no socket (LISTEN_FDS); start the .socket unit instead".to_owned()));
    }
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut listeners = Vec::new();
    for index in 0..inherited.len() {
        let name = names.next().filter(|name| !name.is_empty()).unwrap_or("without a name");
        let refused = |error| invalid(format!("socket {index} ({name}): only TCP sockets are supported ({error})"));
        if let Some(listener) = inherited.take_tcp_listener(index).map_err(refused)? {
            // A connected socket (Accept=yes), or one that is only bound: it cannot accept connections.
            if !is_listening(&listener)? {
                let what = "it cannot accept connections; use ListenStream= and not Accept=yes";
                return Err(invalid(format!("socket {index} ({name}): {what}")));
            }
            listener.set_nonblocking(true)?;
            listeners.push(listener);
        }
    }
    Ok(listeners)
}

#[cfg(target_os = "linux")]
fn is_listening(socket: &TcpListener) -> io::Result<bool> {
    socket2::SockRef::from(socket).is_listener()
}

/// systemd sets it.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "it is as on Linux, where it can fail")]
fn is_listening(_: &TcpListener) -> io::Result<bool> {
    Ok(true)
}

/// Notifies that the listeners serve.
pub fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Notifies that the shutdown has begun.
pub fn stopping() {
    notify(&[NotifyState::Stopping, NotifyState::Status("shutting down")]);
}

/// Notifies that a reload has begun; [`ready`] ends it, successful or not.
pub fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, now, NotifyState::Status("reloading")]);
    }
}

/// Pings the watchdog, if there is one, while `health` reports that all work progresses. Checks every `interval` and
/// twice per watchdog period. Does not return.
pub async fn feed_watchdog(health: impl Fn() -> Result<(), String>, interval: Duration) {
    let limit = sd_notify::watchdog_enabled().filter(|limit| *limit >= Duration::from_millis(2));
    let mut every = tokio::time::interval(limit.map_or(interval, |limit| (limit / 2).min(interval)));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut stalled = false;
    loop {
        every.tick().await;
        let health = health();
        if let (Err(what), false) = (&health, stalled) {
            let what = what.trim_end().replace('\n', "; ");
            error!("{what}");
            notify(&[NotifyState::Status(&what)]);
        }
        if health.is_ok() {
            if limit.is_some() {
                notify(&[NotifyState::Watchdog]);
            }
            if stalled {
                notify(&[NotifyState::Status("serving")]);
            }
        }
        stalled = health.is_err();
    }
}

/// Hands a message to the sending thread, so that a manager that does not read blocks nothing else.
fn notify(states: &[NotifyState<'_>]) {
    static SENDER: OnceLock<Option<SyncSender<String>>> = OnceLock::new();
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let start = || {
        let (sender, messages) = sync_channel::<String>(MAX_QUEUED);
        let send = move || {
            for message in messages {
                if let Err(error) = sd_notify::notify(&[NotifyState::Custom(&message)]) {
                    debug!(%error, "sd_notify");
                }
            }
        };
        std::thread::Builder::new().name("sd_notify".to_owned()).spawn(send).ok().map(|_| sender)
    };
    let lines: Vec<_> = states.iter().map(ToString::to_string).collect();
    if let Some(sender) = SENDER.get_or_init(start)
        && let Err(error) = sender.try_send(lines.join("\n"))
    {
        debug!(%error, "sd_notify");
    }
}
