//! Decides what is asked when, and tells the inventory what came of it.
//!
//! [`Poller`] is the only async loop, one for each partner. The rest is pure: [`Agenda`], [`plan`], `load`, `cadence`,
//! `attention`, `strain`, `filter` and `legacy`; `workload` keeps load, attention and strain up to date for the poller.

mod agenda;
mod attention;
mod cadence;
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
pub use counters::PollCounters;
pub use filter::CustomerFilter;
pub use load::{Load, listing_pages};
pub use poller::Poller;
