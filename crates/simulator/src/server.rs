//! The simulator server: counts every request, applies faults, checks the token, and responds.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use elements::clock::Clock;
use elements::types::Scope;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use parking_lot::{Mutex, MutexGuard, RwLock};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::connection::{Broken, origin, serve};
use super::dataset::Dataset;
use super::faults::{Fault, Faults};
use super::identity::{Identity, TokenError, form_field};
use super::path::{Operation, Route, TOKEN_PATH};
use super::reply::Reply;
use super::requests::Requests;
use super::responses::{self, ApiRequest, IndexedDataset, Refusal};
use super::rng::SeededRng;
use super::settings::{Registration, Settings};

/// Longer request bodies are refused.
const MAX_BODY_BYTES: usize = 1 << 20;

/// A simulator that serves until it is dropped.
pub struct Simulator {
    shared: Arc<Shared>,
    serving: JoinSet<Infallible>,
}

struct Shared {
    /// `http://` and the authority.
    origin: String,
    settings: Settings,
    /// The data sets of the registrations, in their order, instead of those in the settings.
    datasets: Vec<RwLock<IndexedDataset>>,
    identity: Identity,
    faults: Faults,
    requests: Mutex<Requests>,
    clock: Clock,
    started: Instant,
}

impl Simulator {
    /// Serves on a listener; call it within a tokio runtime. Fails only if the listener has no address.
    pub fn start(mut settings: Settings, listener: TcpListener) -> io::Result<Self> {
        let datasets = settings.registrations.iter_mut().map(|known| std::mem::take(&mut known.dataset));
        let shared = Arc::new(Shared {
            origin: origin(&listener)?,
            datasets: datasets.map(|dataset| RwLock::new(IndexedDataset::new(dataset))).collect(),
            identity: Identity::new(settings.seed, settings.token_lifetime),
            faults: Faults::new(settings.seed, std::mem::take(&mut settings.faults)),
            requests: Mutex::default(),
            clock: Clock::start(),
            started: Instant::now(),
            settings,
        });
        let handler = {
            let shared = Arc::clone(&shared);
            move |request| Arc::clone(&shared).handle(request)
        };
        Ok(Self { shared, serving: serve(listener, handler) })
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
        self.shared.requests().clone()
    }

    /// Resets the request counts.
    pub fn reset_requests(&self) {
        self.shared.requests().reset();
    }

    /// Reads or changes the data set of a registration under a lock; `None` if there is no such registration.
    pub fn with_dataset<R>(&self, client_id: &str, work: impl FnOnce(&mut Dataset) -> R) -> Option<R> {
        let mut indexed = self.shared.dataset(client_id)?.write();
        let mut dataset = std::mem::take(&mut indexed.dataset);
        let result = work(&mut dataset);
        *indexed = IndexedDataset::new(dataset);
        Some(result)
    }

    /// Revokes all current tokens of a registration.
    pub fn revoke_tokens(&self, client_id: &str) {
        self.shared.identity.revoke(client_id);
    }

    /// Stops the server and its connections; its port is free when this returns.
    pub async fn stop(mut self) {
        self.serving.shutdown().await;
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
        self.requests().arrive(route.operation, &client, since_start);
        let (delay, faults) = self.faults.apply(route.operation, &route.customer);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let mut replaced = None;
        for fault in &faults {
            match fault {
                Fault::Hang => std::future::pending().await,
                Fault::Reset => return Err(Broken::Reset),
                Fault::Freeze => return Err(Broken::Frozen),
                fault => replaced = replaced.or_else(|| Reply::instead(fault, self.clock)),
            }
        }
        let reply = match (replaced, body) {
            (Some(reply), _) => reply,
            (None, Err(_)) => Reply::message(StatusCode::PAYLOAD_TOO_LARGE, "The body is too long."),
            (None, Ok(body)) => self.reply(&route, &head, &body, &faults),
        };
        let number = self.requests().record_response(route.operation, reply.status.as_u16());
        let mut response = reply.respond(accepts_gzip(&head.headers), &faults);
        if let Ok(id) = HeaderValue::from_str(&SeededRng::of(&[self.settings.seed, 0x5251, number]).guid()) {
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
                let body = self.authorized(&head.headers, collector.endpoint().scope, faults).and_then(|dataset| {
                    if !has_content_type(&head.headers, "application/json") {
                        let message = "Requests must carry Content-Type: application/json.";
                        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
                    }
                    let query = head.uri.query().unwrap_or_default();
                    let (settings, minutes) = (&self.settings, self.minutes());
                    let request = ApiRequest { route, query, body, minutes, settings, faults };
                    let dataset = dataset.read();
                    responses::respond(&dataset, collector, &request)
                });
                match body {
                    Ok(body) => Reply::new(StatusCode::OK, body),
                    Err((status @ StatusCode::UNAUTHORIZED, message)) => {
                        Reply::message(status, message).with(header::WWW_AUTHENTICATE, "Bearer")
                    }
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
            let clients = self.settings.registrations.iter();
            self.identity.grant(body, clients, &audiences, self.clock.now(), self.started.elapsed())
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

    /// The data that may be read.
    fn authorized(
        &self,
        headers: &HeaderMap,
        scope: Scope,
        faults: &[Fault],
    ) -> Result<&RwLock<IndexedDataset>, Refusal> {
        let refusal = |message| (StatusCode::UNAUTHORIZED, message);
        let token = bearer(headers).ok_or_else(|| refusal("A bearer token is required."))?;
        let token = self.identity.token(token).ok_or_else(|| refusal("The token is unknown."))?;
        let now = self.started.elapsed();
        let period = |at: Duration, every: Duration| at.as_nanos().checked_div(every.as_nanos());
        let refused = faults.iter().any(|fault| match fault {
            Fault::RevokeTokens(every) => period(token.issued, *every) != period(now, *every),
            Fault::TokensNotYetValid(after) => now.saturating_sub(token.issued) < *after,
            _ => false,
        });
        if refused || !self.identity.is_fresh(&token, now) {
            return Err(refusal("The token is expired, revoked or not valid yet."));
        }
        if !token.scopes.iter().any(|granted| granted == scope.permission()) {
            return Err((StatusCode::FORBIDDEN, "The app lacks the permission."));
        }
        self.dataset(&token.client_id).ok_or((StatusCode::FORBIDDEN, "The app registration is gone."))
    }

    fn dataset(&self, client_id: &str) -> Option<&RwLock<IndexedDataset>> {
        let is_wanted = |registration: &Registration| registration.client_id == client_id;
        self.datasets.get(self.settings.registrations.iter().position(is_wanted)?)
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock()
    }

    fn minutes(&self) -> u64 {
        self.started.elapsed().saturating_mul(self.settings.time_scale).as_secs() / 60
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
