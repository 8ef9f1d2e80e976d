//! What is due when: a queue of targets by due time.
//!
//! Pure: no runtime, no clock. A target is in the queue or under way, never both and never twice. The one that is due
//! longest is taken first, so that under a budget that cannot keep the intervals everything is late alike.
//!
//! Made for a million targets: each is kept once, with no more room than it takes.

mod pieces;
mod queue;

use std::hash::{BuildHasher, Hash, RandomState};

use hashbrown::HashTable;
use jiff::{SignedDuration, Timestamp};
use pieces::Pieces;
use queue::{Place, Queue};

use crate::domain::Moment;

/// Targets of one partner. `T` is cheap to clone, and kept once.
#[derive(Debug)]
pub struct Agenda<T> {
    entries: Pieces<Entry<T>>,
    /// Numbers of the entries that are waiting, by due time.
    queue: Queue,
    /// Numbers of entries by the hash of their target.
    index: HashTable<u32>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Entry<T> {
    target: T,
    /// Where it is in the queue, unless it is under way.
    place: Option<Place>,
    /// Failures since the last success.
    failures: u32,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self {
            entries: Pieces::default(),
            queue: Queue::default(),
            index: HashTable::new(),
            hasher: RandomState::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> Agenda<T> {
    /// Puts a new target in. One that is in already keeps its place.
    pub fn add(&mut self, target: T, due: Timestamp) {
        if self.find(&target).is_some() {
            return;
        }
        // More than a `u32` can count would not fit into memory.
        let number = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let hash = self.hasher.hash_one(&target);
        self.entries.push(Entry { target, place: None, failures: 0 });
        let Self { index, entries, hasher, .. } = self;
        index.insert_unique(hash, number, |&number| match entries.get(number as usize) {
            Some(entry) => hasher.hash_one(&entry.target),
            None => 0,
        });
        self.enqueue(number, due);
    }

    /// Takes a target out for good, also while it is under way.
    pub fn remove(&mut self, target: &T) {
        let Some(number) = self.find(target) else { return };
        self.dequeue(number);
        if let Ok(found) = self.index.find_entry(self.hasher.hash_one(target), |&other| other == number) {
            found.remove();
        }
        self.entries.swap_remove(number as usize);
        // The last entry has its number now.
        let last = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let Some(moved) = self.entries.get(number as usize) else { return };
        if let Some(known) = self.index.find_mut(self.hasher.hash_one(&moved.target), |&other| other == last) {
            *known = number;
        }
        if let Some(place) = moved.place {
            self.queue.rename(place, number);
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
        let number = self.queue.first()?.number;
        self.dequeue(number);
        Some(self.entry(number)?.target.clone())
    }

    /// Failures of the target since it last succeeded, the present poll not counted.
    #[must_use]
    pub fn failures(&self, target: &T) -> u32 {
        self.find(target).and_then(|number| self.entry(number)).map_or(0, |entry| entry.failures)
    }

    /// Puts a target that was under way back in; one that was removed meanwhile stays out.
    pub fn finish(&mut self, target: &T, due: Timestamp, failed: bool) {
        if let Some(number) = self.find(target)
            && let Some(entry) = self.entry_mut(number).filter(|entry| entry.place.is_none())
        {
            entry.failures = if failed { entry.failures.saturating_add(1) } else { 0 };
            self.enqueue(number, due);
        }
    }

    /// When the next target is or was due; `None` if none is waiting.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.queue.first().map(|first| first.due.get())
    }

    /// How late the most overdue target is.
    #[must_use]
    pub fn lag(&self, now: Timestamp) -> SignedDuration {
        self.next_due().map_or(SignedDuration::ZERO, |due| now.duration_since(due).max(SignedDuration::ZERO))
    }

    fn find(&self, target: &T) -> Option<u32> {
        let is_it = |&number: &u32| self.entry(number).is_some_and(|entry| entry.target == *target);
        self.index.find(self.hasher.hash_one(target), is_it).copied()
    }

    fn entry(&self, number: u32) -> Option<&Entry<T>> {
        self.entries.get(number as usize)
    }

    fn entry_mut(&mut self, number: u32) -> Option<&mut Entry<T>> {
        self.entries.get_mut(number as usize)
    }

    fn enqueue(&mut self, number: u32, due: Timestamp) {
        // Rounded up to whole microseconds, so that nothing is due too early.
        let due = Moment::from(due.saturating_add(SignedDuration::from_nanos(999)).unwrap_or(due));
        let Self { queue, entries, .. } = self;
        queue.insert(due, number, |number, place| set_place(entries, number, place));
    }

    /// Whether it was waiting.
    fn dequeue(&mut self, number: u32) -> bool {
        let Some(place) = self.entry_mut(number).and_then(|entry| entry.place.take()) else { return false };
        let Self { queue, entries, .. } = self;
        queue.remove(place, |number, place| set_place(entries, number, place));
        true
    }
}

fn set_place<T>(entries: &mut Pieces<Entry<T>>, number: u32, place: Place) {
    if let Some(entry) = entries.get_mut(number as usize) {
        entry.place = Some(place);
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
        assert_eq!(agenda.entries.len(), 1, "what was removed while under way stays out");
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
        let target = 0..20_u8;
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

    #[test]
    fn targets_take_no_more_room_than_they_need() {
        assert_eq!(size_of::<Entry<crate::domain::Target>>(), 32);
        assert_eq!(size_of::<queue::Waiting>(), 16);
    }

    #[test]
    fn what_is_due_at_the_same_time_comes_in_the_order_in_which_it_was_put_in() {
        let mut agenda = Agenda::default();
        (0..50).for_each(|target| agenda.add(target, at(0)));
        agenda.postpone(&20, at(0));
        agenda.remove(&10);
        let order: Vec<_> = std::iter::from_fn(|| agenda.take_due(at(0))).collect();
        assert_eq!(order, (0..50).filter(|target| ![10, 20].contains(target)).chain([20]).collect::<Vec<_>>());
    }

    proptest! {
        /// Against the plainest model: a map of due times and a set of what is under way.
        #[test]
        fn nothing_is_forgotten_and_nothing_is_due_twice(steps in prop::collection::vec(step(), 0..300)) {
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
                prop_assert_eq!(agenda.entries.len(), waiting.len() + under_way.len());
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
