//! Decoder: converts rows to the store. Contradictory content is refused. A target or failure reason that this version
//! does not know is skipped and polled again.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use elements::types::{Collector, FailureReason};

use super::rows::{CustomerRow, ListRow, PartnerRow, Row};
use super::{DecodeError, KnownPartner};
use crate::inventory::{Customer, KnownRow, Listing, PriorState, Services};

/// Consumes rows one at a time.
#[derive(Default)]
pub(super) struct Decoder {
    partners: Vec<KnownPartner>,
    /// Customers of the last partner, sorted; a map that is built in one step has full nodes.
    customers: Vec<Arc<Customer>>,
    names: HashSet<Arc<str>>,
    /// Strings of the service lists. There are few distinct ones, so each is stored once.
    texts: HashSet<Arc<str>>,
}

impl Decoder {
    pub(super) fn take(&mut self, row: Row<'_>) -> Result<(), DecodeError> {
        if let Some(row) = row.partner {
            self.finish_partner();
            self.partner(&row)?;
        }
        let Some(row) = row.customer else { return Ok(()) };
        if self.partners.is_empty() {
            return Err(DecodeError::Invalid("a customer without a partner"));
        }
        let customer = self.customer(row)?;
        if self.customers.last().is_some_and(|last| last.id >= customer.id) {
            return Err(DecodeError::Invalid("customers out of order"));
        }
        self.customers.push(Arc::new(customer));
        Ok(())
    }

    pub(super) fn finish(mut self) -> Vec<KnownPartner> {
        self.finish_partner();
        self.partners
    }

    fn finish_partner(&mut self) {
        let customers: BTreeMap<_, _> =
            std::mem::take(&mut self.customers).into_iter().map(|customer| (customer.id.clone(), customer)).collect();
        if let Some(known) = self.partners.last_mut() {
            known.past.customers = customers;
        }
    }

    fn partner(&mut self, row: &PartnerRow<'_>) -> Result<(), DecodeError> {
        if !self.names.insert(row.name.as_ref().into()) {
            return Err(DecodeError::Invalid("a partner twice"));
        }
        let listing = Listing {
            polled: row.polled,
            completed: row.completed,
            restored: row.completed.is_some(),
            failure: row.failure.as_deref().and_then(failure),
            ..Listing::default()
        };
        if listing.polled.is_none() && (listing.completed.is_some() || listing.failure.is_some()) {
            return Err(DecodeError::Invalid("a listing that was never polled has a result"));
        }
        let list = |row: &ListRow<'_>| Listing {
            wanted: true,
            polled: row.polled,
            completed: row.completed.filter(|_| row.polled.is_some()),
            failure: row.failure.as_deref().and_then(failure).filter(|_| row.polled.is_some()),
            ..Listing::default()
        };
        let collector = |name: &str| Collector::ALL.into_iter().find(|known| known.as_str() == name);
        let lists = row.lists.iter().filter_map(|(name, row)| Some((collector(name)?, list(row)))).collect();
        let past = PriorState { listing, lists, customers: BTreeMap::new() };
        self.partners.push(KnownPartner {
            name: row.name.as_ref().into(),
            client_id: row.client_id.as_ref().to_owned(),
            past,
        });
        Ok(())
    }

    fn customer(&mut self, row: CustomerRow<'_>) -> Result<Customer, DecodeError> {
        let mut customer = Customer::discovered(row.id.as_ref().into());
        customer.name = row.name.as_ref().into();
        customer.named_by_configuration = row.named_by_configuration;
        if let Some(services) = row.services {
            let subscriptions: Vec<_> = services
                .subscriptions
                .iter()
                .map(|row| row.decode(|text| self.text(text)))
                .collect::<Result<_, _>>()?;
            if !subscriptions.is_sorted_by(|a, b| a.id < b.id) {
                return Err(DecodeError::Invalid("subscriptions out of order"));
            }
            customer.services = Some(Services { seen: services.seen, subscriptions: subscriptions.into() });
        }
        let rows = row.rows.into_iter();
        let rows = rows.filter_map(|row| Some(KnownRow { seen: row.seen, facts: row.facts?, missed: false }));
        customer.rows.extend(rows);
        // Allocate exactly the capacity that is needed.
        customer.targets.reserve_exact(row.targets.len());
        for row in row.targets {
            customer.targets.extend(row.decode()?);
        }
        if !customer.targets.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(DecodeError::Invalid("targets out of order"));
        }
        Ok(customer)
    }

    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(text) = self.texts.get(text) {
            return Arc::clone(text);
        }
        let text: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&text));
        text
    }
}

pub(super) fn failure(word: &str) -> Option<FailureReason> {
    FailureReason::ALL.into_iter().find(|reason| reason.as_str() == word)
}
