//! Who is let in, and who has to go when there is no room.
//!
//! A server has room for so many connections. When hardly any of it is free, the next connection is let in nevertheless,
//! and the one that is missed least is closed for it: so neither thousands of idle connections nor as many readers that
//! read nothing keep a scraper out, even if it comes from the same address, through a proxy say. Missed least are, among
//! those that have not moved for [`GRACE`], the ones of the address that has the most connections (that of the network of
//! 64 bits, of IPv6): first those that never sent a request, then those between two requests, then those that do not take
//! their answer; and of these, the one that has not moved the longest. If there is none, it is one that has not moved for
//! [`BLINK`]; and if all move, the one that has been taking its answer the longest, for [`GRACE`] at least.
//!
//! A connection that waits for us is never closed. It waits for us from when it is let in until we look at it for the
//! first time, and from when its request is complete until its answer begins. And one that did nothing, as far as we know,
//! is looked at once more before it goes: if it is us who are late, if a request of it is there to be read or it has room
//! for more of its answer, it stays.
//!
//! What a peer sends moves nothing, but for a whole request, and once each the begin and the end of a TLS handshake: slow
//! senders count as silent.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

/// How long a peer may do nothing before it counts: longer than a packet takes to come from anywhere.
const GRACE: Duration = Duration::from_secs(1);
/// How long everybody may do nothing: new connections need it to say what they want.
const BLINK: Duration = Duration::from_millis(100);
/// For what is there already to be read, or can be written, before a connection goes.
const LAST_LOOK: Duration = Duration::from_millis(1);
/// One place in so many is free, if it can be, before it is needed: it takes a moment until one who has to go is gone.
const SPARE: usize = 16;
/// Between two looks for somebody who can go.
const PAUSE: Duration = Duration::from_millis(5);

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It waits for us: to be looked at for the first time, or to be answered.
    Waiting,
    /// It never sent a request.
    Silent,
    /// It takes its answer.
    Answered,
    /// Its answers are sent.
    Idle,
    /// It has rested, and has to go unless we find that it was us who did.
    Unwanted,
    /// It has to go, though it moves.
    Overdue,
}

/// Where a connection is, and since when.
#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    /// When its last request came, or it itself.
    asked: Instant,
    /// When it last took something, or sent a request, or came.
    moved: Instant,
}

/// What is known of a connection; shared by its stream, its service, and the server's [`Connections`].
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
    unwanted: Notify,
}

impl Activity {
    fn new(now: Instant) -> Self {
        let state = State { phase: Phase::Waiting, asked: now, moved: now };
        Self { state: Mutex::new(state), unwanted: Notify::new() }
    }

    /// From now on it is up to the peer to begin a connection or to go on with it, before the first request.
    pub(super) fn awaited(&self) {
        let now = Instant::now();
        *self.state() = State { phase: Phase::Silent, asked: now, moved: now };
    }

    /// A request is complete.
    pub(super) fn asked(&self) {
        let now = Instant::now();
        *self.state() = State { phase: Phase::Waiting, asked: now, moved: now };
    }

    /// Some bytes were taken.
    fn took(&self) {
        let mut state = self.state();
        state.moved = Instant::now();
        if matches!(state.phase, Phase::Waiting | Phase::Unwanted) {
            state.phase = Phase::Answered;
        }
    }

    /// Nothing is left to send.
    fn took_all(&self) {
        let mut state = self.state();
        if state.phase == Phase::Answered {
            state.phase = Phase::Idle;
        }
    }

