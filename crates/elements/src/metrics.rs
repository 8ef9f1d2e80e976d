//! Metrics of a partner's client, and the gauges that a scrape reads.
//!
//! Every known label combination exists from the start. The gauges compute their values when they are collected, so
//! nothing has to update them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus::core::{Collector as Collect, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};
use tracing::{debug, warn};

use super::auth::Auth;
use super::decode::{Field, Unreadable};
use super::rate_limit::RateLimiter;
use super::redaction::Secrets;
use crate::types::Scope;
use crate::types::{Collector, FailureReason, PartnerName};

/// In seconds; a page of the service list can take minutes.
const BUCKETS: [f64; 11] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];

/// A metric of the client: its name, the labels of every series, and the HELP text.
#[derive(Debug)]
pub struct Metric {
    /// The full name.
    pub name: &'static str,
    /// The labels, `partner` first.
    pub labels: &'static [&'static str],
    /// One or two sentences without line breaks.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($constant:ident = $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $constant: Metric = Metric { name: $name, labels: &[$($label),*], help: $help };
        )*
    };
}

metrics! {
    API_REQUESTS = "avepoint_api_requests_total" ["partner", "operation"]
        "HTTP requests sent, retries included; the operation is the endpoint, or token.";
    API_REQUEST_FAILURES = "avepoint_api_request_failures_total" ["partner", "operation", "reason"]
        "HTTP requests that failed, retried ones included; 404 that means absence is not a failure.";
    API_RETRIES = "avepoint_api_retries_total" ["partner", "operation"]
        "Requests that repeated a failed one.";
    API_THROTTLED = "avepoint_api_throttled" ["partner"]
        "1 while requests of the app registration are paused after a 429, else 0.";
    API_REQUEST_DURATION = "avepoint_api_request_duration_seconds" ["partner", "operation"]
        "Time from sending a request to its complete response or its failure.";
    API_THROTTLED_SECONDS = "avepoint_api_throttled_seconds_total" ["partner"]
        "Time that requests of the app registration were paused after a 429.";
    AUTH_TOKEN_EXPIRATION = "avepoint_auth_token_expiration_timestamp_seconds" ["partner", "scope"]
        "When the last access token of the app registration expires or expired, Unix time; absent before the first.";
    AUTH_TOKEN_REQUESTS = "avepoint_auth_token_requests_total" ["partner", "scope"]
        "Requests for an access token; one is shared by all partners with the same app registration.";
    AUTH_TOKEN_REQUEST_FAILURES = "avepoint_auth_token_request_failures_total" ["partner", "scope", "reason"]
        "Requests for an access token that failed.";
    API_RATE_LIMIT = "avepoint_api_rate_limit_requests_per_second" ["partner"]
        "The current rate limit of all requests of the app registration; lower than configured after a 429, then rising again.";
    UNREADABLE_VALUES = "avepoint_unreadable_values_total" ["partner", "field"]
        "Values of the API that could not be read and were omitted, by field.";
    AUTH_CREDENTIAL_EXPIRATION = "avepoint_auth_credential_expiration_timestamp_seconds" ["partner", "credential"]
        "When the partner's own credential expires, Unix time: notAfter of the certificate, or the configured date of the client secret.";
}

/// The label `operation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// A request to the identity service.
    Token,
    /// A request to an endpoint.
    Query(Collector),
}

impl Operation {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Query(collector) => collector.as_str(),
        }
    }
}

/// The counters and durations of one partner's requests.
#[derive(Debug)]
pub(super) struct ClientMetrics {
    partner: PartnerName,
    requests: IntCounterVec,
    failures: IntCounterVec,
    durations: HistogramVec,
    retries: IntCounterVec,
    token_requests: IntCounterVec,
    token_failures: IntCounterVec,
    unreadable: IntCounterVec,
    /// Finished requests.
    ended: AtomicU64,
    /// Fields for which a warning was logged.
    warned: Mutex<BTreeSet<Field>>,
}

