//! One question until there is an answer: token, place in the budget, request, judgement, and again where that helps.
//!
//! A request takes the token first and its place in the budget second, and holds neither while it waits for anything
//! else. What is transient is repeated after a pause with full jitter, not before `Retry-After`, three times at most and
//! within four timeouts (at most two minutes, at least one timeout). A 429 is repeated as often as that time allows: the
//! gate that it closes is the pause.

use std::time::Duration;

use backoff::{BackoffBuilder, ExponentialBuilder};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, StatusCode};
use tokio::time::{Instant, timeout_at};
use tracing::debug;
use url::Url;

use super::auth::{AccessToken, Renewal};
use super::budget::Admission;
use super::client::Client;
use super::counters::Operation;
use super::decode::{Decoded, Malformed};
use super::error::{AskError, Failure};
use super::redaction::holds_secret;
use super::response::{self, Response};
use crate::domain::{Collector, FailureReason};

pub(super) const WHO: &str = "the API";
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Pauses between the requests of one question: random, up to 0.5 s, 1 s, 2 s.
const PAUSES: ExponentialBuilder =
    ExponentialBuilder::new().with_min_delay(Duration::from_millis(500)).with_factor(2.0).with_max_times(3);
const LONGEST_EFFORT: Duration = Duration::from_mins(2);

/// A request that can be repeated.
pub(super) struct RequestSpec {
    pub(super) collector: Collector,
    pub(super) method: Method,
    pub(super) url: Url,
    /// Sent as JSON.
    pub(super) body: Option<String>,
    /// The largest answer, in bytes.
    pub(super) limit: usize,
    /// 404 is an answer.
    pub(super) may_be_absent: bool,
    /// Whether what timed out is worth the same request again.
    pub(super) repeats_timeouts: bool,
}

/// Why a call has no answer.
pub(super) enum CallError {
    /// 404, where that is an answer.
    Absent,
    /// The request itself took too long, not the wait for the rate limiter; it was not repeated.
    TimedOut(Failure),
    /// Anything else, after all repetitions.
    Failed(Failure),
}

impl From<CallError> for AskError {
    fn from(unanswered: CallError) -> Self {
        match unanswered {
            CallError::Absent => Self::Absent,
            CallError::TimedOut(failure) | CallError::Failed(failure) => Self::Failed(failure),
        }
    }
}

/// What one request came to.
enum Outcome<T> {
    Answered(T, Duration),
    Absent,
    /// The token was refused; a new one may help.
    Unauthorized(Renewal, Failure),
    Failed {
        failure: Failure,
        retry_after: Option<Duration>,
    },
}

impl Client {
    /// Sends the call, and sends it again where that helps, until there is an answer; says how long that one took.
    pub(super) async fn request<T>(
        &self,
        call: &RequestSpec,
        mut admission: Option<Admission>,
        decode: impl Fn(&[u8]) -> Result<Decoded<T>, Malformed> + Copy + Send + 'static,
    ) -> Result<(T, Duration), CallError>
    where
        T: Send + 'static,
    {
        let timeout = self.0.timeout;
        let effort = timeout.saturating_mul(4).min(LONGEST_EFFORT).max(timeout);
        let mut give_up = None;
        let mut pauses = PAUSES.build();
        let mut repeated = false;
        let mut renewed = None;
        let mut last_failure = None;
        loop {
            let ready = match self.ready_until(admission.take(), give_up, effort, last_failure.as_ref()).await {
                Ok((token, admission)) => {
                    if std::mem::replace(&mut repeated, true) {
                        self.0.counters.retried(Operation::Ask(call.collector));
                    }
                    Ok((token, admission))
                }
                Err(failure) => Err(failure),
            };
            // The way to the first request may be as long as the budget makes it.
            let until = *give_up.get_or_insert_with(|| Instant::now() + effort);
            let sent = ready.is_ok();
            let outcome = match ready {
                Ok((token, admission)) => {
                    let deadline = until.min(Instant::now() + timeout);
                    self.send(call, &token, admission, deadline, renewed, decode).await
                }
                Err(failure) => Outcome::Failed { failure, retry_after: self.auth_pause() },
            };
            let (failure, retry_after) = match outcome {
                Outcome::Answered(value, took) => return Ok((value, took)),
                Outcome::Absent => return Err(CallError::Absent),
                Outcome::Unauthorized(renewal, failure) => {
                    (renewed, last_failure) = (Some(renewal), Some(failure));
                    continue;
                }
                Outcome::Failed { failure, retry_after } => (failure, retry_after),
            };
            if sent && failure.reason == FailureReason::Timeout && !call.repeats_timeouts {
                return Err(CallError::TimedOut(failure));
            }
            let pause = match failure.reason {
                _ if !failure.is_transient() => None,
                FailureReason::Throttled if sent => self.0.gate.state().closed_for.or(Some(Duration::ZERO)),
                _ => pauses
                    .next()
                    .map(|ceiling| ceiling.mul_f64(1.0 - fastrand::f64()).max(retry_after.unwrap_or_default())),
            };
            let Some(pause) = pause.filter(|&pause| pause < until.saturating_duration_since(Instant::now())) else {
                return Err(CallError::Failed(failure));
            };
            let (operation, request_id) = (call.collector.as_str(), failure.request_id.as_deref());
            debug!(partner = %self.0.partner, operation, reason = %failure.reason, request_id, %failure, "asking again");
            // The gate is closed for everybody, and opens by itself.
            if !(sent && failure.reason == FailureReason::Throttled) {
                tokio::time::sleep(pause).await;
            }
            last_failure = Some(failure);
        }
    }