    fn leaves(&self) -> bool {
        matches!(self.state().phase, Phase::Unwanted | Phase::Overdue)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connections of a server.
#[derive(Debug)]
pub(super) struct Connections {
    room: Arc<Semaphore>,
    /// How much of it is free, if it can be.
    spare: usize,
    table: Arc<Mutex<Table>>,
}

impl Connections {
    /// With room for so many.
    pub(super) fn new(most: usize) -> Self {
        Self { room: Arc::new(Semaphore::new(most)), spare: most / SPARE, table: Arc::default() }
    }

    /// Lets in a connection from this address, once there is room or somebody has gone for it. May be dropped.
    pub(super) async fn admit(&self, peer: IpAddr) -> Admitted {
        let place = loop {
            let free = self.room.available_permits();
            if free <= self.spare / 2 {
                self.table().make_room(Instant::now(), (self.spare - free).max(1));
            }
            if let Ok(Ok(place)) = timeout(PAUSE, Arc::clone(&self.room).acquire_owned()).await {
                break place;
            }
        };
        let activity = Arc::new(Activity::new(Instant::now()));
        let id = self.table().add(network(peer), Arc::clone(&activity));
        Admitted { activity, id, table: Arc::clone(&self.table), _place: place }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that was let in; its place is free when this is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    /// To be told of requests.
    pub(super) activity: Arc<Activity>,
    id: u64,
    table: Arc<Mutex<Table>>,
    _place: OwnedSemaphorePermit,
}

impl Admitted {
    /// Ready when the connection has to go. Whoever polls this polls the connection first, for its last look.
    pub(super) async fn unwanted(&self) {
        loop {
            self.activity.unwanted.notified().await;
            // The runtime looks at its timers after its sockets. So once this ends, what had come is known.
            sleep(LAST_LOOK).await;
            if self.activity.leaves() {
                return;
            }
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).remove(self.id);
    }
}

/// Who is there.
#[derive(Debug, Default)]
struct Table {
    next: u64,
    entries: HashMap<u64, (IpAddr, Arc<Activity>)>,
    /// How many of each address.
    shares: HashMap<IpAddr, usize>,
    /// When somebody who can go was looked for last.
    looked: Option<Instant>,
}

impl Table {
    fn add(&mut self, peer: IpAddr, activity: Arc<Activity>) -> u64 {
        let id = self.next;
        self.next += 1;
        self.entries.insert(id, (peer, activity));
        *self.shares.entry(peer).or_default() += 1;
        id
    }

    fn remove(&mut self, id: u64) {
        let Some((peer, _)) = self.entries.remove(&id) else { return };
        if let Some(share) = self.shares.get_mut(&peer) {
            *share -= 1;
            if *share == 0 {
                self.shares.remove(&peer);
            }
        }
    }

    /// Sees to it that so many are about to go, those that are missed least, as far as there are any who can.
    fn evict(&self, now: Instant, count: usize) {
        let (mut candidates, mut leaving) = (Vec::new(), 0);
        for (&id, (peer, activity)) in &self.entries {
            let share = self.shares.get(peer).copied().unwrap_or_default();
            if activity.leaves() {
                leaving += 1;
            } else if let Some(urgency) = urgency(*activity.state(), share, now) {
                candidates.push((urgency, id, activity));
            }
        }
        candidates.sort_unstable_by_key(|&(urgency, id, _)| (urgency, id));
        for (urgency, _, activity) in candidates.into_iter().take(count.saturating_sub(leaving)) {
            activity.state().phase = if urgency.0 == MOVES { Phase::Overdue } else { Phase::Unwanted };
            activity.unwanted.notify_one();
        }
    }

    /// The same, unless that was looked at just now: it takes longer than to let one in.
    fn make_room(&mut self, now: Instant, count: usize) {
        if self.looked.is_none_or(|looked| now >= looked + PAUSE) {
            self.looked = Some(now);
            self.evict(now, count);
        }
    }
}

/// The least goes first; `None` stays.
type Urgency = (u8, Reverse<usize>, u8, Instant);

/// The first word about one who moves, and goes nevertheless.
const MOVES: u8 = 2;

fn urgency(state: State, share: usize, now: Instant) -> Option<Urgency> {
    let rested = now.duration_since(state.moved);
    let share = Reverse(share);
    let kind = match state.phase {
        Phase::Silent => 0,
        Phase::Idle => 1,
        Phase::Answered => 2,
        Phase::Waiting | Phase::Unwanted | Phase::Overdue => return None,
    };
    if rested >= GRACE {
        Some((0, share, kind, state.moved))
    } else if rested >= BLINK {
        Some((1, share, 0, state.moved))
    } else if state.phase == Phase::Answered && now.duration_since(state.asked) >= GRACE {
        Some((MOVES, share, 0, state.asked))
    } else {
        None
    }
}

/// What counts as one address.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// A stream that tells what is taken of what is sent on it.
pub(super) struct Told<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> Told<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }

    fn took(&self, written: &Poll<io::Result<usize>>) {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.activity.took();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Told<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Told<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.took(&written);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            self.activity.took_all();
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
        self.took(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests;
