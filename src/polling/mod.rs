//! Decides what is asked when, and tells the inventory what came of it.
//!
//! [`Agenda`], [`plan`], [`Load`], [`cadence`], [`Attention`], [`Strain`], [`CustomerFilter`] and [`LegacyEndpoint`] are
//! pure; [`Poller`] is the only async loop, one for each partner.

mod agenda;
mod attention;
pub mod cadence;
mod counters;
mod filter;
mod legacy;
mod listing;
mod load;
pub mod plan;
mod poller;
#[cfg(test)]
mod simulation;
mod strain;
mod workload;

pub use agenda::Agenda;
pub use attention::{Attention, Urgency};
pub use counters::PollCounters;
pub use filter::CustomerFilter;
pub use legacy::LegacyEndpoint;
pub use load::{Load, listing_pages};
pub use poller::Poller;
pub use strain::{Bound, News, Strain};
