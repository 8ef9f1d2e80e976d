//! Incremental exposition for Prometheus: text format 0.0.4 and OpenMetrics 1.0.0, plain and gzip.
//!
//! A [`Renderer`] renders a [`Source`]: groups of items, each with lines in many families. It is kept from one snapshot
//! to the next: it detects changed items by their addresses, renders the blocks that contain them, and reuses all other
//! text and deflated bytes. A snapshot ([`Snapshot`]) is immutable; [`SnapshotHandle`] replaces it by the next. The
//! response to a scrape consists of the snapshot's lines, which are shared by all scrapes, the exporter's own metrics
//! ([`SelfMetrics`]), which several scrapes may share, and a few lines of this scrape only. The two formats differ only in the
//! metadata. A compressed response is one gzip member.
//!
//! The families come in the order of the source, then the groups, then the keys of the items. A family without series is
//! omitted, with its metadata. The source guarantees that no two series have equal names and labels.
//!
//! No I/O and no clock. The first update, and an update with other settings, render everything. That takes about a
//! second for a million series, so do not run it on a thread of the async runtime.

mod encoded_chunk;
mod family;
mod gzip;
mod memory;
mod negotiate;
mod renderer;
mod self_metrics;
mod shard;
mod snapshot;
mod snapshot_handle;
mod source;
pub mod syntax;

pub use family::{Family, FamilyWriter, Kind, registered, unit_of};
pub use memory::off_heap;
pub use negotiate::{accepts_gzip, negotiate};
pub use renderer::Renderer;
pub use self_metrics::{SelfMetrics, merge};
pub use shard::Granularity;
pub use snapshot::{Chunks, Scrape, Snapshot};
pub use snapshot_handle::SnapshotHandle;
pub use source::{GroupSummary, Rendered, Source};

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

/// The example of the README compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
