//! The running simulator: every request through counting, faults, the token, and to its answer.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::body::Body;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::answers::{Asked, Indexed, Manners};
use super::bodies::{CutBody, DripBody, End, gzip_bomb};
use super::connection::{ResetConnection, serve};
use super::dice::Dice;
use super::faults::{Fault, Faults, RetryAfter};
use super::identity::{Circumstances, Client, Identity, LICENSE_SCOPE, Refusal, client_id};
use super::path::{Operation, Route, TOKEN_PATH};
use super::requests::{Counting, Requests};
use super::settings::{Registration, Settings};
use super::world::World;
use crate::clock::Clock;

/// Longer request bodies are refused.
const LONGEST_BODY: usize = 1 << 20;

/// A simulator that serves until it is dropped.
#[derive(Debug)]
pub struct Simulator {
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

struct Shared {
    /// `http://` and the authority.
    origin: String,
    seed: u64,
    time_scale: u32,
    gzip: bool,
    manners: Manners,
    registrations: Vec<Hosted>,
    identity: Identity,
    faults: Faults,
    counting: Counting,
    clock: Clock,
    started: Instant,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// A registration whose world can change.
struct Hosted {
    registration: Registration,
    /// Takes the place of the registration's own world.
    indexed: RwLock<Indexed>,
}

impl Simulator {
    /// Serves on a listener; to be called within a tokio runtime. Fails only if the listener has no address.
    pub fn start(settings: Settings, listener: TcpListener) -> io::Result<Self> {
        let mut address = listener.local_addr()?;
        if address.ip().is_unspecified() {
            let loopback = if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
            address = SocketAddr::new(loopback, address.port());
        }
        let registrations = settings.registrations.into_iter().map(|mut registration| {
            let indexed = RwLock::new(Indexed::new(std::mem::take(&mut registration.world)));
            Hosted { registration, indexed }
        });
        let shared = Arc::new(Shared {
            origin: format!("http://{address}"),
            seed: settings.seed,
            time_scale: settings.time_scale,
            gzip: settings.gzip,
            manners: Manners {
                dialect: settings.dialect,
                legacy_endpoints: settings.legacy_endpoints,
                absent_tenants: settings.absent_tenants,
            },
            registrations: registrations.collect(),
            identity: Identity::new(settings.seed, settings.token_lifetime),
            faults: Faults::new(settings.seed, settings.faults),
            counting: Counting::default(),
            clock: Clock::start(),
            started: Instant::now(),
        });
        let handler = {
            let shared = Arc::clone(&shared);
            move |request| Arc::clone(&shared).handle(request)
        };
        let serving = tokio::spawn(async move {
            serve(listener, handler).await;
        });
        Ok(Self { shared, serving })
    }

    /// Serves on a free port of the loopback address.
    pub async fn on_loopback(settings: Settings) -> io::Result<Self> {
        Self::start(settings, TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?)
    }

    /// The base URL of the API, without a trailing slash.
    #[must_use]
    pub fn api_url(&self) -> String {
        self.shared.origin.clone()
    }

    /// The token URL.
    #[must_use]
    pub fn token_url(&self) -> String {
        format!("{}{TOKEN_PATH}", self.shared.origin)
    }

    /// What goes wrong; to be changed at any time.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.shared.faults.clone()
    }

    /// What was asked so far.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.shared.counting.so_far()
    }

    /// Counts requests from zero.
    pub fn reset_requests(&self) {
        self.shared.counting.reset();
    }

    /// Reads or changes the world of a registration while nobody else does; `None` without such a registration.
    pub fn with_world<R>(&self, client_id: &str, work: impl FnOnce(&mut World) -> R) -> Option<R> {
        let hosted = self.shared.registrations.iter().find(|hosted| hosted.registration.client_id == client_id)?;
        let mut indexed = hosted.indexed.write().unwrap_or_else(PoisonError::into_inner);
        let result = work(&mut indexed.world);
        indexed.renew();
        Some(result)
    }

    /// Revokes every token that a registration has now.
    pub fn revoke_tokens(&self, client_id: &str) {
        self.shared.identity.revoke(Some(client_id));
    }

    /// Minutes that seats have moved for, to compare an answer with [`super::SimCustomer::at`].
    #[must_use]
    pub fn minutes(&self) -> u64 {
        self.shared.minutes()
    }

