//! Parses request paths.

use elements::types::Collector;
use hyper::Method;
use percent_encoding::percent_decode_str;

/// The prefix of every path of the API.
pub(super) const BASE_PATH: &str = "/partner/external/v3/general";
/// The path of the identity service.
pub(super) const TOKEN_PATH: &str = "/connect/token";

/// The operation of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// A token request.
    Token,
    /// One of the endpoints.
    Api(Collector),
    /// An unknown path.
    Unknown,
}

impl Operation {
    /// The only allowed method.
    pub(super) fn method(self) -> Method {
        match self {
            Self::Api(
                Collector::CustomerSeats
                | Collector::ProductsAvailable
                | Collector::ProductsPurchased
                | Collector::BackupOverview,
            ) => Method::GET,
            _ => Method::POST,
        }
    }
}

/// A parsed path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) operation: Operation,
    /// `{customerId}`, decoded; empty if there is none.
    pub(super) customer: String,
    /// `{type}` or `{productType}`, decoded; empty if there is none.
    pub(super) kind: String,
}

impl Route {
    /// Scenario and every slash are significant.
    pub(super) fn of(path: &str) -> Self {
        if path == TOKEN_PATH {
            return Self::new(Operation::Token, "", "");
        }
        let segments: Vec<&str> =
            path.strip_prefix(BASE_PATH).and_then(|rest| rest.strip_prefix('/')).unwrap_or("").split('/').collect();
        let (collector, customer, kind) = match *segments.as_slice() {
            ["customers", "services", "batch"] => (Collector::Services, "", ""),
            ["customers", "batch"] => (Collector::Customers, "", ""),
            ["customers", customer, "3rd-party-products", "type", kind, "overview"] => {
                (Collector::CustomerSeats, customer, kind)
            }
            ["customers", customer, "avpt-products", "overview", "type", kind] => {
                (Collector::ProductsAvailable, customer, kind)
            }
            ["customers", customer, "3rd-party-products", "type", kind, "tenants", "batch"] => {
                (Collector::TenantSeats, customer, kind)
            }
            ["customers", customer, "avpt-products", "type", kind, "overview"] => {
                (Collector::ProductsPurchased, customer, kind)
            }
            ["customers", customer, "avpt-products", "jobs", "batch"] => (Collector::BackupJobs, customer, ""),
            ["customers", customer, "cloud-backup-m365", "overview"] => (Collector::BackupOverview, customer, ""),
            _ => return Self::new(Operation::Unknown, "", ""),
        };
        Self::new(Operation::Api(collector), customer, kind)
    }

    fn new(operation: Operation, customer: &str, kind: &str) -> Self {
        let decode = |segment| percent_decode_str(segment).decode_utf8_lossy().into_owned();
        Self { operation, customer: decode(customer), kind: decode(kind) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoints_and_the_token_have_their_paths() {
        for (path, operation, customer, kind) in [
            ("/connect/token", Operation::Token, "", ""),
            ("/partner/external/v3/general/customers/batch", Operation::Api(Collector::Customers), "", ""),
            ("/partner/external/v3/general/customers/services/batch", Operation::Api(Collector::Services), "", ""),
            (
                "/partner/external/v3/general/customers/a%20b+c%2Fd=&/3rd-party-products/type/0/overview",
                Operation::Api(Collector::CustomerSeats),
                "a b+c/d=&",
                "0",
            ),
            (
                "/partner/external/v3/general/customers/c/avpt-products/overview/type/2048",
                Operation::Api(Collector::ProductsAvailable),
                "c",
                "2048",
            ),
            (
                "/partner/external/v3/general/customers/c/3rd-party-products/type/2/tenants/batch",
                Operation::Api(Collector::TenantSeats),
                "c",
                "2",
            ),
            (
                "/partner/external/v3/general/customers/c/avpt-products/type/4/overview",
                Operation::Api(Collector::ProductsPurchased),
                "c",
                "4",
            ),
            (
                "/partner/external/v3/general/customers/c/avpt-products/jobs/batch",
                Operation::Api(Collector::BackupJobs),
                "c",
                "",
            ),
            (
                "/partner/external/v3/general/customers/c/cloud-backup-m365/overview",
                Operation::Api(Collector::BackupOverview),
                "c",
                "",
            ),
        ] {
            let route = Route { operation, customer: customer.to_owned(), kind: kind.to_owned() };
            assert_eq!(Route::of(path), route);
        }
    }

    #[test]
    fn what_is_almost_a_path_is_none() {
        for path in [
            "/",
            "",
            "/connect/token/",
            "/partner/external/v3/general",
            "/partner/external/v3/general/customers/services/batch/",
            "/partner/external/v3/general/customers//services/batch",
            "/partner/external/v3/general//customers/services/batch",
            "/partner/external/v3/general/customers/batch/",
            "/partner/external/v3/generalcustomers/services/batch",
            "/Partner/External/v3/general/customers/services/batch",
        ] {
            assert_eq!(Route::of(path).operation, Operation::Unknown, "{path}");
        }
    }
}
