//! Sends one query until it succeeds or is given up: token, permit, request, classification, retries.
//!
//! A request takes the token first and the permit second, and holds neither while it waits for anything else. Transient
//! failures are retried after a pause with full jitter, not before `Retry-After`, at most three times and within four
//! timeouts (at most two minutes, at least one timeout). A 429 is retried as often as that time allows, because its
//! pause applies to all requests.

use std::time::Duration;

use backoff::{BackoffBuilder, ExponentialBuilder};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, StatusCode};
use tokio::time::{Instant, timeout_at};
use tracing::debug;
use url::Url;

use super::auth::{AccessToken, Retry};
use super::client::Client;
use super::decode::{Decoded, Malformed};
use super::error::{QueryError, RequestError};
use super::metrics::Operation;
use super::rate_limit::Permit;
use super::redaction::Secrets;
use super::response::{self, Response};
use crate::recording::Exchange;
use crate::types::Scope;
use crate::types::{Collector, FailureReason};

pub(super) const PEER: &str = "the API";
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Pauses between the requests of one query: random, up to 0.5 s, 1 s, 2 s.
const PAUSES: ExponentialBuilder =
    ExponentialBuilder::new().with_min_delay(Duration::from_millis(500)).with_factor(2.0).with_max_times(3);
const MAX_EFFORT: Duration = Duration::from_mins(2);

/// The deadline of a query with its retries: four times the timeout of a request, at most 2 minutes unless one request may
/// take longer.
#[must_use]
pub fn query_deadline(timeout: Duration) -> Duration {
    timeout.saturating_mul(4).min(MAX_EFFORT).max(timeout)
}

/// A request that can be retried.
#[derive(Clone)]
pub(super) struct RequestSpec {
    pub(super) collector: Collector,
    pub(super) method: Method,
    pub(super) url: Url,
    /// Sent as JSON.
    pub(super) body: Option<String>,
    /// The maximum response size, in bytes.
    pub(super) limit: usize,
    /// Whether a 404 is a valid result.
    pub(super) may_be_absent: bool,
    /// Whether a timeout is retried with the same request.
    pub(super) repeats_timeouts: bool,
}

/// Why a call has no response.
pub(super) enum CallError {
    /// A 404, where that is a valid result.
    Absent,
    /// The request itself timed out (not the wait for the rate limiter); it was not retried.
    TimedOut(RequestError),
    /// Anything else, after all retries.
    Failed(RequestError),
}

impl From<CallError> for QueryError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Absent => Self::Absent,
            CallError::TimedOut(failure) | CallError::Failed(failure) => Self::Failed(failure),
        }
    }
}

/// The result of one request.
enum Outcome<T> {
    Answered(T, Duration),
    Absent,
    /// The token was refused: the request may succeed later or with another token.
    Unauthorized(Retry, RequestError),
    Failed {
        failure: RequestError,
        retry_after: Option<Duration>,
    },
}

