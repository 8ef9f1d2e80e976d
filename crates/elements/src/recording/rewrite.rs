//! Rewrites a JSON body: the name of a field decides whether its text, or its number if it is an id, is replaced or kept.
//! The order of members, repeated keys, numbers and literals do not change; only white space is normalised.

use std::fmt::Write as _;

use serde::de::IgnoredAny;
use serde_json::Value;

use super::fields::{self, Kind};
use super::forms;
use super::pseudonyms::Pseudonyms;
use super::recorder::Kept;
use super::vocabulary;

/// Members up to this depth stand on lines of their own: each customer's products do.
const LINES: usize = 4;

/// Whether a customer with this id and name is left out by the filters.
pub(super) type LeavesOut<'a> = &'a dyn Fn(&str, Option<&str>) -> bool;

/// The replacements, what is kept, and where it is counted.
pub(super) struct Rewriter<'a> {
    pub(super) pseudonyms: &'a mut Pseudonyms,
    pub(super) kept: &'a mut Kept,
    /// Where the rows of a page are customers.
    pub(super) leaves_out: Option<LeavesOut<'a>>,
}

/// An object or a list that has begun.
struct Open {
    is_object: bool,
    /// The key of the member that is read; of a list, that of the member that holds it.
    key: Option<String>,
    /// The next text is a key.
    wants_key: bool,
}

impl Rewriter<'_> {
    /// The body, with lines indented by `indent` spaces; `None` if it is not JSON.
    pub(super) fn body(&mut self, text: &str, indent: usize) -> Option<String> {
        serde_json::from_str::<IgnoredAny>(text).ok()?;
        let mut out = String::with_capacity(text.len() * 2);
        let mut open: Vec<Open> = Vec::new();
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let c = rest.chars().next()?;
            at += match c {
                '{' | '[' => {
                    if let Some(length) = self.left_out(rest, &open, &mut out) {
                        length
                    } else {
                        let key = open.last().and_then(|outer| outer.key.clone());
                        let is_object = c == '{';
                        open.push(Open { is_object, key: key.filter(|_| !is_object), wants_key: is_object });
                        out.push(c);
                        if !matches!(rest.get(1..)?.trim_start().chars().next(), Some('}' | ']')) {
                            separate(&mut out, open.len(), indent, "");
                        }
                        1
                    }
                }
                '}' | ']' => {
                    let depth = open.len();
                    open.pop();
                    if !out.ends_with(['{', '[']) && depth <= LINES {
                        new_line(&mut out, depth - 1, indent);
                    }
                    out.push(c);
                    1
                }
                ',' => {
                    if let Some(innermost) = open.last_mut() {
                        innermost.wants_key = innermost.is_object;
                    }
                    out.push(',');
                    separate(&mut out, open.len(), indent, " ");
                    1
                }
                ':' => {
                    out.push_str(": ");
                    1
                }
                '"' => {
                    let length = string_length(rest)?;
                    let raw = rest.get(..length)?;
                    match open.last_mut().filter(|innermost| innermost.wants_key) {
                        Some(innermost) => {
                            let key = decoded(raw);
                            out.push_str(&quoted(&self.key(&key)));
                            innermost.key = Some(key);
                            innermost.wants_key = false;
                        }
                        None => out.push_str(&self.string(kind_of(&open), raw)),
                    }
                    length
                }
                c if c.is_whitespace() => c.len_utf8(),
                _ => {
                    let length = rest.find(|c: char| c.is_whitespace() || ",]}".contains(c)).unwrap_or(rest.len());
                    out.push_str(&self.literal(kind_of(&open), rest.get(..length)?));
                    length
                }
            };
        }
        Some(out)
    }

    /// A text that is not part of a JSON body, such as an id in a path.
    pub(super) fn id(&mut self, id: &str) -> String {
        self.pseudonyms.id(id)
    }

    /// Whether a row of a page is a customer that is left out; then writes what stays of it and returns its length.
    fn left_out(&mut self, rest: &str, open: &[Open], out: &mut String) -> Option<usize> {
        let leaves_out = self.leaves_out?;
        let [Open { is_object: true, .. }, Open { is_object: false, key: Some(key), .. }] = open else { return None };
        if !key.eq_ignore_ascii_case("data") {
            return None;
        }
        let mut row = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let Some(Ok(Value::Object(fields))) = row.next() else { return None };
        let field = |name: &str| {
            let (_, value) = fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
            match value {
                Value::String(text) => Some(text.trim().to_owned()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            }
        };
        let organization = field("organization");
        // The service list, or the list of customers, whose rows have an organization too.
        let (id, is_profile) = match field("customerId") {
            Some(id) => (id, false),
            None => (organization.as_ref().and_then(|_| field("id"))?, true),
        };
        if !leaves_out(&id, organization.as_deref()) {
            return None;
        }
        let pseudonym = self.pseudonyms.id(&id);
        let quoted = quoted(&pseudonym);
        // Writing to a string does not fail.
        let _ = if is_profile {
            write!(out, "{{\"id\": {quoted}}}")
        } else {
            write!(out, "{{\"customerId\": {quoted}, \"products\": []}}")
        };
        self.kept.left_out.insert(pseudonym);
        Some(row.byte_offset())
    }

    fn key(&mut self, key: &str) -> String {
        if fields::is_documented(key) {
            return key.to_owned();
        }
        if fields::looks_like_a_field(key) {
            self.kept.fields.insert(key.to_owned());
            return key.to_owned();
        }
        self.pseudonyms.id(key)
    }

    /// The replacement of a text, as JSON.
    fn string(&mut self, kind: Kind, raw: &str) -> String {
        if kind == Kind::Secret {
            self.kept.secrets += 1;
            return quoted("removed");
        }
        let text = decoded(raw);
        if forms::is_not_applicable(&text) {
            return quoted(&text);
        }
        quoted(&match kind {
            Kind::Id => self.pseudonyms.id(&text),
            Kind::Enumeration => self.enumeration(&text),
            Kind::Protocol if is_protocol(&text) => text,
            Kind::Other if forms::is_value(&text) => text,
            _ => self.pseudonyms.text(&text),
        })
    }

    /// Keeps the words that AvePoint uses; each other word becomes a placeholder.
    fn enumeration(&mut self, text: &str) -> String {
        let (mut kept, mut is_new) = (String::new(), false);
        let mut rest = text;
        while !rest.is_empty() {
            let is_part = |c: char| c.is_alphanumeric();
            let is_word = rest.starts_with(is_part);
            let end = rest.find(|c: char| is_part(c) != is_word).unwrap_or(rest.len());
            let (part, after) = rest.split_at(end);
            let is_known = if is_word { vocabulary::is_known(part) } else { part.is_ascii() };
            if is_known {
                kept.push_str(part);
            } else {
                is_new = true;
                kept.push_str(&self.pseudonyms.text(part));
            }
            rest = after;
        }
        if is_new {
            self.kept.new_values.insert(text.to_owned());
        } else {
            self.kept.values.insert(text.to_owned());
        }
        kept
    }

    /// A number, a boolean or null.
    fn literal(&mut self, kind: Kind, literal: &str) -> String {
        let is_number = literal.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        match kind {
            Kind::Secret | Kind::Id if is_number => {
                let is_plain = literal.bytes().all(|byte| byte.is_ascii_digit());
                if is_plain && kind != Kind::Secret { self.pseudonyms.id(literal) } else { "0".to_owned() }
            }
            _ => literal.to_owned(),
        }
    }
}

