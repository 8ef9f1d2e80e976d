//! Freshness families: collectors, targets and the customer listing.

use elements::types::Collector;
use exposition::syntax::unix_time;
use exposition::{FamilyWriter, GroupSummary};
use jiff::{SignedDuration, Timestamp};

use super::Partners;
use super::customer_view::{CustomerView, RenderContext};
use crate::catalog;
use crate::inventory::{Customer, Inventory, StatusCounts, TargetStatus, expiry};

/// A partner without its customers, and the sums over them.
pub(super) type Summary<'a> = GroupSummary<'a, Partners>;

/// The number of targets by collector and status.
#[derive(Clone, Copy, Debug, Default)]
pub struct TargetCounts([StatusCounts; Collector::ALL.len()]);

impl TargetCounts {
    /// Adds the targets of a customer.
    pub(super) fn add_customer(&mut self, context: &RenderContext<'_>, customer: &Customer) {
        for (query, known) in &customer.targets {
            if let Some(counts) = self.0.get_mut(query.collector() as usize) {
                counts.add(context.inventory.status(*query, known, context.now), 1);
            }
        }
    }

    pub(super) fn add_all(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(counts, other)| counts.add_all(other));
    }

    fn of(&self, collector: Collector) -> StatusCounts {
        self.0.get(collector as usize).copied().unwrap_or_default()
    }
}

/// The families of all partners.
pub(super) fn render(partners: &[Summary<'_>], now: Timestamp, correction: SignedDuration) -> Vec<FamilyWriter> {
    let mut families: Vec<_> = collectors(partners, now).into();
    families.extend(listings(partners, correction));
    families
}

/// When the next fresh list becomes stale: the only statuses that change with time and not with a value.
pub(super) fn listing_expiry(partner: &Summary<'_>, now: Timestamp) -> Option<Timestamp> {
    let expiries = partner.group.lists().filter_map(|(collector, list)| {
        let schedule = partner.group.collectors.schedule(collector);
        let expiry = expiry(list.completed?, schedule.max_age);
        (schedule.enabled && expiry > now).then_some(expiry)
    });
    expiries.min()
}

/// The last success per collector. It is served longer than the values, so that staleness stays visible.
pub(super) fn last_success(views: &[CustomerView<'_>]) -> FamilyWriter {
    let mut last_success = FamilyWriter::new(&catalog::COLLECTOR_LAST_SUCCESS);
    for view in views {
        let RenderContext { inventory, settings, .. } = view.context;
        for collector in inventory.collectors.enabled() {
            let labels = last_success.labels(&[collector.as_str()]);
            let value = view.customer.last_success(collector).map(|seen| corrected(seen, settings.correction));
            view.push(&mut last_success, &labels, value);
        }
    }
    last_success
}

fn corrected(seen: Timestamp, correction: SignedDuration) -> f64 {
    unix_time(seen.saturating_add(correction).unwrap_or(seen))
}

fn collectors(partners: &[Summary<'_>], now: Timestamp) -> [FamilyWriter; 3] {
    let mut interval = FamilyWriter::new(&catalog::COLLECTOR_INTERVAL);
    let mut max_age = FamilyWriter::new(&catalog::COLLECTOR_MAX_AGE);
    let mut targets = FamilyWriter::new(&catalog::COLLECTOR_TARGETS);
    for Summary { group: inventory, tally: of_customers, .. } in partners {
        let Inventory { partner, collectors, .. } = inventory;
        for collector in collectors.enabled() {
            let schedule = collectors.schedule(collector);
            let labels = interval.labels(&[partner.as_str(), collector.as_str()]);
            interval.push([&labels], Some(schedule.interval.as_secs_f64()));
            max_age.push([&labels], Some(schedule.max_age.as_secs_f64()));
            let mut counts = of_customers.of(collector);
            if let Some(status) = inventory.list_status(collector, now) {
                // The list is the one target of the collector.
                counts.add(status, 1);
            }
            let may_be = |status| status != TargetStatus::NotGranted || collector.is_optional();
            for (status, count) in counts.iter().filter(|&(status, _)| may_be(status)) {
                let labels = targets.labels(&[partner.as_str(), collector.as_str(), status.as_str()]);
                targets.push([&labels], Some(count as f64));
            }
        }
    }
    [interval, max_age, targets]
}

fn listings(partners: &[Summary<'_>], correction: SignedDuration) -> [FamilyWriter; 2] {
    let mut last_success = FamilyWriter::new(&catalog::DISCOVERY_LAST_SUCCESS);
    let mut customers = FamilyWriter::new(&catalog::CUSTOMERS);
    for partner in partners {
        let Inventory { partner: name, listing, .. } = partner.group;
        let labels = customers.labels(&[name.as_str()]);
        last_success.push([&labels], listing.completed.map(|seen| corrected(seen, correction)));
        customers.push([&labels], Some(partner.items as f64));
    }
    [last_success, customers]
}
