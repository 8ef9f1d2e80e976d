//! What the process says of itself: its configuration and its resources.

use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, IntGauge, Opts, Registry};
use tokio::runtime::Handle;

use crate::catalog;
use crate::clock::Clock;

/// In a registry of its own. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct AppCounters {
    registry: Registry,
    reload_successful: IntGauge,
    reloaded_at: Gauge,
    tasks: IntGauge,
    clock: Clock,
}

impl AppCounters {
    /// The configuration that the process started with was loaded just now.
    pub(super) fn new(clock: Clock) -> prometheus::Result<Self> {
        let counters = Self {
            registry: Registry::new(),
            reload_successful: IntGauge::with_opts(Opts::from(&catalog::CONFIG_RELOAD_SUCCESSFUL))?,
            reloaded_at: Gauge::with_opts(Opts::from(&catalog::CONFIG_RELOAD_TIMESTAMP))?,
            tasks: IntGauge::with_opts(Opts::from(&catalog::TASKS))?,
            clock,
        };
        counters.registry.register(Box::new(ProcessCollector::for_self()))?;
        counters.registry.register(Box::new(counters.reload_successful.clone()))?;
        counters.registry.register(Box::new(counters.reloaded_at.clone()))?;
        counters.registry.register(Box::new(counters.tasks.clone()))?;
        counters.reloaded(true);
        Ok(counters)
    }

    /// The configuration was loaded, or could not be.
    pub(super) fn reloaded(&self, successfully: bool) {
        self.reload_successful.set(successfully.into());
        if successfully {
            self.reloaded_at.set(self.clock.wall_now().as_millisecond() as f64 / 1000.0);
        }
    }

    /// For what else the process says of itself.
    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// As they are now, on a thread of the runtime.
    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        if let Ok(runtime) = Handle::try_current() {
            self.tasks.set(i64::try_from(runtime.metrics().num_alive_tasks()).unwrap_or(i64::MAX));
        }
        self.registry.gather()
    }
}
