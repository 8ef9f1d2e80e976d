//! The inventories rendered for Prometheus: text 0.0.4 and OpenMetrics 1.0.0.
//!
//! A [`Renderer`] stays from one generation to the next: it finds the customers that changed by their addresses, renders
//! their runs, and takes over all text and everything deflated that is as it was. A generation ([`Exposition`]) never
//! changes; [`Published`] swaps it for the next. What a scrape is sent is its lines, ready bytes that are the same for
//! everybody, then the exporter's own metrics ([`Own`]), which scrapes may share, and a few lines of the scrape's alone.
//! Only the metadata differ between the two formats. What is compressed is one gzip member.
//!
//! No two series are equal in name and labels, families do not interleave, and order is that of the catalogue, of the
//! partners as given, and of the customers' ids. A family without series is left out, its metadata too. A value that
//! is missing or older than its `max_age` is no series.
//!
//! No I/O and no clock. The first update and one with other settings render everything, which takes about a second for a
//! million series, so it does not belong on a thread of the runtime.

mod collection;
mod generation;
mod gzip;
mod lines;
mod memory;
mod negotiate;
mod own;
mod published;
mod renderer;
mod seats;
mod segment;
mod span;
mod subject;
mod subscriptions;
mod syntax;

pub use generation::{Chunks, Exposition, Scrape};
pub use memory::apart;
pub use negotiate::{accepts_gzip, negotiate};
pub use own::{Own, merge};
pub use published::Published;
pub use renderer::Renderer;

/// A format of the exposition.
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
