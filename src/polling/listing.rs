//! One poll of the service list: every page, and a second look at those who are missing.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::{CustomerFilter, listing_pages};
use crate::domain::{CustomerId, FailureReason, ListedCustomer};
use crate::elements::{Admission, Client, Failure, Listing};
use crate::inventory::Shared;

/// Lists the customers, handing over each page's that pass the filter as it comes, so that the first customers are
/// polled before the last page is in. Returns who is there; a failure says nothing about who is not.
pub(super) async fn list(
    client: Client,
    filter: Arc<CustomerFilter>,
    inventory: Shared,
    pages: mpsc::Sender<Vec<ListedCustomer>>,
    admission: Admission,
) -> Result<Listed, Failure> {
    let mut round =
        Round { filter: &filter, inventory: &inventory, pages, named: HashSet::new(), admitted: HashSet::new() };
    let listed: Vec<CustomerId> = filter.listed().cloned().collect();
    if !filter.discovers() {
        round.read(client.listing(Some(&listed)), admission).await?;
        return Ok(Listed { pages: listing_pages(None, listed.len()), admitted: round.admitted });
    }
    round.read(client.listing(None), admission).await?;
    let everybody = round.named.len();
    // Customers come and go between two pages, so one that is missing may have slipped from a page to an earlier one.
    let known = inventory.read(|inventory| inventory.customers.keys().cloned().collect::<BTreeSet<_>>());
    let missing: Vec<CustomerId> = known.into_iter().filter(|id| !round.named.contains(id)).collect();
    if !missing.is_empty() {
        let admission = client.admit().await;
        match round.read(client.listing(Some(&missing)), admission).await {
            // That is how an API may say that it knows none of them.
            Err(Failure {
                reason: FailureReason::BadRequest | FailureReason::Forbidden | FailureReason::NotFound,
                ..
            })
            | Ok(()) => {}
            // Who is only listed by the configuration does not leave, and is no reason to doubt the others.
            Err(_) if missing.iter().all(|id| listed.contains(id)) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(Listed { pages: listing_pages(Some(everybody), missing.len()), admitted: round.admitted })
}

/// A complete listing.
#[derive(Debug)]
pub(super) struct Listed {
    /// Who is there and passes the filter.
    pub(super) admitted: HashSet<CustomerId>,
    /// The least requests that it takes.
    pub(super) pages: u64,
}

struct Round<'a> {
    filter: &'a CustomerFilter,
    inventory: &'a Shared,
    pages: mpsc::Sender<Vec<ListedCustomer>>,
    /// Everybody whom the answers named, polled or not.
    named: HashSet<CustomerId>,
    admitted: HashSet<CustomerId>,
}

impl Round<'_> {
    async fn read(&mut self, mut listing: Listing, admission: Admission) -> Result<(), Failure> {
        let mut admission = Some(admission);
        while let Some(page) = listing.next_page(admission.take()).await? {
            self.named.extend(page.iter().map(|customer| customer.id.clone()));
            let page: Vec<_> = page.into_iter().filter(|customer| self.admits(customer)).collect();
            self.admitted.extend(page.iter().map(|customer| customer.id.clone()));
            // The poller is gone only when the daemon ends, and then nobody asks for the result.
            let _ = self.pages.send(page).await;
        }
        Ok(())
    }

    /// A row without a name is judged by the name that is known: a gap in an answer makes nobody leave.
    fn admits(&self, customer: &ListedCustomer) -> bool {
        let known = || {
            self.inventory.read(|inventory| {
                let name = inventory.customers.get(&customer.id).map(|known| known.name.clone());
                name.filter(|name| !name.is_empty())
            })
        };
        let name = customer.name.clone().or_else(known);
        self.filter.admits(&customer.id, name.as_deref())
    }
}
