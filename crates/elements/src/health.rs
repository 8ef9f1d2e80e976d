//! Tracks whether requests fail at the moment. This is known long before a query is given up, and is logged once.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;
use tracing::warn;

use super::error::RequestError;
use super::metrics::Operation;
use crate::types::{FailureReason, PartnerName};

/// Log at most one warning in this time. If only some requests fail, every failure is the first after a success.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// The result of the last request.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    reason: Option<FailureReason>,
    /// The message of that failure.
    message: Option<Arc<str>>,
    /// A warning was logged since the last success.
    reported: bool,
    warned: Option<Instant>,
    succeeded_at: Option<Timestamp>,
}

impl Health {
    /// Why the last request failed; `None` if it succeeded.
    pub(super) fn reason(&self) -> Option<FailureReason> {
        self.last().reason
    }

    /// The message of that failure.
    pub(super) fn message(&self) -> Option<Arc<str>> {
        self.last().message.clone()
    }

    /// When a request to the API last succeeded.
    pub(super) fn last_success(&self) -> Option<Timestamp> {
        self.last().succeeded_at
    }

    /// A request to the API succeeded.
    pub(super) fn api_succeeded(&self, now: Timestamp) {
        self.succeeded();
        self.last().succeeded_at = Some(now);
    }

    /// Records a successful request.
    pub(super) fn succeeded(&self) {
        let mut last = self.last();
        (last.reason, last.message, last.reported) = (None, None, false);
    }

    /// Records a failed request. The first failure since a success is logged as a warning if it will be retried;
    /// otherwise the caller logs it.
    pub(super) fn failed(&self, partner: &PartnerName, operation: Operation, failure: &RequestError) {
        if self.note(failure, Instant::now()) {
            let (operation, request_id) = (operation.as_str(), failure.request_id.as_deref());
            warn!(%partner, operation, reason = %failure.reason, request_id, %failure, "request failed, retrying");
        }
    }

    /// Whether to log a warning.
    fn note(&self, failure: &RequestError, now: Instant) -> bool {
        let mut last = self.last();
        (last.reason, last.message) = (Some(failure.reason), Some(failure.message.as_str().into()));
        let quiet = last.warned.is_some_and(|warned| now.duration_since(warned) < LOG_INTERVAL);
        if last.reported || quiet || !failure.is_transient() {
            return false;
        }
        (last.reported, last.warned) = (true, Some(now));
        true
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_after_a_success_is_reported_once() {
        let (health, start) = (Health::default(), Instant::now());
        let note =
            |reason, seconds| health.note(&RequestError::new(reason, "no"), start + Duration::from_secs(seconds));
        assert_eq!(health.reason(), None);
        assert!(note(FailureReason::Connect, 0), "at the start");
        assert!(!note(FailureReason::Timeout, 100), "not again until a success");
        assert_eq!(health.reason(), Some(FailureReason::Timeout));
        health.api_succeeded(Timestamp::UNIX_EPOCH);
        assert_eq!(health.last_success(), Some(Timestamp::UNIX_EPOCH));
        assert_eq!(health.reason(), None);
        assert!(note(FailureReason::Connect, 100));
        health.api_succeeded(Timestamp::UNIX_EPOCH);
        assert_eq!(health.last_success(), Some(Timestamp::UNIX_EPOCH));
        assert!(!note(FailureReason::Connect, 159), "not where every other request fails");
        assert!(!note(FailureReason::Forbidden, 160), "it is not tried again");
        assert_eq!(health.reason(), Some(FailureReason::Forbidden));
        assert!(note(FailureReason::Connect, 161), "it goes on for longer than that");
        assert!(!note(FailureReason::Connect, 300));
    }
}
