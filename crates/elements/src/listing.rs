//! The lists of customers (`services` and `customers`) page by page, so that the first customers are polled before the
//! last page arrives.
//!
//! A page that takes too long, for this client or for a gateway (504), is requested again at half its size; the smaller
//! size is stored for the next listing. The cause may have been an outage, so full pages that take less than a quarter
//! of the timeout double the size again, until a larger size fails once more. Without a total, the size changes only
//! between listings.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use url::Url;

use super::client::{Client, page_url};
use super::decode::{self, DecodePage};
use super::error::RequestError;
use super::paging::{Cursor, LARGEST_PAGE};
use super::rate_limit::Permit;
use super::request::{CallError, RequestSpec};
use super::response;
use crate::types::{Collector, CustomerId, FailureReason, ListedCustomer, ListedRow};

/// The maximum number of rows unless the caller sets another: a listing that never ends is cut.
const DEFAULT_LIMIT: u64 = 400_000;

/// A list of customers, and how its rows are read.
#[derive(Debug)]
pub(super) struct ListEndpoint<T> {
    collector: Collector,
    /// Below the customers of the API.
    path: &'static [&'static str],
    decode: DecodePage<T>,
    id: fn(&T) -> &CustomerId,
    /// Its name in messages.
    name: &'static str,
}

pub(super) static SERVICES: ListEndpoint<ListedCustomer> = ListEndpoint {
    collector: Collector::Services,
    path: &["services", "batch"],
    decode: decode::services,
    id: |row| &row.id,
    name: "the service list",
};
static CUSTOMERS: ListEndpoint<ListedRow> = ListEndpoint {
    collector: Collector::Customers,
    path: &["batch"],
    decode: decode::customers,
    id: |row| &row.id,
    name: "the list of customers",
};

/// The list of a collector besides the service list.
pub(super) fn of(collector: Collector) -> &'static ListEndpoint<ListedRow> {
    static LISTS: [&ListEndpoint<ListedRow>; 1] = [&CUSTOMERS];
    LISTS.into_iter().find(|list| list.collector == collector).unwrap_or(&CUSTOMERS)
}

/// A listing in progress. Call [`Self::next_page`] until it returns `None`: only then is it complete.
#[derive(Debug)]
pub struct Listing<T: 'static> {
    client: Client,
    endpoint: &'static ListEndpoint<T>,
    url: Url,
    /// The remaining parts; the first one is in progress.
    batches: VecDeque<Batch>,
    size: u32,
    /// The next page has another size than the last one.
    resized: bool,
    /// At least one page was full, and there was no total.
    full: bool,
    slowest: Duration,
    failed: Option<RequestError>,
    /// Stop after this many rows.
    limit: u64,
    unread: Option<u64>,
    ambiguous: bool,
}

/// All customers, or up to one page of ids.
#[derive(Debug)]
struct Batch {
    /// The requested ids, and whether each was received.
    wanted: Option<HashMap<CustomerId, bool>>,
    body: String,
    cursor: Option<Cursor>,
}

impl<T: Send> Listing<T> {
    pub(super) fn new(client: Client, endpoint: &'static ListEndpoint<T>, ids: Option<&[CustomerId]>) -> Self {
        let size = client.listing_size(endpoint.collector);
        let batches = match ids {
            None => VecDeque::from([Batch { wanted: None, body: "{}".to_owned(), cursor: None }]),
            Some(ids) => {
                let distinct: Vec<&CustomerId> = ids.iter().collect::<BTreeSet<_>>().into_iter().collect();
                let batches = distinct.chunks(LARGEST_PAGE as usize).map(|ids| Batch {
                    wanted: Some(ids.iter().map(|&id| (id.clone(), false)).collect()),
                    body: json!({ "customerIds": ids.iter().map(|id| id.as_str()).collect::<Vec<_>>() }).to_string(),
                    cursor: None,
                });
                batches.collect()
            }
        };
        let url = client.customers_url(endpoint.path);
        Self {
            client,
            endpoint,
            url,
            batches,
            size,
            resized: false,
            full: false,
            slowest: Duration::ZERO,
            failed: None,
            limit: DEFAULT_LIMIT,
            unread: None,
            ambiguous: false,
        }
    }

