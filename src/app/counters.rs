//! What the process says of itself: its configuration and its resources.

use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, IntGauge, Opts, Registry};

use crate::catalog;
use crate::clock::Clock;

/// In a registry of its own.
#[derive(Debug)]
pub(super) struct AppCounters {
    registry: Registry,
}

impl AppCounters {
    /// The configuration that the process started with was loaded just now.
    pub(super) fn new(clock: Clock) -> prometheus::Result<Self> {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let successful = IntGauge::with_opts(Opts::from(&catalog::CONFIG_RELOAD_SUCCESSFUL))?;
        successful.set(1);
        registry.register(Box::new(successful))?;
        let loaded = Gauge::with_opts(Opts::from(&catalog::CONFIG_RELOAD_TIMESTAMP))?;
        loaded.set(clock.now().as_millisecond() as f64 / 1000.0);
        registry.register(Box::new(loaded))?;
        Ok(Self { registry })
    }

    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }
}