/// What the innermost value belongs to.
fn kind_of(open: &[Open]) -> Kind {
    let key = open.last().and_then(|innermost| innermost.key.as_deref());
    key.map_or(Kind::Other, fields::kind)
}

/// Error codes and scopes of OAuth.
fn is_protocol(text: &str) -> bool {
    const KNOWN: &[&str] = &[
        "access_denied",
        "bearer",
        "client_credentials",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_grant_type",
    ];
    let is_scope = |word: &str| {
        let middle = word.strip_prefix("elements.").and_then(|rest| rest.strip_suffix(".read.all"));
        middle.is_some_and(|middle| ["license", "customers", "jobs", "cbprotected"].contains(&middle))
    };
    KNOWN.iter().any(|known| known.eq_ignore_ascii_case(text)) || text.split(' ').all(is_scope)
}

fn separate(out: &mut String, depth: usize, indent: usize, space: &str) {
    if depth <= LINES { new_line(out, depth, indent) } else { out.push_str(space) }
}

fn new_line(out: &mut String, depth: usize, indent: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent + 2 * depth));
}

/// The bytes of the string at the start of the text, quotes included.
fn string_length(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    end.map(|end| end + 2)
}

/// The text of a JSON string. Half of a surrogate pair has no text: then what is between the quotes.
fn decoded(raw: &str) -> String {
    serde_json::from_str(raw).unwrap_or_else(|_| raw.trim_matches('"').to_owned())
}

/// A text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
