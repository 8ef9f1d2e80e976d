//! Tracks the phase of a connection and the time of its last progress.
//!
//! The stream of a connection ([`ActivityStream`]) and its service report here; from that follow the deadline of the
//! connection ([`Activity::expired`]) and whether it may be closed for a new one ([`Activity::eviction_rank`]). Only
//! complete requests count as progress, so a peer that sends slowly counts as idle.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::server::Limits;

/// Minimum inactivity before a connection counts as idle: a new connection needs some time to send its request.
const MIN_IDLE: Duration = Duration::from_millis(100);
/// The same while a response is being read: a client on a busy machine may pause.
const MIN_STALL: Duration = Duration::from_millis(500);
/// How long a client may read a response before its connection may be closed for a new one, even if it makes progress.
const MIN_ANSWER: Duration = Duration::from_secs(2);
/// Delay before an idle connection is closed, so that a request that has already arrived is read first.
const FINAL_CHECK: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Accepted; nothing has been read yet.
    Accepted,
    /// The first request, or the TLS handshake before it, is incomplete.
    Opening,
    /// A part of a later request has arrived.
    ReceivingHead,
    /// A request is complete, and no byte of the response has been written.
    Processing,
    /// A part of the response has been written.
    Answering,
    /// The response has been written, and no byte of the next request has arrived.
    KeepAlive,
}

#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    /// When the last request was complete; before the first one, when the connection was accepted.
    request_at: Instant,
    /// When bytes were written last, or a request was complete, or the phase changed.
    progress_at: Instant,
    eviction: Eviction,
}

/// Whether the connection is to be closed for a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Eviction {
    No,
    /// Close it unless it has made progress since then.
    IfIdleSince(Instant),
    Always,
}

/// Which connection is closed first for a new one: the lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EvictionRank {
    /// No progress since then.
    IdleSince(Instant),
    /// It is reading a response that was requested then.
    ReadingSince(Instant),
}

/// Shared by a connection's stream, its service and the [`Connections`](super::connections::Connections).
#[derive(Debug)]
pub(crate) struct Activity {
    limits: Limits,
    state: Mutex<State>,
    changed: Notify,
    evict: Notify,
}

impl Activity {
    /// The activity of a connection that was just accepted.
    pub(crate) fn new(limits: Limits) -> Self {
        let now = Instant::now();
        let state = State { phase: Phase::Accepted, request_at: now, progress_at: now, eviction: Eviction::No };
        Self { limits, state: Mutex::new(state), changed: Notify::new(), evict: Notify::new() }
    }

    /// The handshake or the first request is expected from now on.
    pub(crate) fn opening(&self) {
        self.enter(Phase::Opening);
    }

    /// A request is complete.
    pub(crate) fn request_received(&self) {
        self.state().request_at = Instant::now();
        self.enter(Phase::Processing);
    }

    /// The connection with the lowest rank is closed first; `None` if it must not be closed, because it waits for us.
    /// Idle connections come first, longest idle first; then the one that has been reading its response longest.
    pub(crate) fn eviction_rank(&self, now: Instant) -> Option<EvictionRank> {
        let State { phase, request_at, progress_at, .. } = *self.state();
        match phase {
            Phase::Answering if now.duration_since(progress_at) >= MIN_STALL => {
                Some(EvictionRank::IdleSince(progress_at))
            }
            Phase::Answering if now.duration_since(request_at) >= MIN_ANSWER => {
                Some(EvictionRank::ReadingSince(request_at))
            }
            Phase::Accepted | Phase::Processing | Phase::Answering => None,
            _ => (now.duration_since(progress_at) >= MIN_IDLE).then_some(EvictionRank::IdleSince(progress_at)),
        }
    }

    /// Requests that the connection is closed. `rank` is the result of [`Self::eviction_rank`].
    pub(crate) fn evict(&self, rank: EvictionRank) {
        self.state().eviction = match rank {
            EvictionRank::IdleSince(at) => Eviction::IfIdleSince(at),
            EvictionRank::ReadingSince(_) => Eviction::Always,
        };
        self.evict.notify_one();
    }

    /// Whether closing was requested.
    pub(crate) fn is_evicted(&self) -> bool {
        self.state().eviction != Eviction::No
    }

