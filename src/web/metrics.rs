//! What this room counts of itself, in a registry of its own.

use prometheus::core::Collector as _;
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntGauge, IntGaugeVec, Opts, Registry};

use crate::catalog;

/// The build; and the scrapes answered and the series served, which are not in the registry: each scrape has its own.
#[derive(Clone, Debug)]
pub(super) struct Counters {
    registry: Registry,
    scrapes: IntCounter,
    series: IntGauge,
}

impl Counters {
    /// All at 0. Fails only if a name of the catalogue is none to Prometheus.
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let scrapes = IntCounter::with_opts(Opts::from(&catalog::SCRAPES))?;
        let series = IntGauge::with_opts(Opts::from(&catalog::SERIES))?;
        let build = IntGaugeVec::new(Opts::from(&catalog::BUILD_INFO), catalog::BUILD_INFO.labels)?;
        let labels = [env!("CARGO_PKG_VERSION"), env!("AVEPOINT_EXPORTER_REVISION"), env!("AVEPOINT_EXPORTER_RUSTC")];
        build.get_metric_with_label_values(&labels)?.set(1);
        registry.register(Box::new(build))?;
        Ok(Self { registry, scrapes, series })
    }

    /// A scrape is being answered with that many series from the inventory; what it says of itself.
    #[must_use]
    pub(super) fn scraped(&self, series: u64) -> Vec<MetricFamily> {
        self.scrapes.inc();
        self.series.set(i64::try_from(series).unwrap_or(i64::MAX));
        [self.series.collect(), self.scrapes.collect()].concat()
    }

    /// What scrapes may share.
    #[must_use]
    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }
}
