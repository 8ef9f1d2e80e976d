//! A complete response: parsed headers, and the decompressed body.

use std::io::Read as _;
use std::time::Duration;

use flate2::bufread::GzDecoder;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_ENCODING, DATE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tracing::Span;

use super::error::RequestError;
use crate::recording;
use crate::types::FailureReason;

/// The maximum bytes read from the body of an error response.
const ERROR_BODY: usize = 64 * 1024;
/// The maximum bytes of a body, for every endpoint that has no other limit.
pub(super) const USUAL_BODY: usize = 1024 * 1024;
/// The maximum bytes of the jobs of a customer: several may be read at the same time, and a page has a hundred jobs of
/// about a kilobyte. An older revision without pages may send some thousands.
pub(super) const JOBS_BODY: usize = 2 * 1024 * 1024;
/// The maximum bytes of a page of a list of customers; of the service list: 160 KiB (about 200 rows) for each of 100 customers.
pub(super) const LISTING_BODY: usize = 16 * 1024 * 1024;
/// The maximum number of gzip members of a body: a server that starts one at each flush needs some thousands for the
/// largest body.
const MAX_MEMBERS: usize = 10_000;
/// A larger body (in bytes) is decompressed and decoded on a thread for blocking work.
pub(super) const MAX_INLINE: usize = 16 * 1024;

/// A response, read to its end.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: StatusCode,
    /// `Retry-After`, relative to now.
    pub(super) retry_after: Option<Duration>,
    pub(super) request_id: Option<String>,
    /// The target host of a redirect.
    pub(super) redirect: Option<String>,
    /// Those that a recording keeps.
    pub(super) headers: Vec<(&'static str, String)>,
    /// The complete body if the status is a success; otherwise as much as was received.
    pub(super) body: Vec<u8>,
}

/// A response, and whether it was received completely.
pub(super) struct Read {
    pub(super) response: Response,
    pub(super) complete: bool,
}

impl Response {
    /// Reads a response from `peer` to its end. For an error, the status is enough: its body may be truncated.
    pub(super) async fn read(
        peer: &'static str,
        mut received: reqwest::Response,
        deadline: Instant,
        limit: usize,
        now: Timestamp,
    ) -> Result<Read, RequestError> {
        let headers = received.headers();
        let gzip = is_gzip(headers);
        let mut response = Self {
            status: received.status(),
            retry_after: retry_after(headers, now),
            request_id: request_id(headers),
            redirect: redirect(&received),
            headers: recorded(headers),
            body: Vec::new(),
        };
        let success = response.status.is_success();
        let limit = if success { limit } else { ERROR_BODY };
        let late =
            || Err(RequestError::new(FailureReason::Timeout, format!("no complete response in time from {peer}")));
        let read = timeout_at(deadline, collect(peer, &mut received, limit, &mut response.body)).await;
        let read = read.unwrap_or_else(|_| late());
        // The body of an error is cut at the limit; the connection can still be reused.
        let complete = read.as_ref().err().is_none_or(|failure| failure.reason == FailureReason::TooLarge);
        let mut outcome = read;
        if gzip && (outcome.is_ok() || !success) {
            let compressed = std::mem::take(&mut response.body);
            match off_thread(compressed, move |compressed| decompress(peer, &compressed, limit)).await {
                Ok(body) => response.body = body,
                Err(failure) => outcome = outcome.and(Err(failure)),
            }
        }
        match outcome {
            Err(failure) if success => Err(RequestError { request_id: response.request_id, ..failure }),
            _ => Ok(Read { response, complete }),
        }
    }
}

/// Large bodies are decoded one at a time in the whole process: decoding several at once would leave neither a core nor
/// the allocator free for scrapes.
static LARGE_BODIES: Semaphore = Semaphore::const_new(1);

/// Runs work on a body: directly if the body is short, otherwise on a thread for blocking work, so that it does not
/// delay timers and other requests. There, log lines have the fields of the caller's span too. A panic is passed on to
/// the caller.
pub(super) async fn off_thread<T: Send + 'static>(
    body: Vec<u8>,
    work: impl FnOnce(Vec<u8>) -> T + Send + 'static,
) -> T {
    if body.len() <= MAX_INLINE {
        return work(body);
    }
    // It is never closed.
    let _turn = LARGE_BODIES.acquire().await;
    let span = Span::current();
    match tokio::task::spawn_blocking(move || span.in_scope(|| work(body))).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and so is this task.
            Err(_) => std::future::pending().await,
        },
    }
}

