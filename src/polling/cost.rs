//! Computes the minimum number of requests that the configured intervals need. Pure.
//!
//! A target costs the requests of one poll (for `tenant_seats` and `backup_overview`: its pages) per interval of its
//! collector. An absent target costs one request per day, and a list of customers costs its pages. Retries and token
//! requests are not included. The cost is updated with every change of a target, so that nothing has to iterate over
//! the inventory.

use std::time::Duration;

use elements::types::{Collector, Observation, Query};

use super::backoff::ABSENCE_INTERVAL;
use crate::config::CollectorSettings;
use crate::inventory::{Absence, Customer, TargetState};

/// Rows per page, of the service list and of `tenant_seats`.
const PAGE: u64 = 100;

const COLLECTORS: usize = Collector::ALL.len();

/// The cost of a partner's targets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Requests for one pass over the targets that are not absent, in the order of [`Collector::ALL`].
    requests: [u64; COLLECTORS],
    /// The number of targets that are not absent.
    present: [u64; COLLECTORS],
    /// The number of absent targets.
    absent: [u64; COLLECTORS],
}

impl Cost {
    /// Adds a target in its current state.
    pub fn add(&mut self, query: Query, known: &TargetState) {
        self.change(query, known, u64::saturating_add);
    }

    /// Subtracts a target, in the state in which it was added.
    pub fn remove(&mut self, query: Query, known: &TargetState) {
        self.change(query, known, u64::saturating_sub);
    }

    /// Adds all targets of a customer.
    pub fn add_all(&mut self, customer: &Customer) {
        customer.targets.iter().for_each(|(query, known)| self.add(*query, known));
    }

    /// Subtracts all targets of a customer.
    pub fn remove_all(&mut self, customer: &Customer) {
        customer.targets.iter().for_each(|(query, known)| self.remove(*query, known));
    }

    /// Sets the number of requests of a list of customers.
    pub fn set_list_requests(&mut self, collector: Collector, pages: u64) {
        if let Some(requests) = self.requests.get_mut(index(collector)) {
            *requests = pages;
        }
    }

    /// The number of targets of a collector, absent ones included.
    #[must_use]
    pub fn targets(&self, collector: Collector) -> u64 {
        let of = |counts: &[u64; COLLECTORS]| counts.get(index(collector)).copied().unwrap_or(0);
        of(&self.present) + of(&self.absent)
    }

    /// Requests per hour of every enabled collector, and of the listing if there is one.
    #[must_use]
    pub fn requests_per_hour(&self, collectors: &CollectorSettings) -> Vec<(Collector, f64)> {
        let costs = Collector::ALL.into_iter().zip(self.requests.iter().zip(&self.absent));
        costs
            .filter(|&(collector, (&requests, _))| collectors.schedule(collector).enabled || requests > 0)
            .map(|(collector, (&requests, &absent))| {
                let interval = collectors.schedule(collector).interval;
                let a_day = absent as f64 * hourly(ABSENCE_INTERVAL.max(interval));
                (collector, requests as f64 * hourly(interval) + a_day)
            })
            .collect()
    }

    fn change(&mut self, query: Query, known: &TargetState, change: impl Fn(u64, u64) -> u64) {
        let index = index(query.collector());
        let apply = |counts: &mut [u64; COLLECTORS], by| {
            if let Some(count) = counts.get_mut(index) {
                *count = change(*count, by);
            }
        };
        if known.absence == Absence::Confirmed {
            apply(&mut self.absent, 1);
        } else {
            apply(&mut self.present, 1);
            apply(&mut self.requests, requests(known));
        }
    }
}

/// Requests of a listing: for all customers, of which there are this many and which ends at a page that is not full
/// (`None` if not all are requested), plus those requested by id.
#[must_use]
pub fn listing_pages(all_customers: Option<usize>, by_id: usize) -> u64 {
    all_customers.map_or(0, pages) + (by_id as u64).div_ceil(PAGE)
}

/// Requests of one poll of a target, estimated from its last result.
fn requests(known: &TargetState) -> u64 {
    match &known.observation {
        // Only the newest job of each plan is stored, so the number of pages of jobs is unknown.
        Some((_, observation @ (Observation::TenantSeats(_) | Observation::BackupOverview(_)))) => {
            pages(observation.rows().unwrap_or(0))
        }
        _ => 1,
    }
}

