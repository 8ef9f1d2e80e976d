//! Damaged bodies: truncated, very slow, or much larger after decompression.

use std::io;
use std::time::Duration;

use axum::body::Body;
use flate2::{Compress, Compression, Crc, FlushCompress};
use http_body_util::channel::Channel;
use hyper::body::Bytes;

/// The first half of a body, after which the connection is closed, or reset for `ConnectionReset`.
pub(super) fn half_of(whole: &Bytes, end: io::ErrorKind) -> Body {
    let start = whole.slice(..whole.len() / 2);
    let (mut sender, body) = Channel::new(1);
    tokio::spawn(async move {
        if sender.send_data(start).await.is_ok() {
            // Until the first half is sent.
            tokio::time::sleep(Duration::from_millis(10)).await;
            sender.abort(io::Error::from(end));
        }
    });
    Body::new(body)
}

/// A body that is sent byte by byte, with this delay between two bytes.
pub(super) fn drip(whole: Bytes, every: Duration) -> Body {
    // Room for all bytes, so that without a delay no byte waits for the one before.
    let (mut sender, body) = Channel::<_>::new(whole.len().max(1));
    tokio::spawn(async move {
        for place in 0..whole.len() {
            if sender.send_data(whole.slice(place..=place)).await.is_err() {
                break;
            }
            if !every.is_zero() {
                tokio::time::sleep(every).await;
            }
        }
    });
    Body::new(body)
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
