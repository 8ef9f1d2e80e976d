//! Escapes text from the API for a terminal: names must neither send control sequences nor change the text direction.
//!
//! Escaped are control characters (ASCII and Latin-1), characters that set the direction of text, and invisible
//! separators and marks.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

use tracing_subscriber::fmt::MakeWriter;

use crate::cli::LogFormat;

/// Whether a character is escaped.
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Writes an escape character as `\u{1b}` and so on; line breaks are escaped too.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    replace(text, is_unsafe, |out, c| write!(out, "{}", c.escape_unicode()))
}

/// The same, but line breaks stay.
#[must_use]
pub fn escape_lines(text: &str) -> Cow<'_, str> {
    replace(text, |c| c != '\n' && is_unsafe(c), |out, c| write!(out, "{}", c.escape_unicode()))
}

/// Escapes JSON with `\u001b` and so on, which parses to the same value: such characters occur only in strings.
#[must_use]
pub fn escape_json(json: &str) -> Cow<'_, str> {
    replace(json, |c| c != '\n' && is_unsafe(c), |out, c| write!(out, "\\u{:04x}", u32::from(c)))
}

fn replace(
    text: &str,
    is_replaced: impl Fn(char) -> bool,
    write: impl Fn(&mut String, char) -> std::fmt::Result,
) -> Cow<'_, str> {
    if !text.contains(&is_replaced) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_replaced(c) {
            // Writing to a string does not fail.
            let _ = write(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Standard error for log lines, escaped in the syntax of the log format.
#[derive(Clone, Copy, Debug)]
pub struct LogWriter(pub LogFormat);

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        *self
    }
}

impl io::Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let escaped = match self.0 {
            LogFormat::Logfmt => escape_lines(&text),
            LogFormat::Json => escape_json(&text),
        };
        io::stderr().lock().write_all(escaped.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        let text = "a\u{1b}[31mb\u{7f}\u{9b}c\u{202e}d\u{2066}\u{61c}\u{feff}\r\n";
        assert_eq!(escape(text), "a\\u{1b}[31mb\\u{7f}\\u{9b}c\\u{202e}d\\u{2066}\\u{61c}\\u{feff}\\u{d}\\u{a}");
        assert!(escape_lines(text).ends_with("\\u{d}\n"));
        let json = serde_json::to_string_pretty(&[text]).unwrap();
        let escaped = escape_json(&json);
        assert!(!escaped.contains(|c: char| c != '\n' && is_unsafe(c)), "{escaped}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&escaped).unwrap(), [text]);
    }

    #[test]
    fn what_people_write_stays() {
        for name in ["Núñez & Żak", "株式会社", "شرکت می\u{200c}نویسد", "עברית", "👩\u{200d}💻", "tab-free"]
        {
            assert_eq!(escape(name), name);
        }
    }
}
