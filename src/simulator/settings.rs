//! What a simulator is started with, and the presets of the commands.

use std::time::Duration;

use jiff::civil::Date;
use secrecy::SecretString;

use super::faults::Rule;
use super::generate::{Generator, Mix};
use super::identity::LICENSE_SCOPE;
use super::world::World;

/// Everything about a simulator but its address.
#[derive(Debug)]
pub struct Settings {
    /// The app registrations; client ids are distinct.
    pub registrations: Vec<Registration>,
    /// Decides tokens, request ids and which requests a fault strikes.
    pub seed: u64,
    /// How long a token lives.
    pub token_lifetime: Duration,
    /// How much faster seats move than the clock; 0 holds them still.
    pub time_scale: u32,
    /// The revision of the API that answers are written in.
    pub dialect: Dialect,
    /// Whether endpoints 1 and 2 exist; otherwise all their requests are 404.
    pub legacy_endpoints: bool,
    /// What endpoint 3 answers for a type that the customer has no tenant of.
    pub absent_tenants: AbsentTenants,
    /// Whether long answers are compressed for who accepts gzip.
    pub gzip: bool,
    /// The faults to begin with.
    pub faults: Vec<Rule>,
}

/// An app registration and what it sees.
#[derive(Debug)]
pub struct Registration {
    /// A short name to call it by, for instance in a configuration.
    pub name: String,
    /// `client_id`
    pub client_id: String,
    /// What it proves itself with.
    pub credential: SimCredential,
    /// The scopes that it may ask for.
    pub scopes: Vec<String>,
    /// Its customers.
    pub world: World,
}

/// What a registration proves itself with.
#[derive(Debug)]
pub enum SimCredential {
    /// `client_secret`
    Secret(SecretString),
    /// An uploaded certificate, DER; it must hold an RSA key of 2048 bits or more.
    Certificate(Vec<u8>),
}

/// A revision of the API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// As live answers are.
    #[default]
    Live,
    /// As documented: `productType` of endpoint 4 is a string.
    Documented,
    /// As older revisions were: endpoint 3 answers a bare array of `id` and `name`, numbers are strings with thousands
    /// separators, service rows have keys in another letter case, and endpoints 2 and 4 each use the other's field.
    Older,
}

/// What endpoint 3 answers for a type that the customer has no tenant of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AbsentTenants {
    /// 200 with no rows.
    #[default]
    EmptyList,
    /// 404.
    NotFound,
}

impl Registration {
    /// A registration with a secret and the one scope that the five endpoints need.
    #[must_use]
    pub fn with_secret(name: &str, client_id: &str, secret: &str, world: World) -> Self {
        Self {
            name: name.to_owned(),
            client_id: client_id.to_owned(),
            credential: SimCredential::Secret(secret.to_owned().into()),
            scopes: vec![LICENSE_SCOPE.to_owned()],
            world,
        }
    }
}

impl Settings {
    /// Registrations without faults, whose seats hold still.
    #[must_use]
    pub const fn new(registrations: Vec<Registration>) -> Self {
        Self {
            registrations,
            seed: 1,
            token_lifetime: Duration::from_hours(1),
            time_scale: 0,
            dialect: Dialect::Live,
            legacy_endpoints: true,
            absent_tenants: AbsentTenants::EmptyList,
            gzip: true,
            faults: Vec::new(),
        }
    }

    /// Client id and secret of the presets' first registration.
    pub const CLIENT: (&'static str, &'static str) = ("6d0f2b1e-53c8-4b7a-9d55-0c1f6a2e7b90", "simulated-secret-one");
    /// Client id and secret of the demo's second registration.
    pub const SECOND_CLIENT: (&'static str, &'static str) =
        ("a9c4e7d2-1f30-4e86-8b21-5d7e90c3f4a6", "simulated-secret-two");

    /// A partner with one customer for every special case, seats that move an hour every minute, and a second, small
    /// registration of the same partner.
    #[must_use]
    pub fn demo(today: Date) -> Self {
        let schools = Generator { mix: Mix::Ordinary, ..Generator::new(42, 6, today) };
        let (first, second) = (Self::CLIENT, Self::SECOND_CLIENT);
        let main = Generator::new(11, 24, today).world();
        Self {
            time_scale: 60,
            ..Self::new(vec![
                Registration::with_secret("quillmoor", first.0, first.1, main),
                Registration::with_secret("quillmoor-nordic", second.0, second.1, schools.world()),
            ])
        }
    }

    /// One registration that sees so many believable customers.
    #[must_use]
    pub fn of_size(customers: u32, seed: u64, today: Date) -> Self {
        Self::generated(&Generator::new(seed, customers, today))
    }

    /// One registration of 1,000 customers with exactly 1.3 tenant types and 2 products each on average, so many of
    /// them with product 2048.
    #[must_use]
    pub fn thousand(cloud_backup_m365: u32, seed: u64, today: Date) -> Self {
        let mix = Mix::Exact { tenant_types: 1300, products: 2000, cloud_backup_m365 };
        Self::generated(&Generator { mix, ..Generator::new(seed, 1000, today) })
    }

    /// One registration with a generated world.
    #[must_use]
    pub fn generated(generator: &Generator) -> Self {
        let (client_id, secret) = Self::CLIENT;
        let registration = Registration::with_secret("simulated", client_id, secret, generator.world());
        Self { seed: generator.seed, ..Self::new(vec![registration]) }
    }
}
