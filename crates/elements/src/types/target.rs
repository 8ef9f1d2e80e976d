//! Polling targets: the endpoints, the queries about one customer and their results.

use std::sync::Arc;
use std::time::Duration;

use super::{BackupJob, CustomerId, ProductType, ProtectedObjects, Quantity, Seats, TenantSeats, TenantType};

/// One endpoint of the API. Its name is used in the configuration and in the labels `collector` and `operation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Collector {
    /// The service list: every customer, with subscriptions.
    Services,
    /// The seats of each tenant of one type, of one customer.
    TenantSeats,
    /// The seats of all tenants of one type together, of one customer.
    CustomerSeats,
    /// The purchased seats of one product, of one customer.
    ProductsPurchased,
    /// The available seats of one product, of one customer.
    ProductsAvailable,
    /// The list of customers: job status, country, management mode.
    Customers,
    /// The backup jobs of one customer.
    BackupJobs,
    /// What backups protect, of one customer.
    BackupOverview,
}

/// Name, scope and default interval of an endpoint. The request and the decoder are in `client` and `decode`.
#[derive(Debug)]
pub struct Endpoint {
    /// The name in the configuration, in logs and in labels.
    pub name: &'static str,
    /// The permission that it needs.
    pub scope: Scope,
    /// The default time between two polls of a target.
    pub interval: Duration,
}

const fn endpoint(name: &'static str, scope: Scope, minutes: u64) -> Endpoint {
    Endpoint { name, scope, interval: Duration::from_mins(minutes) }
}

const SERVICES: Endpoint = endpoint("services", Scope::License, 15);
const TENANT_SEATS: Endpoint = endpoint("tenant_seats", Scope::License, 60);
const CUSTOMER_SEATS: Endpoint = endpoint("customer_seats", Scope::License, 60);
const PRODUCTS_PURCHASED: Endpoint = endpoint("products_purchased", Scope::License, 6 * 60);
const PRODUCTS_AVAILABLE: Endpoint = endpoint("products_available", Scope::License, 6 * 60);
const CUSTOMERS: Endpoint = endpoint("customers", Scope::Customers, 15);
const BACKUP_JOBS: Endpoint = endpoint("backup_jobs", Scope::Jobs, 60);
const BACKUP_OVERVIEW: Endpoint = endpoint("backup_overview", Scope::Protected, 6 * 60);

impl Collector {
    /// Every collector, in the order of the configuration.
    pub const ALL: [Self; 8] = [
        Self::Services,
        Self::TenantSeats,
        Self::CustomerSeats,
        Self::ProductsPurchased,
        Self::ProductsAvailable,
        Self::Customers,
        Self::BackupJobs,
        Self::BackupOverview,
    ];

    /// Its name, scope and default interval.
    #[must_use]
    pub const fn endpoint(self) -> &'static Endpoint {
        match self {
            Self::Services => &SERVICES,
            Self::TenantSeats => &TENANT_SEATS,
            Self::CustomerSeats => &CUSTOMER_SEATS,
            Self::ProductsPurchased => &PRODUCTS_PURCHASED,
            Self::ProductsAvailable => &PRODUCTS_AVAILABLE,
            Self::Customers => &CUSTOMERS,
            Self::BackupJobs => &BACKUP_JOBS,
            Self::BackupOverview => &BACKUP_OVERVIEW,
        }
    }

    /// The name in the configuration, in logs and in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.endpoint().name
    }

    /// Whether it reads a list of customers, which is the one target of the collector.
    #[must_use]
    pub const fn is_list(self) -> bool {
        matches!(self, Self::Services | Self::Customers)
    }

    /// Whether it is off unless the configuration enables it, with a scope of its own that may not be granted. While
    /// off, it has no series, log lines or rows on the status page.
    #[must_use]
    pub const fn is_optional(self) -> bool {
        !matches!(self.endpoint().scope, Scope::License)
    }
}

/// A group of endpoints with its own permission. Each scope has its own token: the identity service was observed to
/// refuse long scope strings, and one missing permission must not affect the other scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The five endpoints of seats and subscriptions.
    License,
    /// The list of customers.
    Customers,
    /// Backup jobs.
    Jobs,
    /// What backups protect.
    Protected,
}

impl Scope {
    /// Every scope, in the order of declaration.
    pub const ALL: [Self; 4] = [Self::License, Self::Customers, Self::Jobs, Self::Protected];

    /// The label `scope`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::License => "license",
            Self::Customers => "customers",
            Self::Jobs => "jobs",
            Self::Protected => "protected",
        }
    }

    /// The permission of the app registration, and the value in a token request.
    #[must_use]
    pub const fn permission(self) -> &'static str {
        match self {
            Self::License => "elements.license.read.all",
            Self::Customers => "elements.customers.read.all",
            Self::Jobs => "elements.jobs.read.all",
            Self::Protected => "elements.cbprotected.read.all",
        }
    }
}

