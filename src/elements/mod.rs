//! The client of the AvePoint Elements API: what it asks and how its answers become domain types.
//!
//! [`Client::ask`] answers one question about one customer, [`Client::listing`] streams the service list. Every
//! request passes the partner's budget, carries a token, has a deadline and a limit on its answer, is counted, and is
//! repeated where that helps. What fails, fails with a [`Failure`]; it is logged by whoever asked.

mod auth;
mod budget;
mod client;
mod counters;
pub mod decode;
mod error;
mod health;
mod listing;
mod paging;
mod redaction;
mod request;
mod resolver;
mod response;
mod transport;

#[cfg(test)]
mod tests;

pub use budget::Admission;
pub use client::{ApiStatus, Client};
pub use error::{AskError, ClientError, Failure};
pub use listing::Listing;
// For the fuzz targets: nobody else reads it outside of this module.
#[doc(hidden)]
pub use response::read_retry_after;
