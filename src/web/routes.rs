//! HTTP routes and their handlers. CPU-bound work runs on blocking threads, not on the threads of the async runtime.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use exposition::{Chunks, accepts_gzip, negotiate, off_heap};
use hyper::body::{Frame, SizeHint};
use maud::Markup;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Role;
use super::metrics::WebMetrics;
use super::query::CustomerQuery;
use super::reload::{Reloader, is_cross_site};
use super::self_metrics_cache::SelfMetricsCache;
use super::snapshot::{PageSnapshot, SnapshotCache};
use super::{AppState, Error, api, csv, customer_page, status_page};
use crate::metrics::merge;
use crate::panics::{self, Task};

const STYLE: &str = include_str!("style.css");
const FAVICON: &str = include_str!("favicon.svg");
const TEXT: [(HeaderName, &str); 1] = [(CONTENT_TYPE, "text/plain; charset=utf-8")];

/// The telemetry path may be none of these, and below none of them.
const RESERVED_PATHS: [&str; 6] = ["/-", "/api", "/config", "/customers", "/favicon.svg", "/style.css"];

struct Handlers {
    app: AppState,
    metrics: WebMetrics,
    snapshots: Arc<SnapshotCache>,
    self_metrics: SelfMetricsCache,
    reloader: Option<Reloader>,
    limiter: PageLimiter,
}

type HandlerState = State<Arc<Handlers>>;

/// The router with all routes.
pub fn router(app: AppState) -> Result<Router, Error> {
    check_telemetry_path(&app.telemetry_path)?;
    let telemetry_path = app.telemetry_path.clone();
    let external_url = app.external_url.clone();
    let metrics = WebMetrics::new().map_err(Error::WebMetrics)?;
    let reloader = app.reload.clone().map(Reloader::new);
    let handlers = Handlers {
        app,
        metrics,
        snapshots: Arc::default(),
        self_metrics: SelfMetricsCache::new(),
        reloader,
        limiter: PageLimiter::new(),
    };
    let pages = Router::new()
        .route("/", get(status_page))
        .route(&telemetry_path, get(scrape))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/-/reload", post(reload))
        .route("/config", get(config))
        .route("/style.css", get(style))
        .route("/customers/{partner}/{customer_id}", get(customer))
        .route("/favicon.svg", get(favicon))
        .route("/api/v1/customers", get(api_customers))
        .route("/api/v1/customers.csv", get(api_customers_csv))
        .route("/api/v1/status", get(api_status))
        .method_not_allowed_fallback(async || (StatusCode::METHOD_NOT_ALLOWED, TEXT, "method not allowed\n"))
        .with_state(Arc::new(handlers));
    Ok(external_url.nest(pages).fallback(async || (StatusCode::NOT_FOUND, TEXT, "not found\n")))
}

/// Whether metrics can be served at this path.
pub fn check_telemetry_path(path: &str) -> Result<(), Error> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.~/".contains(c);
    let lies_under =
        |reserved: &&str| path.strip_prefix(*reserved).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if !path.starts_with('/') || !path.chars().all(is_plain) {
        return Err(Error::TelemetryPath(path.to_owned(), "it is a path like /metrics, of letters, digits and -_.~/"));
    }
    // Clients normalize these before they send a request, and `//m` in a link is another host.
    if path.contains("//") || path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(Error::TelemetryPath(path.to_owned(), "clients cannot request a path with //, /./ or /../ in it"));
    }
    if path == "/" || RESERVED_PATHS.iter().any(lies_under) {
        return Err(Error::TelemetryPath(path.to_owned(), "another page has that path; choose one like /metrics"));
    }
    Ok(())
}

impl Handlers {
    /// Renders a page from a recent snapshot, within the limits of [`PageLimiter`].
    async fn page(
        self: Arc<Self>,
        render: impl FnOnce(&PageSnapshot) -> RenderedPage + Send + 'static,
    ) -> Result<Response, Response> {
        let limiter = self.limiter.clone();
        limiter.page(move || render(&self.snapshot())).await
    }

    fn snapshot(self: &Arc<Self>) -> Arc<PageSnapshot> {
        let handlers = Arc::clone(self);
        self.snapshots.get_or_build(move || {
            let inventories = (handlers.app.inventories)();
            let series = handlers.app.exposition.get().series();
            let AppState { ready_latch, simulated, clock, .. } = &handlers.app;
            PageSnapshot::new(inventories, series, ready_latch, *simulated, clock.wall_now())
                .with_role((handlers.app.role)())
        })
    }
}

