//! The header `Host` of a request (RFC 9112, section 3.2).
//!
//! If every listener is on a loopback address, only programs of this machine should have access. A web page in a local
//! browser could send requests too, if its own host name resolves to that address (DNS rebinding). Such a request names
//! the page's host, and is refused with 421. With a listener on any other address every name is accepted, because the
//! names that scrapers and probes use are not known.

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Request, StatusCode, Version};
use tokio::net::TcpListener;

use super::external_url::ExternalUrl;

/// The accepted hosts.
#[derive(Debug)]
pub(crate) enum HostCheck {
    Any,
    /// An IP address, `localhost`, or this host.
    Loopback(Option<String>),
}

impl HostCheck {
    pub(crate) fn new(listeners: &[TcpListener], external_url: &ExternalUrl) -> Self {
        let is_loopback = |listener: &TcpListener| {
            listener.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback())
        };
        if listeners.iter().all(is_loopback) {
            Self::Loopback(external_url.host().map(str::to_owned))
        } else {
            Self::Any
        }
    }

    /// The refusal of a request; `None` if its host is accepted.
    pub(crate) fn refuse<B>(&self, request: &Request<B>) -> Option<(StatusCode, &'static str)> {
        let Ok(host) = host_header(request.headers(), request.version()) else {
            return Some((StatusCode::BAD_REQUEST, "a request must have one Host header\n"));
        };
        let Self::Loopback(external) = self else { return None };
        // A URL in the request line outranks the header.
        let host = request.uri().authority().map(Authority::as_str).or(host)?;
        let host = without_port(host);
        let is_known = host.eq_ignore_ascii_case("localhost")
            || host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>().is_ok()
            || external.as_deref().is_some_and(|external| host.eq_ignore_ascii_case(external));
        (!is_known).then_some((
            StatusCode::MISDIRECTED_REQUEST,
            "this exporter listens on a loopback address only: ask for an IP address, localhost or the host of \
             --web.external-url\n",
        ))
    }
}

/// The value of `Host`. Fails if there are several, if it is not text, or if HTTP/1.1 has none.
fn host_header(headers: &HeaderMap, version: Version) -> Result<Option<&str>, ()> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().map(Some).map_err(|_| ()),
        (None, _) if version <= Version::HTTP_10 => Ok(None),
        _ => Err(()),
    }
}

/// `example.com:80` and `[::1]:80` without `:80`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(check: &HostCheck, uri: &str, version: Version, hosts: &[&str]) -> Option<u16> {
        let mut request = Request::get(uri).version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        check.refuse(&request.body(()).unwrap()).map(|(status, _)| status.as_u16())
    }

    #[test]
    fn a_loopback_exporter_answers_to_its_own_names_only() {
        let loopback = HostCheck::Loopback(Some("exporter.example.com".to_owned()));
        let refused = |host: &str| refusal(&loopback, "/metrics", Version::HTTP_11, &[host]);
        for host in [
            "127.0.0.1",
            "127.0.0.1:10120",
            "10.1.2.3:80",
            "[::1]:10120",
            "[::1]",
            "localhost",
            "LOCALHOST:10120",
            "exporter.example.com",
            "Exporter.Example.com:443",
        ] {
            assert_eq!(refused(host), None, "{host}");
            assert_eq!(refusal(&HostCheck::Any, "/metrics", Version::HTTP_11, &[host]), None, "{host}");
        }
        for host in
            ["", ":", "evil.example", "evil.example:10120", "localhost.evil.example", "127.0.0.1.evil.example", "x"]
        {
            assert_eq!(refused(host), Some(421), "{host}");
            assert_eq!(refusal(&HostCheck::Any, "/metrics", Version::HTTP_11, &[host]), None, "{host}");
        }
        let by_url = |uri: &str| refusal(&loopback, uri, Version::HTTP_11, &["localhost"]);
        assert_eq!((by_url("http://evil.example/metrics"), by_url("http://127.0.0.1/metrics")), (Some(421), None));
        assert_eq!(refusal(&HostCheck::Loopback(None), "/", Version::HTTP_11, &["exporter.example.com"]), Some(421));
    }

    #[test]
    fn there_is_one_host_and_http_1_0_needs_none() {
        for check in [HostCheck::Any, HostCheck::Loopback(None)] {
            for (version, hosts, expected) in [
                (Version::HTTP_11, &["localhost", "localhost"][..], Some(400)),
                (Version::HTTP_10, &["localhost", "127.0.0.1"], Some(400)),
                (Version::HTTP_11, &[], Some(400)),
                (Version::HTTP_10, &[], None),
                (Version::HTTP_11, &["localhost"], None),
                (Version::HTTP_10, &["localhost"], None),
            ] {
                assert_eq!(refusal(&check, "/", version, hosts), expected, "{version:?} {hosts:?}");
            }
        }
    }
}
