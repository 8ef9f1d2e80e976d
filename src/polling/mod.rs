//! Decides what is asked when, and tells the inventory what came of it.
//!
//! [`Agenda`], [`plan`], [`cadence`], [`CustomerFilter`] and [`LegacyEndpoint`] are pure; [`Poller`] is the only async
//! loop, one for each partner.

mod agenda;
pub mod cadence;
mod counters;
mod filter;
mod legacy;
mod listing;
pub mod plan;
mod poller;

pub use agenda::Agenda;
pub use counters::PollCounters;
pub use filter::CustomerFilter;
pub use legacy::LegacyEndpoint;
pub use poller::Poller;
