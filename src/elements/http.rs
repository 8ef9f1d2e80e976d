//! One HTTP request and its whole answer: connections, TLS, proxies, deadlines and limits.
//!
//! No redirect is followed, so that a token never travels to another host; nothing is repeated behind the back of the
//! budget; the limit on a body counts what it is decompressed.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{DATE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use reqwest::{Certificate, Proxy, Response, StatusCode};
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use super::client::ClientError;
use super::error::Failure;
use super::resolver::Resolver;
use crate::config::{PartnerSettings, read_file};
use crate::domain::FailureReason;

/// A connection is there sooner (or in three quarters of the timeout), or something is wrong on the way to the host.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that nothing used for so long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// What is read of the answer to a failed request.
const ERROR_BODY: usize = 64 * 1024;

/// A limit that fits every answer but the service list's.
pub(super) const USUAL_BODY: usize = 1024 * 1024;
/// The limit of a page of the service list: 160 KiB for each of 100 customers, some 200 rows.
pub(super) const LISTING_BODY: usize = 16 * 1024 * 1024;

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// `Retry-After`, from now.
    pub(super) retry_after: Option<Duration>,
    pub(super) request_id: Option<String>,
    /// Where a redirect points.
    pub(super) redirect: Option<String>,
    /// Of a success: all of it.
    pub(super) body: Vec<u8>,
}

/// The two clients of a partner: for the API and for the identity service.
pub(super) fn clients(settings: &PartnerSettings) -> Result<(reqwest::Client, reqwest::Client), ClientError> {
    // An error means that another one is installed already, which will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let roots = match &settings.ca_file {
        Some(path) => read_roots(path.clone())?,
        None => Vec::new(),
    };
    let api = client(settings, &settings.api_url, &roots)?;
    let token = client(settings, &settings.token_url, &roots)?;
    Ok((api, token))
}

fn client(settings: &PartnerSettings, url: &Url, roots: &[Certificate]) -> Result<reqwest::Client, ClientError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("avepoint_exporter/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .dns_resolver(Resolver::new())
        .connect_timeout(CONNECT_TIMEOUT.min(settings.budget.timeout * 3 / 4))
        .pool_idle_timeout(IDLE_TIMEOUT);
    builder = if url.scheme() == "https" {
        builder.https_only(true).tls_certs_merge(roots.iter().cloned())
    } else {
        // Plain HTTP, to a loopback address: it must work where the system has no roots at all.
        builder.tls_certs_only([])
    };
    builder = match &settings.proxy_url {
        Some(proxy) => builder.proxy(Proxy::all(proxy.clone()).map_err(ClientError::http)?),
        None if is_loopback(url) => builder.no_proxy(),
        None => builder,
    };
    builder.build().map_err(ClientError::http)
}

