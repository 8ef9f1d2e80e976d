//! The poll loop of one partner: take a due target, poll it, update the inventory, reschedule.
//!
//! A target is taken only when its first request can be sent at once, so targets wait in the queue, in its order, and
//! not in many tasks. A poll that pauses between retries holds no concurrency slot. The loop wakes up for a due time, a
//! permit, a page of the listing, a finished poll, or the shutdown.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;

use elements::clock::Clock;
use elements::types::{Collector, CustomerId, FailureReason, ListedRow, Observation, Query, Target};
use elements::{Client, Permit, QueryError, RequestError};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tracing::{Instrument as _, Span, error, error_span, info};

use super::backoff::PollOutcome;
use super::capacity::Capacity;
use super::customer_list;
use super::endpoint_probe::EndpointProbe;
use super::first_pass::FirstPass;
use super::prepared_customer::PreparedCustomer;
use super::removal_confirmation::RemovalConfirmation;
use super::{CustomerFilter, PollMetrics, PollQueue, service_list};
use crate::config::{CollectorSettings, PartnerSettings};
use crate::health::Progress;
use crate::inventory::InventoryHandle;
use crate::panics::{self, Task};

mod completion;
mod planning;
mod restore;

/// Maximum number of polls that wait between two of their requests; the budget's concurrency limits those in flight.
const MAX_PAUSING: usize = 64;
/// Maximum number of pages of the service list that are queued for the poller.
const PAGES_AHEAD: usize = 2;

/// Polls one partner until shutdown.
#[derive(Debug)]
pub struct Poller {
    client: Client,
    inventory: InventoryHandle,
    collectors: Arc<CollectorSettings>,
    filter: Arc<CustomerFilter>,
    queue: PollQueue<Target>,
    probes: HashMap<Collector, EndpointProbe>,
    /// Collectors whose scope is not granted, and when they are polled again.
    not_granted: HashMap<Collector, Timestamp>,
    /// Customers of the configuration that the last listing did not contain.
    missing_configured: HashSet<CustomerId>,
    capacity: Capacity,
    /// Customers that the API refused in the last listing.
    refused: Arc<HashSet<CustomerId>>,
    confirmation: RemovalConfirmation,
    /// `customers.max`, and whether it was reported that there are more customers.
    max_customers: u32,
    reported_max: bool,
    /// Whether it was reported that the filters match no customer.
    reported_no_match: bool,
    first_pass: FirstPass,
    /// New customers of this listing, after the first pass.
    arrived: Vec<CustomerId>,
    metrics: PollMetrics,
    clock: Clock,
    progress: Progress,
    /// The span of everything below, with the partner's name. It has the level error, so that no log level hides it.
    span: Span,
    polls: JoinSet<PollResult>,
    in_flight: HashMap<Id, InFlight>,
    max_in_flight: usize,
    pages: (mpsc::Sender<Vec<PreparedCustomer>>, mpsc::Receiver<Vec<PreparedCustomer>>),
    row_pages: (mpsc::Sender<Vec<ListedRow>>, mpsc::Receiver<Vec<ListedRow>>),
}

/// A poll in flight.
#[derive(Debug)]
struct InFlight {
    target: Target,
    started: Timestamp,
    /// The span of the poll, with the collector and the customer.
    span: Span,
}

/// The result of a finished poll.
#[derive(Debug)]
enum PollResult {
    Listing(Result<service_list::ListingResult, RequestError>),
    List(Result<customer_list::ListResult, RequestError>),
    Query(CustomerId, Query, Result<Observation, QueryError>),
}

impl Poller {
    /// A poller for the targets of the inventory; a restored target is due one interval after its last poll.
    #[must_use]
    pub fn new(
        settings: &PartnerSettings,
        collectors: Arc<CollectorSettings>,
        client: Client,
        inventory: InventoryHandle,
        metrics: PollMetrics,
        clock: Clock,
    ) -> Self {
        let filter = Arc::new(CustomerFilter::new(&settings.customers));
        let capacity = Capacity::new(settings, collectors.clone(), metrics.clone());
        let confirmation = RemovalConfirmation::new(collectors.services.interval);
        let is_known = inventory.read(|inventory| inventory.listing.completed.is_some());
        let mut poller = Self {
            client,
            inventory,
            collectors,
            filter,
            queue: PollQueue::default(),
            probes: [Collector::CustomerSeats, Collector::ProductsAvailable]
                .map(|c| (c, EndpointProbe::default()))
                .into(),
            not_granted: HashMap::new(),
            missing_configured: HashSet::new(),
            capacity,
            refused: Arc::default(),
            confirmation,
            max_customers: settings.customers.max,
            reported_max: false,
            reported_no_match: false,
            first_pass: FirstPass::new(clock.now(), is_known),
            arrived: Vec::new(),
            metrics,
            clock,
            progress: Progress::default(),
            span: error_span!("poller", partner = %settings.name),
            polls: JoinSet::new(),
            in_flight: HashMap::new(),
            max_in_flight: MAX_PAUSING + settings.budget.concurrency as usize,
            pages: mpsc::channel(PAGES_AHEAD),
            row_pages: mpsc::channel(PAGES_AHEAD),
        };
        poller.span.clone().in_scope(|| {
            poller.capacity.restore(&poller.inventory.snapshot(), &poller.filter);
            poller.fill_queue();
            poller.evaluate();
        });
        poller
    }

