//! Completion of a poll: updates the inventory, reschedules the target, and logs.

use std::collections::HashSet;
use std::sync::Arc;

use elements::types::{Collector, CustomerId, FailureReason, Observation, Quantity, Query, Target};
use elements::{QueryError, RequestError};
use jiff::Timestamp;
use tracing::{debug, info, warn};

use super::Poller;
use crate::inventory::Absence;
use crate::inventory::Customer;
use crate::polling::backoff::{self, PollOutcome};
use crate::polling::customer_list::ListResult;
use crate::polling::endpoint_probe::EndpointProbe;
use crate::polling::plan::Holdings;
use crate::polling::service_list;

/// Above this number, customers that arrive or leave at once are logged as one line with a count.
const MAX_NAMED: usize = 10;

impl Poller {
    pub(super) fn listing_done(&mut self, target: &Target, result: Result<service_list::ListingResult, RequestError>) {
        // The task sends all its pages before it ends.
        while let Ok(page) = self.pages.1.try_recv() {
            self.apply_page(page);
        }
        let now = self.clock.now();
        match result {
            Ok(result) => {
                self.completed(result, now);
                self.succeeded(target);
            }
            Err(failure) => self.not_answered(target, &failure),
        }
    }

    /// Records a complete listing: removes the customers that left, unless the removal must be confirmed first.
    fn completed(&mut self, result: service_list::ListingResult, now: Timestamp) {
        let service_list::ListingResult { mut seen, listed, refused, unread, pages } = result;
        self.refused = Arc::new(refused);
        self.warn_of_missing_configured(&seen);
        self.warn_of_idle_filters(listed, seen.len());
        let customers = self.inventory.snapshot().customers;
        let left_out = seen.iter().filter(|id| !customers.contains_key(*id)).count() as u64;
        let left_out = left_out + unread.map_or(0, |rows| rows.max(1));
        let discovered = customers.values().filter(|customer| !customer.configured && !customer.is_unlisted());
        let known = discovered.clone().count();
        let absent = discovered.map(|customer| &customer.id).filter(|id| !seen.contains(*id));
        seen.extend(self.retained(absent.cloned().collect(), known, left_out, now));
        // Customers that the list of customers contains stay, without services.
        let profiled = customers.values().filter(|customer| customer.profile().is_some() && !customer.configured);
        let profiled: Vec<_> = profiled.map(|customer| customer.id.clone()).filter(|id| !seen.contains(id)).collect();
        seen.extend(profiled.iter().cloned());
        drop(customers);
        let gone = self.inventory.update(|inventory| {
            for id in &profiled {
                inventory.unlist(id);
            }
            inventory.listing.left_out = left_out;
            inventory.complete_listing(&seen, now)
        });
        self.plan(&profiled);
        self.log_arrivals();
        self.forget_all(&gone);
        self.capacity.listing_completed(pages);
    }

    /// Logs the customers that came with this listing.
    fn log_arrivals(&mut self) {
        let arrived = std::mem::take(&mut self.arrived);
        if arrived.len() > MAX_NAMED {
            info!(customers = arrived.len(), "customers have arrived");
            return;
        }
        for id in arrived {
            let name =
                self.inventory.read(|inventory| inventory.customers.get(&id).map(|customer| customer.name.clone()));
            info!(customer_id = %id, customer_name = name.as_deref().unwrap_or_default(), "customer has arrived");
        }
    }

    /// Warns once if the filters match none of the customers.
    fn warn_of_idle_filters(&mut self, listed: usize, matching: usize) {
        let is_idle = listed > 0 && matching == 0;
        if is_idle && !self.reported_no_match {
            warn!(customers = listed, "no customer matches customers.include and customers.exclude: none is polled");
        }
        self.reported_no_match = is_idle;
    }

    /// Removes the targets of customers that have left, and logs that.
    fn forget_all(&mut self, gone: &[Arc<Customer>]) {
        if gone.len() > MAX_NAMED {
            info!(customers = gone.len(), "customers have left");
        } else {
            for customer in gone {
                info!(customer_id = %customer.id, customer_name = %customer.name, "customer has left");
            }
        }
        for customer in gone {
            self.forget(customer);
        }
    }

    fn forget(&mut self, customer: &Customer) {
        self.capacity.cost.remove_all(customer);
        self.confirmation.forget(&customer.id);
        for &(query, _) in &customer.targets {
            self.queue.remove(&Target::Customer(customer.id.clone(), query));
        }
    }

