//! Prepares rows of the service list for the inventory, outside of its lock and outside of the threads that serve
//! scrapes.
//!
//! All work is linear in the rows. The result for a row depends on the state before the listing and on earlier rows of
//! the same customer, so [`PreparedCustomer`] must be built in the order of the rows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use elements::types::{CustomerId, ListedCustomer, Query, Subscription};

use super::{CustomerFilter, plan};
use crate::config::CollectorSettings;
use crate::inventory::{KnownSubscription, prepare_subscriptions};

/// The update of one customer.
#[derive(Debug)]
pub(super) struct PreparedCustomer {
    pub(super) id: CustomerId,
    pub(super) name: Option<Arc<str>>,
    /// `None` if the row has no readable list.
    pub(super) subscriptions: Option<Arc<[KnownSubscription]>>,
    /// The queries about the customer from now on.
    pub(super) queries: Vec<Query>,
}

/// The state of a customer in the inventory when a row arrived.
#[derive(Debug, Default)]
pub(super) struct PriorRow {
    pub(super) name: Arc<str>,
    pub(super) subscriptions: Arc<[KnownSubscription]>,
}

/// A customer in this listing.
#[derive(Debug)]
struct Listed {
    /// Whether it passes the filter.
    matches: bool,
    /// The subscriptions before this listing.
    before: Arc<[KnownSubscription]>,
    /// The merged rows of this listing so far.
    subscriptions: Option<Arc<[KnownSubscription]>>,
    name: Option<Arc<str>>,
    /// Not sent to the poller yet, because its rows so far lack a known subscription.
    is_held_back: bool,
}

/// All customers of a listing, whether they are polled or not.
#[derive(Debug, Default)]
pub(super) struct ListedCustomers(HashMap<CustomerId, Listed>);

impl ListedCustomers {
    /// Adds rows, and returns the updates of customers that pass the filter.
    ///
    /// A customer can have several rows, on different pages. A customer whose rows so far lack a known subscription is
    /// held back until its rows contain all of them, or until [`Self::held_back`] at the end, so that nothing
    /// disappears between two rows.
    pub(super) fn add(
        &mut self,
        rows: Vec<(ListedCustomer, PriorRow)>,
        filter: &CustomerFilter,
        collectors: &CollectorSettings,
    ) -> Vec<PreparedCustomer> {
        let mut order = Vec::new();
        let mut subscriptions: HashMap<CustomerId, Vec<Vec<Subscription>>> = HashMap::new();
        for (row, before) in rows {
            // A row without a name is filtered by the known name, so that a missing name does not remove a customer.
            let known_as = row.name.as_deref().or(Some(&*before.name)).filter(|name| !name.is_empty());
            let matches = filter.matches(&row.id, known_as);
            let listed = self.0.entry(row.id.clone()).or_insert_with(|| Listed {
                matches,
                before: before.subscriptions,
                subscriptions: None,
                name: None,
                is_held_back: false,
            });
            listed.matches |= matches;
            listed.name = listed.name.take().or(row.name);
            if let Some(rows) = row.subscriptions {
                subscriptions.entry(row.id.clone()).or_default().push(rows);
            }
            order.push(row.id);
        }
        let mut prepared = Vec::new();
        let mut handled = HashSet::new();
        for id in order {
            let Some(listed) = self.0.get_mut(&id).filter(|listed| listed.matches) else { continue };
            if !handled.insert(id.clone()) {
                continue;
            }
            if let Some(parts) = subscriptions.remove(&id) {
                let earlier = listed.subscriptions.as_deref().unwrap_or_default();
                listed.subscriptions = Some(prepare_subscriptions(&listed.before, earlier, parts));
            }
            listed.is_held_back = listed.lacks_known_subscriptions();
            if !listed.is_held_back {
                prepared.push(listed.prepared(id, collectors));
            }
        }
        prepared
    }

    /// The updates of customers that are still held back at the end of the listing.
    pub(super) fn held_back(&self, collectors: &CollectorSettings) -> Vec<PreparedCustomer> {
        let held_back = self.0.iter().filter(|(_, listed)| listed.is_held_back);
        held_back.map(|(id, listed)| listed.prepared(id.clone(), collectors)).collect()
    }

    /// Whether the listing contains the customer.
    pub(super) fn contains(&self, id: &CustomerId) -> bool {
        self.0.contains_key(id)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Customers that pass the filter.
    pub(super) fn matching(self) -> impl Iterator<Item = CustomerId> {
        self.0.into_iter().filter(|(_, listed)| listed.matches).map(|(id, _)| id)
    }
}

impl Listed {
    /// Both lists are sorted by id.
    fn lacks_known_subscriptions(&self) -> bool {
        let Some(now) = &self.subscriptions else { return false };
        self.before.iter().any(|known| now.binary_search_by_key(&known.id, |row| row.id).is_err())
    }

    fn prepared(&self, id: CustomerId, collectors: &CollectorSettings) -> PreparedCustomer {
        let rows = self.subscriptions.as_ref().unwrap_or(&self.before);
        let queries = plan::queries_for(&plan::Holdings::of_rows(rows), true, collectors);
        PreparedCustomer { id, name: self.name.clone(), subscriptions: self.subscriptions.clone(), queries }
    }
}
