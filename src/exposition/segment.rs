//! What is sent: a stretch of one family's lines, ready as text and deflated.

use bytes::Bytes;
use crc32fast::Hasher;

use super::gzip::{self, Deflater};

/// Some lines. It never changes; one that replaces it takes over the parts that are the same: their text without
/// copying it, and what is deflated, which is short, as a copy, since many small pieces would be slow to send.
#[derive(Debug, Default)]
pub(super) struct Segment {
    /// All parts, deflated one by one.
    pub(super) deflated: Bytes,
    /// Checksum and length of the text.
    pub(super) checksum: Hasher,
    parts: Box<[Ready]>,
}

/// A part of a segment.
#[derive(Clone, Debug)]
struct Ready {
    text: Bytes,
    checksum: Hasher,
    /// Where it ends in what is deflated.
    end: usize,
}

/// One part of a segment to be made.
#[derive(Clone)]
pub(super) enum Part<'a> {
    /// As in another segment, by its number there.
    Kept(&'a Segment, usize),
    /// New text.
    New(Bytes),
}

impl Segment {
    /// A segment of one part.
    pub(super) fn of(text: String, deflater: &mut Deflater) -> Self {
        Self::new(&[Part::New(text.into())], deflater)
    }

    /// A segment of these parts in a row.
    pub(super) fn new(parts: &[Part<'_>], deflater: &mut Deflater) -> Self {
        let mut packed = std::mem::take(&mut deflater.room);
        packed.clear();
        let mut all = Hasher::new();
        let mut ready = Vec::with_capacity(parts.len());
        for part in parts {
            let (text, checksum) = match part {
                Part::Kept(segment, number) => {
                    packed.extend_from_slice(segment.deflated_part(*number));
                    segment
                        .parts
                        .get(*number)
                        .map(|part| (part.text.clone(), part.checksum.clone()))
                        .unwrap_or_default()
                }
                Part::New(text) => {
                    if !text.is_empty() {
                        deflater.deflate(text, &mut packed);
                    }
                    (text.clone(), gzip::checksum(text))
                }
            };
            all.combine(&checksum);
            ready.push(Ready { text, checksum, end: packed.len() });
        }
        // What stays has the size of its content, and what grew is used again: millions of lines leave no gaps behind.
        let segment = Self { deflated: Bytes::copy_from_slice(&packed), checksum: all, parts: ready.into() };
        deflater.room = packed;
        segment
    }

    /// The number of parts.
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// The texts that are to be sent one after the other; some may be empty.
    pub(super) fn texts(&self) -> impl Iterator<Item = &Bytes> {
        self.parts.iter().map(|part| &part.text)
    }

    /// A part's text; empty if there is no such part.
    pub(super) fn text(&self, number: usize) -> &[u8] {
        self.parts.get(number).map(|part| &*part.text).unwrap_or_default()
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.deflated.is_empty()
    }

    fn deflated_part(&self, number: usize) -> &[u8] {
        let end = |number: usize| self.parts.get(number).map_or(0, |part| part.end);
        self.deflated.get(number.checked_sub(1).map_or(0, end)..end(number)).unwrap_or_default()
    }
}