    pub(super) fn list_done(&mut self, target: &Target, result: Result<ListResult, RequestError>) {
        // The task sends all its pages before it ends.
        while let Ok(page) = self.row_pages.1.try_recv() {
            self.apply_rows(page);
        }
        let now = self.clock.now();
        match result {
            Ok(ListResult { seen, pages }) => {
                let collector = target.collector();
                self.granted(collector);
                let gone = self.inventory.update(|inventory| inventory.complete_list(collector, seen.as_ref(), now));
                self.forget_all(&gone);
                self.capacity.cost.set_list_requests(collector, pages);
                self.succeeded(target);
            }
            Err(failure) => self.not_answered(target, &failure),
        }
    }

    /// The missing customers that stay for now. Logs a warning for each removal that is not accepted.
    fn retained(
        &mut self,
        absent: HashSet<CustomerId>,
        known: usize,
        left_out: u64,
        now: Timestamp,
    ) -> HashSet<CustomerId> {
        let (max, missing) = (self.max_customers, absent.len());
        self.reported_max = left_out > 0;
        let unconfirmed_removals = self.confirmation.unconfirmed_removals();
        if unconfirmed_removals > 0 {
            warn!(
                customers = unconfirmed_removals,
                "customers that had products have none now: the known products stay until the next list, an interval later, \
                 confirms it"
            );
        }
        // The missing customers may be among the rows that were skipped or not read.
        if left_out > 0 {
            warn!(
                left_out,
                max,
                missing,
                "customers are left out, and none is removed: raise customers.max, or narrow customers.include"
            );
            return absent;
        }
        let kept = self.confirmation.retain_unconfirmed(absent, known, now);
        if !kept.is_empty() {
            warn!(
                known,
                missing = kept.len(),
                "more than half of the customers are missing from the service list: they stay until the next list, an \
                 interval later, confirms it"
            );
        }
        kept
    }

    /// Warns once about each customer of the configuration that is not in the service list.
    fn warn_of_missing_configured(&mut self, seen: &HashSet<CustomerId>) {
        for id in self.filter.listed().filter(|id| !seen.contains(*id)) {
            if self.missing_configured.insert(id.clone()) {
                // Ids are opaque: two spellings of a GUID are two ids.
                let alike = seen.iter().find(|other| other.as_str().eq_ignore_ascii_case(id.as_str()));
                let advice = alike.map_or("check that the id is right and in the app's scope".to_owned(), |other| {
                    format!("it contains {other}; use that spelling")
                });
                warn!(customer_id = %id, "the service list does not contain this customer of customers.list: {advice}");
            }
        }
        self.missing_configured.retain(|id| !seen.contains(id));
    }

    pub(super) fn query_done(
        &mut self,
        target: &Target,
        customer: &CustomerId,
        query: Query,
        result: Result<Observation, QueryError>,
    ) {
        let now = self.clock.now();
        match result {
            Ok(observation) if self.reports_not_held(customer, query, &observation) => {
                self.endpoint_answered(query.collector(), now);
                self.absent(target, customer, query);
            }
            Ok(observation) => {
                self.endpoint_answered(query.collector(), now);
                let accepted = self.capacity.change(&self.inventory, customer, query, |inventory| {
                    inventory.record_success(customer, query, observation, now)
                });
                if !accepted {
                    warn!(
                        "a list of a customer has become empty: its last rows stay until the next answer, an interval later, \
                         confirms it"
                    );
                }
                self.succeeded(target);
            }
            Err(QueryError::Absent) => {
                self.granted(query.collector());
                let targets = self.capacity.cost.targets(query.collector());
                if self.probes.get_mut(&query.collector()).is_some_and(|endpoint| endpoint.record_404(targets, now)) {
                    info!("the API answers 404 to every query: it does not have this endpoint; retrying in a day");
                }
                self.absent(target, customer, query);
            }
            Err(QueryError::Failed(failure)) => self.not_answered(target, &failure),
        }
    }

    /// The API reports 0 seats for a product that the customer does not hold, unless the service list contains it.
    fn reports_not_held(&self, customer: &CustomerId, query: Query, observation: &Observation) -> bool {
        let (Query::ProductPurchased(product) | Query::ProductAvailable(product)) = query else {
            return false;
        };
        let (Observation::ProductPurchased(seats) | Observation::ProductAvailable(seats)) = observation else {
            return false;
        };
        let customer = self.inventory.read(|inventory| inventory.customers.get(customer).cloned());
        seats.is_some_and(Quantity::is_zero)
            && !customer.is_some_and(|customer| Holdings::of(&customer).products.contains(&product))
    }

