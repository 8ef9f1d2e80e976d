//! The API client of one partner: queries, paging of tenants, and health.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use prometheus::Registry;
use prometheus::proto::MetricFamily;
use reqwest::Method;
use url::Url;

use super::app_registration::{Registration, Registrations};
use super::auth::{self, Auth};
use super::decode::{self, DecodePage, Decoded};
use super::error::{ClientError, QueryError, RequestError};
use super::health::Health;
use super::listing::{self, Listing};
use super::metrics::{ClientMetrics, Gauges};
use super::paging::{Cursor, LARGEST_PAGE};
use super::rate_limit::{Permit, RateLimiter};
use super::redaction::Secrets;
use super::request::{self, RequestSpec};
use super::resolver::Resolver;
use super::response;
use super::transport::Transport;
use crate::clock::Clock;
use crate::config::ClientConfig;
use crate::types::{
    BackupJob, Collector, CustomerId, FailureReason, ListedCustomer, ListedRow, MAX_ROWS, Observation, PartnerName,
    ProtectedObjects, Query, Scope,
};

/// Maximum jobs in the responses about one customer; only the newest of each plan are kept.
const MAX_JOBS: usize = 100_000;

/// Sends queries to the API for one app registration. Cheap to clone; clones share budget, token and metrics.
#[derive(Clone)]
pub struct Client(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) partner: PartnerName,
    pub(super) transport: Transport,
    pub(super) api: Url,
    pub(super) timeout: Duration,
    pub(super) clock: Clock,
    pub(super) registration: Registration,
    pub(super) rate_limiter: RateLimiter,
    pub(super) auth: Auth,
    pub(super) proxy_secrets: Secrets,
    pub(super) metrics: Arc<ClientMetrics>,
    pub(super) registry: Registry,
    /// Whether requests to the API succeed.
    pub(super) health: Health,
    /// The page sizes that work for the service list and for the list of customers.
    pub(super) listing_sizes: [AtomicU32; Collector::ALL.len()],
}

/// The health of the client, for the status page and readiness.
#[derive(Clone, Debug)]
pub struct ApiStatus {
    /// Why the last request (to the identity service or the API) failed; `None` if it succeeded. Known from the first
    /// failure on, long before a query is given up.
    pub failure: Option<FailureReason>,
    /// The host and the message of that failure.
    pub detail: Option<Arc<str>>,
    /// The credential is refused (401, 403, `invalid_client`) and no earlier token is left: every request fails until
    /// an operator fixes it.
    pub refused: bool,
}

impl Client {
    /// A client with a full budget and no token, which shares its app registration with no other client.
    pub fn new(config: &ClientConfig, clock: Clock) -> Result<Self, ClientError> {
        Self::sharing(config, Registrations::default().get(config.registration_key(), config.budget), clock)
    }

    /// A client that shares budget and tokens with the others of the same app registration.
    pub fn sharing(config: &ClientConfig, registration: Registration, clock: Clock) -> Result<Self, ClientError> {
        Self::with_resolver(config, registration, clock, Resolver::system())
    }

    /// The same, with a custom name resolver.
    pub(super) fn with_resolver(
        config: &ClientConfig,
        registration: Registration,
        clock: Clock,
        resolver: Resolver,
    ) -> Result<Self, ClientError> {
        let new = |peer, url, resolver| Transport::new(peer, config, url, resolver);
        let transport = new(request::PEER, &config.api_url, resolver.clone())?;
        let token_transport = new(auth::PEER, &config.token_url, resolver)?;
        let registry = Registry::new();
        let metrics = Arc::new(ClientMetrics::new(&config.partner, &registry)?);
        let rate_limiter = registration.rate_limiter.clone();
        let proxy_secrets = Secrets::of_proxy(config.proxy_url.as_ref());
        let auth = Auth::new(
            config,
            token_transport,
            registration.clone(),
            clock,
            Arc::clone(&metrics),
            proxy_secrets.clone(),
        );
        registry.register(Box::new(Gauges::new(&config.partner, rate_limiter.clone(), auth.clone())?))?;
        Ok(Self(Arc::new(Inner {
            partner: config.partner.clone(),
            transport,
            api: config.api_url.clone(),
            timeout: config.budget.timeout,
            clock,
            registration,
            rate_limiter,
            auth,
            proxy_secrets,
            metrics,
            registry,
            health: Health::default(),
            listing_sizes: Collector::ALL.map(|_| AtomicU32::new(LARGEST_PAGE)),
        })))
    }

