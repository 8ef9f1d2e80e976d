//! Settings of the simulator, and the presets of the commands.

use std::time::Duration;

use elements::types::Scope;
use jiff::civil::Date;
use secrecy::SecretString;
use serde_json::Value;

use super::dataset::Dataset;
use super::faults::Rule;
use super::generate::{Generator, Mix};
use super::wire_value::grouped;

/// All settings of a simulator except its address.
#[derive(Debug)]
pub struct Settings {
    /// The app registrations; client ids are distinct.
    pub registrations: Vec<Registration>,
    /// The seed for tokens, request ids and the requests that a fault affects.
    pub seed: u64,
    /// The lifetime of a token.
    pub token_lifetime: Duration,
    /// The speed of seat changes relative to the clock; 0 stops them.
    pub time_scale: u32,
    /// The API revision of the responses.
    pub dialect: Dialect,
    /// Whether `customer_seats` and `products_available` exist; if not, all their requests get a 404.
    pub legacy_endpoints: bool,
    /// Whether `tenant_seats` responds with 404 for a type without a tenant; if not, with 200 and no rows.
    pub absent_tenants_are_404: bool,
    /// The initial faults.
    pub faults: Vec<Rule>,
}

/// An app registration and its data.
#[derive(Debug)]
pub struct Registration {
    /// A short name, for example for a configuration.
    pub name: String,
    /// `client_id`
    pub client_id: String,
    /// Its credential.
    pub credential: SimCredential,
    /// The scopes that it may request.
    pub scopes: Vec<String>,
    /// Its customers.
    pub dataset: Dataset,
}

/// The credential of a registration.
#[derive(Debug)]
pub enum SimCredential {
    /// `client_secret`
    Secret(SecretString),
    /// An uploaded certificate in DER; it must contain an RSA key of at least 2048 bits.
    Certificate(Vec<u8>),
}

/// A revision of the API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// As in live responses.
    #[default]
    Live,
    /// As documented: `productType` of `products_purchased` is a string.
    Documented,
    /// As in older revisions: `tenant_seats` returns a bare array of `id` and `name`, numbers are strings with thousands
    /// separators, service rows have keys in another case, and `products_available` and `products_purchased` each use
    /// the other's field.
    Older,
}

impl Dialect {
    /// A number of seats or objects.
    pub(super) fn number(self, number: u32) -> Value {
        if self == Self::Older { grouped(number).into() } else { number.into() }
    }
}

impl Registration {
    /// A registration with a secret and every scope.
    #[must_use]
    pub fn with_secret(name: &str, client_id: &str, secret: &str, dataset: Dataset) -> Self {
        Self {
            name: name.to_owned(),
            client_id: client_id.to_owned(),
            credential: SimCredential::Secret(secret.to_owned().into()),
            scopes: Scope::ALL.map(|scope| scope.permission().to_owned()).into(),
            dataset,
        }
    }
}

impl Settings {
    /// Registrations without faults and with constant seats.
    #[must_use]
    pub const fn new(registrations: Vec<Registration>) -> Self {
        Self {
            registrations,
            seed: 1,
            token_lifetime: Duration::from_hours(1),
            time_scale: 0,
            dialect: Dialect::Live,
            legacy_endpoints: true,
            absent_tenants_are_404: false,
            faults: Vec::new(),
        }
    }

    /// Client id and secret of the presets' first registration.
    pub const CLIENT: (&'static str, &'static str) = ("6d0f2b1e-53c8-4b7a-9d55-0c1f6a2e7b90", "simulated-secret-one");
    /// Client id and secret of the demo's second registration.
    pub const SECOND_CLIENT: (&'static str, &'static str) =
        ("a9c4e7d2-1f30-4e86-8b21-5d7e90c3f4a6", "simulated-secret-two");

    /// A partner with one customer per special case, seats that move one hour per minute, and a second, small
    /// registration of the same partner.
    #[must_use]
    pub fn demo(today: Date) -> Self {
        let schools = Generator { mix: Mix::Ordinary, ..Generator::new(42, 6, today) };
        let (first, second) = (Self::CLIENT, Self::SECOND_CLIENT);
        let main = Generator::new(11, 24, today).dataset();
        Self {
            time_scale: 60,
            ..Self::new(vec![
                Registration::with_secret("quillmoor", first.0, first.1, main),
                Registration::with_secret("quillmoor-nordic", second.0, second.1, schools.dataset()),
            ])
        }
    }

    /// One registration with this many realistic customers.
    #[must_use]
    pub fn of_size(customers: u32, seed: u64, today: Date) -> Self {
        Self::generated(&Generator::new(seed, customers, today))
    }

    /// One registration of 1,000 customers with exactly 1.3 tenant types and 2 products each on average, and this many
    /// with product 2048.
    #[must_use]
    pub fn thousand(cloud_backup_m365: u32, seed: u64, today: Date) -> Self {
        let mix = Mix::Exact { tenant_types: 1300, products: 2000, cloud_backup_m365 };
        Self::generated(&Generator { mix, ..Generator::new(seed, 1000, today) })
    }

    /// One registration with a generated data set.
    #[must_use]
    pub fn generated(generator: &Generator) -> Self {
        let (client_id, secret) = Self::CLIENT;
        let registration = Registration::with_secret("simulated", client_id, secret, generator.dataset());
        Self { seed: generator.seed, ..Self::new(vec![registration]) }
    }
}