    /// [`Self::ready`], unless that takes until `give_up`, or the gate is closed for longer than the whole `effort`. Where
    /// there is no room to send again in time, what failed is the last request, not the waiting.
    async fn ready_until(
        &self,
        admission: Option<Admission>,
        give_up: Option<Instant>,
        effort: Duration,
        last_failure: Option<&Failure>,
    ) -> Result<(AccessToken, Admission), Failure> {
        let left = give_up.map_or(effort, |until| until.saturating_duration_since(Instant::now()));
        let closed = |least| self.0.gate.state().closed_for.filter(|&wait| wait > least);
        let throttled = |wait: Duration| {
            Failure::new(FailureReason::Throttled, format!("{WHO} answered 429, no request for another {wait:.0?}"))
        };
        if let Some(wait) = closed(left) {
            return Err(throttled(wait));
        }
        let Some(until) = give_up else { return self.ready(admission).await };
        timeout_at(until, self.ready(admission)).await.unwrap_or_else(|_| {
            Err(match (closed(Duration::ZERO), last_failure) {
                (Some(wait), _) => throttled(wait),
                (None, Some(failure)) => failure.clone(),
                (None, None) => Failure::new(FailureReason::Timeout, "there was no room in the budget to ask in time"),
            })
        })
    }

    /// A token, and an admission that may be used at once. Never waits for one while it holds the other's place.
    async fn ready(&self, mut held: Option<Admission>) -> Result<(AccessToken, Admission), Failure> {
        loop {
            let token = if let Some(token) = self.0.auth.at_hand() {
                token
            } else {
                held = None;
                self.0.auth.token().await?
            };
            let mut admission = match held.take() {
                Some(admission) => admission,
                None => self.0.gate.admit().await,
            };
            // It may have taken long: there may be a newer token, and the gate may have closed.
            let token = self.0.auth.at_hand().unwrap_or(token);
            if admission.send() {
                return Ok((token, admission));
            }
        }
    }

    fn auth_pause(&self) -> Option<Duration> {
        let until = self.0.auth.status().paused_until?;
        until.duration_since(self.0.clock.now()).try_into().ok()
    }

    /// Sends one request and judges its answer.
    async fn send<T>(
        &self,
        call: &RequestSpec,
        token: &AccessToken,
        admission: Admission,
        deadline: Instant,
        renewed: Option<Renewal>,
        decode: impl Fn(&[u8]) -> Result<Decoded<T>, Malformed> + Send + 'static,
    ) -> Outcome<T>
    where
        T: Send + 'static,
    {
        let operation = Operation::Ask(call.collector);
        let mut request = Request::new(call.method.clone(), call.url.clone());
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::clone(&token.header));
        request.headers_mut().insert(CONTENT_TYPE, JSON);
        request.headers_mut().insert(ACCEPT, JSON);
        *request.body_mut() = call.body.clone().map(Into::into);

        let started = Instant::now();
        self.0.counters.sent(operation);
        let received = self.0.transport.send(request, deadline, call.limit, self.0.clock.now()).await;
        let took = started.elapsed();
        let secrets = self.0.proxy_secrets.and(token.expose());
        let mut retry_after = None;
        let outcome = match received {
            Ok(response) => {
                let status = response.status;
                self.log(operation, &response, took, &secrets);
                match status {
                    StatusCode::TOO_MANY_REQUESTS => self.0.gate.throttled(&admission, response.retry_after),
                    _ if !status.is_server_error() => self.0.gate.succeeded(&admission),
                    _ => retry_after = response.retry_after,
                }
                if status.is_success() {
                    self.0.auth.proven(token);
                }
                let request_id = response.request_id.clone();
                let judged = self.judge(call, response, &secrets, decode).await;
                judged.map_err(|failure| Failure { request_id, ..failure })
            }
            Err(failure) => Err(failure),
        };
        drop(admission);
        let failed = outcome.as_ref().err().map(|failure| failure.reason);
        self.0.counters.answered(operation, took, failed);
        match outcome {
            Ok(answer) => {
                self.0.health.succeeded();
                answer.map_or(Outcome::Absent, |value| Outcome::Answered(value, took))
            }
            Err(failure) => {
                let failure = failure.without(&secrets);
                self.0.health.failed(&self.0.partner, operation, &failure);
                if failure.reason == FailureReason::Unauthorized
                    && let Some(renewal) = self.0.auth.refused(token, renewed, &failure)
                {
                    return Outcome::Unauthorized(renewal, failure);
                }
                Outcome::Failed { failure, retry_after }
            }
        }
    }

    /// What an answer says; `None` for a 404 that is an answer.
    async fn judge<T>(
        &self,
        call: &RequestSpec,
        response: Response,
        secrets: &[&str],
        decode: impl Fn(&[u8]) -> Result<Decoded<T>, Malformed> + Send + 'static,
    ) -> Result<Option<T>, Failure>
    where
        T: Send + 'static,
    {
        let Response { status, redirect, body, .. } = response;
        if status == StatusCode::NOT_FOUND && call.may_be_absent {
            return Ok(None);
        }
        if !status.is_success() {
            return Err(Failure::from_status(WHO, status, redirect.as_deref(), &body, secrets));
        }
        match response::off_thread(body, move |body| decode(&body)).await {
            Ok(Decoded { value, unreadable }) => {
                self.0.counters.left_out(Operation::Ask(call.collector), &unreadable);
                Ok(Some(value))
            }
            Err(malformed) => {
                let message = format!("{WHO} answered {}: {malformed}", status.as_u16());
                Err(Failure::new(FailureReason::Malformed, message))
            }
        }
    }

    /// One line for each answer, at level debug.
    fn log(&self, operation: Operation, response: &Response, took: Duration, secrets: &[&str]) {
        let request_id = response.request_id.as_deref().filter(|id| !holds_secret(id, secrets));
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
