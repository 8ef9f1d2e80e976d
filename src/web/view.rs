//! What a page is made from: the inventories as they are at one moment, and their customers in order.

use jiff::Timestamp;

use super::detail::Detail;
use super::finding::Finding;
use super::query::Query;
use super::readiness::{Readiness, readiness};
use super::status::Status;
use super::summary::{self, Row};
use crate::domain::CustomerId;
use crate::inventory::Inventory;

/// One moment.
#[derive(Debug)]
pub struct View {
    /// When that is.
    pub now: Timestamp,
    /// Of every partner.
    pub inventories: Vec<Inventory>,
    /// Series served then.
    pub series: u64,
    /// Whether `/-/ready` has answered, or would answer, 200.
    pub ready: bool,
    /// The readiness of every partner.
    pub readiness: Readiness,
}

/// The customers that a query asks for.
#[derive(Debug)]
pub struct List {
    /// Those in the state that is asked for, what runs out first at the top.
    pub wanted: Vec<Row>,
    /// How many have each finding, whatever state is asked for.
    pub findings: Vec<(Finding, usize)>,
    /// How many have none.
    pub ok: usize,
    /// How many in any state.
    pub any: usize,
}

impl View {
    /// These inventories at a time; `was_ready` if it has been ready before.
    #[must_use]
    pub fn new(inventories: Vec<Inventory>, series: u64, was_ready: bool, now: Timestamp) -> Self {
        let readiness = readiness(&inventories, now);
        Self { now, inventories, series, ready: was_ready || readiness.ready, readiness }
    }

    /// The customers that are asked for.
    #[must_use]
    pub fn list(&self, query: &Query) -> List {
        let mut rows = summary::rows(&self.inventories, self.now);
        rows.retain(query.matcher());
        let (findings, ok) = summary::count_findings(rows.iter());
        let any = rows.len();
        rows.retain(|row| query.wants_state_of(row));
        List { wanted: rows, findings, ok, any }
    }

    /// One customer.
    #[must_use]
    pub fn customer(&self, partner: &str, id: &CustomerId) -> Option<Row> {
        let inventory = self.inventory(partner)?;
        inventory.customers.get(id).map(|customer| summary::row(inventory, customer, self.now))
    }

    /// Everything known of the customer of a row.
    #[must_use]
    pub fn detail(&self, row: &Row) -> Option<Detail> {
        self.inventory(row.partner.as_str()).map(|inventory| Detail::new(row, inventory, self.now))
    }

    /// How the exporter is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::new(&self.inventories, &self.readiness, self.ready, self.series, self.now)
    }

    fn inventory(&self, partner: &str) -> Option<&Inventory> {
        self.inventories.iter().find(|inventory| inventory.partner.as_str() == partner)
    }
}
