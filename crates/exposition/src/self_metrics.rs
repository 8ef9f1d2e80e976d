//! An exporter's own metrics: families of the `prometheus` crate.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use prometheus::proto::{Metric, MetricFamily, MetricType};

use crate::Format;
use crate::encoded_chunk::EncodedChunk;
use crate::family::Kind;
use crate::gzip::{self, Deflater};
use crate::syntax::{bound, write_metadata, write_pair, write_value};

/// The exporter's own metrics, encoded in one format.
#[derive(Debug)]
pub struct SelfMetrics {
    pub(super) format: Format,
    /// By family, with the metadata.
    pub(super) families: Vec<Arc<EncodedChunk>>,
}

impl SelfMetrics {
    /// From families as returned by [`merge`].
    #[must_use]
    pub fn new(format: Format, families: &[MetricFamily]) -> Self {
        Self { format, families: Vec::new() }.next(families)
    }

    /// The metrics that follow these, in the same format. Families whose text is the same are not compressed again.
    #[must_use]
    pub fn next(&self, families: &[MetricFamily]) -> Self {
        let mut text = String::new();
        let mut encode = |family, deflater: &mut Deflater| {
            text.clear();
            write_family(&mut text, self.format, family);
            let same = self.families.iter().find(|known| *known.text == *text.as_bytes());
            same.map_or_else(|| EncodedChunk::of(&text, deflater).into(), Arc::clone)
        };
        let families = gzip::with_deflater(|deflater| families.iter().map(|family| encode(family, deflater)).collect());
        Self { format: self.format, families }
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
    out.push_str(name);
    out.push_str(suffix);
    let labels = metric.get_label().iter().map(|pair| (pair.name(), pair.value())).chain(le.map(|le| ("le", le)));
    let mut separator = '{';
    for (name, value) in labels {
        out.push(separator);
        write_pair(out, name, value);
        separator = ',';
    }
    if separator == ',' {
        out.push('}');
    }
    out.push(' ');
    write_value(out, value);
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use prometheus::core::Collector as _;
    use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

    use super::*;
    use crate::{Snapshot, registered};

    #[test]
    fn only_families_that_changed_are_encoded_again() {
        let registry = Registry::new();
        let counters = IntCounterVec::new(Opts::new("polls_total", "Polls."), &["partner", "result"]).unwrap();
        let counters = registered(&registry, counters).unwrap();
        let gauge = registered(&registry, IntGauge::new("tasks", "Tasks.").unwrap()).unwrap();
        counters.with_label_values(&["a \"b\"", "ok"]).inc();
        for format in [Format::Text, Format::OpenMetrics] {
            let first = SelfMetrics::new(format, &registry.gather());
            gauge.inc();
            let next = first.next(&registry.gather());
            assert!(Arc::ptr_eq(&first.families[0], &next.families[0]), "unchanged");
            assert!(!Arc::ptr_eq(&first.families[1], &next.families[1]), "changed");

            let fresh = Snapshot::empty().scrape(format, false, &registry.gather()).chunks.concat();
            let compressed = Snapshot::empty().scrape_with(true, &next, &[]).chunks.concat();
            let mut text = Vec::new();
            GzDecoder::new(&*compressed).read_to_end(&mut text).unwrap();
            assert_eq!(text, fresh);
            let line = r#"polls_total{partner="a \"b\"",result="ok"} 1"#;
            assert!(String::from_utf8(text).unwrap().lines().any(|found| found == line));
        }
    }

    #[test]
    fn a_family_that_goes_or_comes_leaves_the_others_as_they_are() {
        let family = |name: &str| IntGauge::new(name, "A gauge.").unwrap().collect().remove(0);
        let [a, b, c] = ["a", "b", "c"].map(family);
        let first = SelfMetrics::new(Format::Text, &[a.clone(), b]);
        let next = first.next(&[c, a]);
        assert!(Arc::ptr_eq(&first.families[0], &next.families[1]));
        assert!(next.families[0].text.starts_with(b"# HELP c "));
    }
}
