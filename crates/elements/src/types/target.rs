//! Polling targets: the five endpoints and the queries for one customer.

use super::{CustomerId, ProductType, TenantType};

/// One of the five endpoints, with the name used in the configuration and in the labels `collector` and `operation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Collector {
    /// Endpoint 5.
    Services,
    /// Endpoint 3.
    TenantSeats,
    /// Endpoint 1.
    CustomerSeats,
    /// Endpoint 4.
    ProductsPurchased,
    /// Endpoint 2.
    ProductsAvailable,
}

impl Collector {
    /// Every collector, in the order of the configuration.
    pub const ALL: [Self; 5] =
        [Self::Services, Self::TenantSeats, Self::CustomerSeats, Self::ProductsPurchased, Self::ProductsAvailable];

    /// The name in the configuration, in logs and in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::TenantSeats => "tenant_seats",
            Self::CustomerSeats => "customer_seats",
            Self::ProductsPurchased => "products_purchased",
            Self::ProductsAvailable => "products_available",
        }
    }
}

/// One query about one customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// Endpoint 3.
    TenantSeats(TenantType),
    /// Endpoint 1.
    CustomerSeats(TenantType),
    /// Endpoint 4.
    ProductPurchased(ProductType),
    /// Endpoint 2.
    ProductAvailable(ProductType),
}

impl Question {
    /// The collector that the query belongs to.
    #[must_use]
    pub const fn collector(self) -> Collector {
        match self {
            Self::TenantSeats(_) => Collector::TenantSeats,
            Self::CustomerSeats(_) => Collector::CustomerSeats,
            Self::ProductPurchased(_) => Collector::ProductsPurchased,
            Self::ProductAvailable(_) => Collector::ProductsAvailable,
        }
    }
}

/// An entry of a partner's poll queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// The partner's service list, all pages of it.
    Services,
    /// One query about one customer.
    Customer(CustomerId, Question),
}

impl Target {
    /// The collector that the target belongs to.
    #[must_use]
    pub const fn collector(&self) -> Collector {
        match self {
            Self::Services => Collector::Services,
            Self::Customer(_, question) => question.collector(),
        }
    }
}
