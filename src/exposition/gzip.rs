//! One gzip member (RFC 1952) of pieces that were deflated on their own.
//!
//! A piece ends at a byte's border without closing the deflate stream (a sync flush) and refers to nothing before it,
//! so pieces can follow one another in any order. Their checksums are combined.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress};

/// Deflate, no name, no time, fastest, unknown system.
pub(super) const HEADER: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

/// A million series take 30 MB at level 1, 27 at this one, which costs a fifth more time; higher ones take twice the time
/// and gain little.
const LEVEL: Compression = Compression::new(3);

/// The most that a stored block holds.
const STORED: usize = 0xffff;

/// A compressor, to be used again and again: it is large, and making one costs more than deflating a few lines.
#[derive(Debug)]
pub(super) struct Deflater {
    compress: Compress,
    /// Room to deflate into, for those who keep no more than there is.
    pub(super) room: Vec<u8>,
}

impl Deflater {
    pub(super) fn new() -> Self {
        Self { compress: Compress::new(LEVEL, false), room: Vec::new() }
    }

    /// Appends the text as a piece.
    pub(super) fn deflate(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let before = out.len();
        if self.sync(text, out).is_none() {
            // It has no reason to fail; without it, the text is written as it is.
            out.truncate(before);
            store(text, out);
        }
    }

    fn sync(&mut self, text: &[u8], out: &mut Vec<u8>) -> Option<()> {
        self.compress.reset();
        loop {
            let taken = usize::try_from(self.compress.total_in()).ok()?;
            out.reserve((text.len() - taken) / 8 + 256);
            self.compress.compress_vec(text.get(taken..)?, out, FlushCompress::Sync).ok()?;
            // The flush is complete once it left some of the room.
            if out.len() < out.capacity() && self.compress.total_in() == text.len() as u64 {
                return Some(());
            }
        }
    }
}

/// Appends the text as blocks that are not compressed.
fn store(text: &[u8], out: &mut Vec<u8>) {
    for block in text.chunks(STORED) {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(0);
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
}

/// Compressors that are not in use.
static IDLE: Mutex<Vec<Deflater>> = Mutex::new(Vec::new());
/// How many of them are kept: as many scrapes as are likely to be assembled at the same moment.
const KEPT: usize = 4;

/// Does something with a compressor that others use before and after.
fn with_deflater<T>(work: impl FnOnce(&mut Deflater) -> T) -> T {
    let idle = || IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = idle().pop();
    let mut deflater = taken.unwrap_or_else(Deflater::new);
    let result = work(&mut deflater);
    let mut idle = idle();
    if idle.len() < KEPT {
        idle.push(deflater);
    }
    result
}

/// The checksum of a text.
pub(super) fn checksum(text: &[u8]) -> Hasher {
    let mut checksum = Hasher::new();
    checksum.update(text);
    checksum
}

/// The end of a member: `tail` deflated and closed, and what the member is checked by. `before` is the checksum of all
/// that is in it before the tail.
pub(super) fn finish(before: &Hasher, tail: &[u8]) -> Bytes {
    let mut end = Vec::with_capacity(tail.len() / 4 + 256);
    with_deflater(|deflater| deflater.deflate(tail, &mut end));
    // The last block, an empty one.
    end.extend([3, 0]);
    let mut all = before.clone();
    all.combine(&checksum(tail));
    // The length is that of the data modulo 2^32.
    let [a, b, c, d, ..] = all.total_len().to_le_bytes();
    end.extend(all.finalize().to_le_bytes());
    end.extend([a, b, c, d]);
    end.into()
}
