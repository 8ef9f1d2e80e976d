//! One poll of the service list: all pages, repeated for customers that are missing until a repetition finds no new
//! ones.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use elements::types::{CustomerId, FailureReason, ListedCustomer};
use elements::{Client, Listing, Permit, RequestError};
use tokio::sync::mpsc;

use super::prepared_customer::{ListedCustomers, PreparedCustomer, PriorRow};
use super::{CustomerFilter, listing_pages};
use crate::config::CollectorSettings;
use crate::inventory::InventoryHandle;
use crate::panics::{self, Task};

/// Maximum ids per request, and rows per batch.
const BATCH: usize = 100;
/// If this many requests are refused before any is answered, the refusal is not about single customers. Enough for a
/// list, its half, its quarter and so on down to single customers, and some more.
const MAX_REFUSALS: u64 = 15;

/// The result of a complete listing.
#[derive(Debug)]
pub(super) struct ListingResult {
    /// Customers that are not among these have left, except those that only the configuration lists.
    pub(super) seen: HashSet<CustomerId>,
    /// How many customers the listing contained, whether they pass the filter or not.
    pub(super) listed: usize,
    /// Customers that the API refused. One that is refused twice in a row counts as not listed.
    pub(super) refused: HashSet<CustomerId>,
    /// If the listing was given up because it was too long: a lower bound of the rows that were not read.
    pub(super) unread: Option<u64>,
    /// The minimum number of requests of such a listing.
    pub(super) pages: u64,
}

/// The inputs of a listing.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) filter: Arc<CustomerFilter>,
    pub(super) collectors: Arc<CollectorSettings>,
    pub(super) inventory: InventoryHandle,
    /// From the last listing.
    pub(super) refused: Arc<HashSet<CustomerId>>,
    /// `customers.max`
    pub(super) max_customers: u32,
}

/// Lists the customers. Sends the customers of each page that pass the filter as it arrives, so that the first
/// customers are polled before the last page arrives. A failed listing gives no information about missing customers.
pub(super) async fn list(
    client: Client,
    context: Context,
    pages: mpsc::Sender<Vec<PreparedCustomer>>,
    permit: Permit,
) -> Result<ListingResult, RequestError> {
    let mut pass = ListingPass { context, pages, listed: ListedCustomers::default(), ambiguous: false, unread: None };
    let filter = pass.context.filter.clone();
    if !filter.discovers() {
        let listed: Vec<CustomerId> = filter.listed().cloned().collect();
        let all_customers = listed.len();
        let refused = pass.read_listed(&client, listed, permit).await?;
        let pages = listing_pages(None, all_customers - refused.len()) + refused.len() as u64;
        return Ok(pass.result(refused, pages).await);
    }
    let limit = 2 * u64::from(pass.context.max_customers);
    pass.read(client.listing(None).with_limit(limit), permit).await?;
    let all_customers = pass.listed.len();
    if pass.unread.is_some() {
        return Ok(pass.result(HashSet::new(), listing_pages(Some(all_customers), 0)).await);
    }
    // Customers join and leave between two pages, so a missing customer may have moved to an earlier page. A response
    // may also be truncated without an error. A customer has left only if it is still missing when a repetition finds
    // no new customers.
    let known = pass.context.inventory.snapshot().customers;
    let listed = known.into_values().filter(|customer| !customer.is_unlisted());
    let (mut missing, mut repeated): (Vec<CustomerId>, bool) =
        (listed.map(|customer| customer.id.clone()).collect(), false);
    let mut kept = HashSet::new();
    loop {
        let before = missing.len();
        missing.retain(|id| !pass.listed.contains(id));
        if missing.is_empty() || (repeated && missing.len() == before) {
            // The rows without an id may belong to the missing customers.
            if repeated && pass.ambiguous {
                kept.extend(missing.iter().cloned());
            }
            break;
        }
        repeated = true;
        let ambiguous = std::mem::take(&mut pass.ambiguous);
        let permit = client.acquire().await;
        match pass.read(client.listing(Some(&missing)), permit).await {
            Ok(()) => {}
            // The API may answer like this when it knows none of them, or during an outage. Rows without an id, or
            // several rows of one id, may have replaced them.
            Err(failure) if is_refusal(&failure) && !ambiguous => {
                let pages = listing_pages(Some(all_customers), missing.len());
                let refused: HashSet<_> = missing.into_iter().filter(|id| !filter.lists(id)).collect();
                let refused_before = pass.context.refused.clone();
                let mut result = pass.result(HashSet::new(), pages).await;
                result.seen.extend(refused.difference(&refused_before).cloned());
                return Ok(ListingResult { refused, ..result });
            }
            Err(failure) if ambiguous && (is_refusal(&failure) || failure.reason == FailureReason::Malformed) => {
                kept.extend(missing.iter().cloned());
                break;
            }
            // Customers that only the configuration lists do not leave, and do not make the others doubtful.
            Err(_) if missing.iter().all(|id| filter.lists(id)) => break,
            Err(failure) => return Err(failure),
        }
    }
    let pages = listing_pages(Some(all_customers), missing.len());
    let mut result = pass.result(HashSet::new(), pages).await;
    result.seen.extend(kept);
    Ok(result)
}

