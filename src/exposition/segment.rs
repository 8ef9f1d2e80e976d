//! What is sent: a stretch of one family's text, ready as text and deflated.

use bytes::Bytes;
use crc32fast::Hasher;

use super::gzip::{self, Deflater};

/// Some lines. It never changes; one that replaces it takes over the parts that are the same.
#[derive(Debug, Default)]
pub(super) struct Segment {
    pub(super) text: Bytes,
    /// The parts, deflated one by one.
    pub(super) deflated: Bytes,
    /// Checksum and length of the text.
    pub(super) checksum: Hasher,
    /// Where each part ends in the text and in what is deflated.
    ends: Box<[(usize, usize)]>,
}

/// One part of a segment to be made.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    /// As in another segment, by its number there.
    Kept(&'a Segment, usize),
    /// New text.
    New(&'a str),
}

impl Segment {
    /// A segment of one part.
    pub(super) fn of(text: &str, deflater: &mut Deflater) -> Self {
        Self::new(&[Part::New(text)], deflater)
    }

    /// A segment of these parts in a row.
    pub(super) fn new(parts: &[Part<'_>], deflater: &mut Deflater) -> Self {
        let mut text = Vec::with_capacity(parts.iter().map(|part| part.text().len()).sum());
        let mut deflated = Vec::new();
        let mut ends = Vec::with_capacity(parts.len());
        for part in parts {
            text.extend_from_slice(part.text());
            match part {
                Part::Kept(segment, index) => deflated.extend_from_slice(segment.part(*index).1),
                Part::New("") => {}
                Part::New(text) => deflater.deflate(text.as_bytes(), &mut deflated),
            }
            ends.push((text.len(), deflated.len()));
        }
        deflated.shrink_to_fit();
        let checksum = gzip::checksum(&text);
        Self { text: text.into(), deflated: deflated.into(), checksum, ends: ends.into() }
    }

    /// The number of parts.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A part's text, and the same deflated; nothing if there is no such part.
    pub(super) fn part(&self, index: usize) -> (&[u8], &[u8]) {
        let ends = |index: usize| self.ends.get(index).copied().unwrap_or_default();
        let (start, end) = (index.checked_sub(1).map_or((0, 0), ends), ends(index));
        let text = self.text.get(start.0..end.0).unwrap_or_default();
        (text, self.deflated.get(start.1..end.1).unwrap_or_default())
    }
}

impl Part<'_> {
    fn text(&self) -> &[u8] {
        match self {
            Self::Kept(segment, index) => segment.part(*index).0,
            Self::New(text) => text.as_bytes(),
        }
    }
}
