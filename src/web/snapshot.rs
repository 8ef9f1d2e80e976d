//! Snapshot of all inventories for the pages and the JSON, with the customers sorted by severity.
//!
//! Building one takes tens of milliseconds for 20,000 customers, so [`SnapshotCache`] keeps a recent one while pages are
//! requested. Listing customers from it takes a few milliseconds, mostly for the text search.

use std::sync::Arc;
use std::time::Duration;

use elements::types::CustomerId;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::issue::{Issue, Issues, Severity};
use super::query::CustomerQuery;
use super::readiness::{ReadyLatch, readiness};
use super::role::Role;
use super::status::ExporterStatus;
use super::summary::{self, CustomerSummary, by_severity};
use crate::inventory::{Customer, Inventory};

/// Age at which a cached snapshot is replaced: short enough to look current, long enough for many requests to share it.
const REFRESH_INTERVAL: Duration = Duration::from_secs(2);
/// Without a request for this long, the cached snapshot is dropped. Longer than two automatic reloads of an open page.
const IDLE_TIMEOUT: Duration = Duration::from_secs(150);

/// Maximum customers in the table of unused seats; the filter by state lists the others.
pub const MAX_UNUSED: usize = 20;

/// The state of the exporter at one moment.
#[derive(Debug)]
pub struct PageSnapshot {
    /// That moment.
    pub now: Timestamp,
    /// The status of the exporter and of every partner.
    pub status: ExporterStatus,
    /// One per partner, in the order of the configuration.
    pub inventories: Vec<Inventory>,
    /// All customers, the most severe first.
    index: Vec<IndexedCustomer>,
}

/// A customer with the part of its summary that filters need.
#[derive(Debug)]
struct IndexedCustomer {
    /// The index of its partner's inventory.
    inventory: usize,
    customer: Arc<Customer>,
    issues: Issues,
}

/// The customers that match a query.
#[derive(Debug)]
pub struct CustomerList<'a> {
    /// Those on the requested page, the most severe first.
    pub rows: Vec<CustomerSummary<'a>>,
    /// The number of matching customers on all pages.
    pub total: usize,
    /// Per issue: the number of customers and their worst severity, ignoring the filter by state.
    pub issues: Vec<(Issue, usize, Severity)>,
    /// The first [`MAX_UNUSED`] customers with many unused seats before a renewal, ignoring the filter by state.
    pub unused: Vec<CustomerSummary<'a>>,
    /// The number of customers without an issue, ignoring the filter by state.
    pub ok: usize,
    /// The number of customers in any state.
    pub any: usize,
}

impl PageSnapshot {
    /// The snapshot of these inventories at `now`.
    #[must_use]
    pub fn new(
        inventories: Vec<Inventory>,
        series: u64,
        ready_latch: &ReadyLatch,
        simulated: bool,
        now: Timestamp,
    ) -> Self {
        let readiness = readiness(&inventories, now);
        let ready = ready_latch.update(readiness.ready);
        let status = ExporterStatus { simulated, ..ExporterStatus::new(&inventories, &readiness, ready, series, now) };
        let customers = inventories.iter().enumerate().flat_map(|(index, inventory)| {
            inventory.customers.values().map(move |customer| (index, customer, summary::row(inventory, customer, now)))
        });
        let mut customers: Vec<_> = customers.collect();
        customers.sort_unstable_by(|(_, _, a), (_, _, b)| by_severity(a, b));
        let index = customers.into_iter().map(|(inventory, customer, row)| IndexedCustomer {
            inventory,
            customer: Arc::clone(customer),
            issues: row.issues,
        });
        Self { now, status, index: index.collect(), inventories }
    }

    /// The same snapshot with this role among replicas.
    #[must_use]
    pub fn with_role(self, role: Role) -> Self {
        Self { status: self.status.with_role(role), ..self }
    }

