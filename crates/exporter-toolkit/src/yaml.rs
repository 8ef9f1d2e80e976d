//! Parses YAML text into the raw configuration. Stops at the first syntax error or unknown key.
//!
//! The library's messages quote the input, which may be a secret: they are parsed and rewritten without it.

use std::fmt;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_yaml::Error;

use super::diagnostic::{Diagnostic, Location, Problem};

/// Parses the text.
pub fn read_yaml<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    serde_yaml::from_str(text).map_err(|error| problem(&error, text))
}

fn problem(error: &Error, text: &str) -> Problem {
    let mut message = error.to_string();
    let mut location = Location::File;
    if let Some(reported) = error.location() {
        let (line, column) = (reported.line(), reported.column());
        location = Location::Line { line, column };
        message = message.replacen(&format!(" at line {line} column {column}"), "", 1);
        if let Some((_, rest)) = split(&message, "duplicate field `") {
            let key = rest.split('`').next().unwrap_or_default();
            location = second(text, key, line, column).unwrap_or(location);
        }
    }
    Problem { location, diagnostic: diagnostic(&message) }
}

/// The location of a duplicate key in the mapping that starts at this line and column, because the library reports only
/// the start. Not found in flow mappings (`{}`).
fn second(text: &str, key: &str, line: usize, column: usize) -> Option<Location> {
    let at_column = |text: &str| {
        let rest = text.get(column.checked_sub(1)?..)?.trim_start_matches(['"', '\'']).strip_prefix(key)?;
        rest.trim_start_matches(['"', '\'', ' ']).starts_with(':').then_some(())
    };
    let mut lines = text.lines().enumerate().skip(line.checked_sub(1)?).filter(|(_, text)| at_column(text).is_some());
    lines.nth(1).map(|(index, _)| Location::Line { line: index + 1, column })
}

fn diagnostic(message: &str) -> Diagnostic {
    if let Some((path, rest)) = split(message, "unknown field `") {
        return unknown_key(path, rest);
    }
    if let Some((path, rest)) = split(message, "invalid type: ") {
        let found = match rest.split([' ', ',']).next() {
            Some("sequence") => "a list",
            Some("map") => "a mapping",
            Some("unit") => "nothing",
            _ => "a single value",
        };
        let (expected, remedy) = match rest.rsplit_once(", expected ").map(|(_, expected)| expected) {
            Some("a sequence") => ("a list", "write a list, such as `[a, b]`"),
            Some("a mapping") => ("a mapping", "write its keys beneath it, each as `key: value`"),
            Some("`auto` or a list") => ("`auto` or a list", "write `auto` or a list, such as `[a, b]`"),
            _ => ("a single value", "write one value, in quotes if it starts with a bracket"),
        };
        return Diagnostic::new(format!("{path}{found} stands where {expected} belongs"), remedy);
    }
    if let Some((path, rest)) = split(message, "duplicate field `") {
        let key = rest.split('`').next().unwrap_or_default();
        return Diagnostic::new(format!("{path}the key `{key}` stands twice"), "keep one of them");
    }
    let remedy = match message {
        m if m.starts_with("found character that cannot start any token") => {
            "indent with spaces, not tabs, and put quotes around a value that starts with a special character"
        }
        m if m.starts_with("mapping values are not allowed") => "put quotes around a value that contains `: `",
        m if m.contains("more than one document") => "keep one document: remove the line `---` in the middle",
        _ => "check the indentation, the colons and the quotes here and in the line before",
    };
    Diagnostic::new(format!("this is not YAML: {message}"), remedy)
}

/// The text before `words` (a path with its colon, or empty) and after them.
fn split<'a>(message: &'a str, words: &str) -> Option<(&'a str, &'a str)> {
    let (path, rest) = message.split_once(words)?;
    (path.is_empty() || path.ends_with(": ")).then_some((path, rest))
}

fn unknown_key(path: &str, rest: &str) -> Diagnostic {
    let (key, known) = rest.split_once("`, expected ").unwrap_or((rest, ""));
    let known: Vec<_> = known.split('`').skip(1).step_by(2).collect();
    // `client_secret:abc`, without a space, is parsed as a key; so may be `client_secret abc`.
    // A key with a digit may be the secret without its key. No valid key has digits.
    let plain = key.len() <= 40
        && !key.bytes().any(|b| b.is_ascii_digit())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.<".contains(&b));
    let what = if plain {
        format!("{path}unknown key `{key}`")
    } else {
        format!("{path}a key that is not one (a space after the colon may be missing)")
    };
    let nearest = known
        .iter()
        .map(|&candidate| (strsim::damerau_levenshtein(&key.to_lowercase(), candidate), candidate))
        .filter(|&(distance, candidate)| plain && distance <= candidate.len() / 3)
        .min();
    let known = known.join(", ");
    let remedy = match nearest {
        Some((_, nearest)) => format!("did you mean `{nearest}`? Known here: {known}"),
        None => format!("known here: {known}"),
    };
    Diagnostic::new(what, remedy)
}

/// A mapping of names to values, in the order of the file, including duplicate names.
#[derive(Debug, Default)]
pub struct Pairs(pub Vec<(String, Option<String>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;

        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(PairsVisitor)
    }
}

impl Serialize for Pairs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
