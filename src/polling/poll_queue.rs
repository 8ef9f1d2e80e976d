//! The queue of targets by due time.
//!
//! Pure: no runtime and no clock. A target is either waiting or in flight, and only once. The longest overdue target is
//! taken first, so if the budget cannot keep the intervals, all polls are delayed equally. Targets with equal due times
//! are taken in insertion order.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use elements::types::CompactTimestamp;
use jiff::{SignedDuration, Timestamp};

/// The due time of a target, and its sequence number among targets with the same due time.
type Key = (CompactTimestamp, u64);

/// The targets of one partner. `T` is cheap to clone.
#[derive(Debug)]
pub struct PollQueue<T> {
    waiting: BTreeMap<Key, T>,
    entries: HashMap<T, Entry>,
    next_seq: u64,
}

#[derive(Debug)]
struct Entry {
    /// `None` while the target is in flight.
    scheduled: Option<Key>,
    /// Failures since the last success.
    failures: u32,
}

impl<T> Default for PollQueue<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), entries: HashMap::new(), next_seq: 0 }
    }
}

impl<T: Clone + Eq + Hash> PollQueue<T> {
    /// Adds a new target. An existing target stays unchanged.
    pub fn add(&mut self, target: T, due: Timestamp) {
        if !self.entries.contains_key(&target) {
            self.entries.insert(target.clone(), Entry { scheduled: None, failures: 0 });
            self.schedule(target, due);
        }
    }

    /// Removes a target, also while it is in flight.
    pub fn remove(&mut self, target: &T) {
        if let Some(Entry { scheduled: Some(key), .. }) = self.entries.remove(target) {
            self.waiting.remove(&key);
        }
    }

    /// Moves a waiting target to another due time. A target that is in flight or unknown stays unchanged.
    pub fn reschedule(&mut self, target: &T, due: Timestamp) {
        if let Some(key) = self.entries.get_mut(target).and_then(|entry| entry.scheduled.take())
            && let Some(target) = self.waiting.remove(&key)
        {
            self.schedule(target, due);
        }
    }

    /// Takes the longest overdue target, which is in flight until [`Self::finish`]; `None` if nothing is due.
    pub fn take_due(&mut self, now: Timestamp) -> Option<T> {
        let first = self.waiting.first_entry().filter(|first| first.key().0.get() <= now)?;
        let target = first.remove();
        if let Some(entry) = self.entries.get_mut(&target) {
            entry.scheduled = None;
        }
        Some(target)
    }

    /// Failures of the target since its last success, without the poll in flight.
    #[must_use]
    pub fn failures(&self, target: &T) -> u32 {
        self.entries.get(target).map_or(0, |entry| entry.failures)
    }

    /// Reschedules a target that was in flight; does nothing if it was removed meanwhile.
    pub fn finish(&mut self, target: &T, due: Timestamp, failed: bool) {
        if let Some(entry) = self.entries.get_mut(target).filter(|entry| entry.scheduled.is_none()) {
            entry.failures = if failed { entry.failures.saturating_add(1) } else { 0 };
            self.schedule(target.clone(), due);
        }
    }

