//! Pseudonyms of ids and placeholders of texts: the same for the same original, different for different ones, and
//! derived with a random key that is not written anywhere.

use std::collections::{HashMap, HashSet};

use ring::error::Unspecified;
use ring::hmac;
use ring::rand::SystemRandom;

/// Attempts to find a pseudonym that no other id has; only very short ids need more than one.
const MAX_ATTEMPTS: u32 = 1000;
/// The shortest and the longest class of lengths, in characters.
const CLASSES: (usize, usize) = (4, 2048);
const DOMAIN: &str = ".example.com";

/// All replacements of one recording.
pub(super) struct Pseudonyms {
    key: hmac::Key,
    ids: HashMap<String, String>,
    texts: HashMap<String, String>,
    used: HashSet<String>,
}

impl Pseudonyms {
    /// Replacements with a new random key.
    pub(super) fn new() -> Result<Self, Unspecified> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?;
        Ok(Self { key, ids: HashMap::new(), texts: HashMap::new(), used: HashSet::new() })
    }

    /// The pseudonym of an id, of the same length and kinds of characters. Spaces around it stay. GUIDs that differ in
    /// letter case are one id.
    pub(super) fn id(&mut self, text: &str) -> String {
        let id = text.trim();
        let is_hex = is_long_hex(id);
        let original = if is_hex { id.to_ascii_lowercase() } else { id.to_owned() };
        let pseudonym = if let Some(known) = self.ids.get(&original) {
            known.clone()
        } else {
            let new = self.unused("id", &original, |random| shaped_like(&original, is_hex, random));
            self.ids.insert(original, new.clone());
            new
        };
        let is_upper = is_hex && id.bytes().any(|byte| byte.is_ascii_uppercase());
        let pseudonym = if is_upper { pseudonym.to_ascii_uppercase() } else { pseudonym };
        text.replacen(id, &pseudonym, usize::from(!id.is_empty()))
    }

    /// The placeholder of a text: an address for an address, a domain for a domain, else words.
    pub(super) fn text(&mut self, text: &str) -> String {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let new = self.unused("text", text, |random| placeholder(text, random));
        self.texts.insert(text.to_owned(), new.clone());
        new
    }

    /// How many different ids and texts were replaced.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.ids.len(), self.texts.len())
    }

    /// Whether a text was replaced, or contains a replaced one of at least `min` characters, in any letter case.
    pub(super) fn is_known_in(&self, text: &str, min: usize) -> bool {
        let lower = text.to_lowercase();
        let is_in = |original: &String| {
            original == text || original.chars().count() >= min && lower.contains(&original.to_lowercase())
        };
        self.ids.keys().chain(self.texts.keys()).any(is_in)
    }

    fn unused(&mut self, label: &str, text: &str, make: impl Fn(&mut Random<'_>) -> String) -> String {
        let mut attempt = 0;
        loop {
            let candidate = make(&mut Random { key: &self.key, label, attempt, text, block: 0, bytes: Vec::new() });
            let is_free = candidate != text && !self.used.contains(&candidate);
            if is_free || attempt >= MAX_ATTEMPTS {
                self.used.insert(candidate.clone());
                return candidate;
            }
            attempt += 1;
        }
    }
}

/// Pseudorandom bytes that depend on the key, the text and the attempt.
struct Random<'a> {
    key: &'a hmac::Key,
    label: &'a str,
    attempt: u32,
    text: &'a str,
    block: u32,
    bytes: Vec<u8>,
}

impl Random<'_> {
    fn byte(&mut self) -> u8 {
        if let Some(byte) = self.bytes.pop() {
            return byte;
        }
        let mut context = hmac::Context::with_key(self.key);
        context.update(&self.attempt.to_be_bytes());
        context.update(&self.block.to_be_bytes());
        context.update(self.label.as_bytes());
        context.update(&[0]);
        context.update(self.text.as_bytes());
        self.block += 1;
        self.bytes = context.sign().as_ref().to_vec();
        self.bytes.pop().unwrap_or_default()
    }

    /// A character from `first` on.
    fn char(&mut self, first: u8, count: u8) -> char {
        char::from(first + self.byte() % count)
    }
}

/// Hexadecimal digits, perhaps with dashes or braces: a GUID or a digest.
fn is_long_hex(id: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_hexdigit() || b"-{}".contains(&byte);
    id.bytes().all(is_part) && id.bytes().filter(u8::is_ascii_hexdigit).count() >= 16
}

