//! What follows from a poll: what the inventory is told, when the target is due again, and what is logged.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use tracing::{debug, info, warn};

use super::Poller;
use crate::domain::{Answer, Collector, CustomerId, FailureReason, Quantity, Question, Target};
use crate::elements::{AskError, Failure};
use crate::inventory::Absence;
use crate::polling::cadence::{self, Outcome};
use crate::polling::legacy::LegacyEndpoint;
use crate::polling::listing;
use crate::polling::plan::Holdings;

impl Poller {
    pub(super) fn listed(&mut self, target: &Target, result: Result<listing::Listed, Failure>) {
        // The task has sent all its pages before it ended.
        while let Ok(page) = self.pages.1.try_recv() {
            self.observe(page);
        }
        let now = self.clock.now();
        match result {
            Ok(listing::Listed { seen, doubted, pages }) => {
                self.doubted = Arc::new(doubted);
                self.warn_of_unknown(&seen);
                let gone = self.inventory.update(|inventory| inventory.complete_listing(&seen, now));
                for customer in gone {
                    self.workload.load.remove_all(&customer);
                    info!(partner = self.partner, customer_id = %customer.id, customer_name = %customer.name, "customer has left");
                    for &(question, _) in &customer.targets {
                        self.forget(&Target::Customer(customer.id.clone(), question));
                    }
                }
                self.workload.listed(pages);
                self.succeeded(target);
            }
            Err(failure) => {
                self.log_failure(target, &failure);
                self.failed(target, failure.reason);
            }
        }
    }

    /// Customers of the configuration whom the service list does not have, each told once.
    fn warn_of_unknown(&mut self, seen: &HashSet<CustomerId>) {
        for id in self.filter.listed().filter(|id| !seen.contains(*id)) {
            if self.unknown.insert(id.clone()) {
                // Ids are not ours to read: two spellings of a GUID are two ids.
                let alike = seen.iter().find(|other| other.as_str().eq_ignore_ascii_case(id.as_str()));
                let advice = alike.map_or("is the id right, and in the app's scope?".to_owned(), |other| {
                    format!("it has {other}, write it so")
                });
                let partner = &self.partner;
                warn!(partner, customer_id = %id, "the service list does not have this customer of customers.list: {advice}");
            }
        }
        self.unknown.retain(|id| !seen.contains(id));
    }

    pub(super) fn asked(
        &mut self,
        target: &Target,
        customer: &CustomerId,
        question: Question,
        result: Result<Answer, AskError>,
    ) {
        let now = self.clock.now();
        match result {
            Ok(answer) if self.says_not_held(customer, question, &answer) => {
                self.endpoint_answered(question.collector(), now);
                self.missed(target, customer, question);
            }
            Ok(answer) => {
                self.endpoint_answered(question.collector(), now);
                self.workload.attend(&self.inventory, target, &answer, now);
                self.workload.change(&self.inventory, customer, question, |inventory| {
                    inventory.succeed(customer, question, answer, now);
                });
                self.succeeded(target);
            }
            Err(AskError::Absent) => {
                let targets = self.workload.load.targets(question.collector());
                if self.legacy.get_mut(&question.collector()).is_some_and(|endpoint| endpoint.miss(targets, now)) {
                    info!(
                        partner = self.partner,
                        collector = question.collector().as_str(),
                        "the API answers 404 to everybody: it does not have this endpoint; trying again in a day"
                    );
                }
                self.missed(target, customer, question);
            }
            Err(AskError::Failed(failure)) => {
                self.log_failure(target, &failure);
                self.failed(target, failure.reason);
            }
        }
    }

    /// 0 seats of a product is how the API says that the customer does not hold it, unless the service list shows it.
    fn says_not_held(&self, customer: &CustomerId, question: Question, answer: &Answer) -> bool {
        let (Question::ProductPurchased(product) | Question::ProductAvailable(product)) = question else {
            return false;
        };
        let (Answer::ProductPurchased(seats) | Answer::ProductAvailable(seats)) = answer else { return false };
        seats.is_some_and(Quantity::is_zero)
            && !self.inventory.read(|inventory| {
                let customer = inventory.customers.get(customer);
                customer.is_some_and(|customer| Holdings::of(customer).products.contains(&product))
            })
    }

    /// Once an endpoint that seemed to be missing answers, everybody who was not asked is due.
    fn endpoint_answered(&mut self, collector: Collector, now: Timestamp) {
        if !self.legacy.get_mut(&collector).is_some_and(LegacyEndpoint::answer) {
            return;
        }
        let absent: Vec<_> = self.inventory.read(|inventory| {
            let targets =
                inventory.customers.values().flat_map(|c| c.targets.iter().map(move |target| (&c.id, target)));
            targets
                .filter(|(_, (question, known))| {
                    question.collector() == collector && known.absence == Absence::Confirmed
                })
                .map(|(id, (question, _))| Target::Customer(id.clone(), *question))
                .collect()
        });
        for target in absent {
            self.agenda.postpone(&target, now);
        }
    }

    fn missed(&mut self, target: &Target, customer: &CustomerId, question: Question) {
        let now = self.clock.now();
        self.counters.poll(target.collector(), None);
        let absence = self
            .workload
            .change(&self.inventory, customer, question, |inventory| inventory.miss(customer, question, now));
        let outcome = match (absence, self.agenda.failures(target)) {
            (Absence::Confirmed, 0) => Outcome::Absent,
            (_, before) => Outcome::Missed(before),
        };
        self.put_back(target, outcome);
    }

    fn succeeded(&mut self, target: &Target) {
        self.counters.poll(target.collector(), None);
        let failures = self.agenda.failures(target);
        if failures > 0 {
            let (collector, customer_id) = (target.collector().as_str(), customer_of(target));
            info!(partner = self.partner, collector, customer_id, failures, "answers again");
        }
        self.put_back(target, Outcome::Answered);
    }

    pub(super) fn failed(&mut self, target: &Target, reason: FailureReason) {
        let now = self.clock.now();
        self.counters.poll(target.collector(), Some(reason));
        // A failure changes nothing of what the target costs.
        self.inventory.update(|inventory| match target {
            Target::Services => inventory.fail_listing(reason, now),
            Target::Customer(customer, question) => inventory.fail(customer, *question, reason, now),
        });
        let failures = self.agenda.failures(target);
        self.put_back(target, Outcome::Failed(failures));
    }

    pub(super) fn put_back(&mut self, target: &Target, outcome: Outcome) {
        let interval = self.workload.interval(target, outcome);
        let due = cadence::next_due(self.clock.now(), outcome, interval, fastrand::f64());
        self.agenda.finish(target, due, matches!(outcome, Outcome::Failed(_) | Outcome::Missed(_)));
    }

    /// The first failure in a row is worth a warning; that it goes on is what the metrics say.
    fn log_failure(&self, target: &Target, failure: &Failure) {
        let (collector, customer_id) = (target.collector().as_str(), customer_of(target));
        let (partner, reason, request_id) = (&self.partner, failure.reason.as_str(), failure.request_id.as_deref());
        if self.agenda.failures(target) == 0 {
            warn!(partner, collector, customer_id, reason, request_id, "poll failed: {failure}");
        } else {
            debug!(partner, collector, customer_id, reason, request_id, "poll failed again: {failure}");
        }
    }
}

fn customer_of(target: &Target) -> Option<&str> {
    match target {
        Target::Services => None,
        Target::Customer(customer, _) => Some(customer.as_str()),
    }
}
