//! Renders the inventories for Prometheus: text format 0.0.4 and OpenMetrics 1.0.0.
//!
//! A [`Renderer`] is kept from one generation to the next. It detects changed customers by their addresses, renders the
//! blocks that contain them, and reuses all other text and deflated bytes. A generation ([`Exposition`]) is immutable;
//! [`Published`] replaces it by the next. The response to a scrape consists of the generation's lines, which are shared
//! by all scrapes, the exporter's own metrics ([`Own`]), which several scrapes may share, and a few lines of this
//! scrape only. The two formats differ only in the metadata. A compressed response is one gzip member.
//!
//! No two series have equal names and labels, and families do not interleave. The order is that of the catalogue, then
//! of the partners as given, then of the customer ids. A family without series is omitted, with its metadata. A value
//! that is missing or older than its `max_age` gives no series.
//!
//! No I/O and no clock. The first update, and an update with other settings, render everything. That takes about a
//! second for a million series, so do not run it on a thread of the async runtime.

mod backups;
mod customer_view;
mod family_writer;
mod freshness;
mod generation;
mod gzip;
mod memory;
mod negotiate;
mod own;
mod profiles;
mod published;
mod renderer;
mod seats;
mod segment;
mod shard;
mod subscriptions;
mod syntax;

pub use generation::{Chunks, Exposition, Scrape};
pub use memory::apart;
pub use negotiate::{accepts_gzip, negotiate};
pub use own::{Own, merge};
pub use published::Published;
pub use renderer::Renderer;

/// An exposition format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The header `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

#[cfg(test)]
mod tests;