/// Each letter becomes a letter and each digit a digit; ASCII punctuation stays.
fn shaped_like(id: &str, is_hex: bool, random: &mut Random<'_>) -> String {
    let is_number = id.bytes().all(|byte| byte.is_ascii_digit());
    id.chars()
        .enumerate()
        .map(|(place, c)| match c {
            c if is_hex && c.is_ascii_hexdigit() => char::from_digit(u32::from(random.byte() % 16), 16).unwrap_or('0'),
            // A number must stay one: no zero at its start.
            '0' if is_number && place == 0 && id.len() > 1 => '0',
            '1'..='9' if is_number && place == 0 => random.char(b'1', 9),
            '0'..='9' => random.char(b'0', 10),
            'a'..='z' => random.char(b'a', 26),
            'A'..='Z' => random.char(b'A', 26),
            c if c.is_ascii() => c,
            // à to ö
            c if c.is_alphanumeric() => random.char(0xE0, 23),
            _ => '·',
        })
        .collect()
}

/// A text of the same class of length. It reveals only whether the original is an address, a link or a domain, and
/// whether it has spaces or characters beyond ASCII.
fn placeholder(text: &str, random: &mut Random<'_>) -> String {
    let trimmed = text.trim();
    let has_spaces = trimmed.chars().any(char::is_whitespace);
    let length = class(text.chars().count());
    let mut words = |length: usize| -> String {
        let letter = |place: usize| match (place, has_spaces) {
            (0, _) if !text.is_ascii() => 'É',
            (place, true) if place % 8 == 7 && place + 1 < length => ' ',
            (0, true) => random.char(b'A', 26),
            _ => random.char(b'a', 26),
        };
        (0..length).map(letter).collect()
    };
    let rest = |fixed: usize| length.saturating_sub(fixed).max(CLASSES.0);
    if trimmed.contains("://") {
        let start = format!("https://www{DOMAIN}/");
        format!("{start}{}", words(rest(start.len())))
    } else if trimmed.contains('@') {
        format!("{}@mail{DOMAIN}", words(rest(DOMAIN.len() + 5)))
    } else if !has_spaces && is_domain(trimmed) {
        format!("{}{DOMAIN}", words(rest(DOMAIN.len())))
    } else {
        words(length)
    }
}

/// The next power of two.
fn class(length: usize) -> usize {
    length.clamp(CLASSES.0, CLASSES.1).next_power_of_two()
}

fn is_domain(text: &str) -> bool {
    text.rsplit_once('.')
        .is_some_and(|(start, end)| !start.is_empty() && end.len() >= 2 && end.chars().all(char::is_alphabetic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pseudonym_has_the_form_of_its_id() {
        let mut pseudonyms = Pseudonyms::new().unwrap();
        let form = |text: &str| -> String {
            let class = |c: char| match c {
                '0'..='9' | 'a'..='f' => 'h',
                'g'..='z' => 'l',
                'A'..='Z' => 'U',
                c => c,
            };
            text.chars().map(class).collect()
        };
        let guid = "1c10525c-121b-4bbc-80a4-2e641bc13421";
        let other = pseudonyms.id(guid);
        assert_ne!(other, guid);
        assert_eq!(form(&other), form(guid));
        assert_eq!(pseudonyms.id(guid), other, "stable");
        assert_eq!(pseudonyms.id(&guid.to_uppercase()), other.to_uppercase(), "one id in either case");
        assert_eq!(pseudonyms.id(&format!(" {guid} ")), format!(" {other} "));
        let number = pseudonyms.id("12345");
        assert!(number.len() == 5 && number.parse::<u32>().unwrap() >= 10_000, "{number}");
        assert_eq!(pseudonyms.id(""), "");
        assert_ne!(Pseudonyms::new().unwrap().id(guid), other, "another key");
    }

    #[test]
    fn short_ids_stay_different() {
        let mut pseudonyms = Pseudonyms::new().unwrap();
        let all: HashSet<String> = ('a'..='z').map(|c| pseudonyms.id(&c.to_string())).collect();
        assert!(all.len() >= 25, "{all:?}");
    }

    #[test]
    fn a_placeholder_says_what_kind_of_text_it_stands_for() {
        let mut pseudonyms = Pseudonyms::new().unwrap();
        let length = |text: &str| text.chars().count();
        let name = pseudonyms.text("Contoso Ltd");
        assert_eq!((length(&name), name.contains(' ')), (16, true), "{name}");
        assert_eq!(pseudonyms.text("Contoso Ltd"), name);
        assert_ne!(pseudonyms.text("Fabrikam AG"), name);
        assert!(pseudonyms.text("anna@example.org").ends_with("@mail.example.com"));
        assert!(pseudonyms.text("contoso.onmicrosoft.com").ends_with(".example.com"));
        assert!(pseudonyms.text("https://contoso.com/a").starts_with("https://www.example.com/"));
        assert!(pseudonyms.text("Müller").starts_with('É'));
        assert_eq!(length(&pseudonyms.text(&"x".repeat(5000))), 2048);
        assert!(pseudonyms.is_known_in("the_contoso ltd_seats", 8) && !pseudonyms.is_known_in("seats", 8));
    }
}
