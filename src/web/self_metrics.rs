//! Shares the exporter's own metrics between concurrent scrapes. Gathering, formatting and compressing them is the most
//! expensive part of a scrape. Each scrape gets metrics that were gathered after it arrived.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use exposition::{Format, SelfMetrics};
use tokio::sync::Mutex;
use tokio::task::JoinError;

use crate::panics::{self, Task};

/// One entry per exposition format.
#[derive(Debug, Default)]
pub(super) struct SelfMetricsCache {
    text: FormatCache,
    openmetrics: FormatCache,
}

#[derive(Debug, Default)]
struct FormatCache {
    /// The number of gatherings that have started.
    begun: AtomicU64,
    /// The result of the last gathering, with its number. Locked while one is in progress.
    last: Mutex<Option<(u64, Arc<SelfMetrics>)>>,
}

impl SelfMetricsCache {
    /// Calls `gather` on a blocking thread, or returns what another scrape has gathered since this was called. Fails if
    /// `gather` panics.
    pub(super) async fn get(
        &self,
        format: Format,
        gather: impl FnOnce() -> SelfMetrics + Send + 'static,
    ) -> Result<Arc<SelfMetrics>, JoinError> {
        let gathering = match format {
            Format::Text => &self.text,
            Format::OpenMetrics => &self.openmetrics,
        };
        let before = gathering.begun.load(Ordering::SeqCst);
        let mut last = gathering.last.lock().await;
        if let Some((number, own)) = &*last
            && *number > before
        {
            return Ok(Arc::clone(own));
        }
        let number = gathering.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let own = Arc::new(panics::spawn_blocking(Task::Connection, gather).await?);
        *last = Some((number, Arc::clone(&own)));
        Ok(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_crowd_shares_what_was_gathered_after_it_came() {
        let (metrics, answered) = (SelfMetricsCache::default(), AtomicU64::new(0));
        let get = async || {
            let own = metrics.get(Format::Text, || SelfMetrics::new(Format::Text, &[])).await.unwrap();
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
