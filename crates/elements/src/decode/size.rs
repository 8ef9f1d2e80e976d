//! Parses sizes: `"1024 GB"`, `"1.42gb"`, `"1,044 GB"`, `"Unlimited"`, and `used/purchased` as `"0/1 GB"`.
//!
//! 1 KB is 2^10 bytes, 1 GB is 2^30; KiB and GiB are the same. A number without a unit is unreadable, unless it is 0.

use super::json::Json;
use super::number::{decimal, unlimited, unsigned};
use super::reader::FieldValue;
use crate::types::Quantity;

/// `purchasedCapacity` in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Capacity {
    /// The first number of `used/purchased`.
    pub(super) used: Option<Quantity>,
    /// The second or only number.
    pub(super) purchased: Quantity,
}

/// One size in bytes; it may have a fraction, because `1.42 GB` is not a whole number of bytes.
pub(super) fn bytes(json: &Json<'_>) -> FieldValue<Quantity> {
    match json {
        Json::Number(number) => number.as_f64().filter(|&number| number == 0.0).and_then(Quantity::new).into(),
        Json::Text(text) => size(text, None).into(),
        _ => FieldValue::Unreadable,
    }
}

/// `purchased`, or `used/purchased`. If the first number has no unit, that of the second applies. If any part is
/// unreadable, the whole text is.
pub(super) fn capacity(json: &Json<'_>) -> FieldValue<Capacity> {
    match json.as_text().and_then(|text| text.split_once('/')) {
        Some((used, purchased)) => pair(used, purchased).into(),
        None => match bytes(json) {
            FieldValue::Value(purchased) => FieldValue::Value(Capacity { used: None, purchased }),
            _ => FieldValue::Unreadable,
        },
    }
}

fn pair(used: &str, purchased: &str) -> Option<Capacity> {
    let (_, unit) = split(purchased);
    let used = size(used, unit_bytes(unit)).filter(|used| !used.is_unlimited())?;
    Some(Capacity { used: Some(used), purchased: size(purchased, None)? })
}

/// A size; `default` is the unit if the text has none.
fn size(text: &str, default: Option<f64>) -> Option<Quantity> {
    let (number, unit) = split(text);
    if let Some(unlimited) = unlimited(number) {
        return (unit.is_empty() || unit_bytes(unit).is_some()).then_some(unlimited);
    }
    let number = decimal(number)?;
    let factor = match unit {
        "" if number == 0.0 => 1.0,
        "" => default?,
        unit => unit_bytes(unit)?,
    };
    let bytes = number * factor;
    bytes.is_finite().then_some(bytes).and_then(Quantity::new)
}

/// The number (or the word in its place) and the unit.
fn split(text: &str) -> (&str, &str) {
    const WORD: usize = "unlimited".len();
    let text = unsigned(text.trim());
    let end = match text.get(..WORD) {
        Some(word) if unlimited(word).is_some() => WORD,
        _ => text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ',')).unwrap_or(text.len()),
    };
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

