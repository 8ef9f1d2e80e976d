//! What is due when: a queue of targets by due time.
//!
//! Pure: no runtime, no clock. A target is in the queue or under way, never both and never twice. The one that is due
//! longest is taken first, so that under a budget that cannot keep the intervals everything is late alike.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hash, RandomState};

use hashbrown::HashTable;
use jiff::{SignedDuration, Timestamp};

use crate::domain::Moment;

/// Targets of one partner. `T` is cheap to clone, and kept once.
#[derive(Debug)]
pub struct Agenda<T> {
    /// By due time, then by the order in which they were put in, with the number of the entry.
    queue: BTreeSet<(Moment, u32, u32)>,
    entries: Vec<Option<Entry<T>>>,
    /// Numbers of entries that are empty.
    free: Vec<u32>,
    /// Numbers of entries by the hash of their target.
    index: HashTable<u32>,
    hasher: RandomState,
    next_turn: u32,
}

#[derive(Debug)]
struct Entry<T> {
    target: T,
    /// When it is due; `None` while it is under way.
    due: Option<Moment>,
    /// Its place among those that are due at the same time.
    turn: u32,
    /// Failures since the last success.
    failures: u32,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self {
            queue: BTreeSet::new(),
            entries: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::new(),
            next_turn: 0,
        }
    }
}

impl<T: Clone + Eq + Hash> Agenda<T> {
    /// Puts a new target in. One that is in already keeps its place.
    pub fn add(&mut self, target: T, due: Timestamp) {
        if self.find(&target).is_some() {
            return;
        }
        let hash = self.hasher.hash_one(&target);
        let entry = Some(Entry { target, due: None, turn: 0, failures: 0 });
        let number = match self.free.pop() {
            Some(number) => number,
            // There is no memory for more than fit.
            None => u32::try_from(self.entries.len()).unwrap_or(u32::MAX),
        };
        match self.entries.get_mut(number as usize) {
            Some(free) => *free = entry,
            None => self.entries.push(entry),
        }
        let Self { index, entries, hasher, .. } = self;
        index.insert_unique(hash, number, |&number| match entries.get(number as usize) {
            Some(Some(entry)) => hasher.hash_one(&entry.target),
            _ => 0,
        });
        self.enqueue(number, due);
    }

    /// Takes a target out for good, also while it is under way.
    pub fn remove(&mut self, target: &T) {
        let Some(number) = self.find(target) else { return };
        self.dequeue(number);
        let hash = self.hasher.hash_one(target);
        if let Ok(place) = self.index.find_entry(hash, |&other| other == number) {
            place.remove();
        }
        if let Some(entry) = self.entries.get_mut(number as usize) {
            *entry = None;
            self.free.push(number);
        }
    }

    /// Moves a waiting target to another due time; one that is under way or unknown stays as it is.
    pub fn postpone(&mut self, target: &T, due: Timestamp) {
        if let Some(number) = self.find(target)
            && self.dequeue(number)
        {
            self.enqueue(number, due);
        }
    }

    /// The target that is due longest, from now on under way until [`Self::finish`]; `None` if nothing is due.
    pub fn take_due(&mut self, now: Timestamp) -> Option<T> {
        if self.next_due()? > now {
            return None;
        }
        let (_, _, number) = self.queue.pop_first()?;
        let entry = self.entry_mut(number)?;
        entry.due = None;
        Some(entry.target.clone())
    }

    /// Failures of the target since it last succeeded, the present poll not counted.
    #[must_use]
    pub fn failures(&self, target: &T) -> u32 {
        self.find(target).and_then(|number| self.entry(number)).map_or(0, |entry| entry.failures)
    }

    /// Puts a target that was under way back in; one that was removed meanwhile stays out.
    pub fn finish(&mut self, target: &T, due: Timestamp, failed: bool) {
        if let Some(number) = self.find(target)
            && let Some(entry) = self.entry_mut(number).filter(|entry| entry.due.is_none())
        {
            entry.failures = if failed { entry.failures.saturating_add(1) } else { 0 };
            self.enqueue(number, due);
        }
    }

