//! Tracks the cost of a partner's targets and whether the budget is sufficient: [`Cost`] and [`Overload`], updated by
//! the poller. Each update takes constant time; only [`Capacity::restore`] iterates over all targets.

use std::sync::Arc;
use std::time::Duration;

use elements::types::Collector;
use elements::types::{CustomerId, Query, Target};
use jiff::SignedDuration;
use tracing::{info, warn};

use super::overload::{Overload, Transition};
use super::{Cost, CustomerFilter, PollMetrics, listing_pages};
use crate::config::{CollectorSettings, PartnerSettings};
use crate::inventory::{Inventory, InventoryHandle};

#[derive(Debug)]
pub(super) struct Capacity {
    pub(super) cost: Cost,
    collectors: Arc<CollectorSettings>,
    overload: Overload,
    /// Whether all customers are known, so that the cost is complete.
    complete: bool,
    metrics: PollMetrics,
}

impl Capacity {
    /// Starts without targets.
    pub(super) fn new(settings: &PartnerSettings, collectors: Arc<CollectorSettings>, metrics: PollMetrics) -> Self {
        Self { cost: Cost::default(), collectors, overload: Overload::new(settings.budget), complete: false, metrics }
    }

    /// Restores the state before this poller; the listing counts with its previous size.
    pub(super) fn restore(&mut self, inventory: &Inventory, filter: &CustomerFilter) {
        inventory.customers.values().for_each(|customer| self.cost.add_all(customer));
        let customers = inventory.customers.len();
        let (all, by_id) = if filter.discovers() { (Some(customers), 0) } else { (None, customers) };
        let pages = listing_pages(all, by_id);
        inventory.lists().for_each(|(collector, _)| self.cost.set_list_requests(collector, pages));
        self.complete = !inventory.listing.wanted || inventory.listing.completed.is_some();
    }

    /// Records a complete listing and its number of requests.
    pub(super) fn listing_completed(&mut self, pages: u64) {
        self.cost.set_list_requests(Collector::Services, pages);
        self.complete = true;
    }

    /// Records the duration of a poll of one target.
    pub(super) fn record_duration(&mut self, time: Duration) {
        self.overload.record_duration(time);
    }

    /// Changes the inventory and updates the cost.
    pub(super) fn change<T>(
        &mut self,
        shared: &InventoryHandle,
        customer: &CustomerId,
        query: Query,
        change: impl FnOnce(&mut Inventory) -> T,
    ) -> T {
        shared.update(|inventory| {
            if let Some(target) = inventory.target(customer, query) {
                self.cost.remove(query, target);
            }
            let result = change(inventory);
            if let Some(target) = inventory.target(customer, query) {
                self.cost.add(query, target);
            }
            result
        })
    }

    /// The interval between two polls of the target.
    pub(super) fn interval(&self, target: &Target) -> Duration {
        self.collectors.schedule(target.collector()).interval
    }

    /// Sets the metrics of the plan; collectors that are not granted need no requests. Logs once when the budget becomes
    /// too small, and once when it is sufficient again.
    pub(super) fn evaluate(&mut self, max_lateness: SignedDuration, is_granted: impl Fn(Collector) -> bool) {
        let mut per_hour = self.cost.requests_per_hour(&self.collectors);
        for (_, requests) in per_hour.iter_mut().filter(|(collector, _)| !is_granted(*collector)) {
            *requests = 0.0;
        }
        self.metrics.planned(&per_hour);
        let intervals = self.collectors.enabled().map(|collector| self.collectors.schedule(collector).interval);
        let Some(shortest) = intervals.min().filter(|_| self.complete) else { return };
        let needed = per_hour.iter().map(|&(_, requests)| requests).sum::<f64>() / 3600.0;
        let late = Duration::try_from(max_lateness).unwrap_or_default();
        match self.overload.update(needed, late, shortest) {
            Some(Transition::Begins) => {
                let (possible, bound) = self.overload.capacity();
                warn!(
                    needed_per_second = %format_args!("{needed:.2}"),
                    possible_per_second = %format_args!("{possible:.2}"),
                    bound = bound.as_str(),
                    late_seconds = late.as_secs(),
                    "the budget is too small for the intervals: all polls are delayed equally; raise partners[].budget or \
                     lengthen collectors.*.interval"
                );
            }
            Some(Transition::Ends) => info!("the budget is sufficient again"),
            None => {}
        }
    }
}
