//! Metrics of the process: configuration, resources, panics.

use elements::clock::Clock;
use exposition::registered;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use tokio::runtime::Handle;

use crate::catalog;
use crate::ha::Watcher;
use crate::panics::{self, Task};

/// Clones share the registry and the values.
#[derive(Clone, Debug)]
pub(super) struct AppMetrics {
    registry: Registry,
    reload_successful: IntGauge,
    reloaded_at: Gauge,
    tasks: IntGauge,
    panics: IntCounterVec,
    /// `None` without replicas.
    lease: Option<LeaseMetrics>,
    clock: Clock,
}

/// Metrics of the lease, with its name as the label `lease`.
#[derive(Clone, Debug)]
struct LeaseMetrics {
    name: String,
    watcher: Watcher,
    leading: IntGauge,
    /// Has no series before the first renewal.
    renewed_at: GaugeVec,
    transitions: IntCounter,
}

impl AppMetrics {
    /// Records that the initial configuration was loaded now.
    pub(super) fn new(lease: Option<(&str, Watcher)>, clock: Clock) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let lease = if let Some((name, watcher)) = lease {
            Some(LeaseMetrics::new(name, watcher, &registry)?)
        } else {
            leading(&registry, &[])?.set(1);
            None
        };
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let reload_successful = IntGauge::with_opts(Opts::from(&catalog::CONFIG_RELOAD_SUCCESSFUL))?;
        let panics = IntCounterVec::new(Opts::from(&catalog::PANICS), catalog::PANICS.labels)?;
        let metrics = Self {
            reload_successful: registered(&registry, reload_successful)?,
            reloaded_at: registered(&registry, Gauge::with_opts(Opts::from(&catalog::CONFIG_RELOAD_TIMESTAMP))?)?,
            tasks: registered(&registry, IntGauge::with_opts(Opts::from(&catalog::TASKS))?)?,
            panics: registered(&registry, panics)?,
            registry,
            lease,
            clock,
        };
        metrics.reloaded(true);
        Ok(metrics)
    }

    /// Records whether a reload succeeded.
    pub(super) fn reloaded(&self, successfully: bool) {
        self.reload_successful.set(successfully.into());
        if successfully {
            self.reloaded_at.set(self.clock.wall_now().as_millisecond() as f64 / 1000.0);
        }
    }

    /// The registry, for process metrics of other modules.
    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Gathers the current values. May be called on a thread of the async runtime.
    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        if let Ok(runtime) = Handle::try_current() {
            self.tasks.set(i64::try_from(runtime.metrics().num_alive_tasks()).unwrap_or(i64::MAX));
        }
        if let Some(lease) = &self.lease {
            lease.update(self.clock);
        }
        for task in Task::ALL {
            let counter = self.panics.with_label_values(&[task.as_str()]);
            counter.inc_by(panics::count(task).saturating_sub(counter.get()));
        }
        self.registry.gather()
    }
}

impl LeaseMetrics {
    fn new(name: &str, watcher: Watcher, registry: &Registry) -> prometheus::Result<Self> {
        let renewed_at = GaugeVec::new(Opts::from(&catalog::LEASE_RENEW), catalog::LEASE_RENEW.labels)?;
        let transitions = Opts::from(&catalog::LEASE_TRANSITIONS).const_label("lease", name);
        Ok(Self {
            name: name.to_owned(),
            watcher,
            leading: leading(registry, &[name])?,
            renewed_at: registered(registry, renewed_at)?,
            transitions: registered(registry, IntCounter::with_opts(transitions)?)?,
        })
    }

    fn update(&self, clock: Clock) {
        let seen = self.watcher.leadership();
        self.leading.set(self.watcher.is_leading().into());
        self.transitions.inc_by(seen.transitions.saturating_sub(self.transitions.get()));
        if let Some(at) = seen.renewed_at {
            let at = clock.wall(at).as_millisecond() as f64 / 1000.0;
            self.renewed_at.with_label_values(&[&self.name]).set(at);
        }
    }
}

/// Registers `avepoint_exporter_leading`; its label `lease` exists only with replicas.
fn leading(registry: &Registry, lease: &[&str]) -> prometheus::Result<IntGauge> {
    let labels: &[&str] = if lease.is_empty() { &[] } else { &["lease"] };
    let gauge = registered(registry, IntGaugeVec::new(Opts::from(&catalog::LEADING), labels)?)?;
    Ok(gauge.with_label_values(lease))
}
