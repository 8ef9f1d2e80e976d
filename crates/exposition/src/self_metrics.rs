//! An exporter's own metrics: families of the `prometheus` crate.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};

use prometheus::proto::{Metric, MetricFamily, MetricType};

use crate::encoded_chunk::EncodedChunk;
use crate::family::Kind;
use crate::syntax::{bound, write_label, write_metadata, write_value};
use crate::{Format, gzip};

/// The exporter's own metrics, encoded in one format.
#[derive(Debug)]
pub struct SelfMetrics {
    pub(super) format: Format,
    pub(super) lines: EncodedChunk,
}

impl SelfMetrics {
    /// From families as returned by [`merge`].
    #[must_use]
    pub fn new(format: Format, families: &[MetricFamily]) -> Self {
        let mut text = String::new();
        for family in families {
            write_family(&mut text, format, family);
        }
        Self { format, lines: gzip::with_deflater(|deflater| EncodedChunk::of(&text, deflater)) }
    }
}

/// Merges the families of several registries: one family per name and no duplicate series, ordered by their position,
/// then the families without one (`process_*`) by name. Of series with equal labels the first is kept.
#[must_use]
pub fn merge(families: Vec<Vec<MetricFamily>>, position: impl Fn(&str) -> Option<usize>) -> Vec<MetricFamily> {
    // Whether a family came from several registries: one registry has no duplicates, and comparing labels is dear.
    let mut merged: BTreeMap<(usize, String), (MetricFamily, bool)> = BTreeMap::new();
    for mut family in families.into_iter().flatten() {
        let key = (position(family.name()).unwrap_or(usize::MAX), family.name().to_owned());
        match merged.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert((family, false));
            }
            Entry::Occupied(mut entry) => {
                let (first, is_shared) = entry.get_mut();
                first.mut_metric().extend(family.take_metric());
                *is_shared = true;
            }
        }
    }
    for (family, _) in merged.values_mut().filter(|(_, is_shared)| *is_shared) {
        let mut seen = HashSet::new();
        family.mut_metric().retain(|metric| seen.insert(labels(metric)));
    }
    merged.into_values().map(|(family, _)| family).collect()
}

fn labels(metric: &Metric) -> Vec<(String, String)> {
    let pairs = metric.get_label().iter();
    let mut labels: Vec<_> = pairs.map(|pair| (pair.name().to_owned(), pair.value().to_owned())).collect();
    labels.sort();
    labels
}

/// Appends a family; nothing if it has no series, or has a type that no module uses (summary, untyped).
pub(super) fn write_family(out: &mut String, format: Format, family: &MetricFamily) {
    let name = family.name();
    let kind = match family.get_field_type() {
        MetricType::COUNTER => Kind::Counter,
        MetricType::GAUGE if name.ends_with("_info") => Kind::Info,
        MetricType::GAUGE => Kind::Gauge,
        MetricType::HISTOGRAM => Kind::Histogram,
        MetricType::SUMMARY | MetricType::UNTYPED => return,
    };
    if family.get_metric().is_empty() {
        return;
    }
    write_metadata(out, format, name, family.help(), kind);
    for metric in family.get_metric() {
        match kind {
            Kind::Counter => write_sample(out, name, "", metric, None, metric.get_counter().get_value()),
            Kind::Gauge | Kind::Info => write_sample(out, name, "", metric, None, metric.get_gauge().get_value()),
            Kind::Histogram => write_histogram(out, name, metric),
        }
    }
}

fn write_histogram(out: &mut String, name: &str, metric: &Metric) {
    let histogram = metric.get_histogram();
    let count = histogram.get_sample_count() as f64;
    for bucket in histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite()) {
        let le = bound(bucket.upper_bound());
        write_sample(out, name, "_bucket", metric, Some(&le), bucket.cumulative_count() as f64);
    }
    write_sample(out, name, "_bucket", metric, Some("+Inf"), count);
    write_sample(out, name, "_sum", metric, None, histogram.get_sample_sum());
    write_sample(out, name, "_count", metric, None, count);
}

fn write_sample(out: &mut String, name: &str, suffix: &str, metric: &Metric, le: Option<&str>, value: f64) {
    let mut labels = String::new();
    for pair in metric.get_label() {
        write_label(&mut labels, pair.name(), pair.value());
    }
    if let Some(le) = le {
        write_label(&mut labels, "le", le);
    }
    out.push_str(name);
    out.push_str(suffix);
    if !labels.is_empty() {
        out.push('{');
        out.push_str(&labels);
        out.push('}');
    }
    out.push(' ');
    write_value(out, value);
}
