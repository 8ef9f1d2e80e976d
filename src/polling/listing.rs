//! One poll of the service list: every page, and another look at those who are missing, until it finds nobody.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::{CustomerFilter, listing_pages};
use crate::domain::{CustomerId, FailureReason, ListedCustomer};
use crate::elements::{Admission, Client, Failure, Listing};
use crate::inventory::Shared;

/// Ids in one question.
const BATCH: usize = 100;
/// Refusals before any answer: then it is not one of the customers that is refused. A list, a half of it, a quarter, down
/// to single customers, and some more.
const MOST_REFUSALS: u64 = 15;

/// Who is there.
#[derive(Debug)]
pub(super) struct Listed {
    /// Whoever is not among them is gone, except those whom only the configuration lists.
    pub(super) seen: HashSet<CustomerId>,
    /// The API refused to speak of these: who is among them twice in a row is not there.
    pub(super) doubted: HashSet<CustomerId>,
    /// The least requests that such a listing takes.
    pub(super) pages: u64,
}

/// Lists the customers, handing over each page's that pass the filter as it comes, so that the first customers are
/// polled before the last page is in. A failure says nothing about who is not there. `doubted` are those whom the API
/// refused to speak of the last time.
pub(super) async fn list(
    client: Client,
    filter: Arc<CustomerFilter>,
    inventory: Shared,
    pages: mpsc::Sender<Vec<ListedCustomer>>,
    admission: Admission,
    doubted: &HashSet<CustomerId>,
) -> Result<Listed, Failure> {
    let mut round =
        Round { filter: &filter, inventory: &inventory, pages, named: HashSet::new(), admitted: HashSet::new() };
    let listed: Vec<CustomerId> = filter.listed().cloned().collect();
    if !filter.discovers() {
        let everybody = listed.len();
        let refused = round.read_listed(&client, listed, doubted, admission).await?;
        let pages = listing_pages(None, everybody - refused.len()) + refused.len() as u64;
        return Ok(Listed { seen: round.admitted, doubted: refused, pages });
    }
    round.read(client.listing(None), admission).await?;
    let everybody = round.named.len();
    // Customers come and go between two pages, so one that is missing may have slipped from a page to an earlier one.
    // An answer may also be cut short without saying so: gone are those who are still missing when an answer names nobody
    // new.
    let known = inventory.read(|inventory| inventory.customers.keys().cloned().collect::<BTreeSet<_>>());
    let (mut missing, mut looked): (Vec<CustomerId>, bool) = (known.into_iter().collect(), false);
    loop {
        let before = missing.len();
        missing.retain(|id| !round.named.contains(id));
        if missing.is_empty() || (looked && missing.len() == before) {
            break;
        }
        looked = true;
        let admission = client.admit().await;
        match round.read(client.listing(Some(&missing)), admission).await {
            Ok(()) => {}
            // That is how an API may say that it knows none of them, or that it answers nobody at the moment.
            Err(failure) if is_refusal(&failure) => {
                let pages = listing_pages(Some(everybody), missing.len());
                let refused: HashSet<_> = missing.into_iter().filter(|id| !listed.contains(id)).collect();
                round.admitted.extend(refused.difference(doubted).cloned());
                return Ok(Listed { seen: round.admitted, doubted: refused, pages });
            }
            // Who is only listed by the configuration does not leave, and is no reason to doubt the others.
            Err(_) if missing.iter().all(|id| listed.contains(id)) => break,
            Err(failure) => return Err(failure),
        }
    }
    let pages = listing_pages(Some(everybody), missing.len());
    Ok(Listed { seen: round.admitted, doubted: HashSet::new(), pages })
}

struct Round<'a> {
    filter: &'a CustomerFilter,
    inventory: &'a Shared,
    pages: mpsc::Sender<Vec<ListedCustomer>>,
    /// Everybody whom the answers named, polled or not.
    named: HashSet<CustomerId>,
    admitted: HashSet<CustomerId>,
}

/// That is how an API may speak of customers whom it does not know, or does not let the app see.
fn is_refusal(failure: &Failure) -> bool {
    matches!(failure.reason, FailureReason::BadRequest | FailureReason::Forbidden | FailureReason::NotFound)
}

impl Round<'_> {
    /// Those of the configuration, and nobody else. One whom the API refuses to speak of must not cost the others their
    /// answer: what is refused is asked for again by halves, and from the next time on apart from the others. Returns
    /// who is refused.
    async fn read_listed(
        &mut self,
        client: &Client,
        mut listed: Vec<CustomerId>,
        doubted: &HashSet<CustomerId>,
        admission: Admission,
    ) -> Result<HashSet<CustomerId>, Failure> {
        listed.sort_unstable_by_key(|id| (doubted.contains(id), id.clone()));
        let (others, apart) = listed.split_at(listed.partition_point(|id| !doubted.contains(id)));
        let mut left: VecDeque<&[CustomerId]> = others.chunks(BATCH).chain(apart.chunks(1)).collect();
        let (mut first, mut requests, mut answers, mut refused) = (Some(admission), 0, 0, HashSet::new());
        while let Some(ids) = left.pop_front() {
            let admission = match first.take() {
                Some(admission) => admission,
                None => client.admit().await,
            };
            requests += 1;
            match self.read(client.listing(Some(ids)), admission).await {
                Ok(()) => answers += 1,
                Err(failure) if is_refusal(&failure) => {
                    let nobody_else = left.is_empty() && ids.len() == 1;
                    if answers == 0 && (nobody_else || requests == MOST_REFUSALS) {
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
