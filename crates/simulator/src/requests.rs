//! Request log: counts the requests as they arrive.

use std::collections::BTreeMap;
use std::time::Duration;

use super::path::Operation;

/// The maximum number of stored arrivals per registration; the counters continue beyond it.
const MAX_ARRIVALS: usize = 1 << 20;

/// The requests since the start or the last reset.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    /// Requests by operation.
    pub by_operation: BTreeMap<Operation, u64>,
    /// Responses by operation and status; a request that hangs or is reset has none.
    pub by_answer: BTreeMap<(Operation, u16), u64>,
    /// By client id, in the order of arrival, at most a million each. A request with a token that was never issued
    /// counts for the empty client id.
    pub arrivals: BTreeMap<String, Vec<Arrival>>,
    /// The number of responses, which a reset leaves.
    responses: u64,
}

/// The arrival of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Time since the start of the simulator.
    pub at: Duration,
    /// Its operation.
    pub operation: Operation,
}

impl Requests {
    /// Requests for one operation.
    #[must_use]
    pub fn of(&self, operation: Operation) -> u64 {
        self.by_operation.get(&operation).copied().unwrap_or(0)
    }

    /// Responses with one status, of any operation.
    #[must_use]
    pub fn with_status(&self, status: u16) -> u64 {
        self.by_answer.iter().filter(|((_, answered), _)| *answered == status).map(|(_, count)| count).sum()
    }

    /// Responses to one operation with one status.
    #[must_use]
    pub fn answered(&self, operation: Operation, status: u16) -> u64 {
        self.by_answer.get(&(operation, status)).copied().unwrap_or(0)
    }

    /// All requests, including unknown paths and token requests.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_operation.values().sum()
    }

    /// The maximum number of arrivals of a registration within any window of this length.
    #[must_use]
    pub fn busiest(&self, client_id: &str, span: Duration) -> usize {
        let arrivals = self.arrivals.get(client_id).map_or(&[][..], Vec::as_slice);
        let ends = arrivals.iter().enumerate().map(|(first, from)| {
            arrivals.partition_point(|arrival| arrival.at < from.at.saturating_add(span)).saturating_sub(first)
        });
        ends.max().unwrap_or(0)
    }

    pub(super) fn arrive(&mut self, operation: Operation, client_id: &str, at: Duration) {
        *self.by_operation.entry(operation).or_default() += 1;
        let arrivals = self.arrivals.entry(client_id.to_owned()).or_default();
        if arrivals.len() < MAX_ARRIVALS {
            arrivals.push(Arrival { at, operation });
        }
    }

    /// Records a response, and returns its number, from 1.
    pub(super) fn record_response(&mut self, operation: Operation, status: u16) -> u64 {
        *self.by_answer.entry((operation, status)).or_default() += 1;
        self.responses += 1;
        self.responses
    }

    pub(super) fn reset(&mut self) {
        *self = Self { responses: self.responses, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elements::types::Collector;

    #[test]
    fn requests_and_responses_are_counted() {
        let mut requests = Requests::default();
        let services = Operation::Api(Collector::Services);
        requests.arrive(services, "a", Duration::from_millis(0));
        requests.arrive(services, "a", Duration::from_millis(900));
        requests.arrive(Operation::Unknown, "b", Duration::from_millis(900));
        assert_eq!(
            (requests.record_response(services, 200), requests.record_response(Operation::Unknown, 404)),
            (1, 2)
        );
        requests.arrive(services, "a", Duration::from_secs(1));
        assert_eq!((requests.total(), requests.of(services)), (4, 3));
        assert_eq!((requests.with_status(200), requests.answered(services, 404)), (1, 0));
        assert_eq!(requests.busiest("a", Duration::from_secs(1)), 2);
        assert_eq!(requests.busiest("a", Duration::from_secs(2)), 3);
        assert_eq!(requests.busiest("nobody", Duration::from_secs(2)), 0);
        requests.reset();
        assert_eq!((requests.total(), requests.record_response(services, 200)), (0, 3));
    }
}
