//! Metrics of the process: configuration, resources, panics.

use elements::clock::Clock;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, IntCounterVec, IntGauge, Opts, Registry};
use tokio::runtime::Handle;

use crate::catalog;
use crate::panics::{self, Task};

/// In its own registry. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct AppMetrics {
    registry: Registry,
    reload_successful: IntGauge,
    reloaded_at: Gauge,
    tasks: IntGauge,
    panics: IntCounterVec,
    clock: Clock,
}

impl AppMetrics {
    /// Records that the initial configuration was loaded now.
    pub(super) fn new(clock: Clock) -> prometheus::Result<Self> {
        let counters = Self {
            registry: Registry::new(),
            reload_successful: IntGauge::with_opts(Opts::from(&catalog::CONFIG_RELOAD_SUCCESSFUL))?,
            reloaded_at: Gauge::with_opts(Opts::from(&catalog::CONFIG_RELOAD_TIMESTAMP))?,
            tasks: IntGauge::with_opts(Opts::from(&catalog::TASKS))?,
            panics: IntCounterVec::new(Opts::from(&catalog::PANICS), catalog::PANICS.labels)?,
            clock,
        };
        counters.registry.register(Box::new(ProcessCollector::for_self()))?;
        counters.registry.register(Box::new(counters.reload_successful.clone()))?;
        counters.registry.register(Box::new(counters.reloaded_at.clone()))?;
        counters.registry.register(Box::new(counters.tasks.clone()))?;
        let leading = IntGauge::with_opts(Opts::from(&catalog::LEADING))?;
        leading.set(1);
        counters.registry.register(Box::new(leading))?;
        counters.registry.register(Box::new(counters.panics.clone()))?;
        counters.reloaded(true);
        Ok(counters)
    }

    /// Records whether a reload succeeded.
    pub(super) fn reloaded(&self, successfully: bool) {
        self.reload_successful.set(successfully.into());
        if successfully {
            self.reloaded_at.set(self.clock.wall_now().as_millisecond() as f64 / 1000.0);
        }
    }

    /// For further metrics of the process.
    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Gathers the current values. May be called on a thread of the async runtime.
    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        if let Ok(runtime) = Handle::try_current() {
            self.tasks.set(i64::try_from(runtime.metrics().num_alive_tasks()).unwrap_or(i64::MAX));
        }
        for task in Task::ALL {
            let counter = self.panics.with_label_values(&[task.as_str()]);
            counter.inc_by(panics::count(task).saturating_sub(counter.get()));
        }
        self.registry.gather()
    }
}
