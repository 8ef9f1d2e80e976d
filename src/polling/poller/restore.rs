//! Where a poller begins: with what the inventory knows already, from before a restart or a reload.

use jiff::Timestamp;

use super::Poller;
use crate::domain::{Moment, Target};
use crate::inventory::{Absence, Known};
use crate::polling::backoff::{self, PollOutcome};

impl Poller {
    /// The inventory's targets, each at its due time.
    pub(super) fn fill_queue(&mut self) {
        let now = self.clock.now();
        let customers: Vec<_> = self.inventory.read(|inventory| inventory.customers.keys().cloned().collect());
        self.plan(&customers);
        let inventory = self.inventory.snapshot();
        let listing = inventory.listing;
        if listing.wanted {
            let outcome = if listing.failure.is_some() { PollOutcome::Failed(0) } else { PollOutcome::Answered };
            let due = self.due_again(&Target::Services, listing.polled, outcome);
            let at_once = listing.outdated && outcome == PollOutcome::Answered;
            self.queue.add(Target::Services, due.filter(|_| !at_once).unwrap_or(now));
        }
        for (id, customer) in &inventory.customers {
            for (question, known) in &customer.targets {
                let collector = question.collector();
                if known.answer.is_some()
                    && let Some(endpoint) = self.probes.get_mut(&collector)
                {
                    endpoint.answer();
                }
                let target = Target::Customer(id.clone(), *question);
                let due = self.due_again(&target, known.polled.map(Moment::get), outcome(known));
                self.queue.add(target, due.unwrap_or(now));
            }
        }
    }

    /// When what an earlier poller asked is due: the latest that chance could have made it, so that nothing is asked
    /// before its time. `None` if it was never asked.
    fn due_again(&self, target: &Target, polled: Option<Timestamp>, outcome: PollOutcome) -> Option<Timestamp> {
        Some(backoff::next_due(polled?, outcome, self.capacity.interval(target), 1.0))
    }
}

/// What the last poll came to. How many failed before it is not known; as if none had.
fn outcome(known: &Known) -> PollOutcome {
    if known.failure.is_some() {
        PollOutcome::Failed(0)
    } else if known.absence == Absence::Confirmed {
        PollOutcome::Absent
    } else {
        PollOutcome::Answered
    }
}
