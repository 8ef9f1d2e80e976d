//! HTTP transport to one host: name resolution, TLS, proxies, deadlines, limits.
//!
//! - No redirect is followed, so a token is never sent to another host; nothing is retried without the rate limiter.
//! - All connections are replaced together, by a new HTTP client, which also resolves the name again: after
//!   [`MAX_AGE`], after every request without a complete response, and after several 5xx responses in a row. Requests
//!   in flight on the old connections finish there.
//! - A frozen HTTP/2 connection is detected by PINGs.
//! - Header lines that violate the grammar are tolerated; the size of a body is limited before and after decompression.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use reqwest::header::{ACCEPT_ENCODING, HeaderValue};
use reqwest::{Proxy, Request};
use rustls_pki_types::CertificateDer;
use rustls_platform_verifier::Verifier;
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use super::error::{ClientError, RequestError};
use super::resolver::Resolver;
use super::response::Response;
use crate::config::ClientConfig;
use crate::types::FailureReason;

/// The connect timeout, or three quarters of the request timeout if that is less.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// An idle connection is closed after this.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections are replaced after this, even if they work: the name may have moved to another address.
const MAX_AGE: Duration = Duration::from_mins(5);
/// This many 5xx responses in a row replace the connections; twice as many the next time, until a request succeeds.
const MAX_FAILURES: u32 = 3;
/// The maximum of that doubling.
const MAX_FAILURES_DOUBLED: u32 = 48;
/// hyper's own limit is 100; gateways that add a header per policy exceed it.
const MAX_HEADERS: usize = 1000;
/// The same for HTTP/2, in bytes; hyper's own limit is 16 KiB.
const MAX_HEADER_LIST: u32 = 256 * 1024;

/// Connections to the host of one URL. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub(super) struct Transport(Arc<Inner>);

struct Inner {
    /// The name of the host in messages: `the API`.
    peer: &'static str,
    options: Options,
    connections: Mutex<Connections>,
}

/// The options of every new HTTP client. The system's certificates are read once, not per client.
struct Options {
    tls: rustls::ClientConfig,
    https_only: bool,
    proxy: Option<Url>,
    no_proxy: bool,
    /// `host:port` of the proxy that requests use, from the configuration or the environment.
    proxy_name: Option<String>,
    timeout: Duration,
    resolver: Resolver,
}

/// The current HTTP client, which owns its connections.
struct Connections {
    client: reqwest::Client,
    /// The number of clients that were built.
    generation: u64,
    created: Instant,
    /// 5xx responses since the last success.
    failures: u32,
    max_failures: u32,
}

impl Transport {
    /// Prepares connections to the host of `url`; `peer` is its name in messages. Does not connect yet.
    pub(super) fn new(
        peer: &'static str,
        config: &ClientConfig,
        url: &Url,
        resolver: Resolver,
    ) -> Result<Self, ClientError> {
        let no_proxy = config.proxy_url.is_none() && is_loopback(url);
        let options = Options {
            tls: tls(url, &config.extra_roots)?,
            https_only: url.scheme() == "https",
            proxy: config.proxy_url.clone(),
            no_proxy,
            proxy_name: if no_proxy { None } else { proxy_name(config.proxy_url.as_ref(), url) },
            timeout: config.budget.timeout,
            resolver,
        };
        let connections = Connections {
            client: options.client().map_err(ClientError::http)?,
            generation: 0,
            created: Instant::now(),
            failures: 0,
            max_failures: MAX_FAILURES,
        };
        Ok(Self(Arc::new(Inner { peer, options, connections: Mutex::new(connections) })))
    }

    /// Sends a request and reads the whole response, both before `deadline`. `limit` is the maximum body size in bytes,
    /// compressed and decompressed. A `Retry-After` date is compared with `now` if the response has no `Date`.
    pub(super) async fn send(
        &self,
        mut request: Request,
        deadline: Instant,
        limit: usize,
        now: Timestamp,
    ) -> Result<Response, RequestError> {
        let (client, generation) = self.client();
        let peer = self.0.peer;
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let late = || RequestError::new(FailureReason::Timeout, format!("no complete response in time from {peer}"));
        let proxy = self.0.options.proxy_name.as_deref();
        let outcome = match timeout_at(deadline, client.execute(request)).await {
            Err(_) => Err(late()),
            Ok(Err(error)) => Err(RequestError::from_sending(peer, proxy, &error)),
            Ok(Ok(response)) => Response::read(peer, response, deadline, limit, now).await,
        };
        match outcome {
            Ok(read) => {
                self.record(generation, read.complete, read.response.status.is_server_error());
                Ok(read.response)
            }
            Err(failure) => {
                self.record(generation, failure.reason == FailureReason::TooLarge, false);
                Err(failure)
            }
        }
    }

