//! Writer for the lines of one family.

use super::customer_view::CustomerView;
use super::syntax;
use crate::catalog::Family;

/// A family and its lines so far.
#[derive(Debug)]
pub(super) struct FamilyWriter {
    pub(super) family: &'static Family,
    pub(super) text: String,
    /// The number of lines.
    pub(super) count: u64,
}

impl FamilyWriter {
    /// A family without series.
    pub(super) fn new(family: &'static Family) -> Self {
        Self { family, text: String::new(), count: 0 }
    }

    /// Writes the last labels of the family, as many as there are values, for one or several series.
    pub(super) fn labels(&self, values: &[&str]) -> String {
        let mut labels = String::new();
        let names = self.family.labels.iter().skip(self.family.labels.len().saturating_sub(values.len()));
        for (name, value) in names.zip(values) {
            syntax::write_label(&mut labels, name, value);
        }
        labels
    }

    /// Adds a series without a customer, if it has a value. `labels` contains all labels, from [`Self::labels`].
    pub(super) fn push(&mut self, labels: &str, value: Option<f64>) {
        self.write([labels], value);
    }

    /// Adds a series of a customer, if it has a value. `labels` contains the labels after the customer's id.
    pub(super) fn push_of(&mut self, view: &CustomerView<'_>, labels: &str, value: Option<f64>) {
        let comma = if labels.is_empty() { "" } else { "," };
        self.write([&view.identity, comma, labels, view.extra_labels(self.family)], value);
    }

    fn write<const N: usize>(&mut self, labels: [&str; N], value: Option<f64>) {
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
