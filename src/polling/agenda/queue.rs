//! Numbers by due time, and among those that are due at the same time in the order in which they came.
//!
//! A heap of four branches: half as deep as one of two, and what is compared lies side by side. Whoever is in it is told
//! where, so that it can be taken out from anywhere.

use std::num::NonZero;

use super::pieces::Pieces;
use crate::domain::Moment;

const BRANCHES: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Queue {
    /// None is before the one that it branches from.
    heap: Pieces<Waiting>,
    next_turn: u32,
}

/// In the order of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Waiting {
    pub(super) due: Moment,
    /// Its place among those that are due at the same time.
    turn: u32,
    pub(super) number: u32,
}

/// A place in the heap, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(NonZero<u32>);

impl Place {
    fn new(index: usize) -> Self {
        // There is no memory for more than fit.
        Self(NonZero::<u32>::MIN.saturating_add(u32::try_from(index).unwrap_or(u32::MAX)))
    }

    const fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl Queue {
    /// What is due first.
    pub(super) fn first(&self) -> Option<&Waiting> {
        self.heap.get(0)
    }

    /// Puts a number in. `moved` is told the place of it and of all that make room for it.
    pub(super) fn insert(&mut self, due: Moment, number: u32, mut moved: impl FnMut(u32, Place)) {
        // After four thousand million turns, what is due in the same microsecond may be taken in another order.
        let waiting = Waiting { due, turn: self.next_turn, number };
        self.next_turn = self.next_turn.wrapping_add(1);
        self.heap.push(waiting);
        self.rise(self.heap.len() - 1, waiting, &mut moved);
    }

    /// Takes out what is in this place. `moved` is told the new places of others.
    pub(super) fn remove(&mut self, place: Place, mut moved: impl FnMut(u32, Place)) {
        let index = place.index();
        let removed = self.heap.swap_remove(index);
        if let (Some(removed), Some(&last)) = (removed, self.heap.get(index)) {
            if last < removed {
                self.rise(index, last, &mut moved);
            } else {
                self.sink(index, last, &mut moved);
            }
        }
    }

    /// What is in this place has another number from now on.
    pub(super) fn rename(&mut self, place: Place, number: u32) {
        if let Some(waiting) = self.heap.get_mut(place.index()) {
            waiting.number = number;
        }
    }

    /// From this place, which is free, towards the first.
    fn rise(&mut self, mut index: usize, waiting: Waiting, moved: &mut impl FnMut(u32, Place)) {
        while let Some(above) = index.checked_sub(1).map(|before| before / BRANCHES)
            && let Some(&later) = self.heap.get(above).filter(|&above| waiting < *above)
        {
            self.put(index, later, moved);
            index = above;
        }
        self.put(index, waiting, moved);
    }

    /// From this place, which is free, away from the first.
    fn sink(&mut self, mut index: usize, waiting: Waiting, moved: &mut impl FnMut(u32, Place)) {
        let branches = |index| (BRANCHES * index + 1)..=(BRANCHES * index + BRANCHES);
        while let Some((&earlier, below)) =
            branches(index).filter_map(|below| Some((self.heap.get(below)?, below))).min()
            && earlier < waiting
        {
            self.put(index, earlier, moved);
            index = below;
        }
        self.put(index, waiting, moved);
    }

    fn put(&mut self, index: usize, waiting: Waiting, moved: &mut impl FnMut(u32, Place)) {
        if let Some(place) = self.heap.get_mut(index) {
            *place = waiting;
            moved(waiting.number, Place::new(index));
        }
    }
}