    /// The current HTTP client.
    fn client(&self) -> (reqwest::Client, u64) {
        let mut connections = self.connections();
        if connections.created.elapsed() >= MAX_AGE {
            connections.replace(&self.0.options);
        }
        (connections.client.clone(), connections.generation)
    }

    /// Records how a request of the client `generation` ended; `complete`: its connection may be reused.
    fn record(&self, generation: u64, complete: bool, server_error: bool) {
        let mut connections = self.connections();
        if connections.generation != generation {
            return;
        }
        if !complete {
            connections.replace(&self.0.options);
        } else if server_error {
            connections.failures += 1;
            if connections.failures >= connections.max_failures {
                connections.max_failures = (connections.max_failures * 2).min(MAX_FAILURES_DOUBLED);
                connections.replace(&self.0.options);
            }
        } else {
            (connections.failures, connections.max_failures) = (0, MAX_FAILURES);
        }
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.0.connections.lock()
    }
}

/// Without the proxy's URL, which may contain a password.
impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("peer", &self.0.peer).finish_non_exhaustive()
    }
}

impl Connections {
    /// Builds a new client with new connections. The old ones close when their requests have ended.
    fn replace(&mut self, options: &Options) {
        // The same options worked before; if the build fails now, the old client stays.
        if let Ok(client) = options.client() {
            self.client = client;
        }
        self.generation += 1;
        self.created = Instant::now();
        self.failures = 0;
    }
}

impl Options {
    fn client(&self) -> Result<reqwest::Client, reqwest::Error> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("avepoint_exporter/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .dns_resolver(self.resolver.clone())
            .tls_backend_preconfigured(self.tls.clone())
            .https_only(self.https_only)
            .connect_timeout(CONNECT_TIMEOUT.min(self.timeout * 3 / 4))
            .pool_idle_timeout(IDLE_TIMEOUT)
            .http1_max_headers(MAX_HEADERS)
            .http1_ignore_invalid_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http2_max_header_list_size(MAX_HEADER_LIST)
            // A connection that does not answer PINGs is closed before its request times out.
            .http2_keep_alive_interval(self.timeout / 4)
            .http2_keep_alive_timeout(self.timeout / 4);
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(Proxy::all(proxy.clone())?);
        } else if self.no_proxy {
            builder = builder.no_proxy();
        }
        builder.build()
    }
}

/// The system's roots and these; none for plain HTTP, which must work on systems without roots.
fn tls(url: &Url, roots: &[CertificateDer<'static>]) -> Result<rustls::ClientConfig, ClientError> {
    let problem = |error: rustls::Error| ClientError::Http(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(problem)?;
    let mut config = if url.scheme() == "https" {
        let verifier = Verifier::new_with_extra_roots(roots.iter().cloned(), provider).map_err(problem)?;
        builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
    } else {
        builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// `host:port` of the proxy for this URL: from the configuration or the environment.
fn proxy_name(configured: Option<&Url>, url: &Url) -> Option<String> {
    if let Some(proxy) = configured {
        let port = proxy.port_or_known_default().map(|port| format!(":{port}")).unwrap_or_default();
        return Some(format!("{}{port}", proxy.host_str()?));
    }
    let proxy = Matcher::from_system().intercept(&url.as_str().parse::<Uri>().ok()?)?;
    let port = proxy.uri().port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}{port}", proxy.uri().host()?))
}

/// Whether the host is a loopback address or `localhost`. A name below `localhost` is not: resolvers may ask a DNS
/// server for it.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_and_localhost_are_loopback() {
        for (url, expected) in [
            ("http://127.0.0.1:1/", true),
            ("http://127.8.9.1", true),
            ("http://[::1]:8080/base/", true),
            ("http://localhost", true),
            ("https://LOCALHOST:1/", true),
            ("http://api.localhost", false),
            ("http://localhost.example.com", false),
            ("http://127.0.0.1.example.com", false),
            ("http://0.0.0.0", false),
            ("http://[::]", false),
            ("https://10.0.0.1/", false),
            ("https://graph.example.com/", false),
            ("data:text/plain,localhost", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn a_proxy_is_named_without_its_password() {
        let api = "https://graph.example.com/".parse().unwrap();
        for (proxy, name) in [
            ("http://proxy.example.com:3128", "proxy.example.com:3128"),
            ("http://bob:hunter2@proxy.example.com/", "proxy.example.com:80"),
            ("https://[fd00::1]", "[fd00::1]:443"),
        ] {
            assert_eq!(proxy_name(Some(&proxy.parse().unwrap()), &api).as_deref(), Some(name));
        }
    }
}
