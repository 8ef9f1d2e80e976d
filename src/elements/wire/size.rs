//! Sizes: `"1024 GB"`, `"1.42gb"`, `"1,044 GB"`, `"Unlimited"`, and `used/purchased` as `"0/1 GB"`.
//!
//! 1 KB is 2^10 bytes, 1 GB is 2^30; KiB and GiB are the same. A number without a unit says nothing, unless it is 0.

use super::json::Json;
use super::number::{decimal, unlimited};
use super::reading::Reading;
use crate::domain::Quantity;

/// `purchasedCapacity`, bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Capacity {
    /// The first number of `used/purchased`.
    pub(super) used: Option<Quantity>,
    /// The second, or the only one.
    pub(super) purchased: Quantity,
}

/// One size, whole bytes.
pub(super) fn bytes(json: &Json<'_>) -> Reading<Quantity> {
    match json {
        Json::Number(number) => number.as_f64().filter(|&number| number == 0.0).and_then(Quantity::new).into(),
        Json::Text(text) => size(text, None).into(),
        _ => Reading::Unreadable,
    }
}

/// `purchased`, or `used/purchased`; the unit of the second applies to the first if that has none. Readable as a whole
/// or not at all.
pub(super) fn capacity(json: &Json<'_>) -> Reading<Capacity> {
    match json.as_text().and_then(|text| text.split_once('/')) {
        Some((used, purchased)) => pair(used, purchased).into(),
        None => match bytes(json) {
            Reading::Value(purchased) => Reading::Value(Capacity { used: None, purchased }),
            _ => Reading::Unreadable,
        },
    }
}

fn pair(used: &str, purchased: &str) -> Option<Capacity> {
    let (_, unit) = split(purchased);
    let used = size(used, unit_bytes(unit)).filter(|used| !used.is_unlimited())?;
    Some(Capacity { used: Some(used), purchased: size(purchased, None)? })
}

/// A size whose unit, if it has none, is `default`.
fn size(text: &str, default: Option<f64>) -> Option<Quantity> {
    if let Some(unlimited) = unlimited(text) {
        return Some(unlimited);
    }
    let (number, unit) = split(text);
    let number = decimal(number)?;
    let factor = match unit {
        "" if number == 0.0 => 1.0,
        "" => default?,
        unit => unit_bytes(unit)?,
    };
    let bytes = (number * factor).round();
    // A little is not nothing.
    let bytes = if number > 0.0 { bytes.max(1.0) } else { bytes };
    bytes.is_finite().then_some(bytes).and_then(Quantity::new)
}

/// The number and the unit.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ',')).unwrap_or(text.len());
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
