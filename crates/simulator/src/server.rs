//! The simulator server: counts every request, applies faults, checks the token, and responds.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::body::Body;
use elements::clock::Clock;
use elements::types::Scope;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::connection::{Broken, ResetConnection, serve};
use super::dataset::Dataset;
use super::faults::{Fault, Faults};
use super::identity::{Client, Identity, TokenContext, TokenError, form_field};
use super::path::{Operation, Route, TOKEN_PATH};
use super::reply::Reply;
use super::requests::{RequestLog, Requests};
use super::responses::{ApiRequest, IndexedDataset, ResponseOptions};
use super::rng::SeededRng;
use super::settings::{Registration, Settings};

/// Longer request bodies are refused.
const MAX_BODY_BYTES: usize = 1 << 20;

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
    options: ResponseOptions,
    registrations: Vec<App>,
    identity: Identity,
    faults: Faults,
    request_log: RequestLog,
    clock: Clock,
    started: Instant,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// A registration with a data set that can change.
struct App {
    registration: Registration,
    /// Replaces the registration's own dataset.
    indexed: RwLock<IndexedDataset>,
}

impl Simulator {
    /// Serves on a listener; call it within a tokio runtime. Fails only if the listener has no address.
    pub fn start(settings: Settings, listener: TcpListener) -> io::Result<Self> {
        let mut address = listener.local_addr()?;
        if address.ip().is_unspecified() {
            let loopback = if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
            address = SocketAddr::new(loopback, address.port());
        }
        let registrations = settings.registrations.into_iter().map(|mut registration| {
            let indexed = RwLock::new(IndexedDataset::new(std::mem::take(&mut registration.dataset)));
            App { registration, indexed }
        });
        let shared = Arc::new(Shared {
            origin: format!("http://{address}"),
            seed: settings.seed,
            time_scale: settings.time_scale,
            gzip: settings.gzip,
            options: ResponseOptions {
                dialect: settings.dialect,
                legacy_endpoints: settings.legacy_endpoints,
                absent_tenants: settings.absent_tenants,
            },
            registrations: registrations.collect(),
            identity: Identity::new(settings.seed, settings.token_lifetime),
            faults: Faults::new(settings.seed, settings.faults),
            request_log: RequestLog::default(),
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

    /// The faults; they can be changed at any time.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.shared.faults.clone()
    }

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.shared.request_log.counts()
    }

    /// Resets the request counts.
    pub fn reset_requests(&self) {
        self.shared.request_log.reset();
    }

    /// Reads or changes the data set of a registration under a lock; `None` if there is no such registration.
    pub fn with_dataset<R>(&self, client_id: &str, work: impl FnOnce(&mut Dataset) -> R) -> Option<R> {
        let app = self.shared.registrations.iter().find(|app| app.registration.client_id == client_id)?;
        let mut indexed = app.indexed.write().unwrap_or_else(PoisonError::into_inner);
        let result = work(&mut indexed.dataset);
        indexed.renew();
        Some(result)
    }

    /// Revokes all current tokens of a registration.
    pub fn revoke_tokens(&self, client_id: &str) {
        self.shared.identity.revoke(Some(client_id));
    }

    /// The number of minutes for which seats have moved, to compare a response with [`super::SimCustomer::at`].
    #[must_use]
    pub fn minutes(&self) -> u64 {
        self.shared.minutes()
    }

    /// Stops the server and its connections; its port is free when this returns.
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

impl Shared {
    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, Broken> {
        let since_start = self.started.elapsed();
        let (head, body) = request.into_parts();
        let route = Route::of(head.uri.path());
        let body = axum::body::to_bytes(Body::new(body), MAX_BODY_BYTES).await;
        let client = match (&body, route.operation) {
            (Ok(form), Operation::Token) => form_field(form, "client_id"),
            _ => bearer(&head.headers)
                .and_then(|token| self.identity.token(token))
                .map_or_else(String::new, |t| t.client_id),
        };
        let in_flight = self.request_log.arrive(route.operation, head.uri.path(), &client, since_start);
        let matched = self.faults.apply(route.operation, &route.customer);
        if !matched.delay.is_zero() {
            tokio::time::sleep(matched.delay).await;
        }
        let mut replaced = None;
        for fault in &matched.faults {
            match fault {
                Fault::Hang => std::future::pending().await,
                Fault::Reset => return Err(Broken::Reset(ResetConnection)),
                Fault::Freeze => return Err(Broken::Frozen),
                fault => replaced = replaced.or_else(|| Reply::instead(fault, self.clock)),
            }
        }
        let reply = match (replaced, body) {
            (Some(reply), _) => reply,
            (None, Err(_)) => Reply::message(StatusCode::PAYLOAD_TOO_LARGE, "The body is too long."),
            (None, Ok(body)) => self.reply(&route, &head, &body, &matched.faults),
        };
        in_flight.answered(reply.status.as_u16());
        let mut response = reply.respond(self.gzip && accepts_gzip(&head.headers), &matched.faults);
        let number = self.request_log.next_answer();
        if let Ok(id) = HeaderValue::from_str(&SeededRng::of(&[self.seed, 0x5251, number]).guid()) {
            response.headers_mut().insert("x-request-id", id);
        }
        Ok(response)
    }

    /// The right response.
    fn reply(&self, route: &Route, head: &hyper::http::request::Parts, body: &[u8], faults: &[Fault]) -> Reply {
        let method = route.operation.method();
        if route.operation != Operation::Unknown && head.method != method {
            return Reply::message(StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed.")
                .with(header::ALLOW, method.as_str());
        }
        match route.operation {
            Operation::Unknown => Reply::message(StatusCode::NOT_FOUND, "There is nothing at this path."),
            Operation::Token => self.token(head, body, faults),
            Operation::Api(collector) => {
                let app = match self.authorized(&head.headers, collector.endpoint().scope, faults) {
                    Ok(app) => app,
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
                let request = ApiRequest { route, query, body, minutes: self.minutes(), faults };
                let indexed = app.indexed.read().unwrap_or_else(PoisonError::into_inner);
                match indexed.respond(collector, &request, self.options) {
                    Ok(body) => Reply::new(StatusCode::OK, body),
                    Err((status, message)) => Reply::message(status, message),
                }
            }
        }
    }

    fn token(&self, head: &hyper::http::request::Parts, body: &[u8], faults: &[Fault]) -> Reply {
        let wanted = form_field(body, "scope");
        let is_refused = |fault: &Fault| matches!(fault, Fault::RefuseScope(scope) if scope.permission() == wanted);
        let granted = if faults.iter().any(is_refused) {
            Err(TokenError(StatusCode::BAD_REQUEST, "invalid_scope", "the app registration lost this scope"))
        } else if has_content_type(&head.headers, "application/x-www-form-urlencoded") {
            let mut audiences = vec![format!("{}{TOKEN_PATH}", self.origin)];
            let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
            audiences.extend(host.map(|host| format!("http://{host}{TOKEN_PATH}")));
            let context =
                TokenContext { audiences: &audiences, now: self.clock.now(), since_start: self.started.elapsed() };
            let clients = self.registrations.iter().map(|App { registration, .. }| Client {
                id: &registration.client_id,
                credential: &registration.credential,
                scopes: &registration.scopes,
            });
            self.identity.grant(body, clients, &context)
        } else {
            Err(TokenError(StatusCode::BAD_REQUEST, "invalid_request", "the body must be a form"))
        };
        let (status, body) = match granted {
            Ok(token) => (StatusCode::OK, token),
            Err(TokenError(status, error, description)) => {
                (status, json!({"error": error, "error_description": description}))
            }
        };
        Reply::new(status, body.to_string()).with(header::CACHE_CONTROL, "no-store")
    }

    /// The client whose data may be read.
    fn authorized(
        &self,
        headers: &HeaderMap,
        scope: Scope,
        faults: &[Fault],
    ) -> Result<&App, (StatusCode, &'static str)> {
        let refusal = |message| (StatusCode::UNAUTHORIZED, message);
        let token = bearer(headers).ok_or_else(|| refusal("A bearer token is required."))?;
        let token = self.identity.token(token).ok_or_else(|| refusal("The token is unknown."))?;
        let now = self.started.elapsed();
        let period = |at: Duration, every: Duration| at.as_nanos().checked_div(every.as_nanos());
        let refused = faults.iter().any(|fault| match fault {
            Fault::RevokeTokens { every } => period(token.issued, *every) != period(now, *every),
            Fault::TokensNotYetValid { after } => now.saturating_sub(token.issued) < *after,
            _ => false,
        });
        if refused || !self.identity.is_fresh(&token, now) {
            return Err(refusal("The token is expired, revoked or not valid yet."));
        }
        if !token.scopes.iter().any(|granted| granted == scope.permission()) {
            return Err((StatusCode::FORBIDDEN, "The app lacks the permission."));
        }
        let app = self.registrations.iter().find(|app| app.registration.client_id == token.client_id);
        app.ok_or((StatusCode::FORBIDDEN, "The app registration is gone."))
    }

    fn minutes(&self) -> u64 {
        self.started.elapsed().saturating_mul(self.time_scale).as_secs() / 60
    }
}

/// The token of `Authorization: Bearer`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// Whether the content type is this one, with any parameters.
fn has_content_type(headers: &HeaderMap, expected: &str) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    given.and_then(|given| given.split(';').next()).is_some_and(|given| given.trim().eq_ignore_ascii_case(expected))
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| accepted.split(',').any(|coding| coding.trim() == "gzip"))
}
