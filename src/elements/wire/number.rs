//! Numbers, as numbers or as texts: `20`, `"20"`, `"20.0"`, `" 1,024 "`, `"Unlimited"`, `"+3"`.
//!
//! Commas are thousands separators and stand where these belong, or the number is not one: `"1,5"` is no guess between
//! 15 and 1.5.

use std::borrow::Cow;

use super::json::Json;
use super::reading::Reading;
use crate::domain::Quantity;

/// Seats or units: not negative; `Unlimited` in any letter case is [`Quantity::UNLIMITED`].
pub(super) fn quantity(json: &Json<'_>) -> Reading<Quantity> {
    match json {
        Json::Number(number) => number.as_f64().and_then(Quantity::new).into(),
        Json::Text(text) => unlimited(text).or_else(|| Quantity::new(decimal(text.trim())?)).into(),
        _ => Reading::Unreadable,
    }
}

/// The one word that is a quantity.
pub(super) fn unlimited(text: &str) -> Option<Quantity> {
    text.trim().eq_ignore_ascii_case("unlimited").then_some(Quantity::UNLIMITED)
}

/// A signed whole number: `3`, `"+3"`, `"-1,024"`, `"3.0"`.
pub(super) fn integer(json: &Json<'_>) -> Reading<i64> {
    match json {
        // A float prints its digits without an exponent.
        Json::Number(number) if number.is_f64() => number.as_f64().and_then(|float| whole(&float.to_string())).into(),
        Json::Number(number) => number.as_i64().into(),
        Json::Text(text) => whole(text.trim()).into(),
        _ => Reading::Unreadable,
    }
}

/// A count: a whole number that is not negative.
pub(super) fn count(json: &Json<'_>) -> Reading<u64> {
    integer(json).value().and_then(|number| u64::try_from(number).ok()).into()
}

/// Digits, grouped or not, with or without a fraction, no sign. Finite.
pub(super) fn decimal(text: &str) -> Option<f64> {
    let (whole, fraction) = split(text)?;
    let value: f64 = match fraction {
        Some(fraction) => format!("{whole}.{fraction}").parse().ok()?,
        None => whole.parse().ok()?,
    };
    value.is_finite().then_some(value)
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

/// The digits before the point, without separators, and those after it.
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
