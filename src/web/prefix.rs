//! `--web.external-url` and `--web.route-prefix`, as Prometheus has them: everything is under one path, and `/` leads
//! there. The pages' links are relative, so nothing else needs to know.

use std::fmt;

use axum::Router;
use axum::body::Body;
use axum::http::header::LOCATION;
use axum::http::{Request, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use url::Url;

/// A path such as `/avepoint`, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutePrefix(String);

/// Which flag is wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixError(String);

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PrefixError {}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// To the pages, under this path and query.
    Pages(String),
    /// To this relative URL.
    Elsewhere(String),
    /// There is nothing.
    Nowhere,
}

impl RoutePrefix {
    /// From the two flags, each of which may be empty. The external URL is an absolute one or only a path; without a
    /// route prefix, its path is the prefix.
    pub fn new(external_url: &str, route_prefix: &str) -> Result<Self, PrefixError> {
        let external = external_path(external_url).ok_or_else(|| {
            PrefixError(format!(
                "--web.external-url={external_url}: write a URL such as https://example.com/avepoint, without a query, \
                 its path of letters, digits and -_.~/"
            ))
        })?;
        if route_prefix.is_empty() {
            return Ok(Self(external));
        }
        plain_path(route_prefix).map(Self).ok_or_else(|| {
            PrefixError(format!(
                "--web.route-prefix={route_prefix}: write a path such as /avepoint, of letters, digits and -_.~/"
            ))
        })
    }

    /// The prefix itself: empty, or a path without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The pages, moved under the prefix.
    pub(super) fn over(self, pages: Router) -> Router {
        if self.0.is_empty() {
            return pages;
        }
        let pages = TowerToHyperService::new(pages);
        Router::new().fallback(async move |request: Request<Body>| self.answer(request, pages).await)
    }

    async fn answer(self, mut request: Request<Body>, pages: TowerToHyperService<Router>) -> Response {
        let uri = request.uri();
        match self.way(uri.path(), uri.query()) {
            Way::Pages(path) => {
                let Ok(uri) = path.parse::<Uri>() else { return StatusCode::BAD_REQUEST.into_response() };
                *request.uri_mut() = uri;
                match pages.call(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                }
            }
            Way::Elsewhere(url) => (StatusCode::FOUND, [(LOCATION, url)]).into_response(),
            Way::Nowhere => (StatusCode::NOT_FOUND, "not found\n").into_response(),
        }
    }

    fn way(&self, path: &str, query: Option<&str>) -> Way {
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        // Relative, so that it is right behind a proxy that has a prefix of its own, too.
        if path == "/" {
            return Way::Elsewhere(format!(".{}/{query}", self.0));
        }
        match path.strip_prefix(&self.0) {
            Some("") => {
                let last = self.0.rsplit('/').next().unwrap_or_default();
                Way::Elsewhere(format!("./{last}/{query}"))
            }
            Some(rest) if rest.starts_with('/') => Way::Pages(format!("{rest}{query}")),
            _ => Way::Nowhere,
        }
    }
}

fn external_path(url: &str) -> Option<String> {
    if url.is_empty() {
        return Some(String::new());
    }
    if url.starts_with('/') {
        return plain_path(url);
    }
    let url = Url::parse(url).ok()?;
    let is_plain = url.query().is_none() && url.fragment().is_none() && url.has_host();
    (is_plain && matches!(url.scheme(), "http" | "https")).then(|| plain_path(url.path()))?
}

/// A path without slashes at its end; nothing for `/`.
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
            let built = RoutePrefix::new(external_url, route_prefix).unwrap();
            assert_eq!(built.as_str(), prefix, "{external_url:?} {route_prefix:?}");
        }
        for external_url in
            ["example.com/a", "ftp://x/a", "https://x/a?b", "https://x/#a", "\"http://x\"", "http://x/%41"]
        {
            let error = RoutePrefix::new(external_url, "").unwrap_err();
            assert!(error.to_string().starts_with("--web.external-url="), "{error}");
        }
        for route_prefix in ["/a b", "/a?b", "/a//b", "/../a", "/{a}"] {
            let error = RoutePrefix::new("", route_prefix).unwrap_err();
            assert!(error.to_string().starts_with("--web.route-prefix="), "{error}");
        }
    }

    #[test]
    fn only_what_is_under_the_prefix_is_there() {
        let prefix = RoutePrefix::new("", "/a/b").unwrap();
        let elsewhere = |url: &str| Way::Elsewhere(url.to_owned());
        assert_eq!(prefix.way("/", None), elsewhere("./a/b/"));
        assert_eq!(prefix.way("/", Some("q=1")), elsewhere("./a/b/?q=1"));
        assert_eq!(prefix.way("/a/b", None), elsewhere("./b/"));
        assert_eq!(prefix.way("/a/b/", None), Way::Pages("/".to_owned()));
        assert_eq!(prefix.way("/a/b/metrics", Some("x")), Way::Pages("/metrics?x".to_owned()));
        for path in ["/metrics", "/a", "/a/bc", "/a/b.", "*"] {
            assert_eq!(prefix.way(path, None), Way::Nowhere, "{path}");
        }
    }
}
