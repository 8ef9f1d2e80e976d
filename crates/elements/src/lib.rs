//! The client of the AvePoint Elements API: sends requests and decodes the responses into domain types.
//!
//! [`Client::query`] sends one query about one customer, [`Client::listing`] streams the service list. Every request
//! passes the rate limiter of its app registration, carries a token, has a deadline and a size limit, is counted, and
//! is retried where that helps. A failure is returned as a [`RequestError`]; the caller logs it.

mod app_registration;
mod auth;
mod client;
pub mod clock;
mod config;
pub mod decode;
mod error;
mod health;
mod listing;
pub mod metrics;
mod paging;
mod rate_limit;
pub mod recording;
mod redaction;
mod request;
mod resolver;
mod response;
mod transport;
pub mod types;

#[cfg(test)]
mod tests;

pub use client::{ApiStatus, Client};
pub use config::{Budget, Certificate, ClientConfig, Credential, CredentialSource, RegistrationKey};
pub use error::{ClientError, QueryError, RequestError, causes, error_chain};
pub use listing::Listing;
pub use rate_limit::Permit;
// For the fuzz targets: no other module needs it.
pub use app_registration::{Registration, Registrations};
#[doc(hidden)]
pub use redaction::Secrets;
pub use request::query_deadline;
#[doc(hidden)]
pub use response::read_retry_after;
pub use transport::is_loopback;

/// The example of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