fn read_roots(path: PathBuf) -> Result<Vec<Certificate>, ClientError> {
    let read = read_file(&path).map_err(|mistake| mistake.to_string());
    let parsed = read.and_then(|pem| Certificate::from_pem_bundle(&pem).map_err(|error| error.to_string()));
    match parsed {
        Ok(roots) if roots.is_empty() => {
            Err(ClientError::CaFile { path, problem: "there is no PEM certificate in it".to_owned() })
        }
        Ok(roots) => Ok(roots),
        Err(problem) => Err(ClientError::CaFile { path, problem }),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// Sends a request to `who` and reads the answer, both before the deadline.
pub(super) async fn exchange(
    who: &str,
    client: &reqwest::Client,
    request: reqwest::Request,
    deadline: Instant,
    limit: usize,
    now: Timestamp,
) -> Result<Reply, Failure> {
    let late = || Failure::new(FailureReason::Timeout, format!("no complete answer in time from {who}"));
    let sent = timeout_at(deadline, client.execute(request)).await.map_err(|_| late())?;
    let mut response = sent.map_err(|error| Failure::from_sending(who, &error))?;
    let headers = response.headers();
    let mut reply = Reply {
        status: response.status(),
        retry_after: retry_after(headers, now),
        request_id: request_id(headers),
        redirect: redirect(&response),
        body: Vec::new(),
    };
    let success = reply.status.is_success();
    let limit = if success { limit } else { ERROR_BODY };
    let read = timeout_at(deadline, read(who, &mut response, limit, &mut reply.body)).await;
    match read.unwrap_or_else(|_| Err(late())) {
        // What a failed request's answer says is worth having; its status is enough.
        Err(failure) if success => Err(Failure { request_id: reply.request_id, ..failure }),
        _ => Ok(reply),
    }
}

async fn read(who: &str, response: &mut Response, limit: usize, body: &mut Vec<u8>) -> Result<(), Failure> {
    while let Some(chunk) = response.chunk().await.map_err(|error| Failure::from_body(who, &error))? {
        if body.len() + chunk.len() > limit {
            let message = format!("the answer of {who} is larger than {} MiB", limit >> 20);
            return Err(Failure::new(FailureReason::TooLarge, message));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(())
}

fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok();
    read_retry_after(text(RETRY_AFTER)?, text(DATE), now)
}

/// The header `Retry-After`: seconds or an HTTP date, which is read against the answer's own `Date`; anything else says
/// nothing.
#[must_use]
pub fn read_retry_after(value: &str, answered: Option<&str>, now: Timestamp) -> Option<Duration> {
    static DATES: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);
    let date = |text: &str| DATES.parse_timestamp(text.trim()).ok();
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let until = date(value)?;
    let from = answered.and_then(date).unwrap_or(now);
    Some(until.duration_since(from).try_into().unwrap_or(Duration::ZERO))
}

/// The id under which the other side knows the request.
fn request_id(headers: &HeaderMap) -> Option<String> {
    const NAMES: [&str; 7] = [
        "x-request-id",
        "request-id",
        "x-ms-request-id",
        "apim-request-id",
        "x-correlation-id",
        "traceparent",
        "cf-ray",
    ];
    let found = |name: &str| headers.get(name)?.to_str().ok().map(str::trim).filter(|id| is_request_id(id));
    NAMES.into_iter().find_map(found).map(str::to_owned)
}

/// Ids go to logs: no spaces, no addresses, nothing long.
fn is_request_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:|-".contains(&byte))
}

fn redirect(response: &Response) -> Option<String> {
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    response.url().join(location).ok()?.host_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn retry_after_comes_in_seconds_or_as_a_date() {
        let now = "1994-11-06T08:49:00Z".parse().unwrap();
        for (value, expected) in [
            ("7", Some(7)),
            (" 120 ", Some(120)),
            ("0", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Mon, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sun, 06 Nov 1994 08:48:00 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            let found = retry_after(&headers(&[("retry-after", value)]), now);
            assert_eq!(found, expected.map(Duration::from_secs), "{value:?}");
        }
        let huge = retry_after(&headers(&[("retry-after", "99999999999999999999999")]), now);
        assert_eq!(huge, Some(Duration::MAX));
        let skewed = [("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), ("date", "Sun, 06 Nov 1994 08:49:30 GMT")];
        assert_eq!(retry_after(&headers(&skewed), now), Some(Duration::from_secs(7)));
    }

    #[test]
    fn the_first_request_id_counts() {
        assert_eq!(request_id(&headers(&[("traceparent", "b"), ("x-request-id", "a")])).as_deref(), Some("a"));
        assert_eq!(request_id(&headers(&[("x-request-id", " "), ("request-id", "c")])).as_deref(), Some("c"));
        assert_eq!(request_id(&HeaderMap::new()), None);
        for id in ["0HN7:00000001", "|7d5e.1_a-b", &"a".repeat(128)] {
            assert_eq!(request_id(&headers(&[("request-id", id)])).as_deref(), Some(id));
        }
        for id in ["anna@example.com", "a b", "a\"b", "a=1", &"a".repeat(129)] {
            assert_eq!(request_id(&headers(&[("request-id", id)])), None, "{id}");
        }
    }

    #[test]
    fn loopback_is_known() {
        for (url, expected) in [
            ("http://127.0.0.1:1/", true),
            ("http://[::1]/", true),
            ("http://localhost/", true),
            ("https://graph.example.com/", false),
            ("https://10.0.0.1/", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), expected, "{url}");
        }
    }
}