/// Limits how many pages are rendered at the same time, and how many are rendered but not sent yet, so that many requests
/// cost neither threads nor memory. Probes have their own permits, so that pages never delay them; connections limit how
/// many probes wait. Scrapes are not limited here: their content is rendered already, or gathered once for all that wait.
#[derive(Clone)]
struct PageLimiter {
    /// For pages that are being rendered.
    rendering: Arc<Semaphore>,
    /// For pages that wait, are being rendered, or are not completely sent.
    permits: Arc<Semaphore>,
    /// For probes.
    probes: Arc<Semaphore>,
}

impl PageLimiter {
    const RENDERING: usize = 2;
    const PERMITS: usize = 64;
    const PROBES: usize = 2;

    fn new() -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self {
            rendering: semaphore(Self::RENDERING),
            permits: semaphore(Self::PERMITS),
            probes: semaphore(Self::PROBES),
        }
    }

    /// Renders a page; 503 if too many wait already or are not completely sent.
    async fn page(&self, work: impl FnOnce() -> RenderedPage + Send + 'static) -> Result<Response, Response> {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            let busy = "too many pages are requested at the same time; try again in a moment\n";
            // The connection is closed, because its next requests would be refused too.
            let headers = [(RETRY_AFTER, "1"), (CONNECTION, "close")];
            return Err((StatusCode::SERVICE_UNAVAILABLE, headers, TEXT, busy).into_response());
        };
        let respond = move || {
            let RenderedPage { status, content_type, text } = work();
            let text = Bytes::from_owner(PermitBytes { text: off_heap(&text), _permit: permit });
            (status, [(CONTENT_TYPE, content_type)], text).into_response()
        };
        offload(&self.rendering, respond).await
    }

    /// Answers a probe.
    async fn probe<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Response> {
        offload(&self.probes, work).await
    }
}

/// Runs `work` on a blocking thread. It keeps its permit until it ends, even if the client disconnects.
async fn offload<T: Send + 'static>(
    permits: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Response> {
    // The semaphore is never closed.
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    let work = move || {
        let _permit = permit;
        work()
    };
    panics::spawn_blocking(Task::Connection, work).await.map_err(|_| failed())
}

/// The work panicked, or the runtime is shutting down.
fn failed() -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, TEXT, "this page failed\n").into_response()
}

