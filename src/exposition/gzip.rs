//! One gzip member (RFC 1952) of two parts: what a generation has ready, deflated once, and what each scrape adds.
//!
//! The ready part ends at a byte's border without closing the deflate stream (a sync flush), so that another deflate
//! stream can follow; the checksums of both are combined.

use std::io::{self, Write};

use bytes::Bytes;
use crc32fast::Hasher;
use flate2::Compression;
use flate2::write::DeflateEncoder;

/// Deflate, no name, no time, fastest, unknown system.
const HEADER: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

/// The fastest level: the lines are so alike that higher ones gain little.
const LEVEL: Compression = Compression::fast();

/// Deflated data that more can follow.
#[derive(Debug)]
pub(super) struct Deflated {
    data: Bytes,
    /// Checksum and length of what went in.
    checksum: Hasher,
}

impl Deflated {
    /// Deflates the chunks as one. `None` if the compressor failed, which it has no reason to.
    pub(super) fn new(chunks: &[Bytes]) -> Option<Self> {
        let mut checksum = Hasher::new();
        let mut encoder = DeflateEncoder::new(Vec::new(), LEVEL);
        for chunk in chunks {
            checksum.update(chunk);
            encoder.write_all(chunk).ok()?;
        }
        let mut data = encoder.flush_finish().ok()?;
        data.shrink_to_fit();
        Some(Self { data: data.into(), checksum })
    }
}

/// The whole member: `ready`, then `tail`.
pub(super) fn finish(ready: &Deflated, tail: &[u8]) -> Option<Vec<Bytes>> {
    let end = close(ready, tail).ok()?;
    let mut chunks = vec![Bytes::from_static(HEADER), ready.data.clone(), end.into()];
    chunks.retain(|chunk| !chunk.is_empty());
    Some(chunks)
}

fn close(ready: &Deflated, tail: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), LEVEL);
    encoder.write_all(tail)?;
    let mut end = encoder.finish()?;
    let mut checksum = ready.checksum.clone();
    let mut tail_checksum = Hasher::new();
    tail_checksum.update(tail);
    checksum.combine(&tail_checksum);
    // The length is that of the data modulo 2^32.
    let [a, b, c, d, ..] = checksum.total_len().to_le_bytes();
    end.extend(checksum.finalize().to_le_bytes());
    end.extend([a, b, c, d]);
    Ok(end)
}