    /// The health check of the loop.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Runs until `shutdown`; polls in flight are then dropped.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let span = self.span.clone();
        self.poll_until(shutdown).instrument(span).await;
    }

    async fn poll_until(mut self, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        loop {
            self.metrics.set_head_due(self.queue.next_due());
            self.progress.set_next_due(if self.polls.is_empty() {
                self.queue.next_due().map(|due| self.clock.instant(due))
            } else {
                Some(Instant::now())
            });
            let may_start = self.polls.len() < self.max_in_flight;
            tokio::select! {
                // The shutdown comes first: once the right to poll has ended, nothing is sent.
                biased;
                () = &mut shutdown => break,
                Some(page) = self.pages.1.recv() => self.apply_page(page),
                Some(page) = self.row_pages.1.recv() => self.apply_rows(page),
                Some(done) = self.polls.join_next_with_id() => self.finish(done),
                permit = next_permit(&self.client, self.clock, self.queue.next_due()), if may_start => self.start(permit),
            }
        }
        self.progress.set_next_due(None);
    }

    /// Starts the poll of the longest overdue target, if one is still due.
    fn start(&mut self, permit: Permit) {
        let now = self.clock.now();
        while let Some(target) = self.queue.take_due(now) {
            let collector = target.collector();
            if let Some(&until) = self.not_granted.get(&collector).filter(|&&until| now < until) {
                self.queue.finish(&target, until, false);
                continue;
            }
            if let (Some(endpoint), Target::Customer(customer, query)) = (self.probes.get_mut(&collector), &target)
                && !endpoint.should_query(now)
            {
                let (customer, query) = (customer.clone(), *query);
                self.capacity.change(&self.inventory, &customer, query, |inventory| {
                    inventory.record_absent(&customer, query, now)
                });
                self.reschedule(&target, PollOutcome::Absent);
                continue;
            }
            let span = error_span!(parent: &self.span, "poll", collector = collector.as_str(), customer_id = customer_of(&target));
            let client = self.client.clone();
            let id = match target.clone() {
                Target::List(Collector::Services) => {
                    let context = service_list::Context {
                        filter: self.filter.clone(),
                        collectors: self.collectors.clone(),
                        inventory: self.inventory.clone(),
                        refused: self.refused.clone(),
                        max_customers: self.max_customers,
                    };
                    let pages = self.pages.0.clone();
                    self.spawn(&span, async move {
                        PollResult::Listing(service_list::list(client, context, pages, permit).await)
                    })
                }
                Target::List(collector) => {
                    let (filter, inventory) = (self.filter.clone(), self.inventory.clone());
                    let pages = self.row_pages.0.clone();
                    let limit = 2 * u64::from(self.max_customers);
                    self.spawn(&span, async move {
                        let list = customer_list::read(client, collector, filter, inventory, limit, pages, permit);
                        PollResult::List(list.await)
                    })
                }
                Target::Customer(customer, query) => self.spawn(&span, async move {
                    let observation = client.query(&customer, query, permit).await;
                    PollResult::Query(customer, query, observation)
                }),
            };
            self.in_flight.insert(id, InFlight { target, started: now, span });
            return;
        }
    }

    fn spawn(&mut self, span: &Span, poll: impl Future<Output = PollResult> + Send + 'static) -> Id {
        self.polls.spawn(panics::scope(Task::Poll, poll).instrument(span.clone())).id()
    }

    fn finish(&mut self, done: Result<(Id, PollResult), JoinError>) {
        self.progress.attempt_ended();
        let (id, result) = match done {
            Ok((id, result)) => (id, Ok(result)),
            Err(join_error) => (join_error.id(), Err(join_error)),
        };
        let Some(InFlight { target, started, span }) = self.in_flight.remove(&id) else { return };
        span.in_scope(|| match result {
            Ok(PollResult::Listing(result)) => self.listing_done(&target, result),
            Ok(PollResult::List(result)) => self.list_done(&target, result),
            Ok(PollResult::Query(customer, query, result)) => {
                // A failed poll includes its pauses, so its duration is not used.
                if !matches!(result, Err(QueryError::Failed(_))) {
                    let duration = self.clock.now().duration_since(started);
                    self.capacity.record_duration(duration.try_into().unwrap_or_default());
                }
                self.query_done(&target, &customer, query, result);
            }
            // A bug in this program; the target must not be lost because of it.
            Err(join_error) => {
                error!("poll ended abnormally: {join_error}");
                self.failed(&target, FailureReason::Malformed);
            }
        });
        self.evaluate();
        self.log_first_pass();
    }

    /// Logs once that everything has been polled.
    fn log_first_pass(&mut self) {
        if self.first_pass.is_complete() {
            return;
        }
        let (is_listed, customers) = self.inventory.read(|inventory| {
            let listing = &inventory.listing;
            (!listing.wanted || listing.completed.is_some(), inventory.customers.len())
        });
        let started = self.in_flight.values().map(|poll| poll.started);
        if is_listed && self.first_pass.completes(self.queue.next_due(), started, self.clock.now()) {
            info!(customers, "first pass complete: every target has been polled");
        }
    }

    fn evaluate(&mut self) {
        let max_lateness = self.queue.max_lateness(self.clock.now());
        self.capacity.evaluate(max_lateness, |collector| !self.not_granted.contains_key(&collector));
    }
}

/// The customer of a target; `None` for a list.
fn customer_of(target: &Target) -> Option<&str> {
    match target {
        Target::List(_) => None,
        Target::Customer(customer, _) => Some(customer.as_str()),
    }
}

/// Resolves when a target is due and its first request may be sent.
async fn next_permit(client: &Client, clock: Clock, next_due: Option<Timestamp>) -> Permit {
    match next_due {
        // A timer that is already due still takes a millisecond, which would limit polling to a thousand polls per
        // second.
        Some(due) if due <= clock.now() => {}
        Some(due) => clock.sleep_until(due).await,
        None => std::future::pending().await,
    }
    client.acquire().await
}
