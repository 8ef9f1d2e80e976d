//! Durations in the syntax of Prometheus: `30s`, `15m`, `1h30m`, `1d`, `500ms`. The units are `y w d h m s ms`, in this
//! order, each at most once. A year has 365 days, a day 24 hours.

use std::fmt::Write as _;
use std::time::Duration;

use exporter_toolkit::{Diagnostic, quoted};

/// The units and their length in milliseconds, in the only allowed order.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 60 * 60 * 1000),
    ("w", 7 * 24 * 60 * 60 * 1000),
    ("d", 24 * 60 * 60 * 1000),
    ("h", 60 * 60 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];

/// Parses a duration. `0` needs no unit, every other number does.
pub fn parse_duration(text: &str) -> Result<Duration, Diagnostic> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let remedy = format!("write {} for seconds", quoted(&format!("{text}s")));
        return Err(Diagnostic::new(format!("{} has no unit", quoted(text)), remedy));
    }
    let milliseconds = milliseconds(text).ok_or_else(|| {
        let what = format!("{} is not a duration", quoted(text));
        Diagnostic::new(what, "write it as Prometheus does: `30s`, `15m`, `1h30m`, `1d`, `500ms`")
    })?;
    Ok(Duration::from_millis(milliseconds))
}

/// In milliseconds; `None` if it is not a duration or overflows.
fn milliseconds(text: &str) -> Option<u64> {
    let mut units = UNITS.iter();
    let (first, mut rest) = part(text)?;
    let mut total = in_milliseconds(first, &mut units)?;
    while !rest.is_empty() {
        let (next, after) = part(rest)?;
        total = total.checked_add(in_milliseconds(next, &mut units)?)?;
        rest = after;
    }
    Some(total)
}

/// The leading number and unit of the text, and the rest.
fn part(text: &str) -> Option<((&str, &str), &str)> {
    let (number, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (unit, rest) = rest.split_at(rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len()));
    Some(((number, unit), rest))
}

/// The search consumes the earlier units, so that no unit comes twice or out of order.
fn in_milliseconds((number, unit): (&str, &str), units: &mut std::slice::Iter<'_, (&str, u64)>) -> Option<u64> {
    let &(_, milliseconds) = units.find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(milliseconds)
}

/// Formats a duration so that [`parse_duration`] can read it, in the style of Prometheus: years and weeks only if there
/// is no remainder. Fractions of a millisecond are dropped.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let mut rest = duration.as_millis();
    let mut text = String::new();
    for (unit, milliseconds) in UNITS {
        let milliseconds = u128::from(milliseconds);
        let readable = !matches!(unit, "y" | "w") || rest.is_multiple_of(milliseconds);
        if rest >= milliseconds && readable {
            // Writing to a string does not fail.
            let _ = write!(text, "{}{unit}", rest / milliseconds);
            rest %= milliseconds;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prometheus_notation() {
        for (text, milliseconds, written) in [
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
            ("30s", 30_000, "30s"),
            ("90s", 90_000, "1m30s"),
            ("1h30m", 5_400_000, "1h30m"),
            ("500ms", 500, "500ms"),
            ("1m500ms", 60_500, "1m500ms"),
            ("1d", 86_400_000, "1d"),
            ("7d", 604_800_000, "1w"),
            ("12w6d", 7_776_000_000, "90d"),
            ("1y", 31_536_000_000, "1y"),
            ("1y2w3d4h5m6s7ms", 33_019_506_007, "382d4h5m6s7ms"),
        ] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(duration, Duration::from_millis(milliseconds), "{text}");
            assert_eq!(format_duration(duration), written, "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            " ",
            "s",
            "-1s",
            "1.5h",
            "1 h",
            "1h ",
            "30m1h",
            "1h1h",
            "1H",
            "1us",
            "h1",
            "1h30",
            "1000000000000y",
            "٣s",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert_eq!(parse_duration("30").unwrap_err().to_string(), "`30` has no unit; write `30s` for seconds");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(milliseconds: u64) {
            let duration = Duration::from_millis(milliseconds);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9ywdhms. ]{0,12}|\\PC*") {
            if let Ok(duration) = parse_duration(&text) {
                prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
            }
        }
    }
}
