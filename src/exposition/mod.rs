//! The inventories rendered for Prometheus: text 0.0.4 and OpenMetrics 1.0.0.
//!
//! A generation ([`Exposition`]) is rendered whole from the inventories and never changes; [`Published`] swaps it for
//! the next. What a scrape is sent is its lines, the same bytes for everybody, then the exporter's own metrics as they
//! are at that moment. Only the metadata differ between the two formats.
//!
//! No two series are equal in name and labels, families do not interleave, and order is that of the catalogue, of the
//! partners as given, and of the customers' ids. A family without series is left out, its metadata too. A value that
//! is missing or older than its `max_age` is no series.
//!
//! No I/O and no clock. Rendering and the first compressed scrape of a generation take CPU time (see
//! [`Exposition::scrape`]), so neither belongs on a thread of the runtime.

mod collection;
mod gzip;
mod lines;
mod negotiate;
mod own;
mod published;
mod seats;
mod subject;
mod subscriptions;
mod syntax;

use std::sync::OnceLock;

use bytes::Bytes;
use jiff::Timestamp;
use prometheus::proto::MetricFamily;

pub use negotiate::{accepts_gzip, negotiate};
pub use own::merge;
pub use published::Published;

use crate::inventory::Inventory;
use gzip::Deflated;
use lines::Lines;
use subject::Subject;

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

/// One generation: everything in the inventories that was current when it was rendered. Immutable.
#[derive(Debug, Default)]
pub struct Exposition {
    families: Vec<Family>,
    series: u64,
    next_expiry: Option<Timestamp>,
    text_deflated: OnceLock<Option<Deflated>>,
    openmetrics_deflated: OnceLock<Option<Deflated>>,
}

/// A family that has series, and their lines.
#[derive(Debug)]
struct Family {
    family: &'static crate::catalog::Family,
    lines: Bytes,
}

/// The answer to one scrape.
#[derive(Clone, Debug)]
pub struct Scrape {
    /// The header `Content-Type`.
    pub content_type: &'static str,
    /// Whether the body is compressed: the header `Content-Encoding: gzip`.
    pub gzip: bool,
    /// The body, in order; none is empty. Their lengths add up to `Content-Length`.
    pub chunks: Vec<Bytes>,
}

impl Exposition {
    /// Renders what is current at `now`, of inventories of distinct partners; with `customer_name_label`, every series
    /// of a customer carries its name.
    #[must_use]
    pub fn render(inventories: &[Inventory], customer_name_label: bool, now: Timestamp) -> Self {
        let subjects: Vec<_> = inventories
            .iter()
            .flat_map(|inventory| inventory.customers.values().map(move |customer| (inventory, customer)))
            .map(|(inventory, customer)| Subject::new(inventory, customer, customer_name_label, now))
            .collect();
        let lines = seats::render(&subjects)
            .into_iter()
            .chain(subscriptions::render(&subjects))
            .chain(collection::render(inventories, &subjects, now));
        let mut exposition = Self::default();
        for Lines { family, text, count } in lines.filter(|lines| lines.count > 0) {
            exposition.series += count;
            exposition.families.push(Family { family, lines: text.into() });
        }
        let listings = inventories.iter().filter_map(|inventory| collection::listing_expiry(inventory, now));
        exposition.next_expiry = subjects.iter().filter_map(|subject| subject.next_expiry).chain(listings).min();
        exposition
    }

    /// The generation before the first: no series of any inventory.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// The number of series rendered here; the exporter's own are not counted.
    #[must_use]
    pub fn series(&self) -> u64 {
        self.series
    }

    /// When the next value that is served here reaches its `max_age`, or a listing does: time to render anew.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.next_expiry
    }

    /// The answer to a scrape: this generation, then `own`, the exporter's own families as [`merge`] gives them.
    ///
    /// The first compressed scrape of a generation in a format compresses all of it, the others wait for that: some
    /// 10 ms for a thousand customers. `own` is compressed every time.
    #[must_use]
    pub fn scrape(&self, format: Format, gzip: bool, own: &[MetricFamily]) -> Scrape {
        let tail = Bytes::from(self.tail(format, own));
        if gzip
            && let Some(ready) = self.deflated(format)
            && let Some(chunks) = gzip::finish(ready, &tail)
        {
            return Scrape { content_type: format.content_type(), gzip: true, chunks };
        }
        let mut chunks = self.ready(format);
        chunks.push(tail);
        chunks.retain(|chunk| !chunk.is_empty());
        Scrape { content_type: format.content_type(), gzip: false, chunks }
    }

    /// What was rendered here, each family's metadata before its lines.
    fn ready(&self, format: Format) -> Vec<Bytes> {
        let mut chunks = Vec::with_capacity(2 * self.families.len() + 1);
        for Family { family, lines } in &self.families {
            let mut metadata = String::new();
            syntax::write_metadata(&mut metadata, format, family.name, family.help, family.kind);
            chunks.extend([metadata.into(), lines.clone()]);
        }
        chunks
    }

    /// The exporter's own families and the end. A family that was rendered here cannot come a second time.
    fn tail(&self, format: Format, own: &[MetricFamily]) -> String {
        let mut tail = String::new();
        for family in own {
            if !self.families.iter().any(|rendered| rendered.family.name == family.name()) {
                own::write_family(&mut tail, format, family);
            }
        }
        if format == Format::OpenMetrics {
            tail.push_str("# EOF\n");
        }
        tail
    }

    fn deflated(&self, format: Format) -> Option<&Deflated> {
        let deflated = match format {
            Format::Text => &self.text_deflated,
            Format::OpenMetrics => &self.openmetrics_deflated,
        };
        deflated.get_or_init(|| Deflated::new(&self.ready(format))).as_ref()
    }
}

#[cfg(test)]
mod tests;
