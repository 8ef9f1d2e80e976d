//! A parsed JSON document: objects keep their order, and strings are borrowed from the body.
//!
//! Field names are compared without ASCII case. The parser's own depth limit (128) applies, and a limit on the number
//! of values: a value takes up to a hundred bytes in memory, and as few as two in a body.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::Malformed;

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

/// A page of the service list has about 20 values per row.
const MOST_VALUES: usize = 400_000;

/// The body as text. Invalid UTF-8 in a name replaces only the broken characters and does not fail the page.
pub(super) fn text(body: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body))
}

/// Parses a whole document. The error has the position of the invalid JSON, and the start of the body if it is an HTML
/// page. It quotes nothing else, because the body may contain email addresses.
///
/// Half of a surrogate pair (`"\ud800"`) replaces one character, like any other invalid encoding.
pub(super) fn parse(text: &str) -> Result<Json<'_>, Malformed> {
    // Every value of a list or an object, except the first, follows a comma. Commas in strings count too.
    if text.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).nth(MOST_VALUES).is_some() {
        return Err(Malformed::new(format!("expected no more than {MOST_VALUES} values")));
    }
    let error = match serde_json::from_str(text) {
        Ok(json) => return Ok(json),
        Err(error) => error,
    };
    if text.contains("\\ud") || text.contains("\\uD") {
        let repaired = without_lone_surrogates(text);
        if let Ok(json) = serde_json::from_str::<Json<'_>>(&repaired) {
            return Ok(json.into_owned());
        }
    }
    let start = text.trim_start();
    Err(if start.is_empty() {
        Malformed::new("expected JSON, got an empty body")
    } else if start.starts_with('<') {
        Malformed::new(format!("not JSON: {error} (starts with \"{}\")", tag(start)))
    } else {
        Malformed::new(format!("not JSON: {error}"))
    })
}

/// The start of the first tag, without its content.
fn tag(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_alphabetic() || "<!?/".contains(*c)).take(16).collect()
}

/// Replaces escapes of half a surrogate pair by U+FFFD.
fn without_lone_surrogates(text: &str) -> String {
    let mut repaired = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        repaired.push_str(before);
        let pair = escape.get(6..).and_then(unit).is_some_and(|unit| (0xDC00..0xE000).contains(&unit));
        let (kept, length) = match unit(escape) {
            Some(0xD800..0xDC00) if pair => (escape.get(..12), 12),
            Some(0xD800..0xE000) => (Some("\\ufffd"), 6),
            // The backslash and the character that it escapes, which may be another backslash.
            _ => {
                let length = escape.chars().take(2).map(char::len_utf8).sum();
                (escape.get(..length), length)
            }
        };
        repaired.push_str(kept.unwrap_or_default());
        rest = escape.get(length..).unwrap_or_default();
    }
    repaired + rest
}

/// The UTF-16 unit of the `\u` escape at the start of a text.
fn unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok()
}

impl<'a> Json<'a> {
    /// The object's fields.
    pub(super) fn row(&'a self) -> Option<Row<'a>> {
        match self {
            Self::Object(fields) => Some(Row(fields)),
            _ => None,
        }
    }

    /// Converts to an owned value.
    fn into_owned(self) -> Json<'static> {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(value),
            Self::Number(number) => Json::Number(number),
            Self::Text(text) => Json::Text(Cow::Owned(text.into_owned())),
            Self::List(list) => Json::List(list.into_iter().map(Json::into_owned).collect()),
            Self::Object(fields) => {
                let owned = |(key, value): (Cow<'_, str>, Json<'_>)| (Cow::Owned(key.into_owned()), value.into_owned());
                Json::Object(fields.into_iter().map(owned).collect())
            }
        }
    }

    /// The text without surrounding spaces.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.trim()),
            _ => None,
        }
    }

    /// The type of this value, for messages.
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
    /// The first field with that name, ignoring case, that is not null; null if there is none.
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

/// A key; the newtype makes serde borrow it.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_a_surrogate_pair_becomes_a_replacement_character() {
        for (text, expected) in [
            (r#""A\ud800B""#, "A\u{fffd}B"),
            (r#""\uDC00\uD83D\uDE00""#, "\u{fffd}\u{1f600}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\\ud800 \ud800\n\u00e4""#, "\\ud800 \u{fffd}\n\u{e4}"),
            (r#""\ud800ä\ud800""#, "\u{fffd}ä\u{fffd}"),
        ] {
            assert_eq!(parse(text).unwrap().as_text(), Some(expected), "{text}");
        }
        let page = parse(r#"{"a\ud800": [1, "x", {"b": null}, true], "c": "\udfff"}"#).unwrap();
        assert_eq!(page.row().unwrap().get("c").as_text(), Some("\u{fffd}"));
        assert_eq!(parse(r#"{"a": "\ud800"#).unwrap_err().to_string().find("not JSON"), Some(0));
    }

    #[test]
    fn values_are_bounded() {
        for (unit, times) in [("0,", MOST_VALUES - 1), ("[],", MOST_VALUES / 2 - 1)] {
            assert!(parse(&format!("[{}0]", unit.repeat(times))).is_ok());
            let error = parse(&format!("[{}0]", unit.repeat(times + 1))).unwrap_err();
            assert_eq!(error.to_string(), "expected no more than 400000 values");
        }
    }

    proptest! {
        #[test]
        fn any_text_of_escapes_parses(units in prop::collection::vec(prop_oneof![0xD700..0xE100_u16, any::<u16>()], 0..9)) {
            let escapes = units.iter().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>().concat();
            let text = format!("\"|{escapes}|\"");
            let expected = format!("|{}|", String::from_utf16_lossy(&units));
            let json = parse(&text).unwrap();
            prop_assert_eq!(json.as_text(), Some(&*expected));
        }

        #[test]
        fn repairing_terminates_and_keeps_valid_text(text in "(\\\\|u|d8|dc|00|[\"ä ]){0,24}") {
            let repaired = without_lone_surrogates(&text);
            prop_assert_eq!(without_lone_surrogates(&repaired), repaired.clone());
            prop_assert_eq!(repaired.len(), text.len());
        }
    }
}
