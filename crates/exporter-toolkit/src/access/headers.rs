//! Headers of every response: our defaults, and `http_server_config.headers`, which may set the few that
//! exporter-toolkit allows.

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::{ConfigPath, Pairs, quoted};

/// The name as it must be written, and the values that it may have; none named means any.
const ALLOWED: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

/// Defaults for headers that the handler has not set. A page loads only its style sheet and icon, runs no scripts and
/// cannot be framed; responses change every minute and are not cached.
const DEFAULTS: [(HeaderName, &str); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
];

/// Adds the defaults for missing headers.
pub(super) fn set_defaults(headers: &mut HeaderMap) {
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// The headers of the configuration. One without a value is not set.
pub(super) fn headers(at: &ConfigPath<'_>, raw: Pairs) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut seen = Vec::new();
    for (name, value) in raw.0 {
        let at = at.key(&name);
        let Some((_, values)) = ALLOWED.iter().find(|(allowed, _)| *allowed == name) else {
            let known = ALLOWED.map(|(allowed, _)| allowed).join(", ");
            at.error("this header cannot be set here", format!("write one of {known}, in just this spelling"));
            continue;
        };
        let value = value.unwrap_or_default();
        if !values.is_empty() && !values.contains(&&*value) {
            at.error(format!("{} is not a value of it", quoted(&value)), format!("write {}", values.join(" or ")));
            continue;
        }
        if seen.contains(&name) {
            at.error("this header stands twice", "keep one of them");
            continue;
        }
        match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
            (Ok(name), Ok(value)) if !value.is_empty() => {
                headers.insert(name, value);
            }
            (Ok(_), Ok(_)) => {}
            _ => at.error(format!("{} cannot be sent", quoted(&value)), "write it on one line, in plain ASCII"),
        }
        seen.push(name);
    }
    headers
}