    /// Sets the row limit; by default twice the default of `customers.max`.
    #[must_use]
    pub fn with_limit(self, rows: u64) -> Self {
        Self { limit: rows, ..self }
    }

    /// At the end: if the listing was given up because it had more rows than the limit, a lower bound of the number of
    /// further rows.
    #[must_use]
    pub const fn unread(&self) -> Option<u64> {
        self.unread
    }

    /// Whether there were fewer ids than rows: rows without an id, or several of one. Missing customers may be among
    /// them.
    #[must_use]
    pub const fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    /// The next rows; a customer may have several. `None` at the end. After a failure, every call fails. `first` is the
    /// permit for the first request of this page; further requests acquire their own.
    pub async fn next_page(&mut self, first: Option<Permit>) -> Result<Option<Vec<T>>, RequestError> {
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        let page = self.advance(first).await;
        if let Err(failure) = &page {
            self.failed = Some(failure.clone());
        }
        page
    }

    async fn advance(&mut self, mut permit: Option<Permit>) -> Result<Option<Vec<T>>, RequestError> {
        let ListEndpoint { collector, decode, id, name, .. } = *self.endpoint;
        let malformed = |problem: &str| RequestError::new(FailureReason::Malformed, format!("{name}: {problem}"));
        while let Some(batch) = self.batches.front_mut() {
            let cursor = batch.cursor.get_or_insert_with(|| Cursor::tolerating_short_pages(self.size, self.limit));
            let Some((index, size)) = cursor.next() else {
                cursor.finish().map_err(|problem| malformed(&problem))?;
                self.batches.pop_front();
                continue;
            };
            let call = RequestSpec {
                collector,
                method: Method::POST,
                url: page_url(self.url.clone(), index, size),
                body: Some(batch.body.clone()),
                limit: response::LISTING_BODY,
                may_be_absent: false,
                repeats_timeouts: size == 1,
            };
            let (page, took) = match self.client.request(&call, permit.take(), decode).await {
                Ok(received) => received,
                Err(CallError::TimedOut(_)) if cursor.halve() => {
                    self.resized = true;
                    continue;
                }
                Err(CallError::TimedOut(failure) | CallError::Failed(failure)) => return Err(failure),
                Err(CallError::Absent) => return Err(malformed("there is none")),
            };
            self.slowest = self.slowest.max(took);
            if self.resized {
                self.resized = false;
                self.size = size;
                self.client.set_listing_size(collector, size);
            }
            let mut customers =
                cursor.take(page, |customer| id(customer).as_str()).map_err(|problem| malformed(&problem))?;
            self.full |= cursor.is_full() && !cursor.knows_total();
            if took < self.client.timeout() / 4 && cursor.double() {
                self.resized = true;
            }
            self.ambiguous |= cursor.is_ambiguous();
            let too_long = cursor.is_too_long();
            if let Some(wanted) = &mut batch.wanted {
                customers.retain(|customer| wanted.get_mut(id(customer)).map(|came| *came = true).is_some());
                // All requested ids were received: another page could only be empty or contain further rows of them.
                let (total, _) = cursor.rows();
                let further = cursor.lacks_rows() && total.is_some_and(|total| total <= 2 * wanted.len() as u64);
                if wanted.values().all(|&came| came) && !further {
                    self.batches.pop_front();
                }
            } else if too_long {
                let (total, received) = cursor.rows();
                self.unread = Some(total.map_or(0, |total| total.saturating_sub(received)));
                self.batches.clear();
            }
            if too_long && self.unread.is_none() {
                return Err(malformed("the response has more rows than requested"));
            }
            if !customers.is_empty() {
                return Ok(Some(customers));
            }
        }
        if self.full && self.slowest < self.client.timeout() / 4 {
            self.client.set_listing_size(collector, self.size.saturating_mul(2).min(LARGEST_PAGE));
        }
        Ok(None)
    }
}
