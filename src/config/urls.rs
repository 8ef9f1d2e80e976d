//! The known environments, and validation of URLs. No message quotes a URL, because it may contain a password.

use elements::is_loopback;
use exporter_toolkit::Diagnostic;
use url::{ParseError, Url};

/// The URLs of an environment's API and identity service.
pub(super) struct Environment {
    pub(super) name: &'static str,
    pub(super) api_url: &'static str,
    pub(super) token_url: &'static str,
}

/// The documented environments; the first is the default.
pub(super) const ENVIRONMENTS: [Environment; 4] = [
    Environment {
        name: "commercial",
        api_url: "https://graph.avepointonlineservices.com",
        token_url: "https://identity.avepointonlineservices.com/connect/token",
    },
    Environment {
        name: "us_government",
        api_url: "https://graph-gov.avepointonlineservices.com",
        token_url: "https://identity-gov.avepointonlineservices.com/connect/token",
    },
    Environment {
        name: "aos2",
        api_url: "https://graph-aos2.avepointonlineservices.com",
        token_url: "https://identity-aos2.avepointonlineservices.com/connect/token",
    },
    Environment {
        name: "fedramp",
        api_url: "https://graphusgovapi.online15.net",
        token_url: "https://identity.online15.net/connect/token",
    },
];

/// Validates `api_url` and `token_url`: https, or http to a loopback address; no user info, query or fragment. The
/// result has no slash at the end of its path.
pub(super) fn service_url(text: &str) -> Result<Url, Diagnostic> {
    let mut url = http_url(text, "https://graph.avepointonlineservices.com")?;
    if url.scheme() == "http" && !is_loopback(&url) {
        let what = "the credential would travel unencrypted";
        return Err(Diagnostic::new(what, "write https; http is only for a loopback address such as 127.0.0.1"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Diagnostic::new("the URL contains a user or a password", "remove it, credentials stand in auth"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Diagnostic::new("the URL contains a query (`?`) or a fragment (`#`)", "end it with its path"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Validates `proxy_url`: http or https, a host and a port; user info is allowed.
pub(super) fn proxy_url(text: &str) -> Result<Url, Diagnostic> {
    let url = http_url(text, "http://proxy.example.com:3128")?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(Diagnostic::new("the URL has more than a host and a port", "end it after the port"));
    }
    Ok(url)
}

/// Validates the base URL of a server that may be reached without TLS: no user info, query or fragment.
pub(super) fn plain_url(text: &str, example: &str) -> Result<Url, Diagnostic> {
    let url = http_url(text, example)?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(Diagnostic::new(
            "the URL has more than a host, a port and a path",
            format!("write it like {example}"),
        ));
    }
    Ok(url)
}

fn http_url(text: &str, example: &str) -> Result<Url, Diagnostic> {
    let remedy = || format!("write it like {example}");
    let url = Url::parse(text.trim()).map_err(|error| match error {
        ParseError::RelativeUrlWithoutBase => {
            Diagnostic::new("the URL starts with neither https:// nor http://", remedy())
        }
        error => Diagnostic::new(format!("this is not a URL ({error})"), remedy()),
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Diagnostic::new("the URL starts with neither https:// nor http://", remedy()));
    }
    Ok(url)
}

/// The URL for logs and pages: user info is replaced by `<secret>`, without a slash at the end.
#[must_use]
pub fn redacted_url(url: &Url) -> String {
    let mut bare = url.clone();
    let hidden = !url.username().is_empty() || url.password().is_some();
    if hidden && (bare.set_username("").is_err() || bare.set_password(None).is_err()) {
        return "<secret>".to_owned();
    }
    let text = bare.as_str().trim_end_matches('/');
    if hidden { text.replacen("://", "://<secret>@", 1) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environments_are_acceptable() {
        for environment in &ENVIRONMENTS {
            assert_eq!(redacted_url(&service_url(environment.api_url).unwrap()), environment.api_url);
            assert_eq!(service_url(environment.token_url).unwrap().as_str(), environment.token_url);
        }
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        for (url, accepted) in [
            ("http://127.0.0.1:8080", true),
            ("http://192.168.0.1", false),
            ("https://192.168.0.1", true),
            ("HTTPS://example.com", true),
            ("//example.com", false),
            ("https://", false),
        ] {
            assert_eq!(service_url(url).is_ok(), accepted, "{url}");
        }
        assert_eq!(service_url("http://[::1]:8080/base//").unwrap().path(), "/base");
    }

    #[test]
    fn user_info_is_hidden() {
        for (url, shown) in [
            ("http://user:pass@proxy:3128", "http://<secret>@proxy:3128"),
            ("https://user@proxy", "https://<secret>@proxy"),
            ("http://:pass@proxy:3128/", "http://<secret>@proxy:3128"),
            ("http://proxy:3128", "http://proxy:3128"),
        ] {
            assert_eq!(redacted_url(&proxy_url(url).unwrap()), shown);
        }
    }
}
