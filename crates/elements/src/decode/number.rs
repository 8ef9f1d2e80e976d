//! Parses numbers, as JSON numbers or strings: `20`, `"20"`, `"20.0"`, `" 1,024 "`, `"+5"`, `"Unlimited"`.
//!
//! A comma is a thousands separator and must be in the right place; otherwise the value is unreadable: `"1,5"` could be
//! 15 or 1.5, and a count of `"1.234"` could be 1234 or 1.234.

use std::borrow::Cow;

use super::json::Json;
use super::reader::FieldValue;
use crate::types::Quantity;

/// Seats or units: not negative; `Unlimited` in any case is [`Quantity::UNLIMITED`].
pub(super) fn quantity(json: &Json<'_>) -> FieldValue<Quantity> {
    match json {
        Json::Number(number) => number.as_f64().and_then(Quantity::new).into(),
        Json::Text(text) => unlimited(text).or_else(|| Quantity::new(decimal(unsigned(counted(text)?))?)).into(),
        _ => FieldValue::Unreadable,
    }
}

/// The only word that is a quantity.
pub(super) fn unlimited(text: &str) -> Option<Quantity> {
    text.trim().eq_ignore_ascii_case("unlimited").then_some(Quantity::UNLIMITED)
}

/// A signed whole number: `3`, `"+3"`, `"-1,024"`, `"3.0"`.
pub(super) fn integer(json: &Json<'_>) -> FieldValue<i64> {
    match json {
        // A float is printed without an exponent.
        Json::Number(number) if number.is_f64() => number.as_f64().and_then(|float| whole(&float.to_string())).into(),
        Json::Number(number) => number.as_i64().into(),
        Json::Text(text) => counted(text).and_then(whole).into(),
        _ => FieldValue::Unreadable,
    }
}

/// A count: a whole number that is not negative.
pub(super) fn count(json: &Json<'_>) -> FieldValue<u64> {
    integer(json).value().and_then(|number| u64::try_from(number).ok()).into()
}

/// A count of objects.
pub(super) fn objects(json: &Json<'_>) -> FieldValue<Quantity> {
    count(json).value().and_then(|count| Quantity::new(count as f64)).into()
}

/// Digits with or without grouping and fraction, without a sign. Finite.
pub(super) fn decimal(text: &str) -> Option<f64> {
    let (whole, fraction) = split(text)?;
    let value: f64 = match fraction {
        Some(fraction) => format!("{whole}.{fraction}").parse().ok()?,
        None => whole.parse().ok()?,
    };
    value.is_finite().then_some(value)
}

/// The text, unless its point may be a thousands separator, which is common in many countries.
fn counted(text: &str) -> Option<&str> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let grouped = digits.split_once('.').is_some_and(|(first, rest)| {
        first.len() <= 3 && is_digits(first) && !first.starts_with('0') && rest.len() == 3 && is_digits(rest)
    });
    (!grouped).then_some(text)
}

/// The text without a plus sign.
pub(super) fn unsigned(text: &str) -> &str {
    text.strip_prefix('+').unwrap_or(text)
}

fn whole(text: &str) -> Option<i64> {
    let negative = text.starts_with('-');
    let (whole, fraction) = split(text.strip_prefix(['+', '-']).unwrap_or(text))?;
    if fraction.is_some_and(|fraction| fraction.bytes().any(|digit| digit != b'0')) {
        return None;
    }
    let value: i64 = whole.parse().ok()?;
    Some(if negative { -value } else { value })
}

/// The digits before the point without separators, and the digits after it.
fn split(text: &str) -> Option<(Cow<'_, str>, Option<&str>)> {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    fraction.is_none_or(is_digits).then_some((ungrouped(whole)?, fraction))
}