    /// When the next target is or was due; `None` if none is waiting.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.queue.first().map(|&(due, ..)| due.get())
    }

    /// How late the most overdue target is.
    #[must_use]
    pub fn lag(&self, now: Timestamp) -> SignedDuration {
        self.next_due().map_or(SignedDuration::ZERO, |due| now.duration_since(due).max(SignedDuration::ZERO))
    }

    /// Targets, waiting or under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is nothing to ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    fn find(&self, target: &T) -> Option<u32> {
        let is_it = |&number: &u32| self.entry(number).is_some_and(|entry| entry.target == *target);
        self.index.find(self.hasher.hash_one(target), is_it).copied()
    }

    fn entry(&self, number: u32) -> Option<&Entry<T>> {
        self.entries.get(number as usize)?.as_ref()
    }

    fn entry_mut(&mut self, number: u32) -> Option<&mut Entry<T>> {
        self.entries.get_mut(number as usize)?.as_mut()
    }

    fn enqueue(&mut self, number: u32, due: Timestamp) {
        // Not a part of a microsecond too early.
        let due = Moment::from(due.saturating_add(SignedDuration::from_nanos(999)).unwrap_or(due));
        // After four thousand million turns, what is due in the same microsecond may be taken in another order.
        let turn = self.next_turn;
        self.next_turn = turn.wrapping_add(1);
        if let Some(entry) = self.entry_mut(number) {
            (entry.due, entry.turn) = (Some(due), turn);
            self.queue.insert((due, turn, number));
        }
    }

    /// Whether it was waiting.
    fn dequeue(&mut self, number: u32) -> bool {
        let Some(Entry { due: Some(due), turn, .. }) = self.entry(number) else { return false };
        let place = (*due, *turn, number);
        self.queue.remove(&place)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn what_is_due_longest_comes_first_and_only_once() {
        let mut agenda = Agenda::default();
        agenda.add("late", at(20));
        agenda.add("early", at(10));
        agenda.add("early", at(0));
        assert_eq!(agenda.take_due(at(9)), None);
        assert_eq!(agenda.lag(at(25)).as_secs(), 15);
        assert_eq!(agenda.take_due(at(25)), Some("early"));
        assert_eq!(agenda.take_due(at(25)), Some("late"));
        assert_eq!(agenda.take_due(at(25)), None, "both are under way");
        agenda.finish(&"early", at(30), true);
        agenda.finish(&"early", at(0), true);
        assert_eq!((agenda.next_due(), agenda.failures(&"early")), (Some(at(30)), 1), "finished once");
        agenda.remove(&"late");
        agenda.finish(&"late", at(30), false);
        assert_eq!(agenda.len(), 1, "what was removed while under way stays out");
        agenda.postpone(&"early", at(40));
        assert_eq!((agenda.next_due(), agenda.failures(&"early")), (Some(at(40)), 1));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Add(u8, i64),
        Remove(u8),
        Postpone(u8, i64),
        Take,
        Finish(u8, i64, bool),
        Wait(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let target = 0..6_u8;
        let ahead = -5..50_i64;
        prop_oneof![
            (target.clone(), ahead.clone()).prop_map(|(t, a)| Step::Add(t, a)),
            target.clone().prop_map(Step::Remove),
            (target.clone(), ahead.clone()).prop_map(|(t, a)| Step::Postpone(t, a)),
            Just(Step::Take),
            (target, ahead, any::<bool>()).prop_map(|(t, a, failed)| Step::Finish(t, a, failed)),
            (0..30_i64).prop_map(Step::Wait),
        ]
    }

    proptest! {
        /// Against the plainest model: a map of due times and a set of what is under way.
        #[test]
        fn nothing_is_forgotten_and_nothing_is_due_twice(steps in prop::collection::vec(step(), 0..200)) {
            let (mut agenda, mut now) = (Agenda::default(), 1000_i64);
            let (mut waiting, mut under_way) = (BTreeMap::new(), HashSet::new());
            for step in steps {
                match step {
                    Step::Add(t, ahead) => {
                        agenda.add(t, at(now + ahead));
                        if !under_way.contains(&t) {
                            waiting.entry(t).or_insert(now + ahead);
                        }
                    }
                    Step::Remove(t) => {
                        agenda.remove(&t);
                        waiting.remove(&t);
                        under_way.remove(&t);
                    }
                    Step::Postpone(t, ahead) => {
                        agenda.postpone(&t, at(now + ahead));
                        waiting.entry(t).and_modify(|due| *due = now + ahead);
                    }
                    Step::Take => {
                        let head = waiting.values().copied().min().filter(|&due| due <= now);
                        let taken = agenda.take_due(at(now));
                        prop_assert_eq!(taken.map(|t| waiting[&t]), head);
                        if let Some(t) = taken {
                            waiting.remove(&t);
                            prop_assert!(under_way.insert(t), "under way twice");
                        }
                    }
                    Step::Finish(t, ahead, failed) => {
                        agenda.finish(&t, at(now + ahead), failed);
                        if under_way.remove(&t) {
                            waiting.insert(t, now + ahead);
                        }
                    }
                    Step::Wait(seconds) => now += seconds,
                }
                prop_assert_eq!(agenda.len(), waiting.len() + under_way.len());
                prop_assert_eq!(agenda.next_due(), waiting.values().copied().min().map(at));
            }
        }

        /// A budget of one poll a second for more targets than it can serve: the waits of all stay close together,
        /// and targets that fail, coming back sooner, do not push the others out.
        #[test]
        fn no_target_starves(targets in 2..40_u16, failing in 0..10_u16, interval in 1..20_i64) {
            let mut agenda = Agenda::default();
            let mut last_taken = BTreeMap::new();
            for target in 0..targets {
                agenda.add(target, at(0));
                last_taken.insert(target, 0_i64);
            }
            for now in 0..i64::from(targets) * 20 {
                if let Some(target) = agenda.take_due(at(now)) {
                    last_taken.insert(target, now);
                    let failed = target < failing;
                    agenda.finish(&target, at(now + if failed { 1.min(interval) } else { interval }), failed);
                }
                let oldest = last_taken.values().map(|&taken| now - taken).max().unwrap_or(0);
                prop_assert!(oldest <= 2 * (i64::from(targets) + interval), "waited {oldest}");
            }
        }
    }
}