impl Client {
    /// Sends the call, with retries. Returns the response and the duration of the last request.
    pub(super) async fn request<T>(
        &self,
        call: &RequestSpec,
        mut permit: Option<Permit>,
        decode: impl Fn(&[u8]) -> Result<Decoded<T>, Malformed> + Copy + Send + 'static,
    ) -> Result<(T, Duration), CallError>
    where
        T: Send + 'static,
    {
        let timeout = self.0.timeout;
        let effort = query_deadline(timeout);
        let scope = call.collector.endpoint().scope;
        let mut give_up = None;
        let mut pauses = PAUSES.build();
        let mut repeated = false;
        let mut refused = None;
        let mut last_failure = None;
        loop {
            let ready = match self.ready_until(scope, permit.take(), give_up, effort, last_failure.as_ref()).await {
                Ok((token, permit)) => {
                    if std::mem::replace(&mut repeated, true) {
                        self.0.metrics.retried(Operation::Query(call.collector));
                    }
                    Ok((token, permit))
                }
                Err(failure) => Err(failure),
            };
            // The deadline starts at the first request, not while waiting for the rate limiter.
            let until = *give_up.get_or_insert_with(|| Instant::now() + effort);
            let sent = ready.is_ok();
            let outcome = match ready {
                Ok((token, permit)) => {
                    let deadline = until.min(Instant::now() + timeout);
                    self.send(call, &token, permit, deadline, refused, decode).await
                }
                Err(failure) => Outcome::Failed { failure, retry_after: self.auth_pause(scope) },
            };
            let (failure, retry_after) = match outcome {
                Outcome::Answered(value, took) => return Ok((value, took)),
                Outcome::Absent => return Err(CallError::Absent),
                Outcome::Unauthorized(retry, failure) => {
                    if self.0.clock.instant(retry.at) >= until {
                        return Err(CallError::Failed(failure));
                    }
                    self.0.clock.sleep_until(retry.at).await;
                    (refused, last_failure) = (Some(retry), Some(failure));
                    continue;
                }
                Outcome::Failed { failure, retry_after } => (failure, retry_after),
            };
            if sent && failure.reason == FailureReason::Timeout && !call.repeats_timeouts {
                return Err(CallError::TimedOut(failure));
            }
            let pause = match failure.reason {
                _ if !failure.is_transient() => None,
                FailureReason::Throttled if sent => self.0.rate_limiter.state().paused_for.or(Some(Duration::ZERO)),
                _ => pauses
                    .next()
                    .map(|ceiling| ceiling.mul_f64(1.0 - fastrand::f64()).max(retry_after.unwrap_or_default())),
            };
            let Some(pause) = pause.filter(|&pause| pause < until.saturating_duration_since(Instant::now())) else {
                return Err(CallError::Failed(failure));
            };
            let (operation, request_id) = (call.collector.as_str(), failure.request_id.as_deref());
            debug!(partner = %self.0.partner, operation, reason = %failure.reason, request_id, %failure, "retrying");
            // Requests are paused for all callers until then.
            if !(sent && failure.reason == FailureReason::Throttled) {
                tokio::time::sleep(pause).await;
            }
            last_failure = Some(failure);
        }
    }

    /// [`Self::ready`] with a limit: gives up at `give_up`, or if requests are paused for longer than the whole
    /// `effort`. If there is not enough time for another request, the error is that of the last request, not of the
    /// wait.
    async fn ready_until(
        &self,
        scope: Scope,
        permit: Option<Permit>,
        give_up: Option<Instant>,
        effort: Duration,
        last_failure: Option<&RequestError>,
    ) -> Result<(AccessToken, Permit), RequestError> {
        let left = give_up.map_or(effort, |until| until.saturating_duration_since(Instant::now()));
        let paused = |least| self.0.rate_limiter.state().paused_for.filter(|&wait| wait > least);
        let throttled = |wait: Duration| {
            RequestError::new(
                FailureReason::Throttled,
                format!("{PEER} answered 429, requests are paused for another {wait:.0?}"),
            )
        };
        if let Some(wait) = paused(left) {
            return Err(throttled(wait));
        }
        let Some(until) = give_up else { return self.ready(scope, permit).await };
        timeout_at(until, self.ready(scope, permit)).await.unwrap_or_else(|_| {
            Err(match (paused(Duration::ZERO), last_failure) {
                (Some(wait), _) => throttled(wait),
                (None, Some(failure)) => failure.clone(),
                (None, None) => {
                    RequestError::new(FailureReason::Timeout, "the rate limiter did not allow a request in time")
                }
            })
        })
    }

    /// A token, and a permit that may be used at once. Never waits for one while holding the other.
    async fn ready(&self, scope: Scope, mut held: Option<Permit>) -> Result<(AccessToken, Permit), RequestError> {
        loop {
            if self.0.auth.cached(scope).is_none() {
                held = None;
                self.0.auth.token(scope).await?;
            }
            let mut permit = match held.take() {
                Some(permit) => permit,
                None => self.0.rate_limiter.acquire().await,
            };
            // The wait may have been long: the token may have expired, and requests may be paused.
            let Some(token) = self.0.auth.checkout(scope) else { continue };
            if permit.redeem() {
                return Ok((token, permit));
            }
        }
    }

    fn auth_pause(&self, scope: Scope) -> Option<Duration> {
        let until = self.0.auth.status(scope).paused_until?;
        until.duration_since(self.0.clock.now()).try_into().ok()
    }

