//! `POST /-/reload`: cross-site protection, and at most one reload per second.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use exporter_toolkit::ExternalUrl;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::Reload;

/// Minimum time between the starts of two reloads.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Whether a web page of another site sent the request. Browsers set these headers, other clients do not:
/// `Sec-Fetch-Site` for trustworthy origins (HTTPS or loopback), `Origin` with every POST. `same-site` is refused too,
/// because another host of the same domain is not trusted.
pub(super) fn is_cross_site(headers: &HeaderMap, external_url: &ExternalUrl) -> bool {
    let mut sites = headers.get_all("sec-fetch-site").iter();
    if !sites.all(|site| site == "same-origin" || site == "none") {
        return true;
    }
    let hosts: Vec<_> = headers.get_all(HOST).iter().collect();
    let is_ours = |origin: &str| {
        let Ok(url) = Url::parse(origin) else { return false };
        let is_host = |host: &str| {
            // With the port that the scheme of the origin implies.
            Url::parse(&format!("{}://{host}", url.scheme())).is_ok_and(|ours| ours.origin() == url.origin())
        };
        matches!(url.scheme(), "http" | "https")
            && (external_url.is_origin(&url) || hosts.iter().filter_map(|host| host.to_str().ok()).any(is_host))
    };
    !headers.get_all(ORIGIN).iter().all(|origin| origin.to_str().is_ok_and(is_ours))
}

/// The result of a reload; `None` if the daemon is shutting down.
type Outcome = Option<Result<(), String>>;

/// Coalesces reload requests: concurrent requests, and requests within [`MIN_INTERVAL`] of the last reload, share the next
/// one. A request always gets the result of a reload that started after it.
#[derive(Clone, Debug)]
pub(super) struct Reloader {
    reload: Reload,
    state: Arc<Mutex<ReloadQueue>>,
}

#[derive(Debug, Default)]
struct ReloadQueue {
    waiting: Vec<oneshot::Sender<Outcome>>,
    last: Option<Instant>,
}

impl Reloader {
    pub(super) fn new(reload: Reload) -> Self {
        Self { reload, state: Arc::default() }
    }

    /// Reloads, or waits for the next reload that is already requested. The reload continues if the caller is dropped.
    pub(super) async fn reload(&self) -> Outcome {
        let (reply, outcome) = oneshot::channel();
        let is_first = {
            let mut state = self.state();
            state.waiting.push(reply);
            state.waiting.len() == 1
        };
        if is_first {
            tokio::spawn(self.clone().reload_once());
        }
        outcome.await.ok().flatten()
    }

    async fn reload_once(self) {
        let last = self.state().last;
        if let Some(last) = last {
            sleep_until(last + MIN_INTERVAL).await;
        }
        let waiting = {
            let mut state = self.state();
            state.last = Some(Instant::now());
            std::mem::take(&mut state.waiting)
        };
        let (reply, outcome) = oneshot::channel();
        // One reload at a time: this waits for one in progress.
        let outcome = match self.reload.send(reply).await {
            Ok(()) => outcome.await.ok(),
            Err(_) => None,
        };
        for reply in waiting {
            // The client may have disconnected.
            let _ = reply.send(outcome.clone());
        }
    }

    fn state(&self) -> MutexGuard<'_, ReloadQueue> {
        self.state.lock()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn pages_of_other_sites_may_not_reload() {
        let external = ExternalUrl::new("https://exporter.example.com/x", "").unwrap();
        let is_cross_site = |headers: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for &(name, value) in headers {
                map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            super::is_cross_site(&map, &external)
        };
        let host = ("host", "10.0.0.1:10120");
        for ours in [
            &[host][..],
            &[host, ("sec-fetch-site", "same-origin")],
            &[host, ("sec-fetch-site", "none")],
            &[host, ("origin", "http://10.0.0.1:10120"), ("sec-fetch-site", "same-origin")],
            &[("host", "exporter"), ("origin", "http://exporter")],
            &[("host", "Exporter:80"), ("origin", "http://exporter")],
            // A proxy that passes its own Host.
            &[("host", "127.0.0.1:10120"), ("origin", "https://exporter.example.com")],
        ] {
            assert!(!is_cross_site(ours), "{ours:?}");
        }
        for foreign in [
            &[host, ("sec-fetch-site", "cross-site")][..],
            &[host, ("sec-fetch-site", "same-site")],
            &[host, ("sec-fetch-site", "")],
            &[host, ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
            &[host, ("origin", "null")],
            &[host, ("origin", "")],
            &[host, ("origin", "http://10.0.0.1")],
            &[host, ("origin", "http://10.0.0.1:10121")],
            &[host, ("origin", "https://evil.example")],
            &[host, ("origin", "http://exporter.example.com")],
            &[host, ("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")],
            &[("origin", "http://10.0.0.1:10120")],
        ] {
            assert!(is_cross_site(foreign), "{foreign:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_shares_reloads_and_each_gets_one_that_began_after_it_asked() {
        let (send, mut requests) = mpsc::channel::<oneshot::Sender<Result<(), String>>>(1);
        let reloads = tokio::spawn(async move {
            let mut begun = Vec::new();
            while let Some(reply) = requests.recv().await {
                begun.push(Instant::now());
                reply.send(Err(begun.len().to_string())).unwrap();
            }
            begun
        });
        let reloader = Reloader::new(send);
        let mut asking = tokio::task::JoinSet::new();
        for index in 0..100_u64 {
            let reloader = reloader.clone();
            asking.spawn(async move {
                tokio::time::sleep(Duration::from_millis(index * 25)).await;
                let asked = Instant::now();
                let number: usize = reloader.reload().await.unwrap().unwrap_err().parse().unwrap();
                (asked, number)
            });
        }
        let asked = asking.join_all().await;
        drop(reloader);
        let begun = reloads.await.unwrap();
        assert!(begun.windows(2).all(|two| two[1] - two[0] >= MIN_INTERVAL), "{begun:?}");
        assert!((3..=4).contains(&begun.len()), "{begun:?}");
        assert!(asked.iter().all(|&(asked, number)| begun[number - 1] >= asked));
    }

    #[tokio::test]
    async fn at_the_end_of_the_daemon_nobody_waits() {
        let (send, requests) = mpsc::channel(1);
        drop(requests);
        assert_eq!(Reloader::new(send).reload().await, None);
    }
}
