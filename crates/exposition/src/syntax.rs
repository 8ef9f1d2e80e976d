//! Syntax of both formats: labels and numbers, which are equal in both, and metadata, which differ.

use std::fmt::Write;

use jiff::Timestamp;

use crate::Format;
use crate::family::{Kind, unit_of};

/// Appends `name="value"`, preceded by a comma unless it is the first.
pub fn write_label(out: &mut String, name: &str, value: &str) {
    if !out.is_empty() {
        out.push(',');
    }
    write_pair(out, name, value);
}

/// Appends `name="value"`.
pub fn write_pair(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str("=\"");
    escape(out, value, true);
    out.push('"');
}

/// Appends the number and ends the line. Whole numbers have neither point nor exponent; other numbers have the fewest
/// digits that parse to the same number.
pub(super) fn write_value(out: &mut String, value: f64) {
    write_number(out, value);
    out.push('\n');
}

fn write_number(out: &mut String, value: f64) {
    let magnitude = value.abs();
    // Writing to a string does not fail.
    let _ = if let Some(whole) = whole(value) {
        write!(out, "{whole}")
    } else if value.is_nan() {
        out.write_str("NaN")
    } else if magnitude.is_infinite() {
        out.write_str(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else if value == 0.0 || (1e-5..1e21).contains(&magnitude) {
        write!(out, "{value}")
    } else {
        write!(out, "{value:e}")
    };
}

/// The value as an integer, which is faster to write; `None` for fractions, large numbers and negative zero.
fn whole(value: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "a fraction is found by the comparison")]
    let whole = (value.abs() < EXACT).then_some(value as i64)?;
    (whole as f64).to_bits().eq(&value.to_bits()).then_some(whole)
}

/// A timestamp in the format's unit: seconds since 1970, with the millisecond precision of Prometheus.
#[must_use]
pub fn unix_time(time: Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1000.0
}

/// The label `le`: a number, but `1.0` for 1 as OpenMetrics requires and Prometheus 3 stores it.
pub(super) fn bound(value: f64) -> String {
    let mut text = String::new();
    write_number(&mut text, value);
    if text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()) {
        text.push_str(".0");
    }
    text
}

/// Appends the metadata lines of a family. `name` is the full name, `_total` and `_info` included.
pub(super) fn write_metadata(out: &mut String, format: Format, name: &str, help: &str, kind: Kind) {
    let (name, word) = match (format, kind) {
        (Format::OpenMetrics, Kind::Info) => (name.strip_suffix("_info").unwrap_or(name), "info"),
        (Format::OpenMetrics, Kind::Counter) => (name.strip_suffix("_total").unwrap_or(name), "counter"),
        (Format::Text, Kind::Counter) => (name, "counter"),
        (_, Kind::Histogram) => (name, "histogram"),
        (_, Kind::Gauge) | (Format::Text, Kind::Info) => (name, "gauge"),
    };
    out.push_str("# HELP ");
    out.push_str(name);
    out.push(' ');
    escape(out, help, format == Format::OpenMetrics);
    let _ = write!(out, "\n# TYPE {name} {word}\n");
    if format == Format::OpenMetrics
        && let Some(unit) = unit_of(name)
    {
        let _ = writeln!(out, "# UNIT {name} {unit}");
    }
}

/// Appends the text, escaped so that it stays on its line and, if quoted, within the quotes. All other characters need
/// no escape, NUL and carriage return included.
fn escape(out: &mut String, text: &str, quotes: bool) {
    let mut rest = text;
    let special = |byte| matches!(byte, b'\\' | b'\n') || (quotes && byte == b'"');
    while let Some((clean, found)) = rest.bytes().position(special).and_then(|at| rest.split_at_checked(at)) {
        out.push_str(clean);
        let mut found = found.chars();
        match found.next() {
            Some('\n') => out.push_str("\\n"),
            Some(special) => out.extend(['\\', special]),
            None => {}
        }
        rest = found.as_str();
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_plainly() {
        let write = |value| {
            let mut text = String::new();
            write_value(&mut text, value);
            text
        };
        for (value, expected) in [
            (0.0, "0\n"),
            (1.0, "1\n"),
            (-3.0, "-3\n"),
            (1_099_511_627_776.0, "1099511627776\n"),
            (1.8e9 + 0.25, "1800000000.25\n"),
            (0.1, "0.1\n"),
            (1e20, "100000000000000000000\n"),
            (1e300, "1e300\n"),
            (1e-7, "1e-7\n"),
            (f64::INFINITY, "+Inf\n"),
            (f64::NEG_INFINITY, "-Inf\n"),
            (f64::NAN, "NaN\n"),
        ] {
            assert_eq!(write(value), expected);
        }
        for (value, expected) in [(1.0, "1.0"), (0.05, "0.05"), (300.0, "300.0"), (-1.0, "-1.0")] {
            assert_eq!(bound(value), expected);
        }
    }
}