    /// Sends one request and classifies its response.
    async fn send<T>(
        &self,
        call: &RequestSpec,
        token: &AccessToken,
        permit: Permit,
        deadline: Instant,
        refused: Option<Retry>,
        decode: impl Fn(&[u8]) -> Result<Decoded<T>, Malformed> + Send + 'static,
    ) -> Outcome<T>
    where
        T: Send + 'static,
    {
        let operation = Operation::Query(call.collector);
        let mut request = Request::new(call.method.clone(), call.url.clone());
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::clone(&token.header));
        request.headers_mut().insert(CONTENT_TYPE, JSON);
        request.headers_mut().insert(ACCEPT, JSON);
        *request.body_mut() = call.body.clone().map(Into::into);

        let (asked, started) = (self.0.clock.now(), Instant::now());
        self.0.metrics.sent(operation);
        let received = self.0.transport.send(request, deadline, call.limit, asked).await;
        let took = started.elapsed();
        if let Some(recorder) = &self.0.registration.recorder {
            recorder.record(&Exchange {
                partner: self.0.partner.as_str(),
                operation: operation.as_str(),
                method: call.method.as_str(),
                url: &call.url,
                request: call.body.as_deref(),
                outcome: response::recorded_outcome(&received),
                took,
            });
        }
        let secrets = self.0.proxy_secrets.and(&token.secret);
        let mut retry_after = None;
        let outcome = match received {
            Ok(response) => {
                let status = response.status;
                self.log(operation, &response, took, &secrets);
                match status {
                    StatusCode::TOO_MANY_REQUESTS => self.0.rate_limiter.throttled(&permit, response.retry_after),
                    _ if !status.is_server_error() => self.0.rate_limiter.succeeded(&permit),
                    _ => retry_after = response.retry_after,
                }
                if status.is_success() {
                    self.0.auth.mark_accepted(call.collector.endpoint().scope, token);
                }
                let request_id = response.request_id.clone();
                let classified = self.classify(call, response, &secrets, decode).await;
                classified.map_err(|failure| RequestError { request_id, ..failure })
            }
            Err(failure) => Err(failure),
        };
        drop(permit);
        let failed = outcome.as_ref().err().map(|failure| failure.reason);
        self.0.metrics.observe(operation, took, failed);
        match outcome {
            Ok(found) => {
                self.0.health.api_succeeded(self.0.clock.now());
                found.map_or(Outcome::Absent, |value| Outcome::Answered(value, took))
            }
            Err(failure) => {
                let failure = failure.without(&secrets);
                self.0.health.failed(&self.0.partner, operation, &failure);
                if failure.reason == FailureReason::Unauthorized
                    && let Some(retry) =
                        self.0.auth.on_unauthorized(call.collector.endpoint().scope, asked, token, refused, &failure)
                {
                    return Outcome::Unauthorized(retry, failure);
                }
                Outcome::Failed { failure, retry_after }
            }
        }
    }

    /// Classifies a response; `None` for a 404 that is a valid result.
    async fn classify<T>(
        &self,
        call: &RequestSpec,
        response: Response,
        secrets: &Secrets,
        decode: impl Fn(&[u8]) -> Result<Decoded<T>, Malformed> + Send + 'static,
    ) -> Result<Option<T>, RequestError>
    where
        T: Send + 'static,
    {
        let Response { status, redirect, body, .. } = response;
        if status == StatusCode::NOT_FOUND && call.may_be_absent {
            return Ok(None);
        }
        if !status.is_success() {
            return Err(RequestError::from_status(PEER, status, redirect.as_deref(), &body, secrets));
        }
        match response::off_thread(body, move |body| decode(&body)).await {
            Ok(Decoded { value, unreadable }) => {
                self.0.metrics.record_unreadable(Operation::Query(call.collector), &unreadable, secrets);
                Ok(Some(value))
            }
            Err(malformed) => {
                let message = format!("{PEER} answered {}: {malformed}", status.as_u16());
                Err(RequestError::new(FailureReason::Malformed, message))
            }
        }
    }

    /// One log line per response, at level debug.
    fn log(&self, operation: Operation, response: &Response, took: Duration, secrets: &Secrets) {
        let request_id = response.request_id.as_deref().filter(|id| !secrets.are_in(id));
        debug!(
            partner = %self.0.partner,
            operation = operation.as_str(),
            status = response.status.as_u16(),
            bytes = response.body.len(),
            duration_ms = took.as_millis(),
            request_id,
            "request answered"
        );
    }
}
