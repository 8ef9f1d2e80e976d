//! An encoded chunk: a contiguous part of one family's lines, as text and as deflated bytes.

use bytes::Bytes;
use crc32fast::Hasher;

use super::gzip::{self, Deflater};
use super::memory;

/// Some lines in parts. A chunk is immutable; its replacement copies the unchanged parts.
#[derive(Debug, Default)]
pub(super) struct EncodedChunk {
    pub(super) text: Bytes,
    /// All parts, deflated one by one.
    pub(super) deflated: Bytes,
    /// Checksum and length of the text.
    pub(super) checksum: Hasher,
    parts: Box<[PartBounds]>,
}

/// The bounds of one part.
#[derive(Debug)]
struct PartBounds {
    checksum: Hasher,
    /// The end of its text within the chunk's text.
    text_end: usize,
    /// The end of its bytes within the deflated bytes.
    deflated_end: usize,
}

/// The source of one part of a new chunk.
#[derive(Clone, Copy)]
pub(super) enum ChunkPart<'a> {
    /// Copied from another chunk, by its index there.
    Kept(&'a EncodedChunk, usize),
    /// New text.
    New(&'a [u8]),
}

impl EncodedChunk {
    /// A chunk of one part.
    pub(super) fn of(text: &str, deflater: &mut Deflater) -> Self {
        Self::new(&[ChunkPart::New(text.as_bytes())], deflater)
    }

    /// A chunk of these parts in order.
    pub(super) fn new(parts: &[ChunkPart<'_>], deflater: &mut Deflater) -> Self {
        let mut output = std::mem::take(&mut deflater.buffer);
        output.clear();
        let mut text_end = 0;
        let mut all = Hasher::new();
        let mut bounds = Vec::with_capacity(parts.len());
        for part in parts {
            let checksum = match part {
                ChunkPart::Kept(chunk, number) => {
                    output.extend_from_slice(chunk.deflated_part(*number));
                    chunk.parts.get(*number).map(|part| part.checksum.clone()).unwrap_or_default()
                }
                ChunkPart::New(text) => {
                    if !text.is_empty() {
                        deflater.deflate(text, &mut output);
                    }
                    gzip::checksum(text)
                }
            };
            all.combine(&checksum);
            text_end += part.text().len();
            bounds.push(PartBounds { checksum, text_end, deflated_end: output.len() });
        }
        let mut bytes = memory::joined(parts.iter().map(ChunkPart::text).chain([&*output]));
        deflater.buffer = output;
        Self { text: bytes.split_to(text_end), deflated: bytes, checksum: all, parts: bounds.into() }
    }

    /// The number of parts.
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// A part's text; empty if the index is out of range.
    pub(super) fn part(&self, number: usize) -> &[u8] {
        self.text.get(self.range(number, |part| part.text_end)).unwrap_or_default()
    }

    /// Whether the chunk has no text.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    fn deflated_part(&self, number: usize) -> &[u8] {
        self.deflated.get(self.range(number, |part| part.deflated_end)).unwrap_or_default()
    }

    fn range(&self, number: usize, end: fn(&PartBounds) -> usize) -> std::ops::Range<usize> {
        let end_of = |number: usize| self.parts.get(number).map_or(0, end);
        number.checked_sub(1).map_or(0, end_of)..end_of(number)
    }
}

impl<'a> ChunkPart<'a> {
    fn text(&self) -> &'a [u8] {
        match self {
            Self::Kept(chunk, number) => chunk.part(*number),
            Self::New(text) => text,
        }
    }
}
