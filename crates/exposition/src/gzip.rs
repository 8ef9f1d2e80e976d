//! Builds one gzip member (RFC 1952) from pieces that were deflated separately.
//!
//! A piece ends at a byte boundary without ending the deflate stream (a sync flush) and refers to no earlier data, so
//! pieces can be concatenated in any order. Their checksums are combined.

use bytes::Bytes;
use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress};
use parking_lot::Mutex;

/// Header: deflate, no name, no time, fastest, unknown system.
pub(super) const HEADER: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

/// The default level of `gzip`. Lower levels are hardly faster here, and level 1 output is half as large again.
const LEVEL: Compression = Compression::new(6);

/// The maximum size of a stored block in bytes.
const STORED: usize = 0xffff;

/// A reusable compressor: it is large, and creating one costs more than deflating a few lines.
#[derive(Debug)]
pub(super) struct Deflater {
    compress: Compress,
    /// A buffer to deflate into; the caller then copies exactly what was written.
    pub(super) buffer: Vec<u8>,
}

impl Deflater {
    pub(super) fn new() -> Self {
        Self { compress: Compress::new(LEVEL, false), buffer: Vec::new() }
    }

    /// Appends the text as a piece.
    pub(super) fn deflate(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let before = out.len();
        if self.sync(text, out).is_none() {
            // This does not fail in practice; if it does, the text is stored uncompressed.
            out.truncate(before);
            store(text, out);
        }
    }

    fn sync(&mut self, text: &[u8], out: &mut Vec<u8>) -> Option<()> {
        self.sync_with_buffer(text, out, |left| left / 8 + 256)
    }

    /// `buffer` gives the buffer size for this much remaining input.
    fn sync_with_buffer(&mut self, text: &[u8], out: &mut Vec<u8>, buffer: fn(usize) -> usize) -> Option<()> {
        self.compress.reset();
        loop {
            let taken = usize::try_from(self.compress.total_in()).ok()?;
            out.reserve(buffer(text.len() - taken));
            self.compress.compress_vec(text.get(taken..)?, out, FlushCompress::Sync).ok()?;
            // The flush is complete when the output buffer was not filled.
            if out.len() < out.capacity() && self.compress.total_in() == text.len() as u64 {
                return Some(());
            }
        }
    }
}

/// Appends the text as uncompressed blocks.
fn store(text: &[u8], out: &mut Vec<u8>) {
    for block in text.chunks(STORED) {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(0);
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
}

/// Idle compressors.
static IDLE: Mutex<Vec<Deflater>> = Mutex::new(Vec::new());
/// The maximum number of idle compressors: one per format.
const MAX_IDLE: usize = 2;

/// Runs a function with a pooled compressor.
pub(super) fn with_deflater<T>(work: impl FnOnce(&mut Deflater) -> T) -> T {
    let idle = || IDLE.lock();
    let taken = idle().pop();
    let mut deflater = taken.unwrap_or_else(Deflater::new);
    let result = work(&mut deflater);
    let mut idle = idle();
    if idle.len() < MAX_IDLE {
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

/// The end of a member: the short text `tail` uncompressed, then the trailer. `before` is the checksum of everything in
/// the member before the tail.
pub(super) fn finish(before: &Hasher, tail: &[u8]) -> Bytes {
    let mut end = Vec::with_capacity(tail.len() + 16);
    store(tail, &mut end);
    // The last block, which is empty.
    end.extend([3, 0]);
    let mut all = before.clone();
    all.combine(&checksum(tail));
    // The length field is the length of the data modulo 2^32.
    let [a, b, c, d, ..] = all.total_len().to_le_bytes();
    end.extend(all.finalize().to_le_bytes());
    end.extend([a, b, c, d]);
    end.into()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    /// Typical lines, and bytes that do not compress.
    fn texts() -> [Vec<u8>; 2] {
        let mut random = fastrand::Rng::with_seed(7);
        let lines = (0..2000).map(|n| format!("avepoint_customer_seats{{customer_id=\"{}\"}} {n}\n", n * 7919 % 1000));
        [lines.collect::<String>().into_bytes(), (0..5000).map(|_| random.u8(..)).collect()]
    }

    /// Decodes one member of these pieces with a strict decoder.
    fn read(pieces: &[u8], text: &[u8], tail: &[u8]) -> Vec<u8> {
        let member = [HEADER, pieces, &finish(&checksum(text), tail)].concat();
        let mut decoder = GzDecoder::new(&*member);
        let mut read = Vec::new();
        decoder.read_to_end(&mut read).unwrap();
        assert!(decoder.into_inner().is_empty());
        read
    }

    /// Every buffer size, so that it ends within the text, within the flush, or with the last byte of it.
    #[test]
    fn a_buffer_that_is_full_loses_nothing() {
        let mut deflater = Deflater::new();
        let mut exactly = 0;
        for text in texts() {
            for length in (0..64).chain([255, 256, 1000, 5000]) {
                let text = &text[..length];
                let mut whole = Vec::new();
                deflater.sync(text, &mut whole).unwrap();
                assert!(whole.ends_with(&[0, 0, 0xff, 0xff]), "{length}: no sync flush");
                let rooms = (0..whole.len().min(80)).chain(whole.len().saturating_sub(40)..=whole.len() + 8);
                for buffer in rooms {
                    let mut out = Vec::with_capacity(buffer);
                    exactly += usize::from(out.capacity() == whole.len());
                    deflater.sync_with_buffer(text, &mut out, |_| 1).unwrap();
                    assert!(out.ends_with(&[0, 0, 0xff, 0xff]), "{length} in {buffer}: no sync flush");
                    assert_eq!(
                        read(&[&*out, &*whole].concat(), &[text, text].concat(), b"end"),
                        [text, text, b"end"].concat()
                    );
                }
            }
        }
        assert!(exactly > 100, "{exactly}");
    }

    #[test]
    fn a_tail_of_any_length_is_read_back() {
        for length in [0, 1, 300, STORED - 1, STORED, STORED + 1, 3 * STORED] {
            let tail = vec![b'x'; length];
            assert_eq!(read(&[], &[], &tail), tail, "{length}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_pieces_are_one_member(pieces in proptest::collection::vec(proptest::collection::vec(0_u8..8, 0..3000), 0..6)) {
            let mut deflater = Deflater::new();
            let mut out = Vec::new();
            for piece in &pieces {
                deflater.deflate(piece, &mut out);
            }
            let text = pieces.concat();
            assert_eq!(read(&out, &text, &[]), text);
        }
    }
}