impl ClientMetrics {
    /// Registers all metrics with the value 0, without those of the optional collectors.
    pub(super) fn new(partner: &PartnerName, registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |metric: &Metric| {
            let vec = IntCounterVec::new(opts(metric, partner), variable_labels(metric))?;
            registry.register(Box::new(vec.clone()))?;
            Ok::<_, prometheus::Error>(vec)
        };
        let durations = HistogramOpts::from(opts(&API_REQUEST_DURATION, partner)).buckets(BUCKETS.to_vec());
        let durations = HistogramVec::new(durations, variable_labels(&API_REQUEST_DURATION))?;
        registry.register(Box::new(durations.clone()))?;
        let new = Self {
            partner: partner.clone(),
            requests: counters(&API_REQUESTS)?,
            failures: counters(&API_REQUEST_FAILURES)?,
            durations,
            retries: counters(&API_RETRIES)?,
            token_requests: counters(&AUTH_TOKEN_REQUESTS)?,
            token_failures: counters(&AUTH_TOKEN_REQUEST_FAILURES)?,
            unreadable: counters(&UNREADABLE_VALUES)?,
            ended: AtomicU64::new(0),
            warned: Mutex::default(),
        };
        new.init_labels(Operation::Token);
        for collector in Collector::ALL.into_iter().filter(|collector| !collector.is_optional()) {
            new.init_collector(collector);
        }
        for field in Field::ALL.iter().filter(|field| field.collector().is_none()) {
            new.unreadable.with_label_values(&[field.as_str()]);
        }
        Ok(new)
    }

    /// Creates the metrics of a collector with the value 0, where they do not exist yet.
    pub(super) fn init_collector(&self, collector: Collector) {
        self.init_labels(Operation::Query(collector));
        let scope = collector.endpoint().scope.as_str();
        self.token_requests.with_label_values(&[scope]);
        for reason in FailureReason::ALL {
            self.token_failures.with_label_values(&[scope, reason.as_str()]);
        }
        for field in Field::ALL.iter().filter(|field| field.collector() == Some(collector)) {
            self.unreadable.with_label_values(&[field.as_str()]);
        }
    }

    fn init_labels(&self, operation: Operation) {
        let operation = operation.as_str();
        self.requests.with_label_values(&[operation]);
        self.durations.with_label_values(&[operation]);
        self.retries.with_label_values(&[operation]);
        for reason in FailureReason::ALL {
            self.failures.with_label_values(&[operation, reason.as_str()]);
        }
    }

    /// Records that a request is sent.
    pub(super) fn sent(&self, operation: Operation) {
        self.requests.with_label_values(&[operation.as_str()]).inc();
    }

    /// Records that a token request is sent.
    pub(super) fn token_request_sent(&self, scope: Scope) {
        self.sent(Operation::Token);
        self.token_requests.with_label_values(&[scope.as_str()]).inc();
    }

    /// Records the result of a request.
    pub(super) fn observe(&self, operation: Operation, took: Duration, failed: Option<FailureReason>) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.durations.with_label_values(&[operation.as_str()]).observe(took.as_secs_f64());
        if let Some(reason) = failed {
            self.failures.with_label_values(&[operation.as_str(), reason.as_str()]).inc();
        }
    }

    /// Records the result of a token request.
    pub(super) fn observe_token_request(&self, scope: Scope, took: Duration, failed: Option<FailureReason>) {
        self.observe(Operation::Token, took, failed);
        if let Some(reason) = failed {
            self.token_failures.with_label_values(&[scope.as_str(), reason.as_str()]).inc();
        }
    }

    /// The number of finished requests so far, failed ones included.
    pub(super) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Records a retry.
    pub(super) fn retried(&self, operation: Operation) {
        self.retries.with_label_values(&[operation.as_str()]).inc();
    }

    /// Records values that were omitted from a result. The first one of each field is logged as a warning.
    pub(super) fn record_unreadable(&self, operation: Operation, unreadable: &[Unreadable], secrets: &Secrets) {
        for Unreadable { field, text, count } in unreadable {
            self.unreadable.with_label_values(&[field.as_str()]).inc_by(*count);
            let first = self.warned.lock().insert(*field);
            let (partner, collector) = (&self.partner, operation.as_str());
            // Only a missing id has no text; a text that may contain an address is not logged.
            let text = if text.contains('@') { "<address>".to_owned() } else { secrets.redact(text) };
            if first {
                warn!(%partner, collector, %field, text, count, "a value of the API cannot be read and is omitted");
            } else {
                debug!(%partner, collector, %field, text, count, "a value of the API cannot be read and is omitted");
            }
        }
    }
}

