//! The one async loop of a partner: take what is due, ask, tell the inventory, put back.
//!
//! A target is taken only when its first request may go out at once, so what waits is the queue, in its order, and not
//! a crowd of tasks. A poll that pauses between retries holds no slot. Nothing here waits without being told when to
//! go on: by a due time, by an admission, by a poll that finished, or by the end.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tracing::error;

use super::cadence::Outcome;
use super::legacy::LegacyEndpoint;
use super::plan;
use super::workload::Workload;
use super::{Agenda, CustomerFilter, PollCounters, listing};
use crate::clock::Clock;
use crate::config::{CollectorSettings, PartnerSettings};
use crate::domain::{Answer, Collector, CustomerId, FailureReason, ListedCustomer, Question, Target};
use crate::elements::{Admission, AskError, Client, Failure};
use crate::health::Progress;
use crate::inventory::{Inventory, Shared};
use crate::panics::{self, Task};

mod outcomes;
mod resume;

/// Polls that may be between two of their requests; those under way are bounded by the budget's concurrency.
const MOST_PAUSING: usize = 64;
/// Pages of the service list that wait for the poller.
const PAGES_AHEAD: usize = 2;

/// Polls one partner until it is told to stop.
#[derive(Debug)]
pub struct Poller {
    client: Client,
    inventory: Shared,
    collectors: Arc<CollectorSettings>,
    filter: Arc<CustomerFilter>,
    agenda: Agenda<Target>,
    legacy: HashMap<Collector, LegacyEndpoint>,
    /// Customers of the configuration whom the last listing did not have.
    unknown: HashSet<CustomerId>,
    workload: Workload,
    /// Customers whom the API refused to speak of, the last time.
    doubted: Arc<HashSet<CustomerId>>,
    counters: PollCounters,
    clock: Clock,
    progress: Progress,
    partner: String,
    polls: JoinSet<Done>,
    /// With the time at which it started.
    under_way: HashMap<Id, (Target, Timestamp)>,
    most_under_way: usize,
    pages: (mpsc::Sender<Vec<ListedCustomer>>, mpsc::Receiver<Vec<ListedCustomer>>),
}

/// What a finished poll reports.
#[derive(Debug)]
enum Done {
    Listed(Result<listing::Listed, Failure>),
    Asked(CustomerId, Question, Result<Answer, AskError>),
}

impl Poller {
    /// A poller for what the inventory knows; what was polled before (and restored) is due when its interval says.
    #[must_use]
    pub fn new(
        settings: &PartnerSettings,
        collectors: Arc<CollectorSettings>,
        client: Client,
        inventory: Shared,
        counters: PollCounters,
        clock: Clock,
    ) -> Self {
        let filter = Arc::new(CustomerFilter::new(&settings.customers));
        let workload = Workload::new(settings, collectors.clone(), counters.clone());
        let mut poller = Self {
            client,
            inventory,
            collectors,
            filter,
            agenda: Agenda::default(),
            legacy: [Collector::CustomerSeats, Collector::ProductsAvailable]
                .map(|c| (c, LegacyEndpoint::default()))
                .into(),
            unknown: HashSet::new(),
            workload,
            doubted: Arc::default(),
            counters,
            clock,
            progress: Progress::default(),
            partner: settings.name.to_string(),
            polls: JoinSet::new(),
            under_way: HashMap::new(),
            most_under_way: MOST_PAUSING + settings.budget.concurrency as usize,
            pages: mpsc::channel(PAGES_AHEAD),
        };
        poller.workload.restore(&poller.inventory.snapshot(), &poller.filter, clock.now());
        poller.fill_agenda();
        poller.weigh();
        poller
    }

