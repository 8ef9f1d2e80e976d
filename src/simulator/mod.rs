//! An Elements API and its identity service in-process: the demo, the tests and the benchmarks run against it.
//!
//! It promises to behave as the API's documentation and the live answers on record do, and where they say nothing, as
//! a strict server would: it refuses what a real one would refuse. Everything it does follows from a seed, the clock
//! aside. It deliberately has no TLS, no `customers/batch` and no permissions beyond OAuth scopes.
//!
//! - [`World`]: the customers of one app registration, plain data, written by hand or [generated](Generator).
//! - [`Settings`]: registrations and manners; [`Settings::demo`] and its kin are presets.
//! - [`Simulator`]: the running server; its worlds and [`Faults`] can be changed while it runs, its [`Requests`] read.
//! - [`Truth`]: what a correct exporter must know of a customer, from the values that the strings were made of.

mod answers;
mod assertion;
mod bodies;
mod connection;
mod dice;
mod edits;
mod faults;
mod generate;
mod identity;
mod path;
mod profiles;
mod reply;
mod requests;
mod server;
mod settings;
mod shown;
#[cfg(test)]
mod tests;
mod truth;
mod world;

pub use edits::Edit;
pub use faults::{Fault, Faults, RetryAfter, Rule, TotalCount, When};
pub use generate::{Case, Generator, Mix};
pub use path::Operation;
pub use profiles::{PROFILES, profile};
pub use requests::{Arrival, Requests};
pub use server::Simulator;
pub use settings::{AbsentTenants, Dialect, Registration, Settings, SimCredential};
pub use shown::{Capacity, DateForm, Shown, Text};
pub use truth::Truth;
pub use world::{Motion, SimCustomer, SimRow, SimTenant, World};
