//! What a partner's targets cost and whether the budget bears it: [`Cost`] and [`Overload`], kept up to date by the poller.
//! However many targets there are, a step costs the same; only [`Capacity::restore`] walks all of them.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tracing::{info, warn};

use super::overload::{Overload, Transition};
use super::{Cost, CustomerFilter, PollCounters, listing_pages};
use crate::config::{CollectorSettings, PartnerSettings};
use crate::domain::{CustomerId, Question, Target};
use crate::inventory::{Inventory, Known, Shared};

#[derive(Debug)]
pub(super) struct Capacity {
    pub(super) cost: Cost,
    collectors: Arc<CollectorSettings>,
    overload: Overload,
    /// Everybody is known, so that the cost is the whole of it and not that of those who are known so far.
    complete: bool,
    counters: PollCounters,
    partner: String,
}

impl Capacity {
    /// Without any target.
    pub(super) fn new(settings: &PartnerSettings, collectors: Arc<CollectorSettings>, counters: PollCounters) -> Self {
        Self {
            cost: Cost::default(),
            collectors,
            overload: Overload::new(settings.budget),
            complete: false,
            counters,
            partner: settings.name.to_string(),
        }
    }

    /// Takes over what was known before this poller: the listing is as large as it was.
    pub(super) fn restore(&mut self, inventory: &Inventory, filter: &CustomerFilter) {
        inventory.customers.values().for_each(|customer| self.cost.add_all(customer));
        let customers = inventory.customers.len();
        self.cost.list(match inventory.listing.wanted {
            true if filter.discovers() => listing_pages(Some(customers), 0),
            true => listing_pages(None, customers),
            false => 0,
        });
        self.complete = !inventory.listing.wanted || inventory.listing.completed.is_some();
    }

    /// A listing was complete, and takes so many requests.
    pub(super) fn listed(&mut self, pages: u64) {
        self.cost.list(pages);
        self.complete = true;
    }

    /// A poll of one target took so long.
    pub(super) fn took(&mut self, time: Duration) {
        self.overload.took(time);
    }

    /// Changes what is known of a target, and what it costs with it.
    pub(super) fn change<T>(
        &mut self,
        shared: &Shared,
        customer: &CustomerId,
        question: Question,
        change: impl FnOnce(&mut Inventory) -> T,
    ) -> T {
        shared.update(|inventory| {
            if let Some(known) = known(inventory, customer, question) {
                self.cost.remove(question, known);
            }
            let result = change(inventory);
            if let Some(known) = known(inventory, customer, question) {
                self.cost.add(question, known);
            }
            result
        })
    }

    /// Between two polls of the target.
    pub(super) fn interval(&self, target: &Target) -> Duration {
        self.collectors.schedule(target.collector()).interval
    }

    /// Counts what the plan needs. Logs once if the budget does not keep up with it, and once when it does again.
    pub(super) fn evaluate(&mut self, lag: SignedDuration) {
        let per_hour = self.cost.requests_per_hour(&self.collectors);
        self.counters.planned(&per_hour);
        let intervals = self.collectors.enabled().map(|collector| self.collectors.schedule(collector).interval);
        let Some(shortest) = intervals.min().filter(|_| self.complete) else { return };
        let needed = per_hour.iter().map(|&(_, requests)| requests).sum::<f64>() / 3600.0;
        let late = Duration::try_from(lag).unwrap_or_default();
        let partner = &self.partner;
        match self.overload.observe(needed, late, shortest) {
            Some(Transition::Begins) => {
                let (possible, bound) = self.overload.capacity();
                warn!(
                    partner,
                    needed_per_second = %format_args!("{needed:.2}"),
                    possible_per_second = %format_args!("{possible:.2}"),
                    bound = bound.as_str(),
                    late_seconds = late.as_secs(),
                    "the budget is too small for the intervals: all polls are delayed equally; raise partners[].budget or \
                     lengthen collectors.*.interval"
                );
            }
            Some(Transition::Ends) => info!(partner, "the budget keeps the intervals again"),
            None => {}
        }
    }
}

fn known<'a>(inventory: &'a Inventory, customer: &CustomerId, question: Question) -> Option<&'a Known> {
    let targets = &inventory.customers.get(customer)?.targets;
    targets.iter().find(|(known, _)| *known == question).map(|(_, known)| known)
}