fn pages(rows: usize) -> u64 {
    rows as u64 / PAGE + 1
}

fn index(collector: Collector) -> usize {
    Collector::ALL.iter().position(|&other| other == collector).unwrap_or_default()
}

/// Polls per hour.
pub(super) fn hourly(interval: Duration) -> f64 {
    3600.0 / interval.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::config::{Schedule, Selection};
    use crate::inventory::Inventory;
    use elements::types::{FailureReason, Seats, TenantSeats, TenantType};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn settings() -> CollectorSettings {
        let quarter = Schedule { enabled: true, interval: Duration::from_mins(15), max_age: Duration::from_hours(1) };
        let hourly = Schedule { interval: Duration::from_hours(1), ..quarter };
        CollectorSettings {
            services: quarter,
            tenant_seats: (quarter, Selection::Auto),
            customer_seats: (quarter, Selection::Auto),
            products_purchased: (hourly, Selection::Auto),
            products_available: (Schedule { enabled: false, ..hourly }, Selection::Auto),
            optional: [].into(),
        }
    }

    fn tenants(count: u32) -> Observation {
        let row =
            |id: u32| TenantSeats { id: id.to_string().as_str().into(), name: "".into(), seats: Seats::default() };
        Observation::TenantSeats((0..count).map(row).collect())
    }

    #[test]
    fn pages_and_absences_are_what_they_cost() {
        let mut cost = Cost::default();
        cost.set_list_requests(Collector::Services, listing_pages(Some(20_000), 101));
        let asked = TargetState { observation: Some((NOW.into(), tenants(250))), ..TargetState::default() };
        let absent = TargetState { absence: Absence::Confirmed, ..TargetState::default() };
        cost.add(Query::TenantSeats(TenantType::Microsoft365), &asked);
        (0..24).for_each(|_| cost.add(Query::CustomerSeats(TenantType::Google), &absent));
        let per_hour = cost.requests_per_hour(&settings());
        let expected = [
            (Collector::Services, 203.0 * 4.0),
            (Collector::TenantSeats, 12.0),
            (Collector::CustomerSeats, 1.0),
            (Collector::ProductsPurchased, 0.0),
        ];
        assert_eq!(per_hour, expected, "a collector that is disabled costs nothing");
        assert_eq!((cost.targets(Collector::CustomerSeats), cost.targets(Collector::TenantSeats)), (24, 1));
    }

    proptest! {
        /// After any changes of targets, the running total equals a fresh computation.
        #[test]
        fn nothing_has_to_be_counted_anew(steps in prop::collection::vec((0..8_u8, 0..4_u8, 0..300_u32), 0..100)) {
            let queries: Vec<_> = TenantType::NAMED.into_iter().map(Query::TenantSeats).collect();
            let mut inventory = Inventory::new("main".into(), settings().into(), true, &[]);
            let ids: Vec<elements::types::CustomerId> = (0..4).map(|n: u8| n.to_string().as_str().into()).collect();
            for id in &ids {
                let listed = elements::types::ListedCustomer { id: id.clone(), name: None, subscriptions: None };
                inventory.upsert_listed(listed, NOW);
            }
            let mut cost = Cost::default();
            for (what, whom, number) in steps {
                let id = &ids[usize::from(whom)];
                let query = queries[number as usize % queries.len()];
                cost.remove_all(&inventory.customers[id]);
                match what {
                    0..=2 => drop(inventory.plan(id, &queries[..number as usize % (queries.len() + 1)])),
                    3 => inventory.record_failure(id, query, FailureReason::Timeout, NOW),
                    4 | 5 => {
                        inventory.record_success(id, query, tenants(number), NOW);
                    }
                    _ => drop(inventory.record_absent(id, query, NOW)),
                }
                cost.add_all(&inventory.customers[id]);
            }
            let mut fresh = Cost::default();
            inventory.customers.values().for_each(|customer| fresh.add_all(customer));
            prop_assert_eq!(cost, fresh);
        }
    }
}
