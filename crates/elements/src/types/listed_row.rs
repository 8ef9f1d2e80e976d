//! Rows of the lists of customers besides the service list.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Collector, CustomerId, Profile};

/// One row of such a list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedRow {
    /// The customer.
    pub id: CustomerId,
    /// Its name, if the list has names and it is neither missing nor `N/A`.
    pub name: Option<Arc<str>>,
    /// The rest of the row.
    pub facts: ListedFacts,
}

/// What a list says of a customer, one variant per list; in the state file under the name of its collector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ListedFacts {
    /// Of the list of customers.
    #[serde(rename = "customers")]
    Profile(Box<Profile>),
}

impl ListedFacts {
    /// The collector of the list.
    #[must_use]
    pub const fn collector(&self) -> Collector {
        match self {
            Self::Profile(_) => Collector::Customers,
        }
    }

    /// The row of the list of customers.
    #[must_use]
    pub fn profile(&self) -> Option<&Profile> {
        match self {
            Self::Profile(profile) => Some(profile),
        }
    }

    /// Adds what only an earlier row of the same list has. Returns whether the result is as new as this row.
    #[must_use]
    pub fn or_known(self, known: &Self) -> (Self, bool) {
        match (self, known) {
            (Self::Profile(row), Self::Profile(known)) => {
                let (row, is_new) = row.or_known(known);
                (Self::Profile(Box::new(row)), is_new)
            }
        }
    }
}
