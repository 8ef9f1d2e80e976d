//! Reads field values and records those that could not be read.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use super::json::{Json, Row};
use super::{Decoded, Field, Unreadable, excerpt};
use crate::types::{MAX_ID_CHARS, MAX_TEXT_CHARS};

/// The number of [`Decoded::unreadable`] entries from which those of one field share one entry.
const MAX_UNREADABLE: usize = 100;

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum FieldValue<T> {
    /// No such key, or null.
    Absent,
    /// `N/A`, `-` or only spaces.
    NotApplicable,
    /// A value.
    Value(T),
    /// Anything else: counted, never guessed.
    Unreadable,
}

impl<T> FieldValue<T> {
    /// The value, if there is one.
    pub(super) fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }
}

impl<T> From<Option<T>> for FieldValue<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Unreadable, Self::Value)
    }
}

/// Reads the fields of one response.
#[derive(Default)]
pub(super) struct FieldReader {
    unreadable: Vec<Unreadable>,
    /// Almost every row of a page repeats the same names: each is stored once.
    texts: HashSet<Arc<str>>,
    empty: Arc<str>,
}

impl FieldReader {
    /// Reads a field; `convert` is not called for null or `N/A`.
    pub(super) fn read<'a, T>(
        &mut self,
        row: Row<'a>,
        field: Field,
        convert: impl FnOnce(&'a Json<'a>) -> FieldValue<T>,
    ) -> FieldValue<T> {
        self.read_named(row, field, field.as_str(), convert)
    }

    /// Reads a field that has another name in the body.
    pub(super) fn read_named<'a, T>(
        &mut self,
        row: Row<'a>,
        field: Field,
        name: &str,
        convert: impl FnOnce(&'a Json<'a>) -> FieldValue<T>,
    ) -> FieldValue<T> {
        let found = row.get(name);
        let reading = match found {
            Json::Null => FieldValue::Absent,
            Json::Text(text) if is_not_applicable(text) => FieldValue::NotApplicable,
            _ => convert(found),
        };
        if matches!(reading, FieldValue::Unreadable) {
            let text = match found {
                Json::Text(text) => excerpt(text, 64),
                Json::Number(number) => number.to_string(),
                Json::Bool(value) => value.to_string(),
                other => other.kind().to_owned(),
            };
            self.record_unreadable(field, text);
        }
        reading
    }

    /// Counts one value that is omitted from the result.
    pub(super) fn record_unreadable(&mut self, field: Field, text: impl Into<String>) {
        self.record_unreadable_many(field, text, 1);
    }

    /// Counts several values of one field that are omitted from the result.
    pub(super) fn record_unreadable_many(&mut self, field: Field, text: impl Into<String>, count: u64) {
        // The first entries are reported one by one for operators; the rest is only counted, which limits memory.
        let full = self.unreadable.len() >= MAX_UNREADABLE;
        match self.unreadable.iter_mut().rfind(|entry| full && entry.field == field) {
            Some(entry) => entry.count += count,
            None => self.unreadable.push(Unreadable { field, text: text.into(), count }),
        }
    }

    /// A text field; empty if it is missing.
    pub(super) fn text(&mut self, row: Row<'_>, field: Field) -> Arc<str> {
        self.text_named(row, field, field.as_str())
    }

    /// A text field that has another name in the body.
    pub(super) fn text_named(&mut self, row: Row<'_>, field: Field, name: &str) -> Arc<str> {
        let reading = self.read_named(row, field, name, text);
        self.intern(reading.value())
    }

    /// The id of a row, by the field's name or by its `old_name`. A missing id is counted.
    pub(super) fn read_id(&mut self, row: Row<'_>, field: Field, old_name: &str) -> Option<String> {
        let mut reading = self.read(row, field, id);
        if reading == FieldValue::Absent {
            reading = self.read_named(row, field, old_name, id);
        }
        match reading {
            FieldValue::Value(id) => Some(id.into_owned()),
            FieldValue::Unreadable => None,
            FieldValue::Absent | FieldValue::NotApplicable => {
                self.record_unreadable(field, "");
                None
            }
        }
    }

    /// The shared copy of a text.
    pub(super) fn intern(&mut self, text: Option<Cow<'_, str>>) -> Arc<str> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Arc::clone(&self.empty) };
        if let Some(known) = self.texts.get(&*text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&new));
        new
    }

    /// The result with the list of unreadable values.
    pub(super) fn finish<T>(self, value: T) -> Decoded<T> {
        Decoded { value, unreadable: self.unreadable }
    }
}

/// A text, at most [`MAX_TEXT_CHARS`] of it; a number is converted to text.
pub(super) fn text<'a>(json: &'a Json<'a>) -> FieldValue<Cow<'a, str>> {
    match json {
        Json::Text(text) => {
            let text = text.trim();
            let end = text.char_indices().nth(MAX_TEXT_CHARS).map_or(text.len(), |(end, _)| end);
            FieldValue::Value(text.get(..end).unwrap_or(text).trim_end().into())
        }
        Json::Number(number) => FieldValue::Value(number.to_string().into()),
        _ => FieldValue::Unreadable,
    }
}

/// An opaque identifier. A fraction, a number that is too large to be exact, or a text of more than [`MAX_ID_CHARS`] is
/// not an identifier.
fn id<'a>(json: &'a Json<'a>) -> FieldValue<Cow<'a, str>> {
    match json {
        Json::Number(number) if number.is_f64() => FieldValue::Unreadable,
        Json::Text(text) if text.trim().chars().nth(MAX_ID_CHARS).is_some() => FieldValue::Unreadable,
        other => text(other),
    }
}

fn is_not_applicable(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || text == "-" || text.eq_ignore_ascii_case("n/a")
}
