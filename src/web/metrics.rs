//! Metrics of the web server: build information, scrapes and series.

use prometheus::core::Collector as _;
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntGauge, IntGaugeVec, Opts, Registry};

use crate::catalog;

/// The registry has the build information only: each scrape reports its own number of scrapes and series.
#[derive(Clone, Debug)]
pub(super) struct WebMetrics {
    registry: Registry,
    scrapes: IntCounter,
    series: IntGauge,
}

impl WebMetrics {
    /// Fails only if the catalogue has an invalid name.
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

    /// Counts a scrape with this many series of the inventory, and returns the families that belong to this scrape only.
    #[must_use]
    pub(super) fn scraped(&self, series: u64) -> Vec<MetricFamily> {
        self.scrapes.inc();
        self.series.set(i64::try_from(series).unwrap_or(i64::MAX));
        [self.series.collect(), self.scrapes.collect()].concat()
    }

    /// The families that concurrent scrapes may share.
    #[must_use]
    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }
}
