//! The scheduler: decides when each target is polled, and records the results in the inventory.
//!
//! [`Poller`] is the only async loop, one per partner. The other modules are pure: [`PollQueue`], [`plan`], `cost`,
//! `backoff`, `first_pass`, `overload`, `filter`, `removal_confirmation` and `endpoint_probe`; `capacity` keeps cost and overload up to date for
//! the poller.

mod backoff;
mod capacity;
mod cost;
mod customer_list;
mod endpoint_probe;
mod filter;
mod first_pass;
mod metrics;
mod overload;
pub mod plan;
mod poll_queue;
mod poller;
mod prepared_customer;
mod removal_confirmation;
mod service_list;
#[cfg(test)]
mod tests;

pub use cost::{Cost, listing_pages};
pub use filter::CustomerFilter;
pub use metrics::PollMetrics;
pub use poll_queue::PollQueue;
pub use poller::Poller;
