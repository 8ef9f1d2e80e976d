//! What a partner's targets cost, how the cost is shared among them, and whether the budget bears it: [`Load`],
//! [`Attention`] and [`Strain`], kept up to date by the poller. However many targets there are, a step costs the same;
//! only [`Workload::restore`] walks all of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use super::attention::{Attention, Urgency};
use super::cadence::Outcome;
use super::strain::{News, Strain};
use super::{CustomerFilter, Load, PollCounters, listing_pages};
use crate::config::{CollectorSettings, PartnerSettings};
use crate::domain::{Answer, Collector, CustomerId, Question, Target};
use crate::inventory::{Inventory, Known, Shared};

#[derive(Debug)]
pub(super) struct Workload {
    pub(super) load: Load,
    collectors: Arc<CollectorSettings>,
    /// Of the collectors that are adaptive.
    attention: HashMap<Collector, Attention<Target>>,
    strain: Strain,
    /// Everybody is known, so that the load is the whole of it and not that of those who are known so far.
    complete: bool,
    counters: PollCounters,
    partner: String,
}

impl Workload {
    /// Without any target.
    pub(super) fn new(settings: &PartnerSettings, collectors: Arc<CollectorSettings>, counters: PollCounters) -> Self {
        let schedules = collectors.enabled().map(|collector| (collector, collectors.schedule(collector)));
        let adaptive = schedules.filter(|&(collector, schedule)| schedule.adaptive && collector != Collector::Services);
        Self {
            load: Load::default(),
            attention: adaptive.map(|(collector, schedule)| (collector, Attention::new(schedule))).collect(),
            collectors,
            strain: Strain::new(settings.budget),
            complete: false,
            counters,
            partner: settings.name.to_string(),
        }
    }

    /// Takes over what was known before this poller: those who had attention keep it, and the listing is as large as it
    /// was.
    pub(super) fn restore(&mut self, inventory: &Inventory, filter: &CustomerFilter, now: Timestamp) {
        inventory.customers.values().for_each(|customer| self.load.add_all(customer));
        let customers = inventory.customers.len();
        self.load.list(match inventory.listing.wanted {
            true if filter.discovers() => listing_pages(Some(customers), 0),
            true => listing_pages(None, customers),
            false => 0,
        });
        self.complete = !inventory.listing.wanted || inventory.listing.completed.is_some();
        if self.attention.is_empty() {
            return;
        }
        // How many are how urgent is known only after the first round; the next ones give the paces that follow.
        for _ in 0..3 {
            for customer in inventory.customers.values() {
                for (question, known) in &customer.targets {
                    if let Some(attention) = self.attention.get_mut(&question.collector())
                        && let Some((_, answer)) = &known.answer
                    {
                        let urgency = Urgency::of(customer, *question, answer, now);
                        attention.judge(Target::Customer(customer.id.clone(), *question), urgency);
                    }
                }
            }
        }
    }

    /// A listing was complete, and takes so many requests.
    pub(super) fn listed(&mut self, pages: u64) {
        self.load.list(pages);
        self.complete = true;
    }

    /// A poll of one question took so long.
    pub(super) fn took(&mut self, time: Duration) {
        self.strain.took(time);
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
                self.load.remove(question, known);
            }
            let result = change(inventory);
            if let Some(known) = known(inventory, customer, question) {
                self.load.add(question, known);
            }
            result
        })
    }

    /// Gives a target the interval that its answer deserves; before the inventory is told of it, which knows the one
    /// before.
    pub(super) fn attend(&mut self, shared: &Shared, target: &Target, answer: &Answer, now: Timestamp) {
        if let Some(attention) = self.attention.get_mut(&target.collector())
            && let Target::Customer(id, question) = target
            && let Some(customer) = shared.read(|inventory| inventory.customers.get(id).cloned())
        {
            attention.judge(target.clone(), Urgency::of(&customer, *question, answer, now));
        }
    }

    /// The target is no longer asked.
    pub(super) fn forget(&mut self, target: &Target) {
        if let Some(attention) = self.attention.get_mut(&target.collector()) {
            attention.forget(target);
        }
    }

    /// Between two polls of the target. One that is absent needs no attention; one that fails gets no more time than the
    /// configuration says.
    pub(super) fn interval(&mut self, target: &Target, outcome: Outcome) -> Duration {
        let even = self.collectors.schedule(target.collector()).interval;
        let Some(attention) = self.attention.get_mut(&target.collector()) else { return even };
        match outcome {
            Outcome::Answered => attention.interval(target),
            Outcome::Failed(_) => attention.interval(target).min(even),
            Outcome::Absent | Outcome::Missed(_) => {
                attention.forget(target);
                even
            }
        }
    }

    /// Counts what the plan needs, and tells once if the budget does not keep up with it, and once when it does again.
    pub(super) fn weigh(&mut self, lag: SignedDuration) {
        let per_hour = self.load.requests_per_hour(&self.collectors);
        self.counters.planned(&per_hour);
        let intervals = self.collectors.enabled().map(|collector| self.collectors.schedule(collector).interval);
        let Some(shortest) = intervals.min().filter(|_| self.complete) else { return };
        let needed = per_hour.iter().map(|&(_, requests)| requests).sum::<f64>() / 3600.0;
        let late = Duration::try_from(lag).unwrap_or_default();
        let partner = &self.partner;
        match self.strain.observe(needed, late, shortest) {
            Some(News::Begins) => {
                let (possible, bound) = self.strain.capacity();
                warn!(
                    partner,
                    needed_per_second = %format_args!("{needed:.2}"),
                    possible_per_second = %format_args!("{possible:.2}"),
                    bound = bound.as_str(),
                    late_seconds = late.as_secs(),
                    "the budget does not keep the intervals: what is due longest is asked first, so everything comes late \
                     alike; raise partners[].budget or lengthen collectors.*.interval"
                );
            }
            Some(News::Ends) => info!(partner, "the budget keeps the intervals again"),
            None => {}
        }
    }
}

fn known<'a>(inventory: &'a Inventory, customer: &CustomerId, question: Question) -> Option<&'a Known> {
    let targets = &inventory.customers.get(customer)?.targets;
    targets.iter().find(|(known, _)| *known == question).map(|(_, known)| known)
}
