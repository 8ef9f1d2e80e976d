//! Damaged bodies: truncated, very slow, or much larger after decompression.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use flate2::{Compress, Compression, Crc, FlushCompress};
use hyper::body::{Bytes, Frame, SizeHint};
use tokio::time::Sleep;

use super::connection::ResetConnection;

/// How a truncated body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The connection is closed.
    Closed,
    /// The connection is reset.
    Reset,
}

/// A truncated body, after which the connection ends.
pub(super) struct CutBody {
    start: Option<Bytes>,
    /// The value of Content-Length; `None` makes the body chunked.
    announced: Option<u64>,
    end: End,
    /// Waits until the first half is sent.
    pause: Pin<Box<Sleep>>,
}

impl CutBody {
    /// The first half of a body.
    pub(super) fn half_of(whole: &Bytes, announce: bool, end: End) -> Body {
        let announced = announce.then(|| u64::try_from(whole.len().max(1)).unwrap_or(u64::MAX));
        let start = Some(whole.slice(..whole.len() / 2)).filter(|start| !start.is_empty());
        Body::new(Self { start, announced, end, pause: Box::pin(tokio::time::sleep(Duration::from_millis(10))) })
    }
}

impl hyper::body::Body for CutBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(start) = self.start.take() {
            return Poll::Ready(Some(Ok(Frame::data(start))));
        }
        ready!(self.pause.as_mut().poll(context));
        Poll::Ready(Some(Err(match self.end {
            End::Closed => io::Error::from(io::ErrorKind::UnexpectedEof).into(),
            End::Reset => ResetConnection.into(),
        })))
    }

    fn size_hint(&self) -> SizeHint {
        self.announced.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A body that is sent byte by byte.
pub(super) struct DripBody {
    rest: Bytes,
    /// The delay between two bytes; without it, there is no Content-Length and each byte is a chunk.
    every: Option<Duration>,
    pause: Pin<Box<Sleep>>,
}

impl DripBody {
    pub(super) fn of(whole: Bytes, every: Option<Duration>) -> Body {
        Body::new(Self { rest: whole, every, pause: Box::pin(tokio::time::sleep(Duration::ZERO)) })
    }
}

impl hyper::body::Body for DripBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        if let Some(every) = self.every {
            ready!(self.pause.as_mut().poll(context));
            self.pause = Box::pin(tokio::time::sleep(every));
        }
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(1)))))
    }

    fn size_hint(&self) -> SizeHint {
        if self.every.is_some() { SizeHint::with_exact(self.rest.len() as u64) } else { SizeHint::default() }
    }
}

/// A gzip member (RFC 1952) of this many MiB of spaces: one MiB is compressed, aligned to bytes, and repeated.
pub(super) fn gzip_bomb(mebibytes: u32) -> Vec<u8> {
    let blanks = vec![b' '; 1 << 20];
    let mut block = Vec::with_capacity(1 << 16);
    let mut crc = Crc::new();
    if Compress::new(Compression::default(), false).compress_vec(&blanks, &mut block, FlushCompress::Full).is_err() {
        return Vec::new();
    }
    let mut one = Crc::new();
    one.update(&blanks);
    let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    for _ in 0..mebibytes {
        bomb.extend_from_slice(&block);
        crc.combine(&one);
    }
    // An empty stored block as the last one.
    bomb.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
    bomb.extend_from_slice(&crc.sum().to_le_bytes());
    bomb.extend_from_slice(&mebibytes.wrapping_mul(1 << 20).to_le_bytes());
    bomb
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_bomb_is_valid_and_small() {
        let bomb = gzip_bomb(8);
        assert!(bomb.len() < 64 * 1024, "{}", bomb.len());
        let mut inflated = Vec::new();
        flate2::read::GzDecoder::new(&*bomb).read_to_end(&mut inflated).unwrap();
        assert!(inflated.len() == 8 << 20 && inflated.iter().all(|&byte| byte == b' '));
    }
}
