//! Shares the exporter's own metrics between concurrent scrapes. Gathering and formatting them is the most expensive part
//! of a scrape. Each scrape gets metrics that were gathered after it arrived.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use exposition::{Format, SelfMetrics};
use prometheus::proto::MetricFamily;
use tokio::sync::Mutex;
use tokio::task::JoinError;

use crate::panics::{self, Task};

/// One entry per exposition format.
#[derive(Debug)]
pub(super) struct SelfMetricsCache {
    text: FormatCache,
    openmetrics: FormatCache,
}

#[derive(Debug)]
struct FormatCache {
    /// The number of gatherings that have started.
    begun: AtomicU64,
    /// The result of the last gathering, with its number. Locked while one is in progress.
    last: Mutex<(u64, Arc<SelfMetrics>)>,
}

impl SelfMetricsCache {
    pub(super) fn new() -> Self {
        let [text, openmetrics] = [Format::Text, Format::OpenMetrics].map(|format| FormatCache {
            begun: AtomicU64::new(0),
            last: Mutex::new((0, Arc::new(SelfMetrics::new(format, &[])))),
        });
        Self { text, openmetrics }
    }

    /// Calls `gather` on a blocking thread and encodes its families, or returns what another scrape has gathered since
    /// this was called. Fails if `gather` panics.
    pub(super) async fn get(
        &self,
        format: Format,
        gather: impl FnOnce() -> Vec<MetricFamily> + Send + 'static,
    ) -> Result<Arc<SelfMetrics>, JoinError> {
        let cache = match format {
            Format::Text => &self.text,
            Format::OpenMetrics => &self.openmetrics,
        };
        let before = cache.begun.load(Ordering::SeqCst);
        let mut last = cache.last.lock().await;
        let (number, previous) = &*last;
        if *number > before {
            return Ok(Arc::clone(previous));
        }
        let previous = Arc::clone(previous);
        let number = cache.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let encoded = panics::spawn_blocking(Task::Connection, move || previous.next(&gather())).await?;
        let encoded = Arc::new(encoded);
        *last = (number, Arc::clone(&encoded));
        Ok(encoded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_crowd_shares_what_was_gathered_after_it_came() {
        let (metrics, answered) = (SelfMetricsCache::new(), AtomicU64::new(0));
        let get = async || {
            let own = metrics.get(Format::Text, Vec::new).await.unwrap();
            answered.fetch_add(1, Ordering::Relaxed);
            own
        };
        let (first, second, third) = tokio::join!(get(), get(), get());
        assert!(!Arc::ptr_eq(&first, &second), "the second came after the first had begun");
        assert!(Arc::ptr_eq(&second, &third));
        assert!(!Arc::ptr_eq(&third, &get().await), "who comes later has them gathered anew");
        assert!(metrics.get(Format::Text, || panic!("a test")).await.is_err());
        get().await;
        assert_eq!(answered.load(Ordering::Relaxed), 5);
    }
}
