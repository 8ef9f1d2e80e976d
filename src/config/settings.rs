//! What a validated configuration says: nothing optional is left undecided. The other rooms are constructed with these.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::credential::Credential;
use super::urls::redacted_url;
use crate::domain::{Collector, CustomerId, PartnerName, ProductType, TenantType};

/// The whole configuration.
#[derive(Debug)]
pub struct Config {
    /// The file that this was read from; `None` of a text.
    pub file: Option<PathBuf>,
    /// In the order of the file; names are distinct.
    pub partners: Vec<PartnerSettings>,
    /// What to collect, how often.
    pub collectors: CollectorSettings,
    /// `metrics.customer_name_label`: whether every series of a customer carries its name.
    pub customer_name_label: bool,
    /// Where what is known is kept across restarts; nowhere without it.
    pub state: Option<StateSettings>,
    /// Paths of keys in the file that no longer have an effect.
    pub ignored: Vec<String>,
}

/// `state`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSettings {
    /// The state file, absolute or relative to the working directory.
    pub file: PathBuf,
    /// Between two saves at least.
    pub interval: Duration,
}

/// Where a file is, which a bare name does not say.
#[must_use]
pub fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// One app registration.
pub struct PartnerSettings {
    /// Its name, the label `partner`.
    pub name: PartnerName,
    /// The base URL of the API, without a trailing slash in its path.
    pub api_url: Url,
    /// The token URL of the identity service.
    pub token_url: Url,
    /// `auth.client_id`
    pub client_id: String,
    /// The one credential, loaded.
    pub credential: Credential,
    /// How much may be asked.
    pub budget: BudgetSettings,
    /// Every request goes through this proxy; without it, the usual environment variables hold, loopback excepted.
    pub proxy_url: Option<Url>,
    /// Certificates (PEM) to trust in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// Whom to ask about.
    pub customers: CustomerSettings,
}

impl fmt::Debug for PartnerSettings {
    /// As derived, but for the user info of `proxy_url`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartnerSettings")
            .field("name", &self.name)
            .field("api_url", &self.api_url.as_str())
            .field("token_url", &self.token_url.as_str())
            .field("client_id", &self.client_id)
            .field("credential", &self.credential)
            .field("budget", &self.budget)
            .field("proxy_url", &self.proxy_url.as_ref().map(redacted_url))
            .field("ca_file", &self.ca_file)
            .field("customers", &self.customers)
            .finish()
    }
}

/// How much one app registration may ask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetSettings {
    /// Requests per second, above 0.
    pub requests_per_second: f64,
    /// Requests that may go out at once after a pause, at least 1.
    pub burst: u32,
    /// Requests under way at the same time, at least 1.
    pub concurrency: u32,
    /// The deadline of one request, its body included.
    pub timeout: Duration,
}

/// Which customers of a partner are polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerSettings {
    /// Every customer that the app registration sees, narrowed by `include` and `exclude`.
    pub discover: bool,
    /// Globs (`*`, `?`) on id or name, in any letter case; at least one must match a discovered customer.
    pub include: Vec<String>,
    /// Globs on id or name; none may match a discovered customer.
    pub exclude: Vec<String>,
    /// Polled whatever `discover`, `include` and `exclude` say; ids are distinct.
    pub list: Vec<ListedSettings>,
    /// Customers of the partner that are known at most, those of `list` included, which are no more than this.
    pub max: u32,
}

/// The default of `customers.max`.
pub const MAX_CUSTOMERS: u32 = 200_000;

/// A customer of `customers.list`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSettings {
    /// Its id.
    pub id: CustomerId,
    /// Wins over the name that the API gives.
    pub name: Option<String>,
    /// Added to every series of the customer, ordered by name; valid, distinct, and not the catalogue's.
    pub labels: Vec<(String, String)>,
}

/// The five collectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorSettings {
    /// Endpoint 5.
    pub services: Schedule,
    /// Endpoint 3 and the tenant types it is asked for.
    pub tenant_seats: (Schedule, Selection<TenantType>),
    /// Endpoint 1 and the tenant types it is asked for.
    pub customer_seats: (Schedule, Selection<TenantType>),
    /// Endpoint 4 and the product types it is asked for.
    pub products_purchased: (Schedule, Selection<ProductType>),
    /// Endpoint 2 and the product types it is asked for.
    pub products_available: (Schedule, Selection<ProductType>),
}

impl CollectorSettings {
    /// The schedule of one collector.
    #[must_use]
    pub const fn schedule(&self, collector: Collector) -> Schedule {
        match collector {
            Collector::Services => self.services,
            Collector::TenantSeats => self.tenant_seats.0,
            Collector::CustomerSeats => self.customer_seats.0,
            Collector::ProductsPurchased => self.products_purchased.0,
            Collector::ProductsAvailable => self.products_available.0,
        }
    }

    /// The collectors that are enabled, in the order of [`Collector::ALL`].
    pub fn enabled(&self) -> impl Iterator<Item = Collector> {
        Collector::ALL.into_iter().filter(|&collector| self.schedule(collector).enabled)
    }
}

/// When a collector's targets are polled, and how long its values are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Whether it is polled at all.
    pub enabled: bool,
    /// Between two polls of one target.
    pub interval: Duration,
    /// At which a value that could not be renewed is no longer served; at least `interval`.
    pub max_age: Duration,
}

/// Which types a customer is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection<T> {
    /// Those that the customer's service list implies.
    Auto,
    /// Exactly these, distinct, at least one.
    Only(Vec<T>),
}
