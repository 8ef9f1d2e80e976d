//! The client of the AvePoint Elements API: what it asks and how its answers become domain types.
//!
//! [`Client::ask`] answers one question about one customer, [`Client::listing`] streams the service list. Every
//! request passes the rate limiter of its app registration, carries a token, has a deadline and a limit on its answer, is
//! counted, and is repeated where that helps. What fails, fails with a [`Failure`]; it is logged by whoever asked.

mod auth;
mod client;
pub mod decode;
mod error;
mod health;
mod listing;
mod metrics;
mod paging;
mod rate_limit;
mod redaction;
mod registration;
mod request;
mod resolver;
mod response;
mod transport;

#[cfg(test)]
mod tests;

pub use client::{ApiStatus, Client};
pub use error::{AskError, ClientError, Failure};
pub use listing::Listing;
pub use rate_limit::Permit;
// For the fuzz targets: no other module needs it.
#[doc(hidden)]
pub use redaction::Secrets;
pub use registration::{Registration, Registrations};
#[doc(hidden)]
pub use response::read_retry_after;
