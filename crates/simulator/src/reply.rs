//! Builds responses and applies faults: another response instead, or the right one damaged.

use std::io::{ErrorKind, Write as _};
use std::time::Duration;

use axum::body::Body;
use elements::clock::Clock;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::json;

use super::bodies::{drip, gzip_bomb, half_of};
use super::faults::{Fault, RetryAfter};

/// Shorter bodies are not compressed.
const MIN_COMPRESSED_BYTES: usize = 1024;

/// A response that is not sent yet.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    body: Vec<u8>,
    /// Headers besides the content type, which is JSON unless it is set here.
    headers: HeaderMap,
}

impl Reply {
    pub(super) fn new(status: StatusCode, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), headers: HeaderMap::new() }
    }

    pub(super) fn message(status: StatusCode, message: &str) -> Self {
        Self::new(status, json!({"message": message}).to_string())
    }

    pub(super) fn with(mut self, name: header::HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// The response of a fault that replaces the right one, if there is such a fault.
    pub(super) fn instead(fault: &Fault, clock: Clock) -> Option<Self> {
        let status = |status: u16| StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Some(match fault {
            Fault::Throttle(retry_after) => {
                Self::message(StatusCode::TOO_MANY_REQUESTS, "Too many requests.").with_retry_after(*retry_after, clock)
            }
            Fault::Unavailable(retry_after) => {
                Self::message(StatusCode::SERVICE_UNAVAILABLE, "Maintenance.").with_retry_after(*retry_after, clock)
            }
            Fault::Redirect(url) => Self::new(StatusCode::FOUND, "").with(header::LOCATION, url),
            Fault::Answer { status: given, body } => Self::new(status(*given), body.as_str()),
            Fault::Status(given) => match status(*given) {
                StatusCode::NO_CONTENT => Self::new(StatusCode::NO_CONTENT, ""),
                status => Self::message(status, status.canonical_reason().unwrap_or("A fault.")),
            },
            Fault::WrongShape => Self::new(StatusCode::OK, r#"{"data": {"rows": 3}, "unexpected": true}"#),
            Fault::Html => {
                Self::new(StatusCode::OK, "<!doctype html><html><body><h1>We will be back soon</h1></body></html>")
                    .with(header::CONTENT_TYPE, "text/html; charset=utf-8")
            }
            _ => return None,
        })
    }

    fn with_retry_after(self, retry_after: RetryAfter, clock: Clock) -> Self {
        match retry_after {
            RetryAfter::Absent => self,
            RetryAfter::Seconds(seconds) => self.with(header::RETRY_AFTER, &seconds.to_string()),
            RetryAfter::Date(seconds) => self.with(header::RETRY_AFTER, &http_date(seconds, clock)),
            RetryAfter::Text(text) => self.with(header::RETRY_AFTER, text),
        }
    }

    /// The final response: compressed if that is allowed and useful, and damaged by the faults.
    pub(super) fn respond(self, may_compress: bool, faults: &[Fault]) -> Response<Body> {
        let Self { status, mut body, mut headers } = self;
        let mut compress = may_compress && body.len() > MIN_COMPRESSED_BYTES;
        let mut is_encoded = false;
        for fault in faults.iter().filter(|_| status.is_success()) {
            match fault {
                Fault::MalformedJson => body.truncate(body.len() / 2),
                Fault::Mutated(edit) => body = edit.apply(body),
                Fault::Oversized(blanks) => {
                    body.resize(body.len().saturating_add(*blanks), b' ');
                    compress = false;
                }
                Fault::GzipMembers => {
                    let (start, end) = body.split_at(body.len() / 2);
                    if let Ok(members) = gzip(start).and_then(|start| Ok([start, gzip(end)?].concat())) {
                        (body, is_encoded) = (members, true);
                    }
                }
                Fault::NotGzip => is_encoded = true,
                Fault::GzipBomb(mebibytes) => (body, is_encoded) = (gzip_bomb(*mebibytes), true),
                _ => {}
            }
        }
        if compress
            && !is_encoded
            && let Ok(compressed) = gzip(&body)
        {
            (body, is_encoded) = (compressed, true);
        }
        if is_encoded {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if status != StatusCode::NO_CONTENT {
            headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json; charset=utf-8"));
        }
        let body = Bytes::from(body);
        let damaged = faults.iter().find_map(|fault| match fault {
            Fault::Truncated => Some((true, half_of(&body, ErrorKind::UnexpectedEof))),
            Fault::CutChunked => Some((false, half_of(&body, ErrorKind::UnexpectedEof))),
            Fault::ResetBody(announced) => Some((*announced, half_of(&body, ErrorKind::ConnectionReset))),
            Fault::Drip(every) => Some((true, drip(body.clone(), *every))),
            Fault::TinyChunks => Some((false, drip(body.clone(), Duration::ZERO))),
            _ => None,
        });
        if let Some((true, _)) = damaged {
            headers.insert(header::CONTENT_LENGTH, body.len().into());
        }
        let body = damaged.map_or_else(|| Body::from(body), |(_, damaged)| damaged);
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

fn gzip(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).and_then(|()| encoder.finish())
}

/// This many seconds from now, as an HTTP date.
fn http_date(seconds: u32, clock: Clock) -> String {
    let date = clock.now().saturating_add(Duration::from_secs(seconds.into())).ok();
    date.and_then(|date| DateTimePrinter::new().timestamp_to_rfc9110_string(&date).ok()).unwrap_or_default()
}
