//! A generation of the exposition, and the answers to scrapes.

use std::sync::Arc;

use bytes::Bytes;
use crc32fast::Hasher;
use jiff::{SignedDuration, Timestamp};
use prometheus::proto::MetricFamily;

use super::gzip;
use super::segment::Segment;
use super::{Format, Renderer, own};
use crate::inventory::Inventory;

/// One generation: everything in the inventories that was current when it was rendered. Immutable.
#[derive(Debug, Default)]
pub struct Exposition {
    families: Vec<Arc<Ready>>,
    series: u64,
    next_expiry: Option<Timestamp>,
    /// Of all that is sent before the exporter's own, by format.
    checksums: [Hasher; 2],
}

/// A family, ready to be sent.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) name: &'static str,
    /// By format.
    pub(super) metadata: [Arc<Segment>; 2],
    /// None is empty.
    pub(super) segments: Vec<Arc<Segment>>,
    /// Of the segments.
    checksum: Hasher,
}

impl Ready {
    pub(super) fn new(name: &'static str, metadata: [Arc<Segment>; 2], segments: Vec<Arc<Segment>>) -> Self {
        let mut checksum = Hasher::new();
        for segment in &segments {
            checksum.combine(&segment.checksum);
        }
        Self { name, metadata, segments, checksum }
    }
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
    pub(super) fn new(families: Vec<Arc<Ready>>, series: u64, next_expiry: Option<Timestamp>) -> Self {
        let families: Vec<_> = families.into_iter().filter(|family| !family.segments.is_empty()).collect();
        let checksums = [Format::Text, Format::OpenMetrics].map(|format| {
            let mut all = Hasher::new();
            for family in &families {
                all.combine(&family.metadata(format).checksum);
                all.combine(&family.checksum);
            }
            all
        });
        Self { families, series, next_expiry, checksums }
    }

    /// Renders what is current at `now` for once; see [`Renderer::update`].
    #[must_use]
    pub fn render(inventories: &[Inventory], customer_name_label: bool, now: Timestamp) -> Self {
        Renderer::new().update(inventories, customer_name_label, now, SignedDuration::ZERO)
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

    /// The answer to a scrape: this generation, then `own`, the exporter's own families as [`super::merge`] gives them.
    #[must_use]
    pub fn scrape(&self, format: Format, gzip: bool, own: &[MetricFamily]) -> Scrape {
        let tail = self.tail(format, own);
        let mut chunks =
            Vec::with_capacity(self.families.iter().map(|family| 1 + family.segments.len()).sum::<usize>() + 2);
        let families = self.families.iter();
        let segments = families.flat_map(|family| [family.metadata(format)].into_iter().chain(&family.segments));
        if gzip {
            chunks.push(Bytes::from_static(gzip::HEADER));
            chunks.extend(segments.map(|segment| segment.deflated.clone()));
            let [text, openmetrics] = &self.checksums;
            let before = if format == Format::Text { text } else { openmetrics };
            chunks.push(gzip::finish(before, tail.as_bytes()));
        } else {
            chunks.extend(segments.flat_map(|segment| segment.texts()).filter(|text| !text.is_empty()).cloned());
            chunks.extend(Some(Bytes::from(tail)).filter(|tail| !tail.is_empty()));
        }
        Scrape { content_type: format.content_type(), gzip, chunks }
    }

    /// The exporter's own families and the end. A family that was rendered here cannot come a second time.
    fn tail(&self, format: Format, own: &[MetricFamily]) -> String {
        let mut tail = String::new();
        for family in own {
            if !self.families.iter().any(|rendered| rendered.name == family.name()) {
                own::write_family(&mut tail, format, family);
            }
        }
        if format == Format::OpenMetrics {
            tail.push_str("# EOF\n");
        }
        tail
    }
}

impl Ready {
    fn metadata(&self, format: Format) -> &Arc<Segment> {
        let [text, openmetrics] = &self.metadata;
        match format {
            Format::Text => text,
            Format::OpenMetrics => openmetrics,
        }
    }
}
