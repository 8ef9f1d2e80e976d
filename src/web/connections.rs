//! Who is let in, and who has to go when there is no room.
//!
//! A server has room for so many connections. When all of it is taken, the next connection is let in nevertheless, and
//! the one that is missed least is closed for it: so neither thousands of idle connections nor as many readers that read
//! nothing keep a scraper out, even if it comes from the same address, through a proxy say. Missed least are, among those
//! that have not moved for [`GRACE`], the ones of the address that has the most connections (that of the network of 64
//! bits, of IPv6): first those that never sent a request, then those between two requests, then those that do not take
//! their answer; and of these, the one that has not moved the longest. If there is none, it is one that has not moved for
//! [`BLINK`]; and if all move, the one that has been taking its answer the longest, for [`GRACE`] at least. A connection
//! that waits for us to make its answer is never closed.
//!
//! What a peer sends moves nothing, but for a whole request: slow senders count as silent.

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
use tokio::time::{Instant, timeout};

/// How long a peer may do nothing before it counts: longer than a packet takes to come from anywhere.
const GRACE: Duration = Duration::from_secs(1);
/// How long everybody may do nothing: new connections need it to say what they want.
const BLINK: Duration = Duration::from_millis(100);
/// Between two looks for somebody who can go.
const PAUSE: Duration = Duration::from_millis(10);

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It never sent a request.
    Silent,
    /// It waits for us.
    Asked,
    /// It takes its answer.
    Answered,
    /// Its answers are sent.
    Idle,
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
        let state = State { phase: Phase::Silent, asked: now, moved: now };
        Self { state: Mutex::new(state), unwanted: Notify::new() }
    }

    /// A request is complete.
    pub(super) fn asked(&self) {
        let now = Instant::now();
        *self.state() = State { phase: Phase::Asked, asked: now, moved: now };
    }

    /// Some bytes were taken.
    fn took(&self) {
        let mut state = self.state();
        state.moved = Instant::now();
        if state.phase == Phase::Asked {
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connections of a server.
#[derive(Debug)]
pub(super) struct Connections {
    room: Arc<Semaphore>,
    table: Arc<Mutex<Table>>,
}

impl Connections {
    /// With room for so many.
    pub(super) fn new(most: usize) -> Self {
        Self { room: Arc::new(Semaphore::new(most)), table: Arc::default() }
    }

    /// Lets in a connection from this address, once there is room or somebody has gone for it. May be dropped.
    pub(super) async fn admit(&self, peer: IpAddr) -> Admitted {
        let place = loop {
            if let Ok(place) = Arc::clone(&self.room).try_acquire_owned() {
                break place;
            }
            self.table().evict(Instant::now());
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
    /// Ready when the connection has to go.
    pub(super) async fn unwanted(&self) {
        self.activity.unwanted.notified().await;
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
}

impl Table {
    fn add(&mut self, peer: IpAddr, activity: Arc<Activity>) -> u64 {
        let id = self.next;
        self.next += 1;
        self.entries.insert(id, (peer, activity));
        *self.shares.entry(peer).or_default() += 1;
        id
    }

    fn remove(&mut self, id: u64) -> Option<Arc<Activity>> {
        let (peer, activity) = self.entries.remove(&id)?;
        if let Some(share) = self.shares.get_mut(&peer) {
            *share -= 1;
            if *share == 0 {
                self.shares.remove(&peer);
            }
        }
        Some(activity)
    }

    /// Tells the one that is missed least, if anybody can go.
    fn evict(&mut self, now: Instant) {
        let candidates = self.entries.iter().filter_map(|(&id, (peer, activity))| {
            let share = self.shares.get(peer).copied().unwrap_or_default();
            urgency(*activity.state(), share, now).map(|urgency| (urgency, id))
        });
        if let Some(activity) = candidates.min().and_then(|(_, id)| self.remove(id)) {
            activity.unwanted.notify_one();
        }
    }
}

/// The least goes first; `None` stays.
type Urgency = (u8, Reverse<usize>, u8, Instant);

fn urgency(state: State, share: usize, now: Instant) -> Option<Urgency> {
    let rested = now.duration_since(state.moved);
    let share = Reverse(share);
    let kind = match state.phase {
        Phase::Silent => 0,
        Phase::Idle => 1,
        Phase::Answered => 2,
        Phase::Asked => return None,
    };
    if rested >= GRACE {
        Some((0, share, kind, state.moved))
    } else if rested >= BLINK {
        Some((1, share, 0, state.moved))
    } else if state.phase == Phase::Answered && now.duration_since(state.asked) >= GRACE {
        Some((2, share, 0, state.asked))
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
mod tests {
    use super::*;

    const HOSTILE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));
    const LATER: Duration = Duration::from_secs(2);

    /// Whether it was told to go.
    fn is_unwanted(admitted: &Admitted) -> bool {
        let mut unwanted = std::pin::pin!(admitted.unwanted());
        unwanted.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_ready()
    }

    async fn full(connections: &Connections, peers: &[IpAddr]) -> Vec<Admitted> {
        let mut admitted = Vec::new();
        for &peer in peers {
            admitted.push(connections.admit(peer).await);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        admitted
    }

    fn evicted(connections: &Connections, admitted: &[Admitted]) -> Option<usize> {
        connections.table().evict(Instant::now());
        admitted.iter().position(is_unwanted)
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_silent_goes_first_then_the_idle_then_those_who_take_nothing() {
        let connections = Connections::new(5);
        let admitted = full(&connections, &[HOSTILE; 5]).await;
        let activity = |index: usize| &admitted[index].activity;
        for index in [0, 1, 2] {
            activity(index).asked();
            activity(index).took();
        }
        activity(1).took_all();
        activity(2).took_all();
        // Waits for us.
        activity(2).asked();
        // A part of a request is no request.
        tokio::time::advance(LATER).await;
        assert_eq!(evicted(&connections, &admitted), Some(3));
        assert_eq!(evicted(&connections, &admitted), Some(4));
        assert_eq!(evicted(&connections, &admitted), Some(1));
        assert_eq!(evicted(&connections, &admitted), Some(0));
        assert_eq!(evicted(&connections, &admitted), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_address_with_the_most_pays() {
        let connections = Connections::new(4);
        let admitted = full(&connections, &[OTHER, HOSTILE, HOSTILE, HOSTILE]).await;
        for one in &admitted[1..] {
            one.activity.asked();
            one.activity.took();
        }
        tokio::time::advance(LATER).await;
        // The other one is silent, and the longest here.
        assert_eq!(evicted(&connections, &admitted), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_new_or_takes_something_goes_last() {
        let connections = Connections::new(3);
        let admitted = full(&connections, &[OTHER, HOSTILE, HOSTILE]).await;
        admitted[1].activity.asked();
        admitted[1].activity.took();
        assert_eq!(evicted(&connections, &admitted), None);
        tokio::time::advance(BLINK).await;
        admitted[1].activity.took();
        // The other one came first, but alone.
        assert_eq!(evicted(&connections, &admitted), Some(2));
        assert_eq!(evicted(&connections, &admitted), Some(0));
        assert_eq!(evicted(&connections, &admitted), None);
        tokio::time::advance(LATER).await;
        admitted[1].activity.took();
        assert_eq!(evicted(&connections, &admitted), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_always_room_for_one_more_until_all_wait_for_us() {
        let connections = Connections::new(2);
        let admitted = full(&connections, &[HOSTILE; 2]).await;
        for one in &admitted {
            one.activity.asked();
        }
        assert!(timeout(LATER, connections.admit(OTHER)).await.is_err());
        admitted[1].activity.took();
        admitted[1].activity.took_all();
        let (third, ()) = tokio::join!(connections.admit(OTHER), async {
            admitted[1].unwanted().await;
            drop(admitted);
        });
        assert_eq!(connections.table().entries.len(), 1);
        drop(third);
        let table = connections.table();
        assert!(table.entries.is_empty() && table.shares.is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let network_of = |text: &str| network(text.parse().unwrap());
        assert_eq!(network_of("2001:db8::1"), network_of("2001:db8::ffff:2"));
        assert_ne!(network_of("2001:db8::1"), network_of("2001:db8:0:1::1"));
        assert_ne!(network_of("10.0.0.1"), network_of("10.0.0.2"));
        assert_eq!(network_of("::ffff:10.0.0.1"), network_of("10.0.0.1"));
    }
}
