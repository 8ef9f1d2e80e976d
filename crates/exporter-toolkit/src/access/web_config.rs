//! Reads and validates the web configuration file.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use axum::http::HeaderMap;
use serde::Deserialize;

use super::client_verifier::Policy;
use super::files::Files;
use super::headers::headers;
use super::parse_bool;
use super::tls::{RawTls, Tls, tls};
use super::token_bucket::TokenBucket;
use super::users::Users;
use crate::{
    ConfigErrors, ConfigPath, Diagnostic, Location, Pairs, Problem, quoted, read_yaml, world_accessible_warning,
};

/// The YAML file as written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a mapping")]
struct Raw {
    tls_server_config: Option<RawTls>,
    http_server_config: Option<RawHttp>,
    basic_auth_users: Option<Pairs>,
    rate_limit: Option<RawRate>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a mapping")]
struct RawHttp {
    http2: Option<String>,
    headers: Option<Pairs>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a mapping")]
struct RawRate {
    interval: Option<String>,
    burst: Option<String>,
}

/// A validated web configuration.
pub(super) struct WebConfig {
    /// `None`: plain HTTP.
    pub(super) tls: Option<Tls>,
    /// Headers of every response.
    pub(super) headers: HeaderMap,
    /// If not empty, every request must authenticate as one of them.
    pub(super) users: Users,
    /// Requests beyond it get 429.
    pub(super) rate: Option<TokenBucket>,
    /// Settings that are valid but unwise, one sentence each.
    pub(super) warnings: Vec<String>,
}

impl WebConfig {
    /// The configuration without a file: every client has access, over plain HTTP.
    pub(super) fn open() -> Self {
        Self { tls: None, headers: HeaderMap::new(), users: Users::default(), rate: None, warnings: Vec::new() }
    }

    /// Reads the file. Also returns the files that were read, even if the configuration is invalid.
    pub(super) fn read(file: &Path) -> (Result<Self, ConfigErrors>, Files) {
        let mut files = Files::default();
        let config = Self::read_into(file, &mut files).map_err(|errors| errors.of_file(file));
        (config, files)
    }

    fn read_into(file: &Path, files: &mut Files) -> Result<Self, ConfigErrors> {
        let of_file = |diagnostic| ConfigErrors::new(vec![Problem { location: Location::File, diagnostic }]);
        let bytes = files.read(file).map_err(of_file)?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| of_file(Diagnostic::new("it is not a text in UTF-8", "save it as plain text")))?;
        let base = file.parent().unwrap_or(Path::new(""));
        let mut config = Self::parse(text.strip_prefix('\u{feff}').unwrap_or(text), base, files)?;
        if !config.users.is_empty() || config.tls.as_ref().is_some_and(|tls| tls.has_inline_key) {
            config.warnings.extend(world_accessible_warning(file));
        }
        Ok(config)
    }

    /// Validates a text; relative paths start at `base`.
    pub(super) fn parse(text: &str, base: &Path, files: &mut Files) -> Result<Self, ConfigErrors> {
        let says_nothing = text.lines().all(|line| line.trim().is_empty() || line.starts_with(['#', '-']));
        let raw = if says_nothing && !text.lines().any(|line| line.starts_with("- ")) {
            Raw::default()
        } else {
            read_yaml(text).map_err(|problem| ConfigErrors::new(vec![problem]))?
        };
        let problems = RefCell::default();
        let config = Self::validate(&ConfigPath::top(&problems), raw, base, files);
        match problems.into_inner() {
            problems if problems.is_empty() => Ok(config),
            problems => Err(ConfigErrors::new(problems)),
        }
    }

    fn validate(at: &ConfigPath<'_>, raw: Raw, base: &Path, files: &mut Files) -> Self {
        let mut warnings = Vec::new();
        let http = raw.http_server_config.unwrap_or_default();
        let at_http = at.key("http_server_config");
        if let Some(http2) = http.http2.as_deref() {
            parse_bool(&at_http.key("http2"), Some(http2), false);
            let unused =
                "http_server_config.http2 has no effect: HTTP/1.1 is spoken, by every scraper as well; remove it";
            warnings.push(unused.to_owned());
        }
        let tls =
            tls(&at.key("tls_server_config"), raw.tls_server_config.unwrap_or_default(), base, files, &mut warnings);
        Self {
            tls,
            headers: headers(&at_http.key("headers"), http.headers.unwrap_or_default()),
            users: Users::read(&at.key("basic_auth_users"), raw.basic_auth_users.unwrap_or_default(), &mut warnings),
            rate: rate(&at.key("rate_limit"), &raw.rate_limit.unwrap_or_default(), &mut warnings),
            warnings,
        }
    }

    /// Which protection of this configuration `next` lacks; `None` if it lacks none. A file that is being written may
    /// be empty for a moment, which must not remove protection.
    pub(super) fn weakens(&self, next: &Self) -> Option<&'static str> {
        let policy = |config: &Self| config.tls.as_ref().map_or(Policy::None, |tls| tls.policy);
        let asks_for_sans = |config: &Self| config.tls.as_ref().is_some_and(|tls| tls.asks_for_sans);
        if self.tls.is_some() && next.tls.is_none() {
            Some("TLS")
        } else if policy(self) > policy(next) {
            Some("the verification of client certificates")
        } else if asks_for_sans(self) && !asks_for_sans(next) {
            Some("client_allowed_sans")
        } else if !self.users.is_empty() && next.users.is_empty() {
            Some("basic_auth_users")
        } else {
            None
        }
    }
}

fn rate(at: &ConfigPath<'_>, raw: &RawRate, warnings: &mut Vec<String>) -> Option<TokenBucket> {
    let interval = raw.interval.as_deref().and_then(|text| at.key("interval").ok_or_report(go_duration(text)));
    let burst = raw.burst.as_deref().unwrap_or("0");
    let burst = at.key("burst").ok_or_report(burst.parse().map_err(|_| {
        Diagnostic::new(format!("{} is not a whole number", quoted(burst)), "write how many requests may come at once")
    }));
    let interval = interval.filter(|interval| !interval.is_zero())?;
    if burst == Some(0) {
        warnings.push("rate_limit: a burst of 0 lets no request through; write 1 or more".to_owned());
    }
    Some(TokenBucket::new(interval, burst?))
}

/// A duration as Go writes it: `1s`, `1m30s`, `0.5s`, `250ms`.
fn go_duration(text: &str) -> Result<Duration, Diagnostic> {
    const REMEDY: &str = "write a duration such as 100ms, 1s or 1m30s; 0 sets no limit";
    let units = [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    if text.parse() == Ok(0.0) {
        return Ok(Duration::ZERO);
    }
    if text.parse::<f64>().is_ok() {
        let what = format!("{} has no unit (exporter-toolkit would take it for nanoseconds)", quoted(text));
        return Err(Diagnostic::new(what, REMEDY));
    }
    let wrong = || Diagnostic::new(format!("{} is not a duration", quoted(text)), REMEDY);
    let (mut rest, mut seconds) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let (_, unit) = units.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        seconds += number.parse::<f64>().map_err(|_| wrong())? * unit;
        rest = tail;
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_go_s() {
        for (text, milliseconds) in
            [("0", 0), ("0s", 0), ("1s", 1000), ("1m30s", 90_000), ("0.5s", 500), ("250ms", 250), ("1h", 3_600_000)]
        {
            assert_eq!(go_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "1", "-1s", "s", "1x", "1s1", "1d", "..s", "1e400h"] {
            assert!(text.is_empty() || go_duration(text).is_err(), "{text}");
        }
    }
}
