//! What a service manager hands over and is told: listening sockets (`LISTEN_FDS`), and `sd_notify`.
//!
//! Without `NOTIFY_SOCKET` nothing is said. A message that cannot be sent is a debug line: the service works without.

use std::io;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use listenfd::ListenFd;
use rustix::time::{ClockId, clock_gettime};
use tracing::debug;

/// The sockets that systemd listens on for us, at least one, all of them TCP. Takes them out of the environment, so it is
/// called once, before there are other threads.
pub fn listeners() -> io::Result<Vec<TcpListener>> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
    // Without it, the sockets are somebody else's.
    let for_us = std::env::var("LISTEN_PID").is_ok();
    let mut handed = if for_us { ListenFd::from_env() } else { ListenFd::empty() };
    if handed.len() == 0 {
        return Err(invalid("systemd handed over no socket (LISTEN_FDS); start the .socket unit instead".to_owned()));
    }
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut listeners = Vec::new();
    for index in 0..handed.len() {
        let name = names.next().filter(|name| !name.is_empty()).unwrap_or("without a name");
        let refused =
            |error| invalid(format!("socket {index} ({name}): only TCP sockets can be listened on ({error})"));
        if let Some(listener) = handed.take_tcp_listener(index).map_err(refused)? {
            // A connection (Accept=yes), or one that is only bound: there is nobody to accept.
            if !is_listening(&listener)? {
                let what = "nobody can connect to it; write ListenStream=, and not Accept=yes";
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

/// Where there is systemd, it is known.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "it is as on Linux, where it can fail")]
fn is_listening(_: &TcpListener) -> io::Result<bool> {
    Ok(true)
}

/// The listeners serve.
pub fn ready(status: &str) {
    notify(&format!("READY=1\nSTATUS={status}\n"));
}

/// The end has begun.
pub fn stopping() {
    notify("STOPPING=1\nSTATUS=shutting down\n");
}

/// A reload has begun; [`ready`] ends it, whether it succeeded or not.
pub fn reloading() {
    let now = clock_gettime(ClockId::Monotonic);
    let microseconds = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
    notify(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}\nSTATUS=reloading\n"));
}

/// Tells the watchdog, if there is one, that the runtime still turns, twice in its time. Does not end.
pub async fn keep_watchdog_quiet() {
    let Some(limit) = watchdog() else { return std::future::pending().await };
    let mut every = tokio::time::interval(limit / 2);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        notify("WATCHDOG=1\n");
    }
}

/// How long the watchdog of this very process waits.
fn watchdog() -> Option<Duration> {
    let read = |name| std::env::var(name).ok();
    if read("WATCHDOG_PID").is_some_and(|pid| pid != std::process::id().to_string()) {
        return None;
    }
    let limit = Duration::from_micros(read("WATCHDOG_USEC")?.parse().ok()?);
    (limit >= Duration::from_millis(2)).then_some(limit)
}

fn notify(message: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(name.as_bytes(), message) {
        debug!(%error, "sd_notify");
    }
}

fn send(name: &[u8], message: &str) -> io::Result<()> {
    let address = match name.strip_prefix(b"@") {
        Some(name) => abstract_address(name)?,
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that reads nothing holds up nobody.
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    socket.send(message.as_bytes()).map(|_| ())
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}
