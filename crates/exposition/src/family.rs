//! A metric family, and a writer for its lines.

use prometheus::Registry;
use prometheus::core::Collector;

use crate::syntax;

/// The metric type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A gauge.
    Gauge,
    /// A counter; the name ends in `_total`.
    Counter,
    /// A histogram: buckets, sum and count.
    Histogram,
    /// Always 1, with the content in its labels; the name ends in `_info`.
    Info,
}

/// A metric family.
#[derive(Debug)]
pub struct Family {
    /// The full name, `_total` and `_info` included.
    pub name: &'static str,
    /// One or two sentences without line breaks.
    pub help: &'static str,
    /// The metric type.
    pub kind: Kind,
    /// The labels of every series, in order.
    pub labels: &'static [&'static str],
}

/// The unit suffix of a family's name, if OpenMetrics defines that unit.
#[must_use]
pub fn unit_of(name: &str) -> Option<&'static str> {
    let base = name.strip_suffix("_total").unwrap_or(name);
    ["seconds", "bytes"].into_iter().find(|unit| base.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')))
}

/// For the counters and gauges that are registered with the `prometheus` crate.
impl From<&Family> for prometheus::Opts {
    fn from(family: &Family) -> Self {
        Self::new(family.name, family.help)
    }
}

/// Registers a metric, and returns it.
pub fn registered<M: Collector + Clone + 'static>(registry: &Registry, metric: M) -> prometheus::Result<M> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

/// A family and its lines so far.
#[derive(Debug)]
pub struct FamilyWriter {
    family: &'static Family,
    pub(crate) text: String,
    /// The number of lines.
    pub(crate) count: u64,
}

impl FamilyWriter {
    /// A family without series.
    #[must_use]
    pub fn new(family: &'static Family) -> Self {
        Self { family, text: String::new(), count: 0 }
    }

    /// The family that it writes.
    #[must_use]
    pub fn family(&self) -> &'static Family {
        self.family
    }

    /// Formats the last labels of the family, as many as there are values, for one or several series.
    #[must_use]
    pub fn labels(&self, values: &[&str]) -> String {
        let mut labels = String::new();
        let names = self.family.labels.iter().skip(self.family.labels.len().saturating_sub(values.len()));
        for (name, value) in names.zip(values) {
            syntax::write_label(&mut labels, name, value);
        }
        labels
    }

    /// Adds a series, if it has a value. `labels` are formatted labels, written one after the other.
    pub fn push<const N: usize>(&mut self, labels: [&str; N], value: Option<f64>) {
        let Some(value) = value else { return };
        self.text.push_str(self.family.name);
        self.text.push('{');
        for part in labels {
            self.text.push_str(part);
        }
        self.text.push_str("} ");
        syntax::write_value(&mut self.text, value);
        self.count += 1;
    }
}
