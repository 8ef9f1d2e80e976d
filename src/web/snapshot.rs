//! What a page is made from: the inventories as they are at one moment, and their customers in order.
//!
//! Making one takes tens of milliseconds for 20,000 customers, so that [`Recent`] keeps one at hand while somebody looks;
//! listing from it takes a few, most of them for searching.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use elements::types::CustomerId;
use jiff::Timestamp;
use tokio::time::Instant;

use super::issue::{Issue, Issues, Severity};
use super::query::Query;
use super::readiness::{ReadyLatch, readiness};
use super::role::Role;
use super::status::Status;
use super::summary::{self, Row, by_severity};
use crate::inventory::{Customer, Inventory};

/// For how long a view is used again. Short enough for nobody to notice, long enough for a crowd to share one.
const REUSE: Duration = Duration::from_secs(2);
/// Longer than two refreshes of a page that somebody has left open.
const WATCHED: Duration = Duration::from_secs(150);

/// Customers in the table of unused seats; the others are on the pages of their state.
pub const MAX_UNUSED: usize = 20;

/// One moment.
#[derive(Debug)]
pub struct View {
    /// When that is.
    pub now: Timestamp,
    /// How the exporter is doing.
    pub status: Status,
    /// Of every partner.
    pub inventories: Vec<Inventory>,
    /// Every customer, the worst at the top.
    lines: Vec<Line>,
}

/// A customer, and what of its row is needed to look for it.
#[derive(Debug)]
struct Line {
    /// Of its partner, among the inventories.
    inventory: usize,
    customer: Arc<Customer>,
    issues: Issues,
}

/// The customers that a query asks for.
#[derive(Debug)]
pub struct List<'a> {
    /// Those on its page, the worst at the top.
    pub rows: Vec<Row<'a>>,
    /// How many there are on all its pages.
    pub total: usize,
    /// How many have each issue, and the worst severity among them, whatever state is asked for.
    pub issues: Vec<(Issue, usize, Severity)>,
    /// The first of those with many unused seats before a renewal, whatever state is asked for.
    pub unused: Vec<Row<'a>>,
    /// How many have none.
    pub ok: usize,
    /// How many in any state.
    pub any: usize,
}

impl View {
    /// These inventories at a time.
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
        let status = Status { simulated, ..Status::new(&inventories, &readiness, ready, series, now) };
        let customers = inventories.iter().enumerate().flat_map(|(index, inventory)| {
            inventory.customers.values().map(move |customer| (index, customer, summary::row(inventory, customer, now)))
        });
        let mut customers: Vec<_> = customers.collect();
        customers.sort_unstable_by(|(_, _, a), (_, _, b)| by_severity(a, b));
        let lines = customers.into_iter().map(|(inventory, customer, row)| Line {
            inventory,
            customer: Arc::clone(customer),
            issues: row.issues,
        });
        Self { now, status, lines: lines.collect(), inventories }
    }

    /// The same in this role.
    #[must_use]
    pub fn with_role(self, role: Role) -> Self {
        Self { status: self.status.with_role(role), ..self }
    }

    /// The customers that are asked for.
    #[must_use]
    pub fn list(&self, query: &Query) -> List<'_> {
        let text = query.text.to_lowercase();
        let is_meant = |line: &&Line| {
            let partner = self.inventories.get(line.inventory).map_or("", |inventory| inventory.partner.as_str());
            (query.partner.is_empty() || query.partner == partner)
                && (text.is_empty()
                    || line.customer.name.to_lowercase().contains(&text)
                    || line.customer.id.as_str().to_lowercase().contains(&text))
        };
        let mut lines: Vec<_> = self.lines.iter().filter(is_meant).collect();
        let any = lines.len();
        let issues = Issue::ALL.into_iter().filter_map(|issue| {
            let severities = || lines.iter().filter_map(|line| line.issues.get(issue));
            Some((issue, severities().count(), severities().min()?))
        });
        let issues = issues.collect();
        let unused = lines.iter().filter(|line| line.issues.contains(Issue::Unused)).take(MAX_UNUSED);
        let unused = unused.filter_map(|line| self.row(line)).collect();
        let ok = lines.iter().filter(|line| line.issues.is_empty()).count();
        lines.retain(|line| query.wants(&line.issues));
        let total = lines.len();
        let shown = lines.get(query.range(total)).unwrap_or_default();
        let rows = shown.iter().filter_map(|line| self.row(line)).collect();
        List { rows, total, issues, unused, ok, any }
    }

    /// One customer.
    #[must_use]
    pub fn customer(&self, partner: &str, id: &CustomerId) -> Option<Row<'_>> {
        let inventory = self.inventories.iter().find(|inventory| inventory.partner.as_str() == partner)?;
        inventory.customers.get(id).map(|customer| summary::row(inventory, customer, self.now))
    }

    fn row<'a>(&'a self, line: &'a Line) -> Option<Row<'a>> {
        let inventory = self.inventories.get(line.inventory)?;
        Some(summary::row(inventory, &line.customer, self.now))
    }
}

/// The last view, kept recent while somebody looks: whoever comes back within minutes is not kept waiting.
#[derive(Debug, Default)]
pub struct Recent(Mutex<Watched>);

#[derive(Debug, Default)]
struct Watched {
    view: Option<Arc<View>>,
    /// When somebody last looked.
    looked: Option<Instant>,
}

impl Recent {
    /// The recent view, or else what `make` gives; whoever asks meanwhile waits for that. It is made anew every
    /// two seconds until nobody has looked for some minutes, and then let go of: it holds on to values that the inventory
    /// has replaced. Must be called in a tokio runtime, where it may block.
    pub fn get_or_make(self: &Arc<Self>, make: impl Fn() -> View + Send + Sync + 'static) -> Arc<View> {
        let mut watched = self.watched();
        watched.looked = Some(Instant::now());
        if let Some(view) = &watched.view {
            return Arc::clone(view);
        }
        let view = Arc::new(make());
        watched.view = Some(Arc::clone(&view));
        tokio::spawn(Arc::clone(self).renew(Arc::new(make)));
        view
    }

    async fn renew(self: Arc<Self>, make: Arc<dyn Fn() -> View + Send + Sync>) {
        loop {
            tokio::time::sleep(REUSE).await;
            if self.watched().looked.is_none_or(|looked| looked.elapsed() >= WATCHED) {
                break;
            }
            let make = Arc::clone(&make);
            let Ok(view) = tokio::task::spawn_blocking(move || make()).await else { break };
            self.watched().view = Some(Arc::new(view));
        }
        self.watched().view = None;
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
