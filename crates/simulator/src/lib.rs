//! An in-process simulator of the Elements API and its identity service, used by the demo, the tests and the
//! benchmarks.
//!
//! It behaves like the API's documentation and the recorded live responses. Where they say nothing, it behaves like a
//! strict server: it refuses what a real one would refuse. Everything except the time depends only on a seed. It has no
//! TLS and no permissions beyond OAuth scopes.
//!
//! - [`World`]: the customers of one app registration, as plain data, written by hand or [generated](Generator).
//! - [`Settings`]: registrations and response options; [`Settings::demo`] and similar functions are presets.
//! - [`Simulator`]: the running server. Its worlds and [`Faults`] can be changed while it runs, and its [`Requests`]
//!   read.
//! - [`Replay`]: serves a recording instead.
//! - [`Truth`]: the values that a correct exporter must have for a customer, taken from the values behind the strings.

mod answers;
mod assertion;
mod backups;
mod bodies;
mod connection;
mod customer_list;
mod edits;
mod faults;
mod generate;
mod identity;
mod path;
mod profiles;
mod replay;
mod reply;
mod requests;
mod rng;
mod server;
mod settings;
mod shown;
#[cfg(test)]
mod tests;
mod truth;
mod world;

pub use backups::{BackupCase, SimJob, SimModule};
pub use customer_list::SimProfile;
pub use edits::Edit;
pub use faults::{Fault, Faults, RetryAfter, Rule, TotalCount, When};
pub use generate::{Case, Generator, Mix};
pub use path::Operation;
pub use profiles::{PROFILES, profile};
pub use replay::Replay;
pub use requests::{Arrival, Requests};
pub use server::Simulator;
pub use settings::{AbsentTenants, Dialect, Registration, Settings, SimCredential};
pub use shown::{Capacity, DateForm, Shown, Text};
pub use truth::Truth;
pub use world::{Motion, SimCustomer, SimRow, SimTenant, World};
