//! A response body whose pieces are written together.
//!
//! hyper writes as soon as it holds as many bytes as a request head may have. A scrape consists of many larger pieces, and
//! each of them would be a system call and a packet of its own.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::{Buf, Bytes};
use hyper::body::{Frame, SizeHint};

/// The maximum number of pieces in a batch. With 64, the client waits longer for the first bytes: a scrape is slower.
const MAX_PIECES: usize = 16;

type Next<D> = Option<Result<Frame<D>, axum::Error>>;

/// The same body in batches: each frame has all the pieces that are ready.
#[derive(Debug)]
pub(super) struct BatchedBody {
    body: Body,
    /// What came after the pieces of the last batch: an error, trailers, or the end.
    after: Option<Next<Bytes>>,
}

impl BatchedBody {
    pub(super) fn new(body: Body) -> Self {
        Self { body, after: None }
    }
}

impl hyper::body::Body for BatchedBody {
    type Data = Batch;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Next<Batch>> {
        let mut batch = Batch::default();
        while batch.pieces.len() < MAX_PIECES {
            let next = match self.after.take() {
                Some(after) => after,
                None => match Pin::new(&mut self.body).poll_frame(cx) {
                    Poll::Ready(next) => next,
                    Poll::Pending if batch.pieces.is_empty() => return Poll::Pending,
                    Poll::Pending => break,
                },
            };
            match next {
                Some(Ok(frame)) if frame.is_data() => batch.push(frame.into_data().unwrap_or_default()),
                after if batch.pieces.is_empty() => {
                    return Poll::Ready(after.map(|frame| frame.map(|frame| frame.map_data(|_| Batch::default()))));
                }
                after => {
                    self.after = Some(after);
                    break;
                }
            }
        }
        Poll::Ready(Some(Ok(Frame::data(batch))))
    }

    fn is_end_stream(&self) -> bool {
        self.after.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Pieces that are sent one after the other; each is released when it has been sent.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pieces: VecDeque<Bytes>,
    left: usize,
}

impl Batch {
    fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.left += piece.len();
            self.pieces.push_back(piece);
        }
    }
}

impl Buf for Batch {
    fn remaining(&self) -> usize {
        self.left
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map(Bytes::chunk).unwrap_or_default()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = slices.iter_mut().zip(&self.pieces).map(|(slice, piece)| *slice = IoSlice::new(piece));
        filled.count()
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.left, "only what is left can be sent");
        self.left -= count;
        while let Some(piece) = self.pieces.front_mut() {
            if count < piece.len() {
                return piece.advance(count);
            }
            count -= piece.len();
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use axum::http::HeaderMap;
    use http_body_util::BodyExt as _;
    use http_body_util::channel::{Channel, Sender};

    use super::*;

    fn channel() -> (Sender<Bytes, io::Error>, BatchedBody) {
        let (sender, channel) = Channel::new(2 * MAX_PIECES);
        (sender, BatchedBody::new(Body::new(channel)))
    }

    async fn batch(body: &mut BatchedBody) -> Batch {
        body.frame().await.unwrap().unwrap().into_data().unwrap()
    }

    fn pieces() -> Batch {
        let mut batch = Batch::default();
        for piece in ["ab", "cde", "f"] {
            batch.push(piece.into());
        }
        batch
    }

    #[tokio::test]
    async fn what_is_ready_comes_together() {
        let (mut sender, mut body) = channel();
        for piece in ["one ", "", "two ", "three"] {
            sender.send_data(piece.into()).await.unwrap();
        }
        assert_eq!(batch(&mut body).await.copy_to_bytes(13), "one two three");

        let mut later = Box::pin(batch(&mut body));
        assert!(std::future::poll_fn(|cx| Poll::Ready(later.as_mut().poll(cx))).await.is_pending());
        sender.send_data("four".into()).await.unwrap();
        assert_eq!(later.await.chunk(), b"four");

        for _ in 0..=MAX_PIECES {
            sender.send_data("x".into()).await.unwrap();
        }
        assert_eq!(batch(&mut body).await.remaining(), MAX_PIECES);
        assert_eq!(batch(&mut body).await.remaining(), 1);
        drop(sender);
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn what_follows_the_pieces_is_kept() {
        let (mut sender, mut body) = channel();
        sender.send_data("data".into()).await.unwrap();
        sender.abort(io::Error::other("broken"));
        assert_eq!(batch(&mut body).await.chunk(), b"data");
        assert_eq!(body.frame().await.unwrap().unwrap_err().to_string(), "broken");

        let (mut sender, mut body) = channel();
        sender.send_data("data".into()).await.unwrap();
        sender.send_trailers(HeaderMap::from_iter([("x".parse().unwrap(), "1".parse().unwrap())])).await.unwrap();
        drop(sender);
        assert_eq!(batch(&mut body).await.chunk(), b"data");
        assert!(!hyper::body::Body::is_end_stream(&body));
        assert_eq!(body.frame().await.unwrap().unwrap().into_trailers().unwrap()["x"], "1");
        assert!(body.frame().await.is_none());
    }

    #[test]
    fn a_batch_advances_over_the_ends_of_pieces() {
        let mut batch = pieces();
        for (count, chunk, left) in [(0, "ab", 6), (1, "b", 5), (2, "de", 3), (2, "f", 1), (1, "", 0)] {
            batch.advance(count);
            assert_eq!((batch.chunk(), batch.remaining()), (chunk.as_bytes(), left));
        }
    }

    #[test]
    fn slices_are_the_pieces_that_are_left() {
        let mut batch = pieces();
        batch.advance(1);
        let mut slices = [IoSlice::new(&[]); 2];
        assert_eq!(batch.chunks_vectored(&mut slices), 2);
        assert_eq!(slices.map(|slice| slice.to_vec()), [b"b".to_vec(), b"cde".to_vec()]);
        assert_eq!(batch.chunks_vectored(&mut [IoSlice::new(&[]); 4]), 3);
    }
}
