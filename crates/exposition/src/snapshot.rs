//! A generation: an immutable rendering of a source, and the responses to scrapes.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use crc32fast::Hasher;
use jiff::Timestamp;
use prometheus::proto::MetricFamily;

use crate::encoded_chunk::Segment;
use crate::self_metrics::{Own, write_family};
use crate::{Format, gzip};

/// One generation: all values that were current when it was rendered. Immutable.
#[derive(Debug, Default)]
pub struct Exposition {
    families: Vec<Arc<Ready>>,
    series: u64,
    next_expiry: Option<Timestamp>,
    /// Checksum and length of everything before the exporter's own metrics, by format.
    checksums: [Hasher; 2],
    /// That content itself, by format, plain and compressed. The first scrape that needs it builds it.
    bodies: [[OnceLock<Arc<[Bytes]>>; 2]; 2],
}

/// A rendered family.
#[derive(Debug)]
pub(super) struct Ready {
    /// By format.
    pub(super) metadata: [Arc<Segment>; 2],
    /// None of them is empty.
    pub(super) segments: Vec<Arc<Segment>>,
    /// Checksum and length of the segments.
    checksum: Hasher,
}

impl Ready {
    pub(super) fn new(metadata: [Arc<Segment>; 2], segments: Vec<Arc<Segment>>) -> Self {
        let mut checksum = Hasher::new();
        for segment in &segments {
            checksum.combine(&segment.checksum);
        }
        Self { metadata, segments, checksum }
    }
}

/// The response to one scrape.
#[derive(Clone, Debug)]
pub struct Scrape {
    /// The header `Content-Type`.
    pub content_type: &'static str,
    /// Whether the body is compressed: the header `Content-Encoding: gzip`.
    pub gzip: bool,
    /// The body; the sum of the lengths of its pieces is the `Content-Length`.
    pub chunks: Chunks,
}

/// Pieces in order, none of them empty. Most of them are shared by all scrapes of a generation.
#[derive(Clone, Debug)]
pub struct Chunks {
    shared: Arc<[Bytes]>,
    own: Vec<Bytes>,
}

impl Chunks {
    /// The piece with this index.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<&Bytes> {
        self.shared.get(number).or_else(|| self.own.get(number.checked_sub(self.shared.len())?))
    }

    /// All pieces.
    pub fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.shared.iter().chain(&self.own)
    }

    /// Concatenates all pieces.
    #[must_use]
    pub fn concat(&self) -> Vec<u8> {
        [self.shared.concat(), self.own.concat()].concat()
    }
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
        Self { families, series, next_expiry, checksums, bodies: Default::default() }
    }

    /// The initial generation: no series of any item.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// The number of series in this generation, without the exporter's own.
    #[must_use]
    pub fn series(&self) -> u64 {
        self.series
    }

    /// When the next value or listing in this generation reaches its `max_age`: the time to render again.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.next_expiry
    }

    /// The response to a scrape: this generation, then `own`, the exporter's own families as returned by
    /// [`super::merge`].
    #[must_use]
    pub fn scrape(&self, format: Format, gzip: bool, own: &[MetricFamily]) -> Scrape {
        self.scrape_with(gzip, &Own::new(format, own), &[])
    }

    /// The same with families that are already encoded, because several scrapes share them, followed by `last`,
    /// families of this scrape only. Fast, except for the first scrape of a generation.
    #[must_use]
    pub fn scrape_with(&self, gzip: bool, own: &Own, last: &[MetricFamily]) -> Scrape {
        let format = own.format;
        let mut end = String::new();
        for family in last {
            write_family(&mut end, format, family);
        }
        if format == Format::OpenMetrics {
            end.push_str("# EOF\n");
        }
        let pieces = if gzip {
            let mut before = by_format(&self.checksums, format).clone();
            before.combine(&own.lines.checksum);
            vec![own.lines.deflated.clone(), gzip::finish(&before, end.as_bytes())]
        } else {
            vec![own.lines.text.clone(), Bytes::from(end)]
        };
        let own = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        let chunks = Chunks { shared: Arc::clone(self.body(format, gzip)), own };
        Scrape { content_type: format.content_type(), gzip, chunks }
    }

    /// The content before the exporter's own metrics.
    fn body(&self, format: Format, gzip: bool) -> &Arc<[Bytes]> {
        let [plain, compressed] = by_format(&self.bodies, format);
        let families = self.families.iter();
        let segments = families.flat_map(|family| [family.metadata(format)].into_iter().chain(&family.segments));
        if gzip {
            let deflated = segments.map(|segment| segment.deflated.clone());
            compressed.get_or_init(|| [Bytes::from_static(gzip::HEADER)].into_iter().chain(deflated).collect())
        } else {
            plain.get_or_init(|| segments.map(|segment| segment.text.clone()).collect())
        }
    }
}

impl Ready {
    fn metadata(&self, format: Format) -> &Arc<Segment> {
        by_format(&self.metadata, format)
    }
}

fn by_format<T>([text, openmetrics]: &[T; 2], format: Format) -> &T {
    match format {
        Format::Text => text,
        Format::OpenMetrics => openmetrics,
    }
}
