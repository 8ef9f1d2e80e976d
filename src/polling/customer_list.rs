//! One poll of the list of customers: all pages.
//!
//! It adds fields to customers of the service list, and customers that the service list lacks. A customer that moves
//! between two pages may be missing, so a customer is removed only if two lists in a row lack it.

use std::collections::HashSet;
use std::sync::Arc;

use elements::types::{CustomerId, ListedProfile};
use elements::{Client, Listing, Permit, RequestError};
use tokio::sync::mpsc;

use super::service_list::is_refusal;
use super::{CustomerFilter, listing_pages};

/// The result of a complete list.
#[derive(Debug)]
pub(super) struct ProfilesResult {
    /// Every customer of the list; `None` if it was given up because it was too long.
    pub(super) seen: Option<HashSet<CustomerId>>,
    /// The minimum number of requests of such a list.
    pub(super) pages: u64,
}

/// Reads the list and sends each page as it arrives. Requests all customers, or those of `customers.list`. If the API
/// refuses one of these, all customers are requested, so that the refused customer does not affect the others.
pub(super) async fn read(
    client: Client,
    filter: Arc<CustomerFilter>,
    limit: u64,
    pages: mpsc::Sender<Vec<ListedProfile>>,
    permit: Permit,
) -> Result<ProfilesResult, RequestError> {
    let mut permit = Some(permit);
    if !filter.discovers() {
        let ids: Vec<_> = filter.listed().cloned().collect();
        match read_pages(client.profiles(Some(&ids)), &pages, permit.take()).await {
            Err(failure) if is_refusal(&failure) && !failure.not_granted => {}
            result => {
                let (seen, _) = result?;
                return Ok(ProfilesResult { seen: Some(seen), pages: listing_pages(None, ids.len()) });
            }
        }
    }
    let (seen, complete) = read_pages(client.profiles(None).with_limit(limit), &pages, permit).await?;
    let requests = listing_pages(Some(seen.len()), 0);
    Ok(ProfilesResult { seen: complete.then_some(seen), pages: requests })
}

/// The customers of a list, and whether all of it was read.
async fn read_pages(
    mut listing: Listing<ListedProfile>,
    pages: &mpsc::Sender<Vec<ListedProfile>>,
    mut permit: Option<Permit>,
) -> Result<(HashSet<CustomerId>, bool), RequestError> {
    let mut seen = HashSet::new();
    while let Some(page) = listing.next_page(permit.take()).await? {
        seen.extend(page.iter().map(|row| row.id.clone()));
        // The poller is gone only at shutdown, when the result is not needed.
        let _ = pages.send(page).await;
    }
    Ok((seen, listing.unread().is_none()))
}
