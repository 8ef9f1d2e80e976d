//! The permissions that tokens are asked for.

use crate::domain::Collector;

/// A family of endpoints with a permission of its own. Each has its own token: the identity service was seen to refuse
/// long scope strings, and one that was not granted must not cost the others theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::elements) enum Scope {
    License,
    Customers,
    Jobs,
    Protected,
}

impl Scope {
    pub(in crate::elements) const ALL: [Self; 4] = [Self::License, Self::Customers, Self::Jobs, Self::Protected];

    /// The scope that a collector's endpoint needs.
    pub(in crate::elements) const fn of(collector: Collector) -> Self {
        match collector {
            Collector::Services
            | Collector::TenantSeats
            | Collector::CustomerSeats
            | Collector::ProductsPurchased
            | Collector::ProductsAvailable => Self::License,
        }
    }

    /// Those that some collector needs.
    pub(in crate::elements) fn in_use() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|&scope| Collector::ALL.into_iter().any(|collector| Self::of(collector) == scope))
    }

    /// The label `scope`.
    pub(in crate::elements) const fn as_str(self) -> &'static str {
        match self {
            Self::License => "license",
            Self::Customers => "customers",
            Self::Jobs => "jobs",
            Self::Protected => "protected",
        }
    }

    /// What a token request calls it.
    pub(super) const fn permission(self) -> &'static str {
        match self {
            Self::License => "elements.license.read.all",
            Self::Customers => "elements.customers.read.all",
            Self::Jobs => "elements.jobs.read.all",
            Self::Protected => "elements.cbprotected.read.all",
        }
    }
}
