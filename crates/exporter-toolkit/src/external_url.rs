//! `--web.external-url` and `--web.route-prefix`, as Prometheus has them: everything is under one path, and `/` redirects
//! there. The links of the pages are relative, so no other module depends on the prefix.

use axum::Router;
use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::routing::{MethodRouter, any};
use url::Url;

/// The URL at which clients reach the exporter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExternalUrl {
    /// Scheme, host and port, if there are any.
    url: Option<Url>,
    /// A path such as `/avepoint`, or empty.
    route_prefix: String,
}

/// Which flag is invalid, with its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExternalUrlError {
    /// `--web.external-url`
    #[error(
        "--web.external-url={0}: write a URL such as https://example.com/avepoint, without a query, its path of letters, \
         digits and -_.~/"
    )]
    ExternalUrl(String),
    /// `--web.route-prefix`
    #[error("--web.route-prefix={0}: write a path such as /avepoint, of letters, digits and -_.~/")]
    RoutePrefix(String),
}

impl ExternalUrl {
    /// Parses the two flags; each may be empty. The external URL is absolute or only a path. Without a route prefix,
    /// the path of the external URL is the prefix.
    pub fn new(external_url: &str, route_prefix: &str) -> Result<Self, ExternalUrlError> {
        let (url, path) =
            read_external_url(external_url).ok_or_else(|| ExternalUrlError::ExternalUrl(external_url.to_owned()))?;
        if route_prefix.is_empty() {
            return Ok(Self { url, route_prefix: path });
        }
        let route_prefix =
            plain_path(route_prefix).ok_or_else(|| ExternalUrlError::RoutePrefix(route_prefix.to_owned()))?;
        Ok(Self { url, route_prefix })
    }

    /// The path prefix of all routes: empty, or a path without a trailing slash.
    #[must_use]
    pub fn route_prefix(&self) -> &str {
        &self.route_prefix
    }

    /// The host of the external URL, without the port.
    pub(crate) fn host(&self) -> Option<&str> {
        self.url.as_ref()?.host_str()
    }

    /// Whether an `Origin` is that of the external URL.
    #[must_use]
    pub fn is_origin(&self, origin: &Url) -> bool {
        self.url.as_ref().is_some_and(|url| url.origin() == origin.origin())
    }

    /// Nests the routes under the prefix. Redirects are relative, so that they work behind a proxy that adds a prefix.
    pub fn nest(&self, pages: Router) -> Router {
        let prefix = &self.route_prefix;
        let Some((_, last)) = prefix.rsplit_once('/') else { return pages };
        Router::new()
            .route("/", redirect(format!(".{prefix}/")))
            .route(prefix, redirect(format!("./{last}/")))
            .nest(&format!("{prefix}/"), pages)
    }
}

fn redirect(url: String) -> MethodRouter {
    any(async move |RawQuery(query): RawQuery| {
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        (StatusCode::FOUND, [(LOCATION, format!("{url}{query}"))])
    })
}

/// The URL, unless only a path is given, and its path. `None` if invalid.
fn read_external_url(text: &str) -> Option<(Option<Url>, String)> {
    if text.is_empty() || text.starts_with('/') {
        return Some((None, plain_path(text)?));
    }
    let url = Url::parse(text).ok()?;
    let is_plain = url.query().is_none() && url.fragment().is_none() && url.has_host();
    let path = plain_path(url.path())?;
    (is_plain && matches!(url.scheme(), "http" | "https")).then_some((Some(url), path))
}

/// A path without trailing slashes; empty for `/`.
fn plain_path(path: &str) -> Option<String> {
    let path = path.trim_matches('/');
    if path.is_empty() {
        return Some(String::new());
    }
    let is_plain = |segment: &str| {
        !matches!(segment, "" | "." | "..") && segment.chars().all(|c| c.is_ascii_alphanumeric() || "-_.~".contains(c))
    };
    path.split('/').all(is_plain).then(|| format!("/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_the_external_url_s_path_unless_it_is_given() {
        for (external_url, route_prefix, prefix) in [
            ("", "", ""),
            ("https://example.com", "", ""),
            ("https://example.com/", "", ""),
            ("https://example.com/a/b/", "", "/a/b"),
            ("/a", "", "/a"),
            ("https://example.com/a", "/", ""),
            ("https://example.com/a", "b/", "/b"),
            ("", "/a//", "/a"),
        ] {
            let built = ExternalUrl::new(external_url, route_prefix).unwrap();
            assert_eq!(built.route_prefix(), prefix, "{external_url:?} {route_prefix:?}");
        }
        for external_url in
            ["example.com/a", "ftp://x/a", "https://x/a?b", "https://x/#a", "\"http://x\"", "http://x/%41"]
        {
            let error = ExternalUrl::new(external_url, "").unwrap_err();
            assert!(error.to_string().starts_with("--web.external-url="), "{error}");
        }
        for route_prefix in ["/a b", "/a?b", "/a//b", "/../a", "/{a}"] {
            let error = ExternalUrl::new("", route_prefix).unwrap_err();
            assert!(error.to_string().starts_with("--web.route-prefix="), "{error}");
        }
    }

    #[test]
    fn hosts_and_origins_are_those_of_the_external_url() {
        let external = ExternalUrl::new("https://Example.com/a", "").unwrap();
        assert_eq!(external.host(), Some("example.com"));
        let is_origin = |origin: &str| external.is_origin(&Url::parse(origin).unwrap());
        assert!(is_origin("https://example.com") && is_origin("https://EXAMPLE.com:443"));
        assert!(!is_origin("http://example.com") && !is_origin("https://example.com:444"));
        let path = ExternalUrl::new("/a", "").unwrap();
        assert!(path.host().is_none() && !path.is_origin(&Url::parse("https://example.com").unwrap()));
    }
}
