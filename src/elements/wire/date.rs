//! Dates in every form that they have come in, as instants.
//!
//! - `03-14-2026T12:00:00Z`, `08/23/2027`, `08/23/2027 12:00:00 AM`: month first. The time of this form comes from a
//!   12-hour clock and does not say which half of the day, so the date is read as 00:00:00Z.
//! - `2025-09-26T00:00:00Z`, `2025-04-05`, `2025/09/30`: year first, with or without time, fraction and offset; UTC
//!   where there is no offset.
//!
//! Years up to 1970 (0001-01-01 and 1970-01-01 are what programs write for "no date") and 9999 ("for ever") are not
//! applicable. A date that only makes sense with the day first (`23/08/2027`) is unreadable, like one that makes none.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

use super::json::Json;
use super::reading::Reading;

/// Reads a date.
pub(super) fn timestamp(json: &Json<'_>) -> Reading<Timestamp> {
    let Some(text) = json.as_text() else { return Reading::Unreadable };
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time.trim_start())),
        None => (text, None),
    };
    let Some((order, date)) = parse_date(date) else { return Reading::Unreadable };
    if date.year() <= 1970 || date.year() == 9999 {
        return Reading::NotApplicable;
    }
    match (order, time) {
        (_, None) => midnight(date),
        (Order::MonthFirst, Some(time)) => at(date, without_half(time)).and_then(|_| midnight(date)),
        (Order::YearFirst, Some(time)) => at(date, time),
    }
    .into()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    YearFirst,
    MonthFirst,
}

/// `y-m-d` or `m-d-y`, with `-` or `/`; the year has four digits.
fn parse_date(text: &str) -> Option<(Order, Date)> {
    let separator = if text.contains('/') { '/' } else { '-' };
    let mut parts = text.split(separator);
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || ![first, second, third].iter().all(|part| part.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let (order, year, month, day) = match (first.len(), second.len(), third.len()) {
        (4, 1..=2, 1..=2) => (Order::YearFirst, first, second, third),
        (1..=2, 1..=2, 4) => (Order::MonthFirst, third, first, second),
        _ => return None,
    };
    let date = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    Some((order, date))
}

fn midnight(date: Date) -> Option<Timestamp> {
    Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()
}

/// The date at a time of ISO 8601, with or without offset.
fn at(date: Date, time: &str) -> Option<Timestamp> {
    let text = format!("{date}T{time}");
    text.parse().ok().or_else(|| Offset::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok())
}

/// The time without AM or PM.
fn without_half(time: &str) -> &str {
    match time.split_at_checked(time.len().saturating_sub(2)) {
        Some((rest, half)) if half.eq_ignore_ascii_case("am") || half.eq_ignore_ascii_case("pm") => rest.trim_end(),
        _ => time,
    }
}
