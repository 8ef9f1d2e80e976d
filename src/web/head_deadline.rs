//! A stream whose reads fail when the head of a request takes too long.
//!
//! The time runs from when a connection is made, and later from the first byte after a request, until the request is
//! handed to its handler; in between, a connection may idle. Frames of HTTP/2 are not told apart: there, only the first
//! head has a deadline, and pings show whether the peer is alive.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::Version;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Where the head of the next request is; shared between a connection's stream and its service.
#[derive(Clone, Debug)]
pub(super) struct Head(Arc<Mutex<State>>);

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing of it has come.
    Idle,
    /// Begun at this time.
    Begun(Instant),
    /// The connection needs no deadline any more.
    Exempt,
}

impl Head {
    /// Of a connection that has just been made.
    pub(super) fn awaited() -> Self {
        Self(Arc::new(Mutex::new(State::Begun(Instant::now()))))
    }

    /// It is complete: the request is being handled.
    pub(super) fn complete(&self, version: Version) {
        *self.state() = if version == Version::HTTP_2 { State::Exempt } else { State::Idle };
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_something(&self) {
        let mut state = self.state();
        if matches!(*state, State::Idle) {
            *state = State::Begun(Instant::now());
        }
    }

    fn begun(&self) -> Option<Instant> {
        match *self.state() {
            State::Begun(begun) => Some(begun),
            State::Idle | State::Exempt => None,
        }
    }
}

/// See the module.
pub(super) struct HeadDeadline<S> {
    stream: S,
    head: Head,
    limit: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl<S> HeadDeadline<S> {
    pub(super) fn new(stream: S, head: Head, limit: Duration) -> Self {
        Self { stream, head, limit, sleep: Box::pin(tokio::time::sleep(limit)) }
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(begun) = self.head.begun() else { return Poll::Pending };
        let deadline = begun + self.limit;
        if self.sleep.deadline() != deadline {
            self.sleep.as_mut().reset(deadline);
        }
        ready!(self.sleep.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the head of a request took too long")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HeadDeadline<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Ready(read) => {
                this.head.read_something();
                Poll::Ready(read)
            }
            Poll::Pending => this.poll_deadline(cx),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HeadDeadline<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