    /// Whether polling goes on.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Runs until `shutdown`; polls under way are dropped then, their answers are not waited for.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        loop {
            self.counters.head_due(self.agenda.next_due());
            self.progress.due(if self.polls.is_empty() {
                self.agenda.next_due().map(|due| self.clock.instant(due))
            } else {
                Some(Instant::now())
            });
            let may_start = self.polls.len() < self.most_under_way;
            tokio::select! {
                () = &mut shutdown => break,
                Some(page) = self.pages.1.recv() => self.observe(page),
                Some(done) = self.polls.join_next_with_id() => self.finish(done),
                admission = admission(&self.client, self.clock, self.agenda.next_due()), if may_start => self.start(admission),
            }
        }
    }

    /// Starts the poll that is due longest, if anything still is.
    fn start(&mut self, admission: Admission) {
        let now = self.clock.now();
        while let Some(target) = self.agenda.take_due(now) {
            let collector = target.collector();
            if let (Some(endpoint), Target::Customer(customer, question)) = (self.legacy.get_mut(&collector), &target)
                && !endpoint.is_worth_asking(now)
            {
                let (customer, question) = (customer.clone(), *question);
                self.workload
                    .change(&self.inventory, &customer, question, |inventory| inventory.miss(&customer, question, now));
                self.put_back(&target, Outcome::Absent);
                continue;
            }
            let client = self.client.clone();
            let handle = match target.clone() {
                Target::Services => {
                    let (filter, inventory, pages) =
                        (self.filter.clone(), self.inventory.clone(), self.pages.0.clone());
                    let doubted = self.doubted.clone();
                    self.polls.spawn(panics::scope(Task::Poll, async move {
                        Done::Listed(listing::list(client, filter, inventory, pages, admission, &doubted).await)
                    }))
                }
                Target::Customer(customer, question) => self.polls.spawn(panics::scope(Task::Poll, async move {
                    let answer = client.ask(&customer, question, admission).await;
                    Done::Asked(customer, question, answer)
                })),
            };
            self.under_way.insert(handle.id(), (target, now));
            return;
        }
    }

    /// Customers of a page of the listing: known from now on, planned and due at once.
    fn observe(&mut self, page: Vec<ListedCustomer>) {
        self.progress.ended();
        let now = self.clock.now();
        let ids: Vec<_> = page.iter().map(|customer| customer.id.clone()).collect();
        self.plan(&ids, |inventory| page.into_iter().for_each(|customer| inventory.observe(customer, now)));
    }

    /// Makes a change and plans the customers anew, as one: nobody sees a customer that is known and not yet planned.
    fn plan(&mut self, customers: &[CustomerId], change: impl FnOnce(&mut Inventory)) {
        let now = self.clock.now();
        let (collectors, load) = (self.collectors.clone(), &mut self.workload.load);
        let plans: Vec<_> = self.inventory.update(|inventory| {
            change(inventory);
            let plan = |id: &CustomerId| {
                let customer = inventory.customers.get(id)?;
                load.remove_all(customer);
                let questions = plan::questions(customer, &collectors);
                let changes = inventory.plan(id, &questions);
                load.add_all(inventory.customers.get(id)?);
                Some((id.clone(), changes))
            };
            customers.iter().filter_map(plan).collect()
        });
        for (customer, (added, dropped)) in plans {
            for question in dropped {
                self.forget(&Target::Customer(customer.clone(), question));
            }
            for question in added {
                self.agenda.add(Target::Customer(customer.clone(), question), now);
            }
        }
    }

    fn finish(&mut self, done: Result<(Id, Done), JoinError>) {
        self.progress.ended();
        match done {
            Ok((id, done)) => match (self.under_way.remove(&id), done) {
                (Some((target, _)), Done::Listed(result)) => self.listed(&target, result),
                (Some((target, started)), Done::Asked(customer, question, result)) => {
                    // A failure took its pauses, too.
                    if !matches!(result, Err(AskError::Failed(_))) {
                        let took = self.clock.now().duration_since(started);
                        self.workload.took(took.try_into().unwrap_or_default());
                    }
                    self.asked(&target, &customer, question, result);
                }
                (None, _) => {}
            },
            // A bug of ours: the target must not be lost over it.
            Err(join_error) => {
                let Some((target, _)) = self.under_way.remove(&join_error.id()) else { return };
                error!(
                    partner = self.partner,
                    collector = target.collector().as_str(),
                    "poll ended abnormally: {join_error}"
                );
                self.failed(&target, FailureReason::Malformed);
            }
        }
        self.weigh();
    }

    fn weigh(&mut self) {
        self.workload.weigh(self.agenda.lag(self.clock.now()));
    }

    /// The target is no longer asked.
    fn forget(&mut self, target: &Target) {
        self.agenda.remove(target);
        self.workload.forget(target);
    }
}

/// Ready when something is due and its first request may go out.
async fn admission(client: &Client, clock: Clock, next_due: Option<Timestamp>) -> Admission {
    match next_due {
        // A timer that is due already still takes a millisecond: a thousand polls a second at most.
        Some(due) if due <= clock.now() => {}
        Some(due) => clock.sleep_until(due).await,
        None => std::future::pending().await,
    }
    client.admit().await
}