    /// The customers that match the query, and counts for the filter.
    #[must_use]
    pub fn list(&self, query: &CustomerQuery) -> CustomerList<'_> {
        let text = query.text.to_lowercase();
        let matches_text = |customer: &&IndexedCustomer| {
            let partner = self.inventories.get(customer.inventory).map_or("", |inventory| inventory.partner.as_str());
            (query.partner.is_empty() || query.partner == partner)
                && (text.is_empty()
                    || customer.customer.name.to_lowercase().contains(&text)
                    || customer.customer.id.as_str().to_lowercase().contains(&text))
        };
        let mut index: Vec<_> = self.index.iter().filter(matches_text).collect();
        let any = index.len();
        let issues = Issue::ALL.into_iter().filter_map(|issue| {
            let severities = || index.iter().filter_map(|customer| customer.issues.get(issue));
            Some((issue, severities().count(), severities().min()?))
        });
        let issues = issues.collect();
        let unused = index.iter().filter(|customer| customer.issues.contains(Issue::Unused)).take(MAX_UNUSED);
        let unused = unused.filter_map(|customer| self.row(customer)).collect();
        let ok = index.iter().filter(|customer| customer.issues.is_empty()).count();
        index.retain(|customer| query.matches(&customer.issues));
        let total = index.len();
        let shown = index.get(query.range(total)).unwrap_or_default();
        let rows = shown.iter().filter_map(|customer| self.row(customer)).collect();
        CustomerList { rows, total, issues, unused, ok, any }
    }

    /// One customer.
    #[must_use]
    pub fn customer(&self, partner: &str, id: &CustomerId) -> Option<CustomerSummary<'_>> {
        let inventory = self.inventories.iter().find(|inventory| inventory.partner.as_str() == partner)?;
        inventory.customers.get(id).map(|customer| summary::row(inventory, customer, self.now))
    }

    fn row<'a>(&'a self, customer: &'a IndexedCustomer) -> Option<CustomerSummary<'a>> {
        let inventory = self.inventories.get(customer.inventory)?;
        Some(summary::row(inventory, &customer.customer, self.now))
    }
}

/// Caches a recent snapshot while pages are requested, so that a page does not wait for one to be built.
#[derive(Debug, Default)]
pub struct SnapshotCache(Mutex<CachedSnapshot>);

#[derive(Debug, Default)]
struct CachedSnapshot {
    snapshot: Option<Arc<PageSnapshot>>,
    /// The time of the last request.
    last_used: Option<Instant>,
}

impl SnapshotCache {
    /// Returns the cached snapshot, or builds the first one; concurrent callers wait for it. From then on it is rebuilt
    /// every `REFRESH_INTERVAL`, until there was no request for `IDLE_TIMEOUT`. Then it is dropped, because it keeps
    /// values in memory that the inventory has replaced. Must be called in a tokio runtime, on a thread that may block.
    pub fn get_or_build(
        self: &Arc<Self>,
        build: impl Fn() -> PageSnapshot + Send + Sync + 'static,
    ) -> Arc<PageSnapshot> {
        let mut cached = self.cached();
        cached.last_used = Some(Instant::now());
        if let Some(snapshot) = &cached.snapshot {
            return Arc::clone(snapshot);
        }
        let snapshot = Arc::new(build());
        cached.snapshot = Some(Arc::clone(&snapshot));
        tokio::spawn(Arc::clone(self).refresh(Arc::new(build)));
        snapshot
    }

    async fn refresh(self: Arc<Self>, build: Arc<dyn Fn() -> PageSnapshot + Send + Sync>) {
        loop {
            tokio::time::sleep(REFRESH_INTERVAL).await;
            if self.cached().last_used.is_none_or(|last_used| last_used.elapsed() >= IDLE_TIMEOUT) {
                break;
            }
            let build = Arc::clone(&build);
            let Ok(snapshot) = tokio::task::spawn_blocking(move || build()).await else { break };
            self.cached().snapshot = Some(Arc::new(snapshot));
        }
        self.cached().snapshot = None;
    }

    fn cached(&self) -> MutexGuard<'_, CachedSnapshot> {
        self.0.lock()
    }
}