    /// Creates the metrics of these collectors with the value 0. [`Self::new`] does so for those that are not optional.
    pub fn init_collectors(&self, collectors: impl Iterator<Item = Collector>) {
        collectors.for_each(|collector| self.0.metrics.init_collector(collector));
    }

    /// Gets a token with the scope of a collector, to find out whether the scope is granted.
    pub async fn check_scope(&self, collector: Collector) -> Result<(), RequestError> {
        self.0.auth.token(collector.endpoint().scope).await.map(drop)
    }

    /// The app registration, for clients that share it.
    #[must_use]
    pub fn registration(&self) -> &Registration {
        &self.0.registration
    }

    /// Reads the credential again from its source, because it may have been rotated. Blocks while files are read.
    pub fn reread_credential(&self) {
        self.0.auth.reread_credential();
    }

    /// Waits until a request may be sent: no pause after failed requests for the token of the licences, which
    /// everything depends on, and the rate limiter grants a permit. Dropping the future is safe.
    pub async fn acquire(&self) -> Permit {
        self.0.auth.wait_ready(Scope::License).await;
        // The request itself returns this failure again.
        let _ = self.0.auth.token(Scope::License).await;
        self.0.rate_limiter.acquire().await
    }

    /// Sends a query about one customer. The permit is for its first request; further requests acquire their own.
    pub async fn query(&self, customer: &CustomerId, query: Query, permit: Permit) -> Result<Observation, QueryError> {
        let kind = query.number().to_string();
        let (method, path): (_, &[&str]) = match query {
            Query::CustomerSeats(_) => (Method::GET, &["3rd-party-products", "type", &kind, "overview"]),
            Query::TenantSeats(_) => (Method::POST, &["3rd-party-products", "type", &kind, "tenants", "batch"]),
            Query::ProductPurchased(_) => (Method::GET, &["avpt-products", "type", &kind, "overview"]),
            Query::ProductAvailable(_) => (Method::GET, &["avpt-products", "overview", "type", &kind]),
            Query::BackupJobs => (Method::POST, &["avpt-products", "jobs", "batch"]),
            Query::BackupOverview => (Method::GET, &["cloud-backup-m365", "overview"]),
        };
        let call = RequestSpec {
            collector: query.collector(),
            body: (method == Method::POST).then(|| "{}".to_owned()),
            method,
            url: self.customer_url(customer, path)?,
            // A customer may have thousands of jobs.
            limit: if query == Query::BackupJobs { response::JOBS_BODY } else { response::USUAL_BODY },
            may_be_absent: true,
            repeats_timeouts: true,
        };
        let first = Some(permit);
        Ok(match query {
            Query::CustomerSeats(_) => {
                Observation::CustomerSeats(self.request(&call, first, decode::customer_seats).await?.0)
            }
            Query::ProductPurchased(_) => {
                Observation::ProductPurchased(self.request(&call, first, decode::product_purchased).await?.0)
            }
            Query::ProductAvailable(_) => {
                Observation::ProductAvailable(self.request(&call, first, decode::product_available).await?.0)
            }
            Query::TenantSeats(_) => {
                let rows = self.pages(call, first, MAX_ROWS, decode::tenant_seats, |row| row.id.as_str()).await?;
                // Distinct by tenant id: the last row wins.
                let tenants: BTreeMap<_, _> = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
                Observation::TenantSeats(tenants.into_values().collect())
            }
            Query::BackupJobs => {
                let rows = self.pages(call, first, MAX_JOBS, decode::backup_jobs, |row| &row.key).await?;
                let jobs = BackupJob::newest(rows.into_iter().filter_map(|keyed| keyed.row));
                if jobs.len() > MAX_ROWS {
                    return Err(too_many("plans").into());
                }
                Observation::BackupJobs(jobs)
            }
            Query::BackupOverview => {
                let rows = self.pages(call, first, MAX_ROWS, decode::backup_overview, |row| &row.key).await?;
                Observation::BackupOverview(ProtectedObjects::by_module(rows.into_iter().filter_map(|keyed| keyed.row)))
            }
        })
    }

    /// Lists the service list page by page: all customers that the registration can see, or only these.
    #[must_use]
    pub fn listing(&self, ids: Option<&[CustomerId]>) -> Listing<ListedCustomer> {
        Listing::new(self.clone(), &listing::SERVICES, ids)
    }

    /// Lists the rows of another list page by page: all customers that the registration can see, or only these.
    #[must_use]
    pub fn list(&self, collector: Collector, ids: Option<&[CustomerId]>) -> Listing<ListedRow> {
        Listing::new(self.clone(), listing::of(collector), ids)
    }

    /// The metrics of this client.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// The metrics of this client, with current values.
    #[must_use]
    pub fn gather(&self) -> Vec<MetricFamily> {
        self.0.registry.gather()
    }

