//! Serves a recording: the recorded responses of each request in order; the last one is repeated.
//!
//! Each partner has its own path prefix, which identifies its requests without a token. Any credential is accepted. A
//! request that is not in the recording gets 404; one that was recorded without a response gets 504 after a timeout,
//! otherwise 502.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use elements::recording::{RecordedPartner, RecordedResponse, Recording};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::form_urlencoded;

use super::connection::{Broken, origin, serve};
use super::path::TOKEN_PATH;

/// Longer request bodies are refused.
const MAX_BODY_BYTES: usize = 1 << 20;

/// A replay that serves until it is dropped.
#[derive(Debug)]
pub struct Replay {
    origin: String,
    settings: Value,
    partners: Vec<RecordedPartner>,
    _serving: JoinSet<Infallible>,
}

/// The answers to one request of one partner.
#[derive(Debug)]
struct ResponseSequence {
    request: Option<Value>,
    responses: Vec<RecordedResponse>,
    next: AtomicUsize,
}

/// By partner, method, and path with query; then by body.
type RecordedResponses = HashMap<(String, String, String), Vec<ResponseSequence>>;

impl Replay {
    /// Serves on a listener; call it within a tokio runtime. Fails only if the listener has no address.
    pub fn start(mut recording: Recording, listener: TcpListener) -> io::Result<Self> {
        let origin = origin(&listener)?;
        let (settings, partners) = (recording.settings.take(), std::mem::take(&mut recording.partners));
        let book = Arc::new(book(recording));
        let serving = serve(listener, move |request| replay(Arc::clone(&book), request));
        Ok(Self { origin, settings, partners, _serving: serving })
    }

    /// A configuration that polls the replay as the recorded exporter polled the API.
    #[must_use]
    pub fn config(&self) -> Value {
        let partners = self.partners.iter().map(|RecordedPartner { name, customers }| {
            let api_url = format!("{}/{name}", self.origin);
            json!({
                "name": name,
                "token_url": format!("{api_url}{TOKEN_PATH}"),
                "api_url": api_url,
                "auth": {"client_id": name, "client_secret": "replayed"},
                "budget": {"requests_per_second": 50, "burst": 50, "concurrency": 8},
                "customers": customers,
            })
        });
        let mut config = self.settings.as_object().cloned().unwrap_or_default();
        config.insert("partners".to_owned(), partners.collect());
        Value::Object(config)
    }
}

fn book(recording: Recording) -> RecordedResponses {
    let mut book = RecordedResponses::new();
    for exchange in recording.exchanges {
        let same = book.entry((exchange.partner, exchange.method, exchange.path)).or_default();
        if let Some(known) = same.iter_mut().find(|known| known.request == exchange.request) {
            known.responses.push(exchange.response);
        } else {
            let responses = vec![exchange.response];
            same.push(ResponseSequence { request: exchange.request, responses, next: AtomicUsize::new(0) });
        }
    }
    book
}

async fn replay(book: Arc<RecordedResponses>, request: Request<Incoming>) -> Result<Response<Body>, Broken> {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(Body::new(body), MAX_BODY_BYTES).await else {
        return Ok(respond(413, &[], b"{\"message\": \"The body is too long.\"}".to_vec()));
    };
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let (partner, path) = path.trim_start_matches('/').split_once('/').unwrap_or_default();
    let path = format!("/{path}");
    let is_token = path == TOKEN_PATH;
    let sent = if is_token { Some(token_request(&body)) } else { serde_json::from_slice(&body).ok() };
    let known = book.get(&(partner.to_owned(), head.method.as_str().to_owned(), path));
    let known = known.and_then(|same| same.iter().find(|responses| responses.request == sent));
    Ok(match known.and_then(ResponseSequence::next) {
        Some(RecordedResponse::Response { status, headers, body }) => respond(*status, headers, body.clone()),
        Some(RecordedResponse::Failure(reason)) => {
            let status = if reason == "timeout" { 504 } else { 502 };
            respond(status, &[], json!({"message": format!("recorded: {reason}")}).to_string().into_bytes())
        }
        // Partners of one app registration share a token, and only one of them has request for it.
        None if is_token => {
            let token = json!({"access_token": "replayed", "expires_in": 3600, "token_type": "Bearer"});
            respond(200, &[], token.to_string().into_bytes())
        }
        None => respond(404, &[], b"{\"message\": \"The recording has no such request.\"}".to_vec()),
    })
}

impl ResponseSequence {
    fn next(&self) -> Option<&RecordedResponse> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        self.responses.get(next).or(self.responses.last())
    }
}

/// The fields of a token request that a recording has.
fn token_request(form: &[u8]) -> Value {
    let fields = form_urlencoded::parse(form).filter(|(name, _)| name == "grant_type" || name == "scope");
    fields
        .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn respond(status: u16, headers: &[(String, String)], body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
