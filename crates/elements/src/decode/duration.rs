//! Parses durations: `0 S`, `38s`, `1h13m30s`, `2 h 5 m`.
//!
//! Whole numbers with the units d, h, m and s in any case, each at most once and the largest first. A number without a
//! unit is unreadable.

use super::json::Json;
use super::reader::FieldValue;
use crate::types::Quantity;

/// A duration in seconds.
pub(super) fn seconds(json: &Json<'_>) -> FieldValue<Quantity> {
    json.as_text().and_then(parse).and_then(|seconds| Quantity::new(seconds as f64)).into()
}

fn parse(text: &str) -> Option<u64> {
    const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];
    let mut units = UNITS.iter();
    let (mut rest, mut total) = (text, 0_u64);
    while !rest.is_empty() {
        let (digits, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let mut after = after.trim_start().chars();
        let unit = after.next()?.to_ascii_lowercase();
        let (_, seconds) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(digits.parse::<u64>().ok()?.checked_mul(*seconds)?)?;
        rest = after.as_str().trim_start();
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<f64> {
        seconds(&Json::Text(text.into())).value().map(Quantity::get)
    }

    #[test]
    fn durations_have_units() {
        for (text, expected) in [
            ("0 S", 0.0),
            ("38s", 38.0),
            ("1h13m30s", 4410.0),
            (" 1H 13M 30S ", 4410.0),
            ("2d", 172_800.0),
            ("90m", 5400.0),
            ("1d0h0m1s", 86_401.0),
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn no_guess_is_made() {
        for text in [
            "",
            "s",
            "38",
            "1s1m",
            "1m1m",
            "-1s",
            "+1s",
            "1.5h",
            "1,000s",
            "00:01:13",
            "PT1H",
            "1 week",
            "ä",
            "1ms",
            "1s ago",
            "99999999999999999999s",
            "9999999999999999d",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(seconds(&Json::Number(38.into())).value(), None);
    }
}