/// One query about one customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Query {
    /// The seats of each tenant of this type.
    TenantSeats(TenantType),
    /// The seats of all tenants of this type together.
    CustomerSeats(TenantType),
    /// The purchased seats of this product.
    ProductPurchased(ProductType),
    /// The available seats of this product.
    ProductAvailable(ProductType),
    /// The newest backup jobs.
    BackupJobs,
    /// What backups protect.
    BackupOverview,
}

impl Query {
    /// The collector that the query belongs to.
    #[must_use]
    pub const fn collector(self) -> Collector {
        match self {
            Self::TenantSeats(_) => Collector::TenantSeats,
            Self::CustomerSeats(_) => Collector::CustomerSeats,
            Self::ProductPurchased(_) => Collector::ProductsPurchased,
            Self::ProductAvailable(_) => Collector::ProductsAvailable,
            Self::BackupJobs => Collector::BackupJobs,
            Self::BackupOverview => Collector::BackupOverview,
        }
    }

    /// The query of a collector about a tenant type or product type, by the API's number; 0 where it has none. `None`
    /// if the collector has no queries about customers, or the number is out of range.
    #[must_use]
    pub fn of(collector: Collector, number: u64) -> Option<Self> {
        let tenant_type = || u32::try_from(number).ok().map(TenantType::from_number);
        match collector {
            Collector::Services | Collector::Customers => None,
            Collector::TenantSeats => tenant_type().map(Self::TenantSeats),
            Collector::CustomerSeats => tenant_type().map(Self::CustomerSeats),
            Collector::ProductsPurchased => Some(Self::ProductPurchased(ProductType(number))),
            Collector::ProductsAvailable => Some(Self::ProductAvailable(ProductType(number))),
            Collector::BackupJobs => Some(Self::BackupJobs),
            Collector::BackupOverview => Some(Self::BackupOverview),
        }
    }

    /// The API's number of the tenant type or product type; 0 if the query has none.
    #[must_use]
    pub const fn number(self) -> u64 {
        match self {
            Self::TenantSeats(kind) | Self::CustomerSeats(kind) => kind.number() as u64,
            Self::ProductPurchased(ProductType(number)) | Self::ProductAvailable(ProductType(number)) => number,
            Self::BackupJobs | Self::BackupOverview => 0,
        }
    }

    /// The tenant type or product type as a person reads it; empty if the query has none.
    #[must_use]
    pub fn about(self) -> String {
        match self {
            Self::TenantSeats(kind) | Self::CustomerSeats(kind) => kind.label().into_owned(),
            Self::ProductPurchased(product) | Self::ProductAvailable(product) => {
                format!("{} ({})", product.name(), product.0)
            }
            Self::BackupJobs | Self::BackupOverview => String::new(),
        }
    }
}

/// The result of a [`Query`], one variant per endpoint.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// `customer_seats`: the seats of all tenants of the type together.
    CustomerSeats(Seats),
    /// `tenant_seats`: every tenant of the type; ids are distinct and sorted.
    TenantSeats(Arc<[TenantSeats]>),
    /// `products_purchased`: `purchasedUserSeat`; `None` for "not applicable".
    ProductPurchased(Option<Quantity>),
    /// `products_available`: `availableUserSeat`; `None` for "not applicable".
    ProductAvailable(Option<Quantity>),
    /// `backup_jobs`: the newest job of each plan; keys are distinct and sorted.
    BackupJobs(Arc<[BackupJob]>),
    /// `backup_overview`: services and modules are distinct and sorted.
    BackupOverview(Arc<[ProtectedObjects]>),
}

impl Observation {
    /// The number of rows of an answer that is a list.
    #[must_use]
    pub fn rows(&self) -> Option<usize> {
        match self {
            Self::TenantSeats(tenants) => Some(tenants.len()),
            Self::BackupJobs(jobs) => Some(jobs.len()),
            Self::BackupOverview(modules) => Some(modules.len()),
            Self::CustomerSeats(_) | Self::ProductPurchased(_) | Self::ProductAvailable(_) => None,
        }
    }
}

/// An entry of a partner's poll queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A list of the partner's customers, all pages of it.
    List(Collector),
    /// One query about one customer.
    Customer(CustomerId, Query),
}

impl Target {
    /// The collector that the target belongs to.
    #[must_use]
    pub const fn collector(&self) -> Collector {
        match self {
            Self::List(collector) => *collector,
            Self::Customer(_, query) => query.collector(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_its_collector_and_a_number() {
        for query in [
            Query::TenantSeats(TenantType::Other(9)),
            Query::CustomerSeats(TenantType::Google),
            Query::ProductPurchased(ProductType(u64::MAX)),
            Query::ProductAvailable(ProductType(2048)),
            Query::BackupJobs,
            Query::BackupOverview,
        ] {
            assert_eq!(Query::of(query.collector(), query.number()), Some(query));
        }
        assert_eq!(Query::of(Collector::TenantSeats, u64::MAX), None);
    }
}
