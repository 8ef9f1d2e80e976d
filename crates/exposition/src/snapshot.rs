//! Immutable snapshot of an exposition: rendered and compressed once, shared by all scrapes until the next one.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use crc32fast::Hasher;
use jiff::Timestamp;
use prometheus::proto::MetricFamily;

use crate::encoded_chunk::EncodedChunk;
use crate::self_metrics::{SelfMetrics, write_family};
use crate::{Format, gzip};

/// All values that were current when it was rendered. Immutable.
#[derive(Debug, Default)]
pub struct Snapshot {
    families: Vec<Arc<RenderedFamily>>,
    series: u64,
    next_expiry: Option<Timestamp>,
    /// Checksum and length of everything before the exporter's own metrics, by format.
    checksums: [Hasher; 2],
    /// That content itself, by format, plain and compressed. The first scrape that needs it builds it.
    bodies: [[OnceLock<Arc<[Bytes]>>; 2]; 2],
}

/// A rendered family.
#[derive(Debug)]
pub(super) struct RenderedFamily {
    /// By format.
    pub(super) metadata: [Arc<EncodedChunk>; 2],
    /// None of them is empty.
    pub(super) chunks: Vec<Arc<EncodedChunk>>,
    /// Checksum and length of the chunks.
    checksum: Hasher,
}

impl RenderedFamily {
    pub(super) fn new(metadata: [Arc<EncodedChunk>; 2], chunks: Vec<Arc<EncodedChunk>>) -> Self {
        let mut checksum = Hasher::new();
        for chunk in &chunks {
            checksum.combine(&chunk.checksum);
        }
        Self { metadata, chunks, checksum }
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

/// Pieces in order, none of them empty. Most of them are shared by all scrapes of a snapshot.
#[derive(Clone, Debug)]
pub struct Chunks {
    shared: Arc<[Bytes]>,
    /// The pieces of one scrape.
    end: Vec<Bytes>,
}

impl Chunks {
    /// The piece with this index.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<&Bytes> {
        self.shared.get(number).or_else(|| self.end.get(number.checked_sub(self.shared.len())?))
    }

    /// All pieces.
    pub fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.shared.iter().chain(&self.end)
    }

    /// Concatenates all pieces.
    #[must_use]
    pub fn concat(&self) -> Vec<u8> {
        [self.shared.concat(), self.end.concat()].concat()
    }
}

impl Snapshot {
    pub(super) fn new(families: Vec<Arc<RenderedFamily>>, series: u64, next_expiry: Option<Timestamp>) -> Self {
        let families: Vec<_> = families.into_iter().filter(|family| !family.chunks.is_empty()).collect();
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

    /// The initial snapshot: no series of any item.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// The number of series in this snapshot, without the exporter's own metrics.
    #[must_use]
    pub fn series(&self) -> u64 {
        self.series
    }

    /// When the next value or listing in this snapshot reaches its `max_age`: the time to render again.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.next_expiry
    }

    /// The response to a scrape: this snapshot, then `self_metrics`, the exporter's own families as returned by
    /// [`super::merge`].
    #[must_use]
    pub fn scrape(&self, format: Format, gzip: bool, self_metrics: &[MetricFamily]) -> Scrape {
        self.scrape_with(gzip, &SelfMetrics::new(format, self_metrics), &[])
    }

    /// The same with families that are already encoded, because several scrapes share them, followed by `last`,
    /// families of this scrape only. Fast, except for the first scrape of a snapshot.
    #[must_use]
    pub fn scrape_with(&self, gzip: bool, self_metrics: &SelfMetrics, last: &[MetricFamily]) -> Scrape {
        let format = self_metrics.format;
        let mut end = String::new();
        for family in last {
            write_family(&mut end, format, family);
        }
        if format == Format::OpenMetrics {
            end.push_str("# EOF\n");
        }
        let families = self_metrics.families.iter();
        let last = if gzip {
            let mut before = by_format(&self.checksums, format).clone();
            families.clone().for_each(|family| before.combine(&family.checksum));
            gzip::finish(&before, end.as_bytes())
        } else {
            Bytes::from(end)
        };
        let families = families.map(|family| if gzip { &family.deflated } else { &family.text }.clone());
        let tail = families.chain([last]).filter(|piece| !piece.is_empty()).collect();
        let chunks = Chunks { shared: Arc::clone(self.body(format, gzip)), end: tail };
        Scrape { content_type: format.content_type(), gzip, chunks }
    }

    /// The content before the exporter's own metrics.
    fn body(&self, format: Format, gzip: bool) -> &Arc<[Bytes]> {
        let [plain, compressed] = by_format(&self.bodies, format);
        let families = self.families.iter();
        let chunks = families.flat_map(|family| [family.metadata(format)].into_iter().chain(&family.chunks));
        if gzip {
            let deflated = chunks.map(|chunk| chunk.deflated.clone());
            compressed.get_or_init(|| [Bytes::from_static(gzip::HEADER)].into_iter().chain(deflated).collect())
        } else {
            plain.get_or_init(|| chunks.map(|chunk| chunk.text.clone()).collect())
        }
    }
}

impl RenderedFamily {
    fn metadata(&self, format: Format) -> &Arc<EncodedChunk> {
        by_format(&self.metadata, format)
    }
}

fn by_format<T>([text, openmetrics]: &[T; 2], format: Format) -> &T {
    match format {
        Format::Text => text,
        Format::OpenMetrics => openmetrics,
    }
}
