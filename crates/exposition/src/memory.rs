//! Buffers for large data, mapped outside of the heap. On the heap, large buffers that are replaced at every change
//! would leave gaps of all sizes between the many small allocations.

use std::ops::{Deref, DerefMut, Range};

use bytes::Bytes;
use memmap2::MmapMut;

/// The size in bytes from which a mapping is used. A mapping consists of whole pages and is returned to the system when
/// it is dropped.
const MIN_MAPPED: usize = 16 * 1024;

/// A buffer of this many bytes.
#[derive(Debug)]
enum Memory {
    Mapped(MmapMut),
    Heap(Box<[u8]>),
}

impl Memory {
    /// A buffer of zeros.
    fn new(size: usize) -> Self {
        let map = (size >= MIN_MAPPED).then(|| MmapMut::map_anon(size).ok()).flatten();
        // It is small, or the system has no more mappings.
        map.map_or_else(|| Self::Heap(vec![0; size].into()), Self::Mapped)
    }
}

impl Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Heap(bytes) => bytes,
        }
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Heap(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// Concatenates all of them.
pub(super) fn joined<'a>(pieces: impl Iterator<Item = &'a [u8]> + Clone) -> Bytes {
    let mut memory = Memory::new(pieces.clone().map(<[u8]>::len).sum());
    let mut rest = &mut *memory;
    for piece in pieces {
        let Some((place, after)) = rest.split_at_mut_checked(piece.len()) else { break };
        place.copy_from_slice(piece);
        rest = after;
    }
    Bytes::from_owner(memory)
}

/// Moves large data out of the heap.
#[must_use]
pub fn off_heap(bytes: &[u8]) -> Bytes {
    joined(std::iter::once(bytes))
}

/// Scratch space for short-lived data.
#[derive(Debug)]
pub(super) struct Scratch {
    memory: Memory,
    length: usize,
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self { memory: Memory::new(MIN_MAPPED), length: 0 }
    }

    /// Appends the data, and returns its position.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Range<usize> {
        let place = self.length..self.length + bytes.len();
        if place.end > self.memory.len() {
            let mut larger = Memory::new(place.end.next_power_of_two());
            if let Some(beginning) = larger.get_mut(..self.memory.len()) {
                beginning.copy_from_slice(&self.memory);
            }
            self.memory = larger;
        }
        if let Some(free) = self.memory.get_mut(place.clone()) {
            free.copy_from_slice(bytes);
        }
        self.length = place.end;
        place
    }

    /// Returns the data at that position.
    pub(super) fn get(&self, place: Range<usize>) -> &[u8] {
        self.memory.get(place).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let texts = [0, 1, 100, MIN_MAPPED - 1, MIN_MAPPED, 10 * MIN_MAPPED + 3, 5].map(|length| vec![b'a'; length]);
        assert_eq!(*joined(texts.iter().map(Vec::as_slice)), *texts.concat());
        assert!(joined([].into_iter()).is_empty());
        let mut scratch = Scratch::new();
        let places: Vec<_> = texts.iter().chain(&texts).map(|text| scratch.add(text)).collect();
        for (place, text) in places.into_iter().zip(texts.iter().chain(&texts)) {
            assert_eq!(scratch.get(place), text);
        }
    }

    #[test]
    fn what_is_large_is_not_in_the_heap() {
        assert!(matches!(Memory::new(MIN_MAPPED), Memory::Mapped(_)));
        assert!(matches!(Memory::new(MIN_MAPPED - 1), Memory::Heap(_)));
    }
}