/// The gauges of one partner, computed when they are collected.
pub(super) struct Gauges {
    rate_limiter: RateLimiter,
    auth: Auth,
    throttled: Gauge,
    rate: Gauge,
    /// Locked while the values are updated.
    throttled_seconds: Mutex<Counter>,
    token_expiration: GaugeVec,
    credential_expiration: GaugeVec,
    descriptions: Vec<Desc>,
}

impl Gauges {
    pub(super) fn new(partner: &PartnerName, rate_limiter: RateLimiter, auth: Auth) -> Result<Self, prometheus::Error> {
        let vec = |metric: &Metric| GaugeVec::new(opts(metric, partner), variable_labels(metric));
        let throttled = Gauge::with_opts(opts(&API_THROTTLED, partner))?;
        let rate = Gauge::with_opts(opts(&API_RATE_LIMIT, partner))?;
        let throttled_seconds = Counter::with_opts(opts(&API_THROTTLED_SECONDS, partner))?;
        let token_expiration = vec(&AUTH_TOKEN_EXPIRATION)?;
        let credential_expiration = vec(&AUTH_CREDENTIAL_EXPIRATION)?;
        let collectors: [&dyn Collect; 5] =
            [&throttled, &rate, &throttled_seconds, &token_expiration, &credential_expiration];
        let descriptions = collectors.iter().flat_map(|collector| collector.desc()).cloned().collect();
        let throttled_seconds = Mutex::new(throttled_seconds);
        Ok(Self {
            rate_limiter,
            auth,
            throttled,
            rate,
            throttled_seconds,
            token_expiration,
            credential_expiration,
            descriptions,
        })
    }
}

impl Collect for Gauges {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let seconds = self.throttled_seconds.lock();
        let state = self.rate_limiter.state();
        self.throttled.set(if state.paused_for.is_some() { 1.0 } else { 0.0 });
        self.rate.set(state.rate);
        seconds.inc_by((state.paused_total.as_secs_f64() - seconds.get()).max(0.0));
        for scope in Scope::ALL {
            if let Some(expires) = self.auth.token_expires(scope) {
                self.token_expiration.with_label_values(&[scope.as_str()]).set(unix_seconds(expires));
            }
        }
        if let (credential, Some(expires)) = self.auth.credential_expiration() {
            self.credential_expiration.with_label_values(&[credential]).set(unix_seconds(expires));
        }
        let gauges = [self.throttled.collect(), self.rate.collect(), seconds.collect()];
        let vecs = [self.token_expiration.collect(), self.credential_expiration.collect()];
        gauges.into_iter().chain(vecs).flatten().filter(|family| !family.get_metric().is_empty()).collect()
    }
}

fn unix_seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

/// The options of the metric, with the partner as a constant label.
fn opts(metric: &Metric, partner: &PartnerName) -> Opts {
    Opts::new(metric.name, metric.help).const_label("partner", partner.as_str())
}

fn variable_labels(metric: &Metric) -> &'static [&'static str] {
    match metric.labels {
        ["partner", rest @ ..] => rest,
        labels => labels,
    }
}
