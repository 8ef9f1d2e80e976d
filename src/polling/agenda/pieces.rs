//! A vector in pieces: it grows by one piece at a time. Nothing is moved for it, no more than a piece is to spare, and
//! no gap stays behind where a smaller vector was.

/// Values in a piece.
const PIECE: usize = if cfg!(test) { 4 } else { 1024 };

#[derive(Debug)]
pub(super) struct Pieces<T> {
    /// All are full but the last, which is not empty.
    pieces: Vec<Vec<T>>,
}

impl<T> Default for Pieces<T> {
    fn default() -> Self {
        Self { pieces: Vec::new() }
    }
}

impl<T> Pieces<T> {
    pub(super) fn len(&self) -> usize {
        self.pieces.last().map_or(0, |last| (self.pieces.len() - 1) * PIECE + last.len())
    }

    pub(super) fn get(&self, place: usize) -> Option<&T> {
        self.pieces.get(place / PIECE)?.get(place % PIECE)
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.pieces.get_mut(place / PIECE)?.get_mut(place % PIECE)
    }

    pub(super) fn push(&mut self, value: T) {
        match self.pieces.last_mut() {
            Some(last) if last.len() < PIECE => last.push(value),
            _ => {
                let mut piece = Vec::with_capacity(PIECE);
                piece.push(value);
                self.pieces.push(piece);
            }
        }
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let last = self.pieces.last_mut()?;
        let value = last.pop();
        if last.is_empty() {
            self.pieces.pop();
        }
        value
    }

    /// Takes a value out; the last one takes its place.
    pub(super) fn swap_remove(&mut self, place: usize) -> Option<T> {
        if place >= self.len() {
            return None;
        }
        let last = self.pop()?;
        match self.get_mut(place) {
            Some(value) => Some(std::mem::replace(value, last)),
            None => Some(last),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_vector(steps in prop::collection::vec((0..4_u8, 0..20_usize), 0..100)) {
            let (mut pieces, mut vector) = (Pieces::default(), Vec::new());
            for (step, place) in steps {
                match step {
                    0 | 1 => {
                        pieces.push(place);
                        vector.push(place);
                    }
                    2 => prop_assert_eq!(pieces.pop(), vector.pop()),
                    _ => {
                        let expected = (place < vector.len()).then(|| vector.swap_remove(place));
                        prop_assert_eq!(pieces.swap_remove(place), expected);
                    }
                }
                prop_assert_eq!(pieces.len(), vector.len());
                prop_assert!((0..20).all(|place| pieces.get(place) == vector.get(place)));
                prop_assert_eq!(pieces.pieces.len(), vector.len().div_ceil(PIECE));
            }
        }
    }
}
