//! Metrics of the poller.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use elements::types::{Collector, FailureReason, PartnerName};
use exposition::{Family, registered};
use jiff::Timestamp;
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, GaugeVec, IntCounterVec, Opts, Registry};

use crate::catalog;

/// The value while no target is waiting.
const NOTHING_DUE: i64 = i64::MAX;

/// Metrics of one partner, in their own registry, so that they disappear with the partner. Clones share the values.
#[derive(Clone, Debug)]
pub struct PollMetrics {
    registry: Registry,
    polls: IntCounterVec,
    failures: IntCounterVec,
    planned: GaugeVec,
    lag: Gauge,
    up: Gauge,
    /// The earliest due time in the queue, in milliseconds of Unix time.
    head_due: Arc<AtomicI64>,
    partner: PartnerName,
}

impl PollMetrics {
    /// Creates every label combination at the start.
    pub fn new(partner: &PartnerName, enabled: impl IntoIterator<Item = Collector>) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let counters = |family: &Family| registered(&registry, IntCounterVec::new(family.into(), family.labels)?);
        let gauge = |family: &Family| {
            registered(&registry, Gauge::with_opts(Opts::from(family).const_label("partner", partner.as_str()))?)
        };
        let planned = &catalog::COLLECTOR_PLANNED_REQUESTS;
        let metrics = Self {
            polls: counters(&catalog::COLLECTOR_POLLS)?,
            failures: counters(&catalog::COLLECTOR_POLL_FAILURES)?,
            planned: registered(&registry, GaugeVec::new(planned.into(), planned.labels)?)?,
            lag: gauge(&catalog::POLL_LAG)?,
            up: gauge(&catalog::UP)?,
            registry,
            head_due: Arc::new(AtomicI64::new(NOTHING_DUE)),
            partner: partner.clone(),
        };
        for collector in enabled {
            metrics.polls.with_label_values(&[partner.as_str(), collector.as_str()]);
            for reason in FailureReason::ALL {
                metrics.failures.with_label_values(&[partner.as_str(), collector.as_str(), reason.as_str()]);
            }
        }
        Ok(metrics)
    }

    /// Gathers the families as of `now`. `is_up`: whether requests succeed.
    #[must_use]
    pub fn gather(&self, now: Timestamp, is_up: bool) -> Vec<MetricFamily> {
        self.up.set(f64::from(u8::from(is_up)));
        let head_due = self.head_due.load(Ordering::Relaxed);
        let late = if head_due == NOTHING_DUE { 0 } else { now.as_millisecond().saturating_sub(head_due).max(0) };
        self.lag.set(late as f64 / 1000.0);
        self.registry.gather()
    }

    pub(super) fn poll(&self, collector: Collector, failure: Option<FailureReason>) {
        let partner = self.partner.as_str();
        self.polls.with_label_values(&[partner, collector.as_str()]).inc();
        if let Some(reason) = failure {
            self.failures.with_label_values(&[partner, collector.as_str(), reason.as_str()]).inc();
        }
    }

    /// Sets the number of requests per hour that the plan needs.
    pub(super) fn planned(&self, per_hour: &[(Collector, f64)]) {
        for (collector, requests) in per_hour {
            self.planned.with_label_values(&[self.partner.as_str(), collector.as_str()]).set(requests / 3600.0);
        }
    }

    pub(super) fn set_head_due(&self, due: Option<Timestamp>) {
        self.head_due.store(due.map_or(NOTHING_DUE, Timestamp::as_millisecond), Ordering::Relaxed);
    }
}
