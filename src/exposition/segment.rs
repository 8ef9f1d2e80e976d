//! What is sent: a stretch of one family's lines, ready as text and deflated.

use bytes::Bytes;
use crc32fast::Hasher;

use super::gzip::{self, Deflater};
use super::memory;

/// Some lines, in parts. It never changes; one that replaces it copies the parts that are the same.
#[derive(Debug, Default)]
pub(super) struct Segment {
    pub(super) text: Bytes,
    /// All parts, deflated one by one.
    pub(super) deflated: Bytes,
    /// Checksum and length of the text.
    pub(super) checksum: Hasher,
    parts: Box<[Ready]>,
}

/// A part of a segment.
#[derive(Debug)]
struct Ready {
    checksum: Hasher,
    /// Where its text ends in that of the segment.
    text_end: usize,
    /// Where it ends in what is deflated.
    deflated_end: usize,
}

/// One part of a segment to be made.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    /// As in another segment, by its number there.
    Kept(&'a Segment, usize),
    /// New text.
    New(&'a [u8]),
}

impl Segment {
    /// A segment of one part.
    pub(super) fn of(text: &str, deflater: &mut Deflater) -> Self {
        Self::new(&[Part::New(text.as_bytes())], deflater)
    }

    /// A segment of these parts in a row.
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

    /// A part's text; empty if there is no such part.
    pub(super) fn part(&self, number: usize) -> &[u8] {
        self.text.get(self.range(number, |part| part.text_end)).unwrap_or_default()
    }

    /// Whether there is nothing in it.
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