    /// The earliest due time, in the past or future; `None` if no target is waiting.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.waiting.first_key_value().map(|((due, _), _)| due.get())
    }

    /// How overdue the most overdue target is.
    #[must_use]
    pub fn max_lateness(&self, now: Timestamp) -> SignedDuration {
        self.next_due().map_or(SignedDuration::ZERO, |due| now.duration_since(due).max(SignedDuration::ZERO))
    }

    fn schedule(&mut self, target: T, due: Timestamp) {
        // Rounded up to whole microseconds, so that no target is due too early.
        let due = CompactTimestamp::from(due.saturating_add(SignedDuration::from_nanos(999)).unwrap_or(due));
        let key = (due, self.next_seq);
        self.next_seq += 1;
        if let Some(entry) = self.entries.get_mut(&target) {
            entry.scheduled = Some(key);
            self.waiting.insert(key, target);
        }
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
        let mut queue = PollQueue::default();
        queue.add("late", at(20));
        queue.add("early", at(10));
        queue.add("early", at(0));
        assert_eq!(queue.take_due(at(9)), None);
        assert_eq!(queue.max_lateness(at(25)).as_secs(), 15);
        assert_eq!(queue.take_due(at(25)), Some("early"));
        assert_eq!(queue.take_due(at(25)), Some("late"));
        assert_eq!(queue.take_due(at(25)), None, "both are in flight");
        queue.finish(&"early", at(30), true);
        queue.finish(&"early", at(0), true);
        assert_eq!((queue.next_due(), queue.failures(&"early")), (Some(at(30)), 1), "finished once");
        queue.remove(&"late");
        queue.finish(&"late", at(30), false);
        assert_eq!(queue.entries.len(), 1, "what was removed while in flight stays out");
        queue.reschedule(&"early", at(40));
        assert_eq!((queue.next_due(), queue.failures(&"early")), (Some(at(40)), 1));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Add(u8, i64),
        Remove(u8),
        Reschedule(u8, i64),
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
            (target.clone(), ahead.clone()).prop_map(|(t, a)| Step::Reschedule(t, a)),
            Just(Step::Take),
            (target, ahead, any::<bool>()).prop_map(|(t, a, failed)| Step::Finish(t, a, failed)),
            (0..30_i64).prop_map(Step::Wait),
        ]
    }

    #[test]
    fn what_is_due_at_the_same_time_comes_in_the_order_in_which_it_was_put_in() {
        let mut queue = PollQueue::default();
        (0..50).for_each(|target| queue.add(target, at(0)));
        queue.reschedule(&20, at(0));
        queue.remove(&10);
        let order: Vec<_> = std::iter::from_fn(|| queue.take_due(at(0))).collect();
        assert_eq!(order, (0..50).filter(|target| ![10, 20].contains(target)).chain([20]).collect::<Vec<_>>());
    }

    proptest! {
        /// Compares with a simple model: a map of due times and a set of targets in flight.
        #[test]
        fn nothing_is_forgotten_and_nothing_is_due_twice(steps in prop::collection::vec(step(), 0..300)) {
            let (mut queue, mut now) = (PollQueue::default(), 1000_i64);
            let (mut waiting, mut in_flight) = (BTreeMap::new(), HashSet::new());
            for step in steps {
                match step {
                    Step::Add(t, ahead) => {
                        queue.add(t, at(now + ahead));
                        if !in_flight.contains(&t) {
                            waiting.entry(t).or_insert(now + ahead);
                        }
                    }
                    Step::Remove(t) => {
                        queue.remove(&t);
                        waiting.remove(&t);
                        in_flight.remove(&t);
                    }
                    Step::Reschedule(t, ahead) => {
                        queue.reschedule(&t, at(now + ahead));
                        waiting.entry(t).and_modify(|due| *due = now + ahead);
                    }
                    Step::Take => {
                        let head = waiting.values().copied().min().filter(|&due| due <= now);
                        let taken = queue.take_due(at(now));
                        prop_assert_eq!(taken.map(|t| waiting[&t]), head);
                        if let Some(t) = taken {
                            waiting.remove(&t);
                            prop_assert!(in_flight.insert(t), "in flight twice");
                        }
                    }
                    Step::Finish(t, ahead, failed) => {
                        queue.finish(&t, at(now + ahead), failed);
                        if in_flight.remove(&t) {
                            waiting.insert(t, now + ahead);
                        }
                    }
                    Step::Wait(seconds) => now += seconds,
                }
                prop_assert_eq!(queue.entries.len(), waiting.len() + in_flight.len());
                prop_assert_eq!(queue.next_due(), waiting.values().copied().min().map(at));
            }
        }

        /// A budget of one poll per second for more targets than it can serve: the waiting times of all targets stay
        /// close together, and failing targets, which are retried sooner, do not starve the others.
        #[test]
        fn no_target_starves(targets in 2..40_u16, failing in 0..10_u16, interval in 1..20_i64) {
            let mut queue = PollQueue::default();
            let mut last_taken = BTreeMap::new();
            for target in 0..targets {
                queue.add(target, at(0));
                last_taken.insert(target, 0_i64);
            }
            for now in 0..i64::from(targets) * 20 {
                if let Some(target) = queue.take_due(at(now)) {
                    last_taken.insert(target, now);
                    let failed = target < failing;
                    queue.finish(&target, at(now + if failed { 1.min(interval) } else { interval }), failed);
                }
                let oldest = last_taken.values().map(|&taken| now - taken).max().unwrap_or(0);
                prop_assert!(oldest <= 2 * (i64::from(targets) + interval), "waited {oldest}");
            }
        }
    }
}
