//! What is due when: a queue of targets by due time.
//!
//! Pure: no runtime, no clock. A target is in the queue or under way, never both and never twice. The one that is due
//! longest is taken first, so that under a budget that cannot keep the intervals everything is late alike.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use jiff::{SignedDuration, Timestamp};

/// Targets of one partner. `T` is cheap to clone.
#[derive(Debug)]
pub struct Agenda<T> {
    /// By due time, then by the order in which they were put in.
    queue: BTreeSet<(Timestamp, u64, T)>,
    entries: HashMap<T, Entry>,
    next_turn: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Its place in the queue; `None` while it is under way.
    place: Option<(Timestamp, u64)>,
    /// Failures since the last success.
    failures: u32,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self { queue: BTreeSet::new(), entries: HashMap::new(), next_turn: 0 }
    }
}

impl<T: Clone + Eq + Hash + Ord> Agenda<T> {
    /// Puts a new target in. One that is in already keeps its place.
    pub fn add(&mut self, target: T, due: Timestamp) {
        if !self.entries.contains_key(&target) {
            self.enqueue(target, due, 0);
        }
    }

    /// Takes a target out for good, also while it is under way.
    pub fn remove(&mut self, target: &T) {
        if let Some(Entry { place: Some((due, turn)), .. }) = self.entries.remove(target) {
            self.queue.remove(&(due, turn, target.clone()));
        }
    }

    /// Moves a waiting target to another due time; one that is under way or unknown stays as it is.
    pub fn postpone(&mut self, target: &T, due: Timestamp) {
        if let Some(&Entry { place: Some((before, turn)), failures }) = self.entries.get(target) {
            self.queue.remove(&(before, turn, target.clone()));
            self.enqueue(target.clone(), due, failures);
        }
    }

    /// The target that is due longest, from now on under way until [`Self::finish`]; `None` if nothing is due.
    pub fn take_due(&mut self, now: Timestamp) -> Option<T> {
        if self.next_due()? > now {
            return None;
        }
        let (_, _, target) = self.queue.pop_first()?;
        if let Some(entry) = self.entries.get_mut(&target) {
            entry.place = None;
        }
        Some(target)
    }

    /// Failures of the target since it last succeeded, the present poll not counted.
    #[must_use]
    pub fn failures(&self, target: &T) -> u32 {
        self.entries.get(target).map_or(0, |entry| entry.failures)
    }

    /// Puts a target that was under way back in; one that was removed meanwhile stays out.
    pub fn finish(&mut self, target: T, due: Timestamp, failed: bool) {
        if let Some(&Entry { place: None, failures }) = self.entries.get(&target) {
            self.enqueue(target, due, if failed { failures.saturating_add(1) } else { 0 });
        }
    }

    /// When the next target is or was due; `None` if none is waiting.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.queue.first().map(|&(due, ..)| due)
    }

    /// How late the most overdue target is.
    #[must_use]
    pub fn lag(&self, now: Timestamp) -> SignedDuration {
        self.next_due().map_or(SignedDuration::ZERO, |due| now.duration_since(due).max(SignedDuration::ZERO))
    }

    /// Targets, waiting or under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing to ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn enqueue(&mut self, target: T, due: Timestamp, failures: u32) {
        let turn = self.next_turn;
        self.next_turn += 1;
        self.entries.insert(target.clone(), Entry { place: Some((due, turn)), failures });
        self.queue.insert((due, turn, target));
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
        agenda.finish("early", at(30), true);
        agenda.finish("early", at(0), true);
        assert_eq!((agenda.next_due(), agenda.failures(&"early")), (Some(at(30)), 1), "finished once");
        agenda.remove(&"late");
        agenda.finish("late", at(30), false);
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
                        agenda.finish(t, at(now + ahead), failed);
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
                    agenda.finish(target, at(now + if failed { 1.min(interval) } else { interval }), failed);
                }
                let oldest = last_taken.values().map(|&taken| now - taken).max().unwrap_or(0);
                prop_assert!(oldest <= 2 * (i64::from(targets) + interval), "waited {oldest}");
            }
        }
    }
}
