//! An in-process simulator of the Elements API and its identity service, used by the demo, the tests and the
//! benchmarks.
//!
//! It behaves like the API's documentation and the recorded live responses. Where they say nothing, it behaves like a
//! strict server: it refuses what a real one would refuse. Everything except the time depends only on a seed. It has no
//! TLS and no permissions beyond OAuth scopes.
//!
//! - [`Dataset`]: the customers of one app registration, as plain data, written by hand or [generated](Generator).
//! - [`Settings`]: registrations and response options; [`Settings::demo`] and similar functions are presets.
//! - [`Simulator`]: the running server. Its datasets and [`Faults`] can be changed while it runs, and its [`Requests`]
//!   read.
//! - [`Replay`]: serves a recording instead.
//! - [`Expected`]: the values that a correct exporter must have for a customer, taken from the values behind the strings.

mod assertion;
mod backups;
mod bodies;
mod connection;
mod customer_list;
mod dataset;
mod expected;
mod fault_profiles;
mod faults;
mod generate;
mod identity;
mod mutations;
mod path;
mod replay;
mod reply;
mod requests;
mod responses;
mod rng;
mod server;
mod settings;
#[cfg(test)]
mod tests;
mod wire_value;

pub use backups::{SimJob, SimModule};
pub use customer_list::SimProfile;
pub use dataset::{Dataset, SeatTrend, SimCustomer, SimRow, SimTenant};
pub use expected::Expected;
pub use fault_profiles::{PROFILES, profile};
pub use faults::{Fault, Faults, RetryAfter, Rule, TotalCount, When};
pub use generate::{Generator, Mix, Scenario};
pub use mutations::BodyMutation;
pub use path::Operation;
pub use replay::Replay;
pub use requests::{Arrival, Requests};
pub use server::Simulator;
pub use settings::{Dialect, Registration, Settings, SimCredential};
pub use wire_value::{Capacity, DateForm, Text, WireValue};
