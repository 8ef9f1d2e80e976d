//! Prepares rows of the service list for the inventory, outside of its lock and outside of the threads that serve
//! scrapes.
//!
//! All work is linear in the rows. The result for a row depends on the state before the listing and on earlier rows of
//! the same customer, so [`Prepared`] must be built in the order of the rows.

use std::collections::HashMap;
use std::sync::Arc;

use super::{CustomerFilter, plan};
use crate::config::CollectorSettings;
use crate::domain::{CustomerId, ListedCustomer, Question};
use crate::inventory::{KnownSubscription, prepare_subscriptions};

/// The update of one customer.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) id: CustomerId,
    pub(super) name: Option<Arc<str>>,
    /// `None` if the row has no readable list.
    pub(super) subscriptions: Option<Arc<[KnownSubscription]>>,
    /// The queries about the customer from now on.
    pub(super) questions: Vec<Question>,
}

/// The state of a customer in the inventory when the row arrived.
#[derive(Debug, Default)]
pub(super) struct Before {
    pub(super) name: Arc<str>,
    pub(super) subscriptions: Arc<[KnownSubscription]>,
}

/// A customer in this listing.
#[derive(Debug)]
pub(super) struct Named {
    /// Whether it passes the filter.
    pub(super) matches: bool,
    pub(super) rows: u32,
    /// The subscriptions before this listing.
    before: Arc<[KnownSubscription]>,
    /// The merged rows of this listing so far.
    subscriptions: Option<Arc<[KnownSubscription]>>,
    name: Option<Arc<str>>,
}

/// Customers with several rows, and how many rows each had in the last listing. The known subscriptions are not
/// replaced until as many rows have arrived, so that nothing disappears between two rows.
pub(super) type SplitCustomers = HashMap<CustomerId, u32>;

/// All customers of a listing, whether they are polled or not.
#[derive(Debug, Default)]
pub(super) struct NamedCustomers(HashMap<CustomerId, Named>);

impl NamedCustomers {
    /// Adds rows, and returns the updates of customers that pass the filter.
    pub(super) fn add(
        &mut self,
        rows: Vec<(ListedCustomer, Before)>,
        filter: &CustomerFilter,
        collectors: &CollectorSettings,
        split: &SplitCustomers,
    ) -> Vec<Prepared> {
        rows.into_iter().filter_map(|(row, before)| self.add_row(row, before, filter, collectors, split)).collect()
    }

    fn add_row(
        &mut self,
        row: ListedCustomer,
        before: Before,
        filter: &CustomerFilter,
        collectors: &CollectorSettings,
        split: &SplitCustomers,
    ) -> Option<Prepared> {
        let ListedCustomer { id, name, subscriptions } = row;
        // A row without a name is filtered by the known name, so that a missing name does not remove a customer.
        let known_as = name.as_deref().or(Some(&*before.name)).filter(|name| !name.is_empty());
        let matches = filter.matches(&id, known_as);
        let named = self.0.entry(id.clone()).or_insert_with(|| Named {
            matches,
            rows: 0,
            before: before.subscriptions,
            subscriptions: None,
            name: None,
        });
        named.rows = named.rows.saturating_add(1);
        named.matches |= matches;
        if !named.matches {
            return None;
        }
        named.name = named.name.take().or(name);
        if let Some(rows) = subscriptions {
            let earlier = named.subscriptions.as_deref().unwrap_or_default();
            named.subscriptions = Some(prepare_subscriptions(&named.before, earlier, rows));
        }
        (named.rows >= split.get(&id).copied().unwrap_or(1)).then(|| named.prepared(id, collectors))
    }

    /// The updates of customers that had fewer rows than in the last listing and were held back.
    pub(super) fn held_back(&self, collectors: &CollectorSettings, split: &SplitCustomers) -> Vec<Prepared> {
        let of = |(id, &rows): (&CustomerId, &u32)| {
            let named = self.0.get(id).filter(|named| named.matches && named.rows < rows)?;
            Some(named.prepared(id.clone(), collectors))
        };
        split.iter().filter_map(of).collect()
    }

    /// Whether the listing contains the customer.
    pub(super) fn contains(&self, id: &CustomerId) -> bool {
        self.0.contains_key(id)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Customers with several rows.
    pub(super) fn split(&self) -> SplitCustomers {
        self.0.iter().filter(|(_, named)| named.rows > 1).map(|(id, named)| (id.clone(), named.rows)).collect()
    }

    /// Customers that pass the filter.
    pub(super) fn matching(self) -> impl Iterator<Item = CustomerId> {
        self.0.into_iter().filter(|(_, named)| named.matches).map(|(id, _)| id)
    }
}

impl Named {
    fn prepared(&self, id: CustomerId, collectors: &CollectorSettings) -> Prepared {
        let rows = self.subscriptions.as_ref().unwrap_or(&self.before);
        let questions = plan::questions_for(&plan::Holdings::of_rows(rows), true, collectors);
        Prepared { id, name: self.name.clone(), subscriptions: self.subscriptions.clone(), questions }
    }
}