struct ListingPass {
    context: Context,
    pages: mpsc::Sender<Vec<PreparedCustomer>>,
    listed: ListedCustomers,
    /// In the last response: there were fewer ids than rows.
    ambiguous: bool,
    unread: Option<u64>,
}

/// The API may refuse customers that it does not know or that the app must not see in this way.
pub(super) fn is_refusal(failure: &RequestError) -> bool {
    matches!(failure.reason, FailureReason::BadRequest | FailureReason::Forbidden | FailureReason::NotFound)
}

impl ListingPass {
    /// Requests only the customers of the configuration. A refused customer must not affect the others: a refused
    /// request is split into halves, and from the next listing on the refused customers are requested separately.
    /// Returns the refused customers.
    async fn read_listed(
        &mut self,
        client: &Client,
        mut listed: Vec<CustomerId>,
        permit: Permit,
    ) -> Result<HashSet<CustomerId>, RequestError> {
        let refused_before = self.context.refused.clone();
        listed.sort_unstable_by_key(|id| (refused_before.contains(id), id.clone()));
        let (others, apart) = listed.split_at(listed.partition_point(|id| !refused_before.contains(id)));
        let mut left: VecDeque<&[CustomerId]> = others.chunks(BATCH).chain(apart.chunks(1)).collect();
        let (mut first, mut requests, mut answered, mut refused) = (Some(permit), 0, 0, HashSet::new());
        while let Some(ids) = left.pop_front() {
            let permit = match first.take() {
                Some(permit) => permit,
                None => client.acquire().await,
            };
            requests += 1;
            match self.read(client.listing(Some(ids)), permit).await {
                Ok(()) => answered += 1,
                Err(failure) if is_refusal(&failure) => {
                    let nobody_else = left.is_empty() && ids.len() == 1;
                    if answered == 0 && (nobody_else || requests == MAX_REFUSALS) {
                        return Err(failure);
                    }
                    match ids {
                        [id] => drop(refused.insert(id.clone())),
                        ids => {
                            let (half, other) = ids.split_at(ids.len() / 2);
                            left.push_front(other);
                            left.push_front(half);
                        }
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(refused)
    }

    async fn read(&mut self, mut listing: Listing<ListedCustomer>, permit: Permit) -> Result<(), RequestError> {
        let mut permit = Some(permit);
        while let Some(mut page) = listing.next_page(permit.take()).await? {
            // A response may be larger than a page: process it in batches, so that no batch blocks others for long.
            while !page.is_empty() {
                let rest = page.split_off(page.len().min(BATCH));
                self.send_prepared(std::mem::replace(&mut page, rest)).await;
            }
        }
        self.ambiguous |= listing.is_ambiguous();
        self.unread = listing.unread();
        Ok(())
    }

    /// Prepares rows on a blocking thread, and sends them to the poller.
    async fn send_prepared(&mut self, rows: Vec<ListedCustomer>) {
        let rows = self.context.inventory.read(|inventory| {
            let before = |row: ListedCustomer| {
                let known = inventory.customers.get(&row.id);
                let before =
                    known.map(|known| PriorRow { name: known.name.clone(), subscriptions: known.subscriptions() });
                (row, before.unwrap_or_default())
            };
            rows.into_iter().map(before).collect::<Vec<_>>()
        });
        let mut listed = std::mem::take(&mut self.listed);
        let Context { filter, collectors, .. } = self.context.clone();
        let prepared = panics::spawn_blocking(Task::Poll, move || {
            let prepared = listed.add(rows, &filter, &collectors);
            (listed, prepared)
        });
        let prepared = match prepared.await {
            Ok((listed, prepared)) => {
                self.listed = listed;
                prepared
            }
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime is shutting down.
            Err(_) => return,
        };
        // The poller is gone only at shutdown, when the result is not needed.
        let _ = self.pages.send(prepared).await;
    }

    /// Returns the result at the end.
    async fn result(self, refused: HashSet<CustomerId>, pages: u64) -> ListingResult {
        let Self { context, listed, unread, .. } = self;
        let _ = self.pages.send(listed.held_back(&context.collectors)).await;
        let count = listed.len();
        ListingResult { seen: listed.matching().collect(), listed: count, refused, unread, pages }
    }
}
