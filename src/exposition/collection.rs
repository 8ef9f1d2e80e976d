//! How fresh what is known is: collectors, their targets, the listing of customers.

use jiff::Timestamp;

use super::lines::Lines;
use super::subject::Subject;
use super::syntax::unix_time;
use crate::catalog;
use crate::domain::Collector;
use crate::inventory::{Inventory, expiry};

/// The families of freshness and health that follow from the inventories.
pub(super) fn render(inventories: &[Inventory], subjects: &[Subject<'_>], now: Timestamp) -> Vec<Lines> {
    let mut families = vec![last_success(subjects)];
    families.extend(collectors(inventories, now));
    families.extend(partners(inventories));
    families
}

/// When the listing becomes stale, if it is not; the one condition that changes by time alone and not with a value.
pub(super) fn listing_expiry(inventory: &Inventory, now: Timestamp) -> Option<Timestamp> {
    let expiry = expiry(inventory.listing.completed?, inventory.max_age(Collector::Services));
    (inventory.listing.wanted && inventory.collectors.services.enabled && expiry > now).then_some(expiry)
}

/// It outlives the values: stale is visible, then gone.
fn last_success(subjects: &[Subject<'_>]) -> Lines {
    let mut last_success = Lines::new(&catalog::COLLECTOR_LAST_SUCCESS);
    for subject in subjects {
        for collector in subject.inventory.collectors.enabled() {
            let labels = last_success.labels(&[collector.as_str()]);
            let value = subject.customer.last_success(collector).map(unix_time);
            last_success.push_of(subject, &labels, value);
        }
    }
    last_success
}

fn collectors(inventories: &[Inventory], now: Timestamp) -> [Lines; 3] {
    let mut interval = Lines::new(&catalog::COLLECTOR_INTERVAL);
    let mut max_age = Lines::new(&catalog::COLLECTOR_MAX_AGE);
    let mut targets = Lines::new(&catalog::COLLECTOR_TARGETS);
    for inventory in inventories {
        for collector in inventory.collectors.enabled() {
            let schedule = inventory.collectors.schedule(collector);
            let labels = interval.labels(&[inventory.partner.as_str(), collector.as_str()]);
            interval.push(&labels, Some(schedule.interval.as_secs_f64()));
            max_age.push(&labels, Some(schedule.max_age.as_secs_f64()));
            for (condition, count) in inventory.targets(collector, now) {
                let labels = targets.labels(&[inventory.partner.as_str(), collector.as_str(), condition.as_str()]);
                targets.push(&labels, Some(count as f64));
            }
        }
    }
    [interval, max_age, targets]
}

fn partners(inventories: &[Inventory]) -> [Lines; 2] {
    let mut last_success = Lines::new(&catalog::DISCOVERY_LAST_SUCCESS);
    let mut customers = Lines::new(&catalog::CUSTOMERS);
    for inventory in inventories {
        let labels = customers.labels(&[inventory.partner.as_str()]);
        last_success.push(&labels, inventory.listing.completed.map(unix_time));
        customers.push(&labels, Some(inventory.customers.len() as f64));
    }
    [last_success, customers]
}