    /// Resolves when the connection is to be closed for a new one.
    pub(crate) async fn evicted(&self) {
        loop {
            self.evict.notified().await;
            if self.state().eviction == Eviction::Always {
                return;
            }
            sleep(FINAL_CHECK).await;
            let mut state = self.state();
            if state.eviction == Eviction::IfIdleSince(state.progress_at) {
                return;
            }
            state.eviction = Eviction::No;
        }
    }

    /// Resolves, with the reason, when the connection has taken longer than its limits allow.
    pub(crate) async fn expired(&self) -> &'static str {
        loop {
            let (deadline, reason) = self.deadline();
            tokio::select! {
                () = sleep_until(deadline) => if self.deadline().0 <= Instant::now() { return reason },
                () = self.changed.notified() => {}
            }
        }
    }

    fn deadline(&self) -> (Instant, &'static str) {
        let State { phase, request_at, progress_at, .. } = *self.state();
        let answer = (request_at + self.limits.answer, "an answer took too long");
        match phase {
            Phase::Accepted | Phase::Opening | Phase::ReceivingHead => {
                (progress_at + self.limits.head, "the head of a request took too long")
            }
            Phase::Processing => answer,
            Phase::Answering => answer.min((progress_at + self.limits.write, "the client stopped reading")),
            Phase::KeepAlive => (progress_at + self.limits.idle, "idle"),
        }
    }

    fn read_some(&self) {
        if self.state().phase == Phase::KeepAlive {
            self.enter(Phase::ReceivingHead);
        }
    }

    pub(crate) fn wrote_some(&self) {
        let mut state = self.state();
        state.progress_at = Instant::now();
        if state.phase == Phase::Processing {
            drop(state);
            self.enter(Phase::Answering);
        }
    }

    pub(crate) fn wrote_all(&self) {
        if self.state().phase == Phase::Answering {
            self.enter(Phase::KeepAlive);
        }
    }

    fn enter(&self, phase: Phase) {
        let mut state = self.state();
        state.phase = phase;
        state.progress_at = Instant::now();
        drop(state);
        self.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// A stream that reports what is read from it and written to it.
pub(crate) struct ActivityStream<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> ActivityStream<S> {
    pub(crate) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }

    fn report(&self, written: &Poll<io::Result<usize>>) {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.activity.wrote_some();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ActivityStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_ready() {
            self.activity.read_some();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ActivityStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.report(&written);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            self.activity.wrote_all();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.report(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_deadline() {
        let limits = Limits {
            head: SECOND * 10,
            write: SECOND * 30,
            answer: SECOND * 300,
            idle: SECOND * 360,
            ..Limits::default()
        };
        let activity = Activity::new(limits);
        let expires = async |seconds: u32, reason: &str| {
            let start = Instant::now();
            assert_eq!(activity.expired().await, reason);
            let took = start.elapsed();
            assert!((SECOND * seconds..SECOND * (seconds + 1)).contains(&took), "{reason}: {took:?}");
        };
        let head = "the head of a request took too long";
        expires(10, head).await;
        activity.opening();
        // What is sent before the first request is complete prolongs nothing.
        activity.read_some();
        expires(10, head).await;
        activity.request_received();
        expires(300, "an answer took too long").await;
        activity.request_received();
        activity.wrote_some();
        expires(30, "the client stopped reading").await;
        for _ in 0..29 {
            activity.wrote_some();
            tokio::time::advance(SECOND * 9).await;
        }
        // 30 + 261 seconds after the request.
        activity.wrote_some();
        expires(9, "an answer took too long").await;
        activity.wrote_all();
        expires(360, "idle").await;
        activity.read_some();
        tokio::time::advance(SECOND * 6).await;
        activity.read_some();
        expires(4, head).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_deadline_is_noticed_by_who_waits_already() {
        let activity = Arc::new(Activity::new(Limits { head: SECOND * 60, write: SECOND, ..Limits::default() }));
        let waiting = tokio::spawn({
            let activity = Arc::clone(&activity);
            async move { activity.expired().await }
        });
        tokio::time::sleep(SECOND).await;
        activity.request_received();
        activity.wrote_some();
        let start = Instant::now();
        assert_eq!(waiting.await.unwrap(), "the client stopped reading");
        assert!(start.elapsed() < SECOND * 2);
    }
}