async fn scrape(State(handlers): HandlerState, headers: HeaderMap) -> Result<Response, Response> {
    // A header that comes several times is one list (RFC 9110, 5.3).
    let list = |name| {
        let values: Vec<_> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        (!values.is_empty()).then(|| values.join(","))
    };
    let format = negotiate(list(ACCEPT).as_deref());
    let gzip = accepts_gzip(list(ACCEPT_ENCODING).as_deref());
    let state = Arc::clone(&handlers);
    let gather = move || merge(vec![(state.app.self_metrics)(), state.metrics.gather()]);
    let self_metrics = handlers.self_metrics.get(format, gather).await.map_err(|_| failed())?;
    let exposition = handlers.app.exposition.get();
    let scrape = exposition.scrape_with(gzip, &self_metrics, &handlers.metrics.scraped(exposition.series()));
    let mut response = Response::new(Body::new(ChunkedBody::new(scrape.chunks)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(scrape.content_type));
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if scrape.gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

/// Takes no lock that is held during work, so that it responds while that work hangs.
async fn healthy(State(handlers): HandlerState) -> Response {
    match (handlers.app.health)() {
        Ok(()) => (TEXT, "healthy\n").into_response(),
        Err(stalled) => (StatusCode::SERVICE_UNAVAILABLE, TEXT, stalled).into_response(),
    }
}

async fn ready(State(handlers): HandlerState) -> Result<Response, Response> {
    let limiter = handlers.limiter.clone();
    let (ready, text) = limiter
        .probe(move || {
            let app = &handlers.app;
            if let role @ Role::Standby { .. } = (app.role)() {
                return (true, role.notice().unwrap_or_default() + "\n");
            }
            let readiness = (app.readiness)();
            (app.ready_latch.update(readiness.ready), readiness.to_string())
        })
        .await?;
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((code, TEXT, text).into_response())
}

async fn reload(
    State(handlers): HandlerState,
    headers: HeaderMap,
) -> (StatusCode, [(HeaderName, &'static str); 1], String) {
    let Some(reloader) = &handlers.reloader else {
        return (StatusCode::FORBIDDEN, TEXT, "reloading is off: start with --web.enable-lifecycle\n".to_owned());
    };
    if is_cross_site(&headers, &handlers.app.external_url) {
        let refused = "a web page of another site may not reload; behind a proxy, set --web.external-url\n";
        return (StatusCode::FORBIDDEN, TEXT, refused.to_owned());
    }
    match reloader.reload().await {
        Some(Ok(())) => (StatusCode::OK, TEXT, "reloaded\n".to_owned()),
        Some(Err(problems)) => (StatusCode::BAD_REQUEST, TEXT, format!("{problems}\n")),
        None => (StatusCode::SERVICE_UNAVAILABLE, TEXT, "shutting down\n".to_owned()),
    }
}

async fn config(State(handlers): HandlerState) -> Response {
    ([(CONTENT_TYPE, "text/yaml; charset=utf-8")], (handlers.app.config_yaml)()).into_response()
}

async fn style() -> Response {
    // Its URL changes with the version.
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "max-age=3600")], STYLE).into_response()
}

async fn favicon() -> Response {
    ([(CONTENT_TYPE, "image/svg+xml"), (CACHE_CONTROL, "max-age=86400")], FAVICON).into_response()
}

fn html(page: Markup) -> RenderedPage {
    RenderedPage::new(StatusCode::OK, "text/html; charset=utf-8", page.into_string())
}

async fn status_page(State(handlers): HandlerState, RawQuery(query): RawQuery) -> Result<Response, Response> {
    let query = CustomerQuery::parse(&query.unwrap_or_default())
        .map_err(|error| (StatusCode::BAD_REQUEST, TEXT, format!("{error}\n")).into_response())?;
    let telemetry_path = handlers.app.telemetry_path.clone();
    handlers.page(move |snapshot| html(status_page::render(snapshot, &query, &telemetry_path))).await
}

async fn customer(
    State(handlers): HandlerState,
    Path((partner, id)): Path<(String, String)>,
) -> Result<Response, Response> {
    let telemetry_path = handlers.app.telemetry_path.clone();
    let render = move |snapshot: &PageSnapshot| match snapshot.customer(&partner, &id.into()) {
        Some(customer) => html(customer_page::render(snapshot, &customer, &telemetry_path)),
        None => RenderedPage::new(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "no such customer is known\n"),
    };
    handlers.page(render).await
}

async fn api_customers(State(handlers): HandlerState, RawQuery(query): RawQuery) -> Result<Response, Response> {
    let query = CustomerQuery::parse(&query.unwrap_or_default()).map_err(|error| api::bad_request(&error))?;
    handlers.page(move |snapshot| api::customers(snapshot, &query)).await
}

async fn api_customers_csv(State(handlers): HandlerState, RawQuery(query): RawQuery) -> Result<Response, Response> {
    let query = CustomerQuery::parse(&query.unwrap_or_default()).map_err(|error| api::bad_request(&error))?;
    let render = move |snapshot: &PageSnapshot| csv::render(snapshot, &query);
    handlers.page(move |snapshot| RenderedPage::new(StatusCode::OK, "text/csv; charset=utf-8", render(snapshot))).await
}

async fn api_status(State(handlers): HandlerState) -> Result<Response, Response> {
    handlers.page(api::status).await
}

/// A page that was rendered.
#[derive(Debug)]
pub(super) struct RenderedPage {
    status: StatusCode,
    content_type: &'static str,
    text: Vec<u8>,
}

impl RenderedPage {
    pub(super) fn new(status: StatusCode, content_type: &'static str, text: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type, text: text.into() }
    }
}

/// The bytes of a page. They keep its permit until the last of them is sent, because a connection holds the bytes longer
/// than the body. They are outside of the heap, which they would fragment.
struct PermitBytes {
    text: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for PermitBytes {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

/// A response body of existing chunks, which are not copied.
struct ChunkedBody {
    chunks: Chunks,
    next: usize,
    left: u64,
}

impl ChunkedBody {
    fn new(chunks: Chunks) -> Self {
        Self { left: chunks.iter().map(|chunk| chunk.len() as u64).sum(), next: 0, chunks }
    }
}

impl hyper::body::Body for ChunkedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let chunk = self.chunks.get(self.next).cloned();
        self.next += 1;
        self.left -= chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use hyper::body::Body as _;

    use super::*;

    #[tokio::test]
    async fn a_page_keeps_its_permit_as_long_as_somebody_has_its_bytes() {
        let limiter = PageLimiter::new();
        for size in [1, 1_000_000] {
            let page =
                move || RenderedPage { status: StatusCode::OK, content_type: "text/plain", text: vec![b'x'; size] };
            let mut body = Box::pin(limiter.page(page).await.unwrap().into_body());
            let bytes = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await.unwrap().unwrap();
            drop(body);
            assert_eq!(
                limiter.permits.available_permits(),
                PageLimiter::PERMITS - 1,
                "as when a connection has yet to send them"
            );
            drop(bytes);
            assert_eq!(limiter.permits.available_permits(), PageLimiter::PERMITS);
        }
    }
}