async fn collect(
    peer: &str,
    received: &mut reqwest::Response,
    limit: usize,
    body: &mut Vec<u8>,
) -> Result<(), RequestError> {
    while let Some(chunk) = received.chunk().await.map_err(|error| RequestError::from_body(peer, &error))? {
        if body.len() + chunk.len() > limit {
            return Err(too_large(peer, limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(())
}

fn too_large(peer: &str, limit: usize) -> RequestError {
    RequestError::new(FailureReason::TooLarge, format!("the response of {peer} is larger than {} MiB", limit >> 20))
}

fn is_gzip(headers: &HeaderMap) -> bool {
    let coding = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
    coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip")
}

/// Decompresses gzip (RFC 1952): all members, up to `limit` bytes in total. Data after the last member is ignored, as
/// in `gzip`.
fn decompress(peer: &str, mut compressed: &[u8], limit: usize) -> Result<Vec<u8>, RequestError> {
    let malformed = |problem: &dyn std::fmt::Display| {
        RequestError::new(FailureReason::Malformed, format!("the response of {peer} cannot be decompressed: {problem}"))
    };
    // The memory of a large body is reserved once: a vector that grows holds two copies. Pages that are not written to do
    // not count.
    let reserved = if compressed.len() > MAX_INLINE { limit + 1 } else { 0 };
    let mut body = Vec::with_capacity(reserved);
    let mut members = 0;
    while members == 0 && !compressed.is_empty() || compressed.starts_with(&[0x1f, 0x8b]) {
        members += 1;
        if members > MAX_MEMBERS {
            return Err(malformed(&format!("it has more than {MAX_MEMBERS} gzip members")));
        }
        // Read one byte more than the limit, to detect that there is more.
        let left = u64::try_from(limit - body.len()).unwrap_or(u64::MAX).saturating_add(1);
        let mut member = GzDecoder::new(compressed).take(left);
        member.read_to_end(&mut body).map_err(|error| malformed(&error))?;
        if body.len() > limit {
            return Err(too_large(peer, limit));
        }
        compressed = member.into_inner().into_inner();
    }
    Ok(body)
}

fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok();
    read_retry_after(text(RETRY_AFTER)?, text(DATE), now)
}

/// The header `Retry-After`: seconds or an HTTP date, which is compared with the response's own `Date`; anything else
/// is ignored.
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

/// The request id of the server.
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

/// Ids go to logs: no spaces, no addresses, limited length.
fn is_request_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:|-".contains(&byte))
}

/// How a request ended, for a recording.
pub(super) fn recorded_outcome(received: &Result<Response, RequestError>) -> recording::Outcome<'_> {
    match received {
        Ok(Response { status, headers, body, .. }) => {
            recording::Outcome::Answered { status: status.as_u16(), headers, body }
        }
        Err(failure) => recording::Outcome::Failed(failure.reason.as_str()),
    }
}

fn recorded(headers: &HeaderMap) -> Vec<(&'static str, String)> {
    let text = |name: &'static str| Some((name, headers.get(name)?.to_str().ok()?.to_owned()));
    recording::HEADERS.into_iter().filter_map(text).collect()
}

fn redirect(response: &reqwest::Response) -> Option<String> {
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    response.url().join(location).ok()?.host_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::Arc;
    use std::sync::Mutex;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use tracing::{Dispatch, Instrument as _, dispatcher, error, error_span};

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

    /// Collects log lines.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn log_lines_about_a_body_have_the_partner_whatever_its_size() {
        let log = Log::default();
        let lines = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || lines.clone()).finish();
        let dispatch = Dispatch::new(subscriber);
        let _guard = dispatcher::set_default(&dispatch);
        for size in [1, MAX_INLINE + 1] {
            // The subscriber of a test is that of its own thread only.
            let dispatch = dispatch.clone();
            let decode = move |_| dispatcher::with_default(&dispatch, || error!(size, "cannot be decoded"));
            off_thread(vec![0; size], decode).instrument(error_span!("poll", partner = "main")).await;
        }
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(log.matches("poll{partner=\"main\"}").count(), 2, "{log}");
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn all_members_of_gzip_are_read_within_one_limit() {
        let two = [gzip(b"one "), gzip(b""), gzip(b"two")].concat();
        assert_eq!(decompress("it", &two, 7).unwrap(), b"one two");
        assert_eq!(decompress("it", &two, 6).unwrap_err().reason, FailureReason::TooLarge);
        assert_eq!(decompress("it", &[&two, &b"\0\0padding"[..]].concat(), 7).unwrap(), b"one two");
        assert_eq!(decompress("it", b"", 7).unwrap(), b"");
        for broken in [&b"no gzip"[..], &two[..two.len() - 1], &gzip(b"one")[..12]] {
            assert_eq!(decompress("it", broken, 7).unwrap_err().reason, FailureReason::Malformed);
        }
        let bomb = gzip(&vec![b' '; 1 << 20]);
        let bombs = bomb.repeat(3);
        assert_eq!(decompress("it", &bombs, (3 << 20) - 1).unwrap_err().reason, FailureReason::TooLarge);
        assert_eq!(decompress("it", &bombs, 3 << 20).unwrap().len(), 3 << 20);
        let many = gzip(b"").repeat(MAX_MEMBERS);
        assert_eq!(decompress("it", &many, 7).unwrap(), b"");
        let failure = decompress("it", &[many, gzip(b"")].concat(), 7).unwrap_err();
        assert_eq!(failure.message, "the response of it cannot be decompressed: it has more than 10000 gzip members");
    }

    proptest! {
        #[test]
        fn however_gzip_is_split_the_text_is_the_same(parts in prop::collection::vec("[ -~]{0,40}", 0..9)) {
            let members: Vec<u8> = parts.iter().flat_map(|part| gzip(part.as_bytes())).collect();
            prop_assert_eq!(decompress("it", &members, 400).unwrap(), parts.concat().into_bytes());
        }

        #[test]
        fn any_bytes_are_an_error_or_a_body(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let framed = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff][..], &bytes].concat();
            for body in [decompress("it", &bytes, 100), decompress("it", &framed, 100)].into_iter().flatten() {
                prop_assert!(body.len() <= 100);
            }
        }
    }
}
