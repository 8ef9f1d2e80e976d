//! Applies pages of the lists of customers to the inventory, and plans the queries of their customers.

use elements::types::{Collector, CustomerId, ListedRow, Query, Target};
use jiff::Timestamp;
use tracing::warn;

use super::Poller;
use crate::inventory::Inventory;
use crate::polling::prepared_customer::PreparedCustomer;
use crate::polling::{Cost, plan};

impl Poller {
    /// Adds the customers of a page; new ones are planned and due at once.
    pub(super) fn apply_page(&mut self, page: Vec<PreparedCustomer>) {
        self.progress.attempt_ended();
        let now = self.clock.now();
        let max = self.max_customers as usize;
        let Self { inventory, capacity, confirmation, arrived, .. } = self;
        let notes_arrivals = self.first_pass.is_complete();
        let mut left_out = None;
        let changes: Vec<_> = inventory.update(|inventory| {
            let observe = |row: PreparedCustomer| {
                let PreparedCustomer { id, name, subscriptions, queries } = row;
                let known = inventory.customers.get(&id);
                if known.is_none() && inventory.customers.len() >= max {
                    left_out = Some(id);
                    return None;
                }
                if known.is_none() && notes_arrivals {
                    arrived.push(id.clone());
                }
                if let Some(rows) = &subscriptions {
                    let had_rows = known.is_some_and(|known| !known.subscriptions().is_empty());
                    if !rows.is_empty() {
                        confirmation.products_present(&id);
                    } else if had_rows && !confirmation.products_removed(&id, now) {
                        inventory.rename(&id, name);
                        return None;
                    }
                }
                inventory.upsert_prepared(&id, name, subscriptions, now);
                let changes = replan(inventory, &mut capacity.cost, &id, &queries);
                Some((id, changes))
            };
            page.into_iter().filter_map(observe).collect()
        });
        if let Some(customer_id) = left_out.filter(|_| !self.reported_max) {
            self.reported_max = true;
            warn!(
                %customer_id,
                max,
                "there are more customers than customers.max: further ones are left out, and none is removed; raise it, or \
                 narrow customers.include"
            );
        }
        self.enqueue(changes, now);
    }

    /// Adds the rows of a page. The list of customers adds a customer that the service list does not have, if it passes the
    /// filter; any other list only adds to what is known.
    pub(super) fn apply_rows(&mut self, page: Vec<ListedRow>) {
        self.progress.attempt_ended();
        let (now, max) = (self.clock.now(), self.max_customers as usize);
        let filter = &self.filter;
        let is_added = |row: &ListedRow| {
            row.facts.collector() == Collector::Customers && filter.matches(&row.id, row.name.as_deref())
        };
        let page: Vec<_> = page.into_iter().map(|row| (is_added(&row), row)).collect();
        let added = self.inventory.update(|inventory| {
            let mut added = Vec::new();
            for (is_added, row) in page {
                if inventory.customers.contains_key(&row.id) {
                    inventory.upsert_row(row, now);
                } else if is_added && inventory.customers.len() < max {
                    added.push(row.id.clone());
                    inventory.upsert_row(row, now);
                }
            }
            added
        });
        self.plan(&added);
    }

    /// Plans known customers again.
    pub(super) fn plan(&mut self, customers: &[CustomerId]) {
        let now = self.clock.now();
        let (collectors, cost) = (self.collectors.clone(), &mut self.capacity.cost);
        let changes = self.inventory.update(|inventory| {
            let plan = |id: &CustomerId| {
                let queries = plan::queries(inventory.customers.get(id)?, &collectors);
                Some((id.clone(), replan(inventory, cost, id, &queries)))
            };
            customers.iter().filter_map(plan).collect()
        });
        self.enqueue(changes, now);
    }

    fn enqueue(&mut self, changes: Vec<(CustomerId, PlanChanges)>, now: Timestamp) {
        for (customer, (added, dropped)) in changes {
            for query in dropped {
                self.queue.remove(&Target::Customer(customer.clone(), query));
            }
            if !added.is_empty() {
                self.first_pass.add(now);
            }
            for query in added {
                self.queue.add(Target::Customer(customer.clone(), query), now);
            }
        }
    }
}

/// The queries that are new, and those that were dropped.
type PlanChanges = (Vec<Query>, Vec<Query>);

/// Plans the queries of a customer and updates the cost.
fn replan(inventory: &mut Inventory, cost: &mut Cost, id: &CustomerId, queries: &[Query]) -> PlanChanges {
    if let Some(customer) = inventory.customers.get(id) {
        cost.remove_all(customer);
    }
    let changes = inventory.plan(id, queries);
    if let Some(customer) = inventory.customers.get(id) {
        cost.add_all(customer);
    }
    changes
}
