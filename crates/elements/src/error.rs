//! Error types of the client, by what the caller does next.
//!
//! A message is one line without secrets, email addresses or bodies; its reason is a metric label.

use std::error::Error;
use std::io;

use reqwest::StatusCode;

use super::decode::{self, without_addresses};
use super::redaction::Secrets;
use crate::types::FailureReason;

/// Why a client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// TLS or the proxy cannot be set up.
    #[error("no HTTP client could be set up: {0}")]
    Http(String),
    /// The metrics do not match the catalogue (a bug).
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
}

impl ClientError {
    pub(super) fn http(error: reqwest::Error) -> Self {
        Self::Http(error_chain(&error.without_url()))
    }
}

/// Why a query has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// 404: the customer does not have the tenant or product, or the environment does not have the endpoint. Not a
    /// failure.
    #[error("the customer has no such tenant or product")]
    Absent,
    /// Failed after all retries: keep the known values and query again later.
    #[error(transparent)]
    Failed(#[from] RequestError),
}

/// A failed request or listing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RequestError {
    /// The reason.
    pub reason: FailureReason,
    /// One line for logs and the status page.
    pub message: String,
    /// The request id of the response, for AvePoint's support.
    pub request_id: Option<String>,
    /// The app registration lacks the optional scope of the endpoint. Other endpoints are not affected.
    pub not_granted: bool,
}

impl RequestError {
    pub(super) fn new(reason: FailureReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), request_id: None, not_granted: false }
    }

    /// Whether the same request may succeed if it is repeated soon.
    pub(super) const fn is_transient(&self) -> bool {
        use FailureReason as R;
        match self.reason {
            R::Timeout | R::Connect | R::Throttled | R::ServerError | R::Malformed => true,
            R::Tls | R::Unauthorized | R::Forbidden | R::NotFound | R::BadRequest | R::TooLarge => false,
        }
    }

    /// The same without its request id, if that contains a secret.
    pub(super) fn without(self, secrets: &Secrets) -> Self {
        Self { request_id: self.request_id.filter(|id| !secrets.are_in(id)), ..self }
    }

    /// A response with an error status. `peer` sent it; `redirect` is the target host of a 3xx; `secrets` are those
    /// that the server may have echoed.
    pub(super) fn from_status(
        peer: &str,
        status: StatusCode,
        redirect: Option<&str>,
        body: &[u8],
        secrets: &Secrets,
    ) -> Self {
        let code = status.as_u16();
        let reason = match code {
            401 => FailureReason::Unauthorized,
            403 => FailureReason::Forbidden,
            404 => FailureReason::NotFound,
            429 => FailureReason::Throttled,
            // A gateway timeout counts as a timeout.
            504 => FailureReason::Timeout,
            300..=499 => FailureReason::BadRequest,
            500..=599 => FailureReason::ServerError,
            _ => FailureReason::Malformed,
        };
        if status.is_redirection() {
            let to = redirect.map(|host| format!(" to {}", secrets.redact(host))).unwrap_or_default();
            return Self::new(reason, format!("{peer} answered {code}, a redirect{to}, which is not followed"));
        }
        let reported = decode::error_message(body, secrets).map(|reported| format!(": {reported}"));
        Self::new(reason, format!("{peer} answered {code}{}", reported.unwrap_or_default()))
    }

    /// A request that could not be sent or got no response. `proxy` is the `host:port` that it went through.
    pub(super) fn from_sending(peer: &str, proxy: Option<&str>, error: &reqwest::Error) -> Self {
        let (reason, what) = if is_tls(error) {
            (FailureReason::Tls, "no TLS connection to")
        } else if error.is_connect() {
            (FailureReason::Connect, "no connection to")
        } else if error.is_timeout() {
            (FailureReason::Timeout, "no response in time from")
        } else if error.is_builder() {
            (FailureReason::BadRequest, "no request could be made for")
        } else if causes(error).any(is_unparsable) {
            (FailureReason::Malformed, "no valid HTTP response from")
        } else {
            (FailureReason::Connect, "connection lost to")
        };
        let through = proxy.map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default();
        Self::new(reason, format!("{what} {peer}{through}: {}", root_cause(error)))
    }

    /// A response whose body was truncated or cannot be decompressed.
    pub(super) fn from_body(peer: &str, error: &reqwest::Error) -> Self {
        let reason = if is_tls(error) {
            FailureReason::Tls
        } else if error.is_timeout() {
            FailureReason::Timeout
        } else if causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).any(is_reset) {
            FailureReason::Connect
        } else {
            FailureReason::Malformed
        };
        Self::new(reason, format!("the response of {peer} ended early: {}", root_cause(error)))
    }
}

