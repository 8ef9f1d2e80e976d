//! The answers that are under way on a connection, each with an end.
//!
//! The socket's write timeout sees a peer that takes nothing at all. It does not see a stream of HTTP/2 that the peer
//! gives no flow-control window, while it answers pings; nor a peer that takes a byte now and then. So every body is
//! watched: it is given out in pieces, the last of them a single byte, so that a body which has been dropped was within
//! the window to its end. [`Answers::overdue`] tells when one has not moved for the stall limit, one has lasted longer
//! than an answer may, or there has been none for as long as a connection may idle.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::server::Limits;

/// What a stream of HTTP/2 is given at a time: a frame.
const PIECE: usize = 16 * 1024;

/// Those of one connection.
pub(super) struct Answers {
    limits: Limits,
    state: Mutex<State>,
    begun: Notify,
}

struct State {
    next: u64,
    under_way: BTreeMap<u64, Progress>,
    idle_since: Instant,
}

struct Progress {
    begun: Instant,
    /// When its body moved last; unknown before there is one.
    moved: Option<Instant>,
}

impl Answers {
    /// Of a connection that has just been made.
    pub(super) fn new(limits: Limits) -> Self {
        let state = State { next: 0, under_way: BTreeMap::new(), idle_since: Instant::now() };
        Self { limits, state: Mutex::new(state), begun: Notify::new() }
    }

    /// A request is being handled; its answer is under way until what this returns is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Answer {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        state.under_way.insert(id, Progress { begun: Instant::now(), moved: None });
        drop(state);
        self.begun.notify_one();
        Answer { answers: Arc::clone(self), id }
    }

    /// Ready, with what is wrong, when the connection should be given up.
    pub(super) async fn overdue(&self) -> &'static str {
        loop {
            let (deadline, why) = self.deadline();
            tokio::select! {
                () = sleep_until(deadline) => if self.deadline().0 <= Instant::now() { return why },
                () = self.begun.notified() => {}
            }
        }
    }

    fn deadline(&self) -> (Instant, &'static str) {
        let state = self.state();
        let ends = state.under_way.values().flat_map(|progress| {
            let stalled = progress.moved.map(|moved| (moved + self.limits.write, "an answer was not taken"));
            [Some((progress.begun + self.limits.answer, "an answer took too long")), stalled]
        });
        ends.flatten().min_by_key(|(at, _)| *at).unwrap_or((state.idle_since + self.limits.idle, "idle"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One that is under way.
pub(super) struct Answer {
    answers: Arc<Answers>,
    id: u64,
}

impl Answer {
    /// Its body. That of a stream of HTTP/2, of which there may be several on the connection, is given out in pieces.
    pub(super) fn with_body(self, body: Body, multiplexed: bool) -> Watched {
        if multiplexed {
            self.moved();
            // It has a deadline now that may be the earliest.
            self.answers.begun.notify_one();
        }
        Watched { body, piece: Bytes::new(), multiplexed, answer: self }
    }

    fn moved(&self) {
        if let Some(progress) = self.answers.state().under_way.get_mut(&self.id) {
            progress.moved = Some(Instant::now());
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let mut state = self.answers.state();
        state.under_way.remove(&self.id);
        if state.under_way.is_empty() {
            state.idle_since = Instant::now();
        }
    }
}

/// The body of an answer; dropped when it was taken.
pub(super) struct Watched {
    body: Body,
    /// What came of the body and was not given out yet.
    piece: Bytes,
    multiplexed: bool,
    answer: Answer,
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if !this.multiplexed {
            return Pin::new(&mut this.body).poll_frame(cx);
        }
        this.answer.moved();
        while this.piece.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)).transpose()?.map(Frame::into_data) {
                Some(Ok(data)) => this.piece = data,
                Some(Err(other)) => return Poll::Ready(Some(Ok(other))),
                None => return Poll::Ready(None),
            }
        }
        let left = this.piece.len();
        let most = if this.body.is_end_stream() && left > 1 { left - 1 } else { left };
        Poll::Ready(Some(Ok(Frame::data(this.piece.split_to(most.min(PIECE))))))
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let of_body = self.body.size_hint();
        let held = self.piece.len() as u64;
        let mut hint = SizeHint::new();
        hint.set_lower(of_body.lower() + held);
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper + held);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hyper::body::Body as _;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits() -> Limits {
        Limits { write: SECOND * 30, idle: SECOND * 360, answer: SECOND * 300, ..Limits::default() }
    }

    async fn after(answers: &Answers) -> (Duration, &'static str) {
        let start = Instant::now();
        let why = answers.overdue().await;
        (start.elapsed(), why)
    }

    fn near((took, why): (Duration, &'static str), expected: Duration) -> &'static str {
        assert!(took >= expected && took < expected + SECOND, "{took:?}, not {expected:?}");
        why
    }

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_its_end() {
        let answers = Arc::new(Answers::new(limits()));
        assert_eq!(near(after(&answers).await, SECOND * 360), "idle");
        let answer = answers.begin();
        assert_eq!(near(after(&answers).await, SECOND * 300), "an answer took too long");
        drop(answer);
        let answer = answers.begin();
        let mut body = answer.with_body(Body::from(vec![0; 3 * PIECE]), true);
        assert_eq!(near(after(&answers).await, SECOND * 30), "an answer was not taken");
        std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.unwrap().unwrap();
        assert_eq!(near(after(&answers).await, SECOND * 30), "an answer was not taken");
        drop(body);
        assert_eq!(near(after(&answers).await, SECOND * 360), "idle");
    }

    #[tokio::test(start_paused = true)]
    async fn what_begins_later_is_waited_for_from_then() {
        let answers = Arc::new(Answers::new(limits()));
        let waiting = tokio::spawn({
            let answers = Arc::clone(&answers);
            async move { after(&answers).await }
        });
        tokio::time::sleep(SECOND * 100).await;
        let _body = answers.begin().with_body(Body::from("x"), true);
        assert_eq!(near(waiting.await.unwrap(), SECOND * 130), "an answer was not taken");
    }

    #[tokio::test]
    async fn the_pieces_are_the_body_and_the_last_is_one_byte() {
        for size in [0, 1, 2, PIECE - 1, PIECE, PIECE + 1, PIECE + 2, 3 * PIECE] {
            let sent: Vec<u8> = (0..=u8::MAX).cycle().take(size).collect();
            let answers = Arc::new(Answers::new(limits()));
            let mut body = answers.begin().with_body(Body::from(sent.clone()), true);
            let (mut got, mut last) = (Vec::new(), 0);
            while !body.is_end_stream() {
                assert_eq!(body.size_hint().exact(), Some((sent.len() - got.len()) as u64));
                let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.unwrap().unwrap();
                let data = frame.into_data().unwrap();
                assert!(!data.is_empty() && data.len() <= PIECE);
                last = data.len();
                got.extend_from_slice(&data);
            }
            assert_eq!((got == sent, last), (true, size.min(1)), "{size}");
        }
    }
}
