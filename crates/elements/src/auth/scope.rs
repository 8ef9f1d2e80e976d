//! OAuth scopes of the endpoints.

use crate::types::Collector;

/// A group of endpoints with its own permission. Each scope has its own token: the identity service was observed to
/// refuse long scope strings, and one missing permission must not affect the other scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    License,
    Customers,
    Jobs,
    Protected,
}

impl Scope {
    pub(crate) const ALL: [Self; 4] = [Self::License, Self::Customers, Self::Jobs, Self::Protected];

    /// The scope that a collector's endpoint requires.
    pub(crate) const fn of(collector: Collector) -> Self {
        match collector {
            Collector::Services
            | Collector::TenantSeats
            | Collector::CustomerSeats
            | Collector::ProductsPurchased
            | Collector::ProductsAvailable => Self::License,
        }
    }

    /// The scopes that at least one collector requires.
    pub(crate) fn in_use() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|&scope| Collector::ALL.into_iter().any(|collector| Self::of(collector) == scope))
    }

    /// The label `scope`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::License => "license",
            Self::Customers => "customers",
            Self::Jobs => "jobs",
            Self::Protected => "protected",
        }
    }

    /// The value in a token request.
    pub(super) const fn permission(self) -> &'static str {
        match self {
            Self::License => "elements.license.read.all",
            Self::Customers => "elements.customers.read.all",
            Self::Jobs => "elements.jobs.read.all",
            Self::Protected => "elements.cbprotected.read.all",
        }
    }
}
