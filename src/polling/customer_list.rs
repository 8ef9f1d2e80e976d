//! One poll of a list besides the service list: all pages.
//!
//! It adds fields to customers of the service list, and customers that the service list lacks. A customer that moves
//! between two pages may be missing, and so may one whose row has no id: missing customers are requested by id, and a
//! customer is removed only if two lists in a row lack it.

use std::collections::HashSet;
use std::sync::Arc;

use elements::types::{Collector, CustomerId, ListedRow};
use elements::{Client, Listing, Permit, RequestError};
use tokio::sync::mpsc;

use super::service_list::is_refusal;
use super::{CustomerFilter, listing_pages};
use crate::inventory::InventoryHandle;

/// The result of a list.
#[derive(Debug)]
pub(super) struct ListResult {
    /// Every customer of the list; `None` if there may be others.
    pub(super) seen: Option<HashSet<CustomerId>>,
    /// The minimum number of requests of such a list.
    pub(super) pages: u64,
}

/// Reads the list and sends each page as it arrives. Requests all customers, or those of `customers.list`. If the API
/// refuses one of these, all customers are requested, so that the refused customer does not affect the others.
pub(super) async fn read(
    client: Client,
    collector: Collector,
    filter: Arc<CustomerFilter>,
    inventory: InventoryHandle,
    limit: u64,
    pages: mpsc::Sender<Vec<ListedRow>>,
    permit: Permit,
) -> Result<ListResult, RequestError> {
    let mut permit = Some(permit);
    if !filter.discovers() {
        let ids: Vec<_> = filter.listed().cloned().collect();
        match read_pages(client.list(collector, Some(&ids)), &pages, permit.take()).await {
            Err(failure) if is_refusal(&failure) && !failure.not_granted => {}
            list => return Ok(ListResult { seen: list?.all(), pages: listing_pages(None, ids.len()) }),
        }
    }
    let list = read_pages(client.list(collector, None).with_limit(limit), &pages, permit).await?;
    let requests = listing_pages(Some(list.seen.len()), 0);
    if list.is_cut {
        return Ok(ListResult { seen: None, pages: requests });
    }
    let known = inventory.snapshot().customers.into_values().filter(|customer| customer.row(collector).is_some());
    let missing: Vec<_> = known.map(|customer| customer.id.clone()).filter(|id| !list.seen.contains(id)).collect();
    if missing.is_empty() {
        return Ok(ListResult { seen: Some(list.seen), pages: requests });
    }
    let seen = match read_pages(client.list(collector, Some(&missing)), &pages, None).await {
        Ok(found) => found.all().map(|found| list.seen.into_iter().chain(found).collect()),
        // The API may answer like this when it knows none of them.
        Err(failure) if is_refusal(&failure) => list.all(),
        Err(failure) => return Err(failure),
    };
    Ok(ListResult { seen, pages: requests })
}

/// The customers of a list.
struct List {
    seen: HashSet<CustomerId>,
    /// It was given up because it was too long.
    is_cut: bool,
    /// It had fewer ids than rows, so customers that it seems to lack may be in it.
    is_ambiguous: bool,
}

impl List {
    /// The customers, if there cannot be others.
    fn all(self) -> Option<HashSet<CustomerId>> {
        (!self.is_cut && !self.is_ambiguous).then_some(self.seen)
    }
}

async fn read_pages(
    mut listing: Listing<ListedRow>,
    pages: &mpsc::Sender<Vec<ListedRow>>,
    mut permit: Option<Permit>,
) -> Result<List, RequestError> {
    let mut seen = HashSet::new();
    while let Some(page) = listing.next_page(permit.take()).await? {
        seen.extend(page.iter().map(|row| row.id.clone()));
        // The poller is gone only at shutdown, when the result is not needed.
        let _ = pages.send(page).await;
    }
    Ok(List { seen, is_cut: listing.unread().is_some(), is_ambiguous: listing.is_ambiguous() })
}