fn unit_bytes(unit: &str) -> Option<f64> {
    const UNITS: [(&[&str], i32); 6] = [
        (&["B", "byte", "bytes"], 0),
        (&["KB", "KiB"], 10),
        (&["MB", "MiB"], 20),
        (&["GB", "GiB"], 30),
        (&["TB", "TiB"], 40),
        (&["PB", "PiB"], 50),
    ];
    let (_, power) = UNITS.into_iter().find(|(names, _)| names.iter().any(|name| name.eq_ignore_ascii_case(unit)))?;
    Some(2_f64.powi(power))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Option<f64> {
        bytes(&Json::Text(text.into())).value().map(Quantity::get)
    }

    fn parse_capacity(text: &str) -> Option<(Option<f64>, f64)> {
        let capacity = capacity(&Json::Text(text.into())).value()?;
        Some((capacity.used.map(Quantity::get), capacity.purchased.get()))
    }

    const GB: f64 = 1_073_741_824.0;

    #[test]
    fn sizes_are_binary() {
        for (text, expected) in [
            ("1024 GB", 1024.0 * GB),
            ("1,044 GB", 1044.0 * GB),
            ("+5 GB", 5.0 * GB),
            ("1.42 GB", 1.42 * GB),
            ("0 GB", 0.0),
            ("0", 0.0),
            ("0.00", 0.0),
            (" 2gb ", 2.0 * GB),
            ("2\u{a0}GiB", 2.0 * GB),
            ("7 bytes", 7.0),
            ("7B", 7.0),
            ("1 kb", 1024.0),
            ("1 MB", 1_048_576.0),
            ("1 TB", 1024.0 * GB),
            ("1 pb", 1024.0 * 1024.0 * GB),
            ("0.1 B", 0.1),
            ("unlimited", f64::INFINITY),
            ("Unlimited GB", f64::INFINITY),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn texts_that_are_no_size_are_none() {
        for text in [
            "7",
            "GB",
            "-1 GB",
            "+-1 GB",
            "++1 GB",
            "1 GB GB",
            "1 furlong",
            "1,5 GB",
            "1 2 GB",
            "0/1 GB",
            "NaN GB",
            "Unlimited furlongs",
            "10 GB/month",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&format!("{} PB", "9".repeat(308))), None, "no unlimited by accident");
        assert_eq!(bytes(&Json::Number(0.into())).value(), Some(Quantity::ZERO));
        assert_eq!(bytes(&Json::Number(7.into())).value(), None);
    }

    #[test]
    fn capacities_are_purchased_or_used_of_purchased() {
        for (text, expected) in [
            ("1024 GB", Some((None, 1024.0 * GB))),
            ("Unlimited", Some((None, f64::INFINITY))),
            ("0/1 GB", Some((Some(0.0), GB))),
            ("1.5/2 GB", Some((Some(1.5 * GB), 2.0 * GB))),
            ("512 MB / 1 TB", Some((Some(GB / 2.0), 1024.0 * GB))),
            ("0/Unlimited", Some((Some(0.0), f64::INFINITY))),
            ("2/Unlimited GB", Some((Some(2.0 * GB), f64::INFINITY))),
            ("1 GB/Unlimited", Some((Some(GB), f64::INFINITY))),
            ("0/0", Some((Some(0.0), 0.0))),
            ("5/Unlimited", None),
            ("0/1", None),
            ("1 GB/1", None),
            ("Unlimited/1 GB", None),
            ("1/2/3 GB", None),
            ("/1 GB", None),
            ("1 GB/", None),
            ("7", None),
        ] {
            assert_eq!(parse_capacity(text), expected, "{text}");
        }
        assert_eq!(capacity(&Json::List(Vec::new())), FieldValue::Unreadable);
    }

    proptest! {
        #[test]
        fn sizes_grow_with_the_number_and_the_unit(small in 0_u32.., more in 1_u32.., unit in 0_usize..6) {
            let units = ["B", "KB", "MB", "GB", "TB", "PB"];
            let larger = u64::from(small) + u64::from(more);
            let at = |number: u64, unit: usize| parse(&format!("{number} {}", units[unit])).unwrap();
            prop_assert!(at(small.into(), unit) < at(larger, unit));
            if unit > 0 {
                prop_assert!(at(larger, unit - 1) < at(larger, unit));
                prop_assert_eq!(Some(at(larger, unit - 1) * 1024.0), Some(at(larger, unit)));
            }
        }

        #[test]
        fn a_text_is_0_only_if_all_its_digits_are(text in "[0-9.,/]{0,4} ?([kmgtp]?b)?|\\PC{0,8}") {
            if parse(&text) == Some(0.0) {
                prop_assert!(text.contains('0') && !text.contains(|c| ('1'..='9').contains(&c)), "{}", text);
            }
        }
    }
}