    /// Ends it, its connections included; its port is free when this returns.
    pub async fn stop(mut self) {
        self.serving.abort();
        let _ = (&mut self.serving).await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// An answer before faults have done their work.
struct Reply {
    status: StatusCode,
    body: Vec<u8>,
    /// Besides the content type, which is JSON unless it is here.
    headers: HeaderMap,
}

impl Reply {
    fn message(status: StatusCode, message: &str) -> Self {
        Self { status, body: json!({"message": message}).to_string().into_bytes(), headers: HeaderMap::new() }
    }

    fn with(mut self, name: header::HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

impl Shared {
    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, ResetConnection> {
        let since_start = self.started.elapsed();
        let (head, body) = request.into_parts();
        let route = Route::of(head.uri.path());
        let body = axum::body::to_bytes(Body::new(body), LONGEST_BODY).await;
        let client = match (&body, route.operation) {
            (Ok(form), Operation::Token) => client_id(form),
            _ => bearer(&head.headers)
                .and_then(|token| self.identity.token(token))
                .map_or_else(String::new, |t| t.client_id),
        };
        let under_way = self.counting.arrive(route.operation, head.uri.path(), &client, since_start);
        let struck = self.faults.strike(route.operation, &route.customer);
        if !struck.late.is_zero() {
            tokio::time::sleep(struck.late).await;
        }
        let mut replaced = None;
        for fault in &struck.faults {
            match fault {
                Fault::Hang => std::future::pending().await,
                Fault::Reset => return Err(ResetConnection),
                fault => replaced = replaced.or_else(|| self.replacement(fault)),
            }
        }
        let reply = match (replaced, body) {
            (Some(reply), _) => reply,
            (None, Err(_)) => Reply::message(StatusCode::PAYLOAD_TOO_LARGE, "The body is too long."),
            (None, Ok(body)) => self.reply(&route, &head, &body, &struck.faults),
        };
        under_way.answer(reply.status.as_u16());
        Ok(self.respond(reply, &head.headers, &struck.faults))
    }

    /// What a fault answers instead, if it does.
    fn replacement(&self, fault: &Fault) -> Option<Reply> {
        let ok = |body: &str| Reply { status: StatusCode::OK, body: body.into(), headers: HeaderMap::new() };
        Some(match fault {
            Fault::Throttle(retry_after) => {
                self.come_back(Reply::message(StatusCode::TOO_MANY_REQUESTS, "Too many requests."), *retry_after)
            }
            Fault::Unavailable(retry_after) => {
                self.come_back(Reply::message(StatusCode::SERVICE_UNAVAILABLE, "Maintenance."), *retry_after)
            }
            Fault::Redirect(url) => Reply { status: StatusCode::FOUND, ..ok("") }.with(header::LOCATION, url),
            Fault::Answer { status, body } => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Reply { status, ..ok(body) }
            }
            Fault::Status(status) => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                match status {
                    StatusCode::NO_CONTENT => Reply { status, ..ok("") },
                    _ => Reply::message(status, status.canonical_reason().unwrap_or("A fault.")),
                }
            }
            Fault::WrongShape => ok(r#"{"data": {"rows": 3}, "unexpected": true}"#),
            Fault::Html => ok("<!doctype html><html><body><h1>We will be back soon</h1></body></html>")
                .with(header::CONTENT_TYPE, "text/html; charset=utf-8"),
            _ => return None,
        })
    }

    fn come_back(&self, reply: Reply, retry_after: RetryAfter) -> Reply {
        match retry_after {
            RetryAfter::Absent => reply,
            RetryAfter::Seconds(seconds) => reply.with(header::RETRY_AFTER, &seconds.to_string()),
            RetryAfter::Date(seconds) => reply.with(header::RETRY_AFTER, &self.http_date(seconds)),
            RetryAfter::Garbage => reply.with(header::RETRY_AFTER, "in a while"),
            RetryAfter::Text(text) => reply.with(header::RETRY_AFTER, text),
        }
    }

    /// The right answer.
    fn reply(&self, route: &Route, head: &hyper::http::request::Parts, body: &[u8], faults: &[Fault]) -> Reply {
        let method = route.operation.method();
        if route.operation != Operation::Unknown && head.method != method {
            return Reply::message(StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed.")
                .with(header::ALLOW, method.as_str());
        }
        match route.operation {
            Operation::Unknown => Reply::message(StatusCode::NOT_FOUND, "There is nothing at this path."),
            Operation::Token => self.token(head, body),
            Operation::Api(collector) => {
                let hosted = match self.authorized(&head.headers, faults) {
                    Ok(hosted) => hosted,
                    Err((status, message)) => {
                        let reply = Reply::message(status, message);
                        let unauthorized = status == StatusCode::UNAUTHORIZED;
                        return if unauthorized { reply.with(header::WWW_AUTHENTICATE, "Bearer") } else { reply };
                    }
                };
                if !has_content_type(&head.headers, "application/json") {
                    let message = "Requests must carry Content-Type: application/json.";
                    return Reply::message(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
                }
                let query = head.uri.query().unwrap_or_default();
                let asked = Asked { route, query, body, minutes: self.minutes(), faults };
                let indexed = hosted.indexed.read().unwrap_or_else(PoisonError::into_inner);
                match indexed.answer(collector, &asked, self.manners) {
                    Ok(body) => Reply { status: StatusCode::OK, body, headers: HeaderMap::new() },
                    Err((status, message)) => Reply::message(status, message),
                }
            }
        }
    }

    fn token(&self, head: &hyper::http::request::Parts, body: &[u8]) -> Reply {
        let granted = if has_content_type(&head.headers, "application/x-www-form-urlencoded") {
            let mut audiences = vec![format!("{}{TOKEN_PATH}", self.origin)];
            let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
            audiences.extend(host.map(|host| format!("http://{host}{TOKEN_PATH}")));
            let circumstances =
                Circumstances { audiences: &audiences, now: self.clock.now(), since_start: self.started.elapsed() };
            let clients = self.registrations.iter().map(|Hosted { registration, .. }| Client {
                id: &registration.client_id,
                credential: &registration.credential,
                scopes: &registration.scopes,
            });
            self.identity.grant(body, clients, &circumstances)
        } else {
            Err(Refusal(StatusCode::BAD_REQUEST, "invalid_request", "the body must be a form"))
        };
        let (status, body) = match granted {
            Ok(token) => (StatusCode::OK, token),
            Err(Refusal(status, error, description)) => {
                (status, json!({"error": error, "error_description": description}))
            }
        };
        Reply { status, body: body.to_string().into_bytes(), headers: HeaderMap::new() }
            .with(header::CACHE_CONTROL, "no-store")
    }

    /// Whose world may be read.
    fn authorized(&self, headers: &HeaderMap, faults: &[Fault]) -> Result<&Hosted, (StatusCode, &'static str)> {
        let refusal = |message| (StatusCode::UNAUTHORIZED, message);
        let token = bearer(headers).ok_or_else(|| refusal("A bearer token is required."))?;
        let token = self.identity.token(token).ok_or_else(|| refusal("The token is unknown."))?;
        let now = self.started.elapsed();
        let period = |at: Duration, every: Duration| at.as_nanos().checked_div(every.as_nanos());
        let revoked = faults.iter().any(|fault| match fault {
            Fault::RevokeTokens { every } => period(token.issued, *every) != period(now, *every),
            _ => false,
        });
        if revoked || !self.identity.is_fresh(&token, now) {
            return Err(refusal("The token is expired or revoked."));
        }
        if !token.scopes.iter().any(|scope| scope == LICENSE_SCOPE) {
            return Err((StatusCode::FORBIDDEN, "The app lacks the permission."));
        }
        let hosted = self.registrations.iter().find(|hosted| hosted.registration.client_id == token.client_id);
        hosted.ok_or((StatusCode::FORBIDDEN, "The app registration is gone."))
    }

    /// The reply on its way, damaged as the faults say.
    fn respond(&self, reply: Reply, asked: &HeaderMap, faults: &[Fault]) -> Response<Body> {
        let Reply { status, mut body, mut headers } = reply;
        let mut compress = self.gzip && body.len() > 1024;
        for fault in faults.iter().filter(|_| status.is_success()) {
            match fault {
                Fault::MalformedJson => body.truncate(body.len() / 2),
                Fault::Edit(edit) => body = edit.apply(body),
                Fault::Oversized(blanks) => {
                    body.resize(body.len().saturating_add(*blanks), b' ');
                    compress = false;
                }
                Fault::NotGzip | Fault::GzipBomb { .. } => {
                    if let Fault::GzipBomb { mebibytes } = fault {
                        body = gzip_bomb(*mebibytes);
                    }
                    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                    compress = false;
                }
                _ => {}
            }
        }
        let accepts_gzip = asked
            .get(header::ACCEPT_ENCODING)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.split(',').any(|coding| coding.trim() == "gzip"));
        if compress && accepts_gzip {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            if let Ok(compressed) = encoder.write_all(&body).and_then(|()| encoder.finish()) {
                body = compressed;
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
        }
        if status != StatusCode::NO_CONTENT {
            headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json; charset=utf-8"));
        }
        let number = self.counting.next_answer();
        if let Ok(id) = HeaderValue::from_str(&Dice::of(&[self.seed, 0x5251, number]).guid()) {
            headers.insert("x-request-id", id);
        }
        let body = Bytes::from(body);
        let body = faults
            .iter()
            .find_map(|fault| match fault {
                Fault::Truncated => Some(CutBody::half_of(&body, true, End::Closed)),
                Fault::CutChunked => Some(CutBody::half_of(&body, false, End::Closed)),
                Fault::ResetBody { announced } => Some(CutBody::half_of(&body, *announced, End::Reset)),
                Fault::Drip { every } => Some(DripBody::of(body.clone(), *every)),
                _ => None,
            })
            .unwrap_or_else(|| Body::from(body));
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    fn minutes(&self) -> u64 {
        self.started.elapsed().saturating_mul(self.time_scale).as_secs() / 60
    }

    fn http_date(&self, seconds: u32) -> String {
        let date = self.clock.now().saturating_add(Duration::from_secs(seconds.into())).ok();
        date.and_then(|date| DateTimePrinter::new().timestamp_to_rfc9110_string(&date).ok()).unwrap_or_default()
    }
}

/// The token of `Authorization: Bearer`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// Whether the content is of this type, whatever its parameters.
fn has_content_type(headers: &HeaderMap, expected: &str) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    given.and_then(|given| given.split(';').next()).is_some_and(|given| given.trim().eq_ignore_ascii_case(expected))
}