fn ungrouped(text: &str) -> Option<Cow<'_, str>> {
    if is_digits(text) {
        return Some(text.into());
    }
    let (first, rest) = text.split_once(',')?;
    let grouped = is_digits(first)
        && first.len() <= 3
        && !first.starts_with('0')
        && rest.split(',').all(|group| group.len() == 3 && is_digits(group));
    grouped.then(|| text.replace(',', "").into())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::decode::json;

    fn read<T>(value: &serde_json::Value, convert: impl Fn(&Json<'_>) -> FieldValue<T>) -> Option<T> {
        convert(&json::parse(&value.to_string()).unwrap()).value()
    }

    #[test]
    fn quantities_come_as_numbers_and_as_texts() {
        for (value, expected) in [
            (json!(25), 25.0),
            (json!(0), 0.0),
            (json!(-0.0), 0.0),
            (json!(20.0), 20.0),
            (json!("20"), 20.0),
            (json!(" 20\u{a0}"), 20.0),
            (json!("20.0"), 20.0),
            (json!("1,024"), 1024.0),
            (json!("12,345,678.5"), 12_345_678.5),
            (json!("007"), 7.0),
            (json!("+5"), 5.0),
            (json!(" +1,024.5"), 1024.5),
            (json!("0.125"), 0.125),
            (json!(1.234), 1.234),
            (json!("UNLIMITED"), f64::INFINITY),
            (json!(" unlimited "), f64::INFINITY),
            (json!(u64::MAX), 18_446_744_073_709_551_615.0),
        ] {
            assert_eq!(read(&value, quantity), Quantity::new(expected), "{value}");
        }
    }

    #[test]
    fn texts_that_are_no_quantity_are_none() {
        let endless = "9".repeat(400);
        for value in [
            json!(-1),
            json!("-1"),
            json!("+"),
            json!("++5"),
            json!("+-5"),
            json!("+ 5"),
            json!("+1.024"),
            json!("NaN"),
            json!("Infinity"),
            json!("inf"),
            json!("1e3"),
            json!("1,5"),
            json!("1,0245"),
            json!("1234,567"),
            json!("0,024"),
            json!(",024"),
            json!("1,024,"),
            json!("1.024,5"),
            json!("1.024"),
            json!("12.000"),
            json!("1.2.3"),
            json!("20."),
            json!(".5"),
            json!("20 seats"),
            json!("٢٠"),
            json!(endless),
            json!(true),
            json!([20]),
            json!({"value": 20}),
        ] {
            assert_eq!(read(&value, quantity), None, "{value}");
        }
    }

    #[test]
    fn integers_have_signs_and_no_fractions() {
        for (value, expected) in [
            (json!("+3"), Some(3)),
            (json!("-1.000"), None),
            (json!("-2"), Some(-2)),
            (json!(3), Some(3)),
            (json!(-3.0), Some(-3)),
            (json!("-1,024"), Some(-1024)),
            (json!("3.00"), Some(3)),
            (json!("0"), Some(0)),
            (json!("3.5"), None),
            (json!(3.5), None),
            (json!(1e300), None),
            (json!(u64::MAX), None),
            (json!("+-3"), None),
            (json!("- 3"), None),
            (json!("+"), None),
            (json!("Unlimited"), None),
        ] {
            assert_eq!(read(&value, integer), expected, "{value}");
        }
        assert_eq!(read(&json!("1,024"), count), Some(1024));
        assert_eq!(read(&json!(-1), count), None);
    }

    fn grouped(number: u64) -> String {
        let digits = number.to_string();
        let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap()).collect();
        groups.join(",")
    }

    proptest! {
        #[test]
        fn separators_change_nothing(number in 0_u64..1 << 53) {
            let expected = Quantity::new(number as f64);
            prop_assert_eq!(read(&json!(number), quantity), expected);
            prop_assert_eq!(read(&json!(number.to_string()), quantity), expected);
            prop_assert_eq!(read(&json!(grouped(number)), quantity), expected);
            prop_assert_eq!(read(&json!(format!("{}.00", grouped(number))), quantity), expected);
            prop_assert_eq!(read(&json!(grouped(number)), count), Some(number));
        }

        #[test]
        fn signs_survive(number: i32) {
            prop_assert_eq!(read(&json!(number), integer), Some(number.into()));
            prop_assert_eq!(read(&json!(format!("{number:+}")), integer), Some(number.into()));
            prop_assert_eq!(read(&json!(f64::from(number)), integer), Some(number.into()));
        }

        #[test]
        fn a_text_is_0_only_if_all_its_digits_are(text in "[-+0-9.,eE/ infa]{0,8}|\\PC{0,8}") {
            if read(&json!(text), quantity) == Some(Quantity::ZERO) || read(&json!(text), integer) == Some(0) {
                prop_assert!(text.contains('0') && !text.contains(|c: char| c != '0' && c.is_alphanumeric()), "{}", text);
            }
        }
    }
}
