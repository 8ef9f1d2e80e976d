//! Request log: counts the requests as they arrive.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::path::Operation;

/// The maximum number of stored arrivals per registration, and of unknown paths; the counters continue beyond it.
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
    /// The maximum number of requests in flight, by client id.
    pub max_concurrent: BTreeMap<String, usize>,
    /// Unknown paths, and how often each was requested.
    pub unknown_paths: Vec<String>,
    in_flight: BTreeMap<String, usize>,
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
}

/// The counter; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestLog(Arc<Mutex<Requests>>);

impl RequestLog {
    /// Records a request; it is in flight until the returned value is dropped.
    pub(super) fn arrive(&self, operation: Operation, path: &str, client_id: &str, at: Duration) -> InFlight {
        let mut requests = self.lock();
        *requests.by_operation.entry(operation).or_default() += 1;
        let arrivals = requests.arrivals.entry(client_id.to_owned()).or_default();
        if arrivals.len() < MAX_ARRIVALS {
            arrivals.push(Arrival { at, operation });
        }
        if operation == Operation::Unknown && requests.unknown_paths.len() < MAX_ARRIVALS {
            requests.unknown_paths.push(path.to_owned());
        }
        let in_flight = requests.in_flight.entry(client_id.to_owned()).or_default();
        *in_flight += 1;
        let in_flight = *in_flight;
        let most = requests.max_concurrent.entry(client_id.to_owned()).or_default();
        *most = in_flight.max(*most);
        InFlight { request_log: self.clone(), operation, client_id: client_id.to_owned() }
    }

    /// The current counts.
    pub(super) fn counts(&self) -> Requests {
        self.lock().clone()
    }

    /// The next response number, from 1.
    pub(super) fn next_answer(&self) -> u64 {
        let mut requests = self.lock();
        requests.responses += 1;
        requests.responses
    }

    /// Resets the counts; requests in flight stay in flight.
    pub(super) fn reset(&self) {
        let mut requests = self.lock();
        *requests = Requests {
            in_flight: std::mem::take(&mut requests.in_flight),
            responses: requests.responses,
            ..Requests::default()
        };
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Requests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request in flight.
#[derive(Debug)]
pub(super) struct InFlight {
    request_log: RequestLog,
    operation: Operation,
    client_id: String,
}

impl InFlight {
    /// Records its response.
    pub(super) fn answered(&self, status: u16) {
        *self.request_log.lock().by_answer.entry((self.operation, status)).or_default() += 1;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(in_flight) = self.request_log.lock().in_flight.get_mut(&self.client_id) {
            *in_flight = in_flight.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elements::types::Collector;

    #[test]
    fn requests_are_counted_while_they_are_under_way_and_after() {
        let request_log = RequestLog::default();
        let services = Operation::Api(Collector::Services);
        let first = request_log.arrive(services, "/", "a", Duration::from_millis(0));
        let second = request_log.arrive(services, "/", "a", Duration::from_millis(900));
        let other = request_log.arrive(Operation::Unknown, "/x", "b", Duration::from_millis(900));
        first.answered(200);
        other.answered(404);
        drop((first, second));
        let third = request_log.arrive(services, "/", "a", Duration::from_secs(1));
        let requests = request_log.counts();
        assert_eq!((requests.total(), requests.of(services)), (4, 3));
        assert_eq!((requests.with_status(200), requests.answered(services, 404)), (1, 0));
        assert_eq!((requests.max_concurrent["a"], requests.max_concurrent["b"]), (2, 1));
        assert_eq!(requests.unknown_paths, ["/x"]);
        assert_eq!(requests.busiest("a", Duration::from_secs(1)), 2);
        assert_eq!(requests.busiest("a", Duration::from_secs(2)), 3);
        assert_eq!(requests.busiest("nobody", Duration::from_secs(2)), 0);
        request_log.reset();
        assert_eq!(request_log.counts().total(), 0);
        drop(third);
    }
}
