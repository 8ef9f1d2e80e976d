//! t
mod agenda;
pub mod cadence;
mod counters;
mod filter;
mod legacy;
pub mod plan;
pub use agenda::Agenda;
pub use counters::PollCounters;
pub use filter::CustomerFilter;
pub use legacy::LegacyEndpoint;
