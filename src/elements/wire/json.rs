//! A JSON document as it came: objects keep their order and texts are borrowed from the body.
//!
//! Field names match in any ASCII letter case. The parser's own limit on depth (128) holds.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::{Malformed, excerpt};

/// Any JSON value.
#[derive(Clone, Debug)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

static NULL: Json<'static> = Json::Null;

/// The body as text. A name in a broken encoding costs that name its broken letters, not everybody their page.
pub(super) fn text(body: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body))
}

/// Parses a whole document. The message tells where it stops to be JSON, and how it starts if it does not look like
/// JSON at all; what does look like it is never quoted, because it may hold email addresses.
pub(super) fn parse(text: &str) -> Result<Json<'_>, Malformed> {
    serde_json::from_str(text).map_err(|error| {
        let start = text.trim_start();
        if start.is_empty() {
            Malformed::new("expected JSON, got an empty body")
        } else if start.starts_with(['{', '[', '"']) {
            Malformed::new(format!("not JSON: {error}"))
        } else {
            Malformed::new(format!("not JSON: {error} (starts with \"{}\")", excerpt(start, 32)))
        }
    })
}

impl<'a> Json<'a> {
    /// The object's fields.
    pub(super) fn row(&'a self) -> Option<Row<'a>> {
        match self {
            Self::Object(fields) => Some(Row(fields)),
            _ => None,
        }
    }

    /// The text without surrounding spaces.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.trim()),
            _ => None,
        }
    }

    /// What kind of value this is, for messages.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// An object.
#[derive(Clone, Copy)]
pub(super) struct Row<'a>(&'a [(Cow<'a, str>, Json<'a>)]);

impl<'a> Row<'a> {
    /// The first field of that name, in any letter case, that is not null; null if there is none.
    pub(super) fn get(self, name: &str) -> &'a Json<'a> {
        self.0
            .iter()
            .find(|(key, value)| key.eq_ignore_ascii_case(name) && !matches!(value, Json::Null))
            .map_or(&NULL, |(_, value)| value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

/// A key; the newtype is what makes serde borrow it.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some((Key(key), value)) = map.next_entry()? {
            fields.push((key, value));
        }
        Ok(Json::Object(fields))
    }
}