/// The error and its causes in one line. The text of an error leaves out its cause; where it ends with it, as that of an
/// I/O error does, the cause is not repeated.
#[must_use]
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let append = |line: String, cause: &(dyn Error + 'static)| {
        let cause = cause.to_string();
        if line.ends_with(&cause) { line } else { format!("{line}: {cause}") }
    };
    causes(error).skip(1).fold(error.to_string(), append)
}

/// The error and its causes; an I/O error may hide the error that it was made from.
pub fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source())
    })
}

fn is_tls(error: &reqwest::Error) -> bool {
    causes(error).any(<dyn Error>::is::<rustls::Error>)
}

fn is_unparsable(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse)
}

fn is_reset(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::NotConnected)
}

/// Only the last cause: the outer ones repeat the location, which the caller adds, and may contain a URL.
fn root_cause(error: &(dyn Error + 'static)) -> String {
    let text = causes(error).last().map(ToString::to_string).unwrap_or_default();
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    without_addresses(&line).chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_has_each_cause_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("saving")]
        struct Saving(#[source] io::Error);

        let other = |text: &str| Saving(io::Error::other(text));
        for (error, line) in [
            (other("disk full"), "saving: disk full"),
            (Saving(io::Error::from(io::ErrorKind::NotFound)), "saving: entity not found"),
        ] {
            assert_eq!(error_chain(&error), line);
        }
    }

    #[test]
    fn a_status_is_a_reason() {
        for (status, reason, transient) in [
            (302, FailureReason::BadRequest, false),
            (400, FailureReason::BadRequest, false),
            (401, FailureReason::Unauthorized, false),
            (403, FailureReason::Forbidden, false),
            (404, FailureReason::NotFound, false),
            (409, FailureReason::BadRequest, false),
            (429, FailureReason::Throttled, true),
            (500, FailureReason::ServerError, true),
            (503, FailureReason::ServerError, true),
            (504, FailureReason::Timeout, true),
        ] {
            let failure = RequestError::from_status(
                "the API",
                StatusCode::from_u16(status).unwrap(),
                None,
                b"",
                &Secrets::default(),
            );
            assert_eq!((failure.reason, failure.is_transient()), (reason, transient), "{status}");
            assert!(failure.message.contains(&status.to_string()));
        }
    }

    #[test]
    fn a_message_quotes_the_server_without_addresses_and_secrets() {
        let body = br#"{"message": "no access for\n anna@example.com with hunter2"}"#;
        let failure =
            RequestError::from_status("the API", StatusCode::FORBIDDEN, None, body, &Secrets::new(["hunter2", "API"]));
        assert_eq!(failure.message, "the API answered 403: no access for <address> with <secret>");
        let redirect = RequestError::from_status(
            "the API",
            StatusCode::FOUND,
            Some("hunter2.example.com"),
            b"",
            &Secrets::new(["Hunter2"]),
        );
        assert_eq!(redirect.message, "the API answered 302, a redirect to <secret>.example.com, which is not followed");
        let id = |id: &str| {
            RequestError { request_id: Some(id.to_owned()), ..failure.clone() }
                .without(&Secrets::new(["hunter2"]))
                .request_id
        };
        assert_eq!((id("7d5e"), id("x-hunter2")), (Some("7d5e".to_owned()), None));
    }
}
