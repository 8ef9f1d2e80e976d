//! Metrics of the state file.

use exposition::registered;
use jiff::Timestamp;
use prometheus::{Gauge, IntCounter, IntGauge, Opts, Registry};

use crate::catalog;

/// Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub(in crate::app) struct StateMetrics {
    last_save: Gauge,
    save_failures: IntCounter,
    restore_successful: IntGauge,
}

impl StateMetrics {
    pub(in crate::app) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let restore_successful = IntGauge::with_opts(Opts::from(&catalog::STATE_RESTORE_SUCCESSFUL))?;
        Ok(Self {
            last_save: registered(registry, Gauge::with_opts(Opts::from(&catalog::STATE_LAST_SAVE))?)?,
            save_failures: registered(registry, IntCounter::with_opts(Opts::from(&catalog::STATE_SAVE_FAILURES))?)?,
            restore_successful: registered(registry, restore_successful)?,
        })
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
