//! What the exporter says of its state file.

use jiff::Timestamp;
use prometheus::{Gauge, IntCounter, IntGauge, Opts, Registry};

use crate::catalog;

#[derive(Debug)]
pub(super) struct StateCounters {
    last_save: Gauge,
    save_failures: IntCounter,
    restore_successful: IntGauge,
}

impl StateCounters {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counters = Self {
            last_save: Gauge::with_opts(Opts::from(&catalog::STATE_LAST_SAVE))?,
            save_failures: IntCounter::with_opts(Opts::from(&catalog::STATE_SAVE_FAILURES))?,
            restore_successful: IntGauge::with_opts(Opts::from(&catalog::STATE_RESTORE_SUCCESSFUL))?,
        };
        registry.register(Box::new(counters.last_save.clone()))?;
        registry.register(Box::new(counters.save_failures.clone()))?;
        registry.register(Box::new(counters.restore_successful.clone()))?;
        Ok(counters)
    }

    pub(super) fn restored(&self, successfully: bool) {
        self.restore_successful.set(successfully.into());
    }

    pub(super) fn saved(&self, at: Timestamp) {
        self.last_save.set(at.as_millisecond() as f64 / 1000.0);
    }

    pub(super) fn save_failed(&self) {
        self.save_failures.inc();
    }
}
