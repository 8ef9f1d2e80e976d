//! The validated settings: every option has a value. The other modules are constructed from them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use elements::Budget;
use elements::types::{Collector, CustomerId, PartnerName, ProductType, TenantType};
use url::Url;

use super::credential::Credential;
use super::ha::{BlobSettings, HaSettings};
use super::urls::redacted_url;

/// The whole configuration.
#[derive(Debug)]
pub struct Config {
    /// The file that this was read from; `None` if it was read from a text.
    pub file: Option<PathBuf>,
    /// In the order of the file; names are distinct.
    pub partners: Vec<PartnerSettings>,
    /// Which endpoints are polled, and how often.
    pub collectors: CollectorSettings,
    /// `metrics.customer_name_label`: whether every series of a customer carries its name.
    pub customer_name_label: bool,
    /// Where the state is saved across restarts; `None` to not save it.
    pub state: Option<StateSettings>,
    /// The election among replicas; `None` for one process, which always leads.
    pub ha: Option<HaSettings>,
    /// Paths of keys in the file that no longer have an effect.
    pub ignored: Vec<String>,
}

/// `state`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSettings {
    /// Where it is kept.
    pub location: StateLocation,
    /// Minimum time between two saves.
    pub interval: Duration,
}

/// `state.file` or `state.azure_blob`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateLocation {
    /// A file, absolute or relative to the working directory.
    File(PathBuf),
    /// A blob in Azure storage.
    AzureBlob(BlobSettings),
}

/// The folder of a file, also if its path is a bare name.
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
    /// The request limits.
    pub budget: Budget,
    /// All requests use this proxy. Without it, the usual environment variables apply, except for loopback addresses.
    pub proxy_url: Option<Url>,
    /// Certificates (PEM) to trust in addition to those of the system.
    pub ca_file: Option<PathBuf>,
    /// Which customers are polled.
    pub customers: CustomerSettings,
}

impl fmt::Debug for PartnerSettings {
    /// Like the derived one, but without the user info of `proxy_url`.
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

/// Which customers of a partner are polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerSettings {
    /// Whether to poll every customer that the app registration can see, filtered by `include` and `exclude`.
    pub discover: bool,
    /// Globs (`*`, `?`) on id or name, ignoring case; at least one must match a discovered customer.
    pub include: Vec<String>,
    /// Globs on id or name; a discovered customer must not match any.
    pub exclude: Vec<String>,
    /// Globs of `once --customer`, of which one must match as well; empty: everybody. The file has no such key.
    pub only: Vec<String>,
    /// Always polled, whatever `discover`, `include` and `exclude` are; ids are distinct.
    pub list: Vec<CustomerEntry>,
    /// The maximum number of customers of the partner, including those of `list`; `list` is never longer.
    pub max: u32,
}

/// The default of `customers.max`.
pub const MAX_CUSTOMERS: u32 = 200_000;

/// A customer of `customers.list`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerEntry {
    /// The customer id.
    pub id: CustomerId,
    /// Overrides the name from the API.
    pub name: Option<String>,
    /// Added to every series of the customer, sorted by name; valid, distinct, and not used by an enabled collector.
    pub labels: Vec<(String, String)>,
}

/// The collectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorSettings {
    /// The service list.
    pub services: Schedule,
    /// The seats of each tenant, and the tenant types to query.
    pub tenant_seats: (Schedule, Selection<TenantType>),
    /// The seats of all tenants of a type together, and the tenant types to query.
    pub customer_seats: (Schedule, Selection<TenantType>),
    /// The purchased seats of a product, and the product types to query.
    pub products_purchased: (Schedule, Selection<ProductType>),
    /// The available seats of a product, and the product types to query.
    pub products_available: (Schedule, Selection<ProductType>),
    /// Those of the optional collectors that are enabled.
    pub optional: BTreeMap<Collector, Schedule>,
}

impl CollectorSettings {
    /// The schedule of one collector.
    #[must_use]
    pub fn schedule(&self, collector: Collector) -> Schedule {
        match collector {
            Collector::Services => self.services,
            Collector::TenantSeats => self.tenant_seats.0,
            Collector::CustomerSeats => self.customer_seats.0,
            Collector::ProductsPurchased => self.products_purchased.0,
            Collector::ProductsAvailable => self.products_available.0,
            optional => self.optional.get(&optional).copied().unwrap_or_else(|| Schedule::disabled(optional)),
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
    /// The time between two polls of one target.
    pub interval: Duration,
    /// The age at which a value that could not be renewed is no longer served; at least `interval`.
    pub max_age: Duration,
}

impl Schedule {
    /// The default schedule of an optional collector.
    #[must_use]
    pub const fn disabled(collector: Collector) -> Self {
        let interval = collector.endpoint().interval;
        Self { enabled: false, interval, max_age: interval.saturating_mul(4) }
    }
}

/// The types that are queried for a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection<T> {
    /// The types that the customer's service list implies.
    Auto,
    /// Exactly these, distinct, at least one.
    Only(Vec<T>),
}
