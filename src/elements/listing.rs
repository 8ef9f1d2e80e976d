//! The service list (endpoint 5), page by page, so that the first customers are used before the last page is in.
//!
//! A page that takes too long, for this side or for a gateway (504), is asked for again at half its size, and that is
//! remembered for the next listing. It may have been an outage, so full pages that take less than a quarter of the timeout
//! double it again, until that is too much once more; without a total, only between one listing and the next.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use url::Url;

use super::budget::Admission;
use super::client::{Client, page_url};
use super::error::Failure;
use super::paging::{Cursor, LARGEST_PAGE};
use super::request::{Call, Unanswered};
use super::response;
use super::wire;
use crate::domain::{Collector, CustomerId, FailureReason, ListedCustomer};

/// A listing under way. [`Self::next_page`] until it returns `None`: only then it is complete.
#[derive(Debug)]
pub struct Listing {
    client: Client,
    url: Url,
    /// What is still to be asked for, the first one being under way.
    batches: VecDeque<Batch>,
    size: u32,
    /// The next page is of another size than the last one.
    resized: bool,
    /// Some page was as long as it was asked for, and there was no total.
    full: bool,
    slowest: Duration,
    failed: Option<Failure>,
}

/// Everything, or up to a page of ids.
#[derive(Debug)]
struct Batch {
    /// Who was asked for and has not come yet.
    wanted: Option<HashSet<CustomerId>>,
    body: String,
    cursor: Option<Cursor>,
}

impl Listing {
    pub(super) fn new(client: Client, ids: Option<&[CustomerId]>) -> Self {
        let size = client.listing_size();
        let batches = match ids {
            None => VecDeque::from([Batch { wanted: None, body: "{}".to_owned(), cursor: None }]),
            Some(ids) => {
                let distinct: Vec<&CustomerId> = ids.iter().collect::<BTreeSet<_>>().into_iter().collect();
                let batches = distinct.chunks(LARGEST_PAGE as usize).map(|ids| Batch {
                    wanted: Some(ids.iter().map(|&id| id.clone()).collect()),
                    body: json!({ "customerIds": ids.iter().map(|id| id.as_str()).collect::<Vec<_>>() }).to_string(),
                    cursor: None,
                });
                batches.collect()
            }
        };
        let url = client.customers_url(&["services", "batch"]);
        Self { client, url, batches, size, resized: false, full: false, slowest: Duration::ZERO, failed: None }
    }

    /// The next customers, none of which came before in this listing; `None` if it is complete. A listing that failed
    /// stays failed. `first` is for the first request that this page takes, further ones get their own.
    pub async fn next_page(&mut self, first: Option<Admission>) -> Result<Option<Vec<ListedCustomer>>, Failure> {
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        let page = self.advance(first).await;
        if let Err(failure) = &page {
            self.failed = Some(failure.clone());
        }
        page
    }

    async fn advance(&mut self, mut admission: Option<Admission>) -> Result<Option<Vec<ListedCustomer>>, Failure> {
        while let Some(batch) = self.batches.front_mut() {
            let cursor = batch.cursor.get_or_insert_with(|| Cursor::wary(self.size));
            let Some((index, size)) = cursor.next() else {
                cursor.finish().map_err(|problem| malformed(&problem))?;
                self.batches.pop_front();
                continue;
            };
            let call = Call {
                collector: Collector::Services,
                method: Method::POST,
                url: page_url(self.url.clone(), index, size),
                body: Some(batch.body.clone()),
                limit: response::LISTING_BODY,
                may_be_absent: false,
                repeats_timeouts: size == 1,
            };
            let answer = self.client.request(&call, admission.take(), wire::services).await;
            let (page, took) = match answer {
                Ok(answer) => answer,
                Err(Unanswered::Late(_)) if cursor.halve() => {
                    self.resized = true;
                    continue;
                }
                Err(Unanswered::Late(failure) | Unanswered::Failed(failure)) => return Err(failure),
                Err(Unanswered::Absent) => return Err(malformed("there is none")),
            };
            self.slowest = self.slowest.max(took);
            if self.resized {
                self.resized = false;
                self.size = size;
                self.client.set_listing_size(size);
            }
            let mut customers =
                cursor.take(page, |customer| customer.id.as_str()).map_err(|problem| malformed(&problem))?;
            self.full |= cursor.is_full() && !cursor.knows_total();
            if took < self.client.timeout() / 4 && cursor.double() {
                self.resized = true;
            }
            if let Some(wanted) = &mut batch.wanted {
                customers.retain(|customer| wanted.remove(&customer.id));
                // Everybody who was asked for is there: another page could only be empty.
                if wanted.is_empty() {
                    self.batches.pop_front();
                }
            }
            if !customers.is_empty() {
                return Ok(Some(customers));
            }
        }
        if self.full && self.slowest < self.client.timeout() / 4 {
            self.client.set_listing_size(self.size.saturating_mul(2).min(LARGEST_PAGE));
        }
        Ok(None)
    }
}

fn malformed(problem: &str) -> Failure {
    Failure::new(FailureReason::Malformed, format!("the service list: {problem}"))
}
