//! An encoded chunk: a contiguous part of one family's lines, as text and as deflated bytes.

use bytes::Bytes;
use crc32fast::Hasher;

use super::gzip::{self, Deflater};
use super::memory;

/// Some lines in parts. A segment is immutable; its replacement copies the unchanged parts.
#[derive(Debug, Default)]
pub(super) struct Segment {
    pub(super) text: Bytes,
    /// All parts, deflated one by one.
    pub(super) deflated: Bytes,
    /// Checksum and length of the text.
    pub(super) checksum: Hasher,
    parts: Box<[Ready]>,
}

/// The bounds of one part.
#[derive(Debug)]
struct Ready {
    checksum: Hasher,
    /// The end of its text within the segment's text.
    text_end: usize,
    /// The end of its bytes within the deflated bytes.
    deflated_end: usize,
}

/// The source of one part of a new segment.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    /// Copied from another segment, by its index there.
    Kept(&'a Segment, usize),
    /// New text.
    New(&'a [u8]),
}

impl Segment {
    /// A segment of one part.
    pub(super) fn of(text: &str, deflater: &mut Deflater) -> Self {
        Self::new(&[Part::New(text.as_bytes())], deflater)
    }

    /// A segment of these parts in order.
    pub(super) fn new(parts: &[Part<'_>], deflater: &mut Deflater) -> Self {
        let mut packed = std::mem::take(&mut deflater.room);
        packed.clear();
        let mut text_end = 0;
        let mut all = Hasher::new();
        let mut ready = Vec::with_capacity(parts.len());
        for part in parts {
            let checksum = match part {
                Part::Kept(segment, number) => {
                    packed.extend_from_slice(segment.deflated_part(*number));
                    segment.parts.get(*number).map(|part| part.checksum.clone()).unwrap_or_default()
                }
                Part::New(text) => {
                    if !text.is_empty() {
                        deflater.deflate(text, &mut packed);
                    }
                    gzip::checksum(text)
                }
            };
            all.combine(&checksum);
            text_end += part.text().len();
            ready.push(Ready { checksum, text_end, deflated_end: packed.len() });
        }
        let mut bytes = memory::joined(parts.iter().map(Part::text).chain([&*packed]));
        deflater.room = packed;
        Self { text: bytes.split_to(text_end), deflated: bytes, checksum: all, parts: ready.into() }
    }

    /// The number of parts.
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// A part's text; empty if the index is out of range.
    pub(super) fn part(&self, number: usize) -> &[u8] {
        self.text.get(self.range(number, |part| part.text_end)).unwrap_or_default()
    }

    /// Whether the segment has no text.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    fn deflated_part(&self, number: usize) -> &[u8] {
        self.deflated.get(self.range(number, |part| part.deflated_end)).unwrap_or_default()
    }

    fn range(&self, number: usize, end: fn(&Ready) -> usize) -> std::ops::Range<usize> {
        let end_of = |number: usize| self.parts.get(number).map_or(0, end);
        number.checked_sub(1).map_or(0, end_of)..end_of(number)
    }
}

impl<'a> Part<'a> {
    fn text(&self) -> &'a [u8] {
        match self {
            Self::Kept(segment, number) => segment.part(*number),
            Self::New(text) => text,
        }
    }
}
