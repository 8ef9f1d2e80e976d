//! Initial poll queue: restores due times and failure counts from the inventory after a restart or a reload.

use elements::types::{CompactTimestamp, Target};
use jiff::Timestamp;

use super::Poller;
use crate::inventory::{Absence, TargetState};
use crate::polling::backoff::{self, PollOutcome};

impl Poller {
    /// The inventory's targets, each with its due time.
    pub(super) fn fill_queue(&mut self) {
        let now = self.clock.now();
        let customers: Vec<_> = self.inventory.read(|inventory| inventory.customers.keys().cloned().collect());
        self.plan(&customers);
        let inventory = self.inventory.snapshot();
        for (collector, list) in inventory.lists() {
            let target = Target::List(collector);
            let outcome = if list.failure.is_some() { PollOutcome::Failed(0) } else { PollOutcome::Answered };
            let due = self.due_again(&target, list.polled, outcome);
            let at_once = list.outdated && outcome == PollOutcome::Answered;
            self.queue.add(target, due.filter(|_| !at_once).unwrap_or(now));
        }
        for (id, customer) in &inventory.customers {
            for (query, known) in &customer.targets {
                let collector = query.collector();
                if known.observation.is_some()
                    && let Some(endpoint) = self.probes.get_mut(&collector)
                {
                    endpoint.record_response();
                }
                let target = Target::Customer(id.clone(), *query);
                let due = self.due_again(&target, known.polled.map(CompactTimestamp::get), outcome(known));
                self.queue.add(target, due.unwrap_or(now));
            }
        }
    }

    /// The due time of a target that was polled before: the last poll plus the longest possible jitter, so that no
    /// target is polled early. `None` if it was never polled.
    fn due_again(&self, target: &Target, polled: Option<Timestamp>, outcome: PollOutcome) -> Option<Timestamp> {
        Some(backoff::next_due(polled?, outcome, self.capacity.interval(target), 1.0))
    }
}

/// The outcome of the last poll. The number of earlier failures is not stored and counts as zero.
fn outcome(known: &TargetState) -> PollOutcome {
    if known.failure.is_some() {
        PollOutcome::Failed(0)
    } else if known.absence == Absence::Confirmed {
        PollOutcome::Absent
    } else {
        PollOutcome::Answered
    }
}
