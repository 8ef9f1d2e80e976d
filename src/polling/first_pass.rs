//! Detects the end of the first pass: every target has been polled once. Pure.
//!
//! A target that was never polled is due when it was added, so none is left in the queue once its head is due later than
//! the last addition. The pass is complete when the polls that were in flight at that moment have ended.

use jiff::Timestamp;

/// The state of the first pass.
#[derive(Debug)]
pub(super) struct FirstPass {
    /// When a new target was last added.
    added: Timestamp,
    /// When the queue had no unpolled target left.
    drained: Option<Timestamp>,
    complete: bool,
}

impl FirstPass {
    /// A pass that begins now; `complete` if an earlier poller completed it.
    pub(super) const fn new(now: Timestamp, complete: bool) -> Self {
        Self { added: now, drained: None, complete }
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Records that new targets were added.
    pub(super) fn add(&mut self, now: Timestamp) {
        self.added = now;
    }

    /// Returns true once, when the pass is complete. `head`: when the next target is due; `started`: when the polls in
    /// flight were started.
    pub(super) fn completes(
        &mut self,
        head: Option<Timestamp>,
        mut started: impl Iterator<Item = Timestamp>,
        now: Timestamp,
    ) -> bool {
        if self.complete {
            return false;
        }
        if head.is_some_and(|due| due <= self.added) {
            self.drained = None;
            return false;
        }
        let drained = *self.drained.get_or_insert(now);
        self.complete = started.all(|at| at > drained);
        self.complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_complete_when_the_last_new_target_has_been_polled() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut pass = FirstPass::new(at(0), false);
        pass.add(at(10));
        assert!(!pass.completes(Some(at(10)), [].into_iter(), at(11)), "one waits");
        assert!(!pass.completes(Some(at(20)), [at(11)].into_iter(), at(12)), "one is in flight");
        pass.add(at(13));
        assert!(!pass.completes(Some(at(13)), [].into_iter(), at(14)), "another was added");
        assert!(!pass.completes(Some(at(20)), [at(14)].into_iter(), at(15)));
        assert!(pass.completes(Some(at(20)), [at(16)].into_iter(), at(17)), "a second poll does not count");
        assert!(!pass.completes(None, [].into_iter(), at(18)), "only once");
        assert!(pass.is_complete() && FirstPass::new(at(0), true).is_complete());
    }
}