    /// When a request to the API last succeeded.
    #[must_use]
    pub fn last_success(&self) -> Option<jiff::Timestamp> {
        self.0.health.last_success()
    }

    /// The number of finished requests so far, failed and token requests included.
    #[must_use]
    pub fn requests_ended(&self) -> u64 {
        self.0.metrics.ended()
    }

    /// Whether no request may be sent at the moment: requests are paused after HTTP 429, or after failed token
    /// requests.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.0.rate_limiter.state().paused_for.is_some() || self.0.auth.status(Scope::License).paused_until.is_some()
    }

    /// The current health, for the status page and readiness.
    #[must_use]
    pub fn status(&self) -> ApiStatus {
        let auth = self.0.auth.status(Scope::License);
        let (host, reason, message) = match auth.failure {
            Some(failure) => (self.0.auth.host(), Some(failure.reason), Some(failure.message.into())),
            None => (self.0.api.host_str(), self.0.health.reason(), self.0.health.message()),
        };
        let detail = message.map(|message: Arc<str>| format!("{}: {message}", host.unwrap_or_default()).into());
        ApiStatus { failure: reason, detail, refused: auth.refused }
    }

    /// All pages of rows about a customer. A row without an id counts as unreadable and does not affect the others.
    async fn pages<T: Send + 'static>(
        &self,
        call: RequestSpec,
        mut permit: Option<Permit>,
        max_rows: usize,
        decode: DecodePage<T>,
        id: fn(&T) -> &str,
    ) -> Result<Vec<T>, QueryError> {
        let malformed = |problem| RequestError::new(FailureReason::Malformed, format!("rows: {problem}"));
        let mut cursor = Cursor::new(LARGEST_PAGE, max_rows as u64);
        let mut rows = Vec::new();
        while let Some((index, size)) = cursor.next() {
            let call =
                RequestSpec { url: page_url(call.url.clone(), index, size), may_be_absent: index == 1, ..call.clone() };
            let decode = move |body: &[u8]| {
                let listed = body.trim_ascii_start().first() == Some(&b'[');
                let decoded = decode(body)?;
                Ok(Decoded { value: (decoded.value, listed), unreadable: decoded.unreadable })
            };
            let ((page, listed), _) = self.request(&call, permit.take(), decode).await?;
            rows.extend(cursor.take(page, id).map_err(malformed)?);
            if cursor.is_too_long() {
                return Err(too_many("rows").into());
            }
            // The bare list of an older revision has no pages.
            if listed {
                break;
            }
        }
        cursor.finish().map_err(malformed)?;
        Ok(rows)
    }

    /// The stored page size of a list of customers.
    pub(super) fn listing_size(&self, collector: Collector) -> u32 {
        self.size_of(collector).load(Ordering::Relaxed)
    }

    /// Stores the page size.
    pub(super) fn set_listing_size(&self, collector: Collector, size: u32) {
        self.size_of(collector).store(size, Ordering::Relaxed);
    }

    fn size_of(&self, collector: Collector) -> &AtomicU32 {
        let sizes = &self.0.listing_sizes;
        sizes.get(collector as usize).unwrap_or(&sizes[0])
    }

    /// The deadline of one request.
    pub(super) fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// A URL below the customers of the API.
    pub(super) fn customers_url(&self, segments: &[&str]) -> Url {
        let mut url = self.0.api.clone();
        // An http URL always has a path.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["partner", "external", "v3", "general", "customers"]).extend(segments);
        }
        url
    }

    /// Ids are opaque, but some texts are not valid path segments: `.` and `..` change the path, and control characters
    /// are removed.
    fn customer_url(&self, customer: &CustomerId, segments: &[&str]) -> Result<Url, RequestError> {
        let id = customer.as_str();
        if ["", ".", ".."].contains(&id) || id.chars().any(char::is_control) {
            let message = format!("the customer id {id:?} cannot be part of a URL");
            return Err(RequestError::new(FailureReason::BadRequest, message));
        }
        Ok(self.customers_url(&[&[id], segments].concat()))
    }
}

fn too_many(what: &str) -> RequestError {
    RequestError::new(FailureReason::Malformed, format!("the response has more {what} than a customer can have"))
}

/// Adds the page parameters.
pub(super) fn page_url(mut url: Url, index: u64, size: u32) -> Url {
    url.query_pairs_mut().append_pair("pageIndex", &index.to_string()).append_pair("pageSize", &size.to_string());
    url
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("api", &self.0.api.host_str()).finish_non_exhaustive()
    }
}