    /// When an endpoint that seemed to be missing answers, all suppressed targets become due.
    fn endpoint_answered(&mut self, collector: Collector, now: Timestamp) {
        self.granted(collector);
        if !self.probes.get_mut(&collector).is_some_and(EndpointProbe::record_response) {
            return;
        }
        let absent: Vec<_> = self.inventory.read(|inventory| {
            let targets =
                inventory.customers.values().flat_map(|c| c.targets.iter().map(move |target| (&c.id, target)));
            targets
                .filter(|(_, (query, known))| query.collector() == collector && known.absence == Absence::Confirmed)
                .map(|(id, (query, _))| Target::Customer(id.clone(), *query))
                .collect()
        });
        for target in absent {
            self.queue.reschedule(&target, now);
        }
    }

    /// The app registration lacks the scope of a collector: its targets are not asked until tomorrow. Reported once.
    fn not_granted(&mut self, target: &Target) {
        let collector = target.collector();
        let until = self.clock.now().saturating_add(backoff::ABSENCE_INTERVAL).unwrap_or(Timestamp::MAX);
        if self.not_granted.insert(collector, until).is_none() {
            self.inventory.update(|inventory| inventory.not_granted.insert(collector));
            warn!(
                "the collector reads nothing, because the app registration lacks the permission {}: grant it in AvePoint \
                 Elements and restart the exporter, or disable the collector; asking again in a day",
                collector.endpoint().scope.permission()
            );
        }
        self.queue.finish(target, until, false);
    }

    /// The API answers a collector, so its scope is granted.
    fn granted(&mut self, collector: Collector) {
        if self.not_granted.remove(&collector).is_some() {
            self.inventory.update(|inventory| inventory.not_granted.remove(&collector));
            info!("the permission is granted now");
        }
    }

    /// A product bought after the first pass may not be provisioned yet, so its first 404 is not final.
    fn absent(&mut self, target: &Target, customer: &CustomerId, query: Query) {
        let now = self.clock.now();
        self.metrics.poll(target.collector(), None);
        let in_first_pass = !self.first_pass.is_complete();
        let (is_final, absence) = self.capacity.change(&self.inventory, customer, query, |inventory| {
            let was_polled = inventory.target(customer, query).is_none_or(|target| target.polled.is_some());
            (in_first_pass || was_polled, inventory.record_absent(customer, query, now))
        });
        let outcome = match (absence, self.queue.failures(target)) {
            (Absence::Confirmed, 0) if is_final => PollOutcome::Absent,
            (_, before) => PollOutcome::Missed(before),
        };
        self.reschedule(target, outcome);
    }

    fn succeeded(&mut self, target: &Target) {
        self.metrics.poll(target.collector(), None);
        let failures = self.queue.failures(target);
        if failures > 0 {
            info!(failures, "recovered");
        }
        self.reschedule(target, PollOutcome::Answered);
    }

    /// A scope that is not granted is a state of the collector, not a failure. The first failure in a row is logged as a
    /// warning; the metrics show that it continues.
    fn not_answered(&mut self, target: &Target, failure: &RequestError) {
        if failure.not_granted {
            return self.not_granted(target);
        }
        let (reason, request_id) = (failure.reason.as_str(), failure.request_id.as_deref());
        if self.queue.failures(target) == 0 {
            warn!(reason, request_id, "poll failed: {failure}");
        } else {
            debug!(reason, request_id, "poll failed again: {failure}");
        }
        self.failed(target, failure.reason);
    }

    pub(super) fn failed(&mut self, target: &Target, reason: FailureReason) {
        let now = self.clock.now();
        self.metrics.poll(target.collector(), Some(reason));
        // A failure does not change the cost of the target.
        self.inventory.update(|inventory| match target {
            Target::List(collector) => {
                if let Some(list) = inventory.list_mut(*collector) {
                    list.record_failure(reason, now);
                }
            }
            Target::Customer(customer, query) => inventory.record_failure(customer, *query, reason, now),
        });
        let failures = self.queue.failures(target);
        self.reschedule(target, PollOutcome::Failed(failures));
    }

    pub(super) fn reschedule(&mut self, target: &Target, outcome: PollOutcome) {
        let interval = self.capacity.interval(target);
        let due = backoff::next_due(self.clock.now(), outcome, interval, fastrand::f64());
        self.queue.finish(target, due, matches!(outcome, PollOutcome::Failed(_) | PollOutcome::Missed(_)));
    }
}
