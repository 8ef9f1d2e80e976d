//! Parses dates in all observed formats.
//!
//! - `03-14-2026T12:00:00Z`, `08/23/2027`, `08/23/2027 12:00:00 AM`: month first. The time in this format comes from a
//!   12-hour clock without AM or PM, so the date is read as 00:00:00Z.
//! - `2025-09-26T00:00:00Z`, `2025-04-05`, `2025/09/30`: year first, with or without time, fraction and offset (after
//!   spaces, as .NET prints it: `2027-06-30T00:00:00 +00:00`); UTC if there is no offset.
//!
//! Years up to 1970 (programs write 0001-01-01 and 1970-01-01 for "no date") and 9999 ("never") mean not applicable. A
//! date that is only valid with the day first (`23/08/2027`) is unreadable, like any invalid date.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

use super::json::Json;
use super::reader::FieldValue;

/// Parses a date.
pub(super) fn timestamp(json: &Json<'_>) -> FieldValue<Timestamp> {
    let Some(text) = json.as_text() else { return FieldValue::Unreadable };
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time.trim_start())),
        None => (text, None),
    };
    let Some((order, date)) = parse_date(date) else { return FieldValue::Unreadable };
    if date.year() <= 1970 || date.year() == 9999 {
        return FieldValue::NotApplicable;
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

/// The date with a time in ISO 8601, with or without offset; the hour may have one digit.
fn at(date: Date, time: &str) -> Option<Timestamp> {
    let zero = if time.find(':') == Some(1) { "0" } else { "" };
    let (clock, offset) = match time.split_once(' ').map(|(clock, offset)| (clock, offset.trim_start())) {
        Some((clock, offset)) if offset.starts_with(['+', '-', 'Z', 'z']) => (clock, offset),
        _ => (time, ""),
    };
    let text = format!("{date}T{zero}{clock}{offset}");
    text.parse().ok().or_else(|| Offset::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok())
}

/// The time without AM or PM.
fn without_half(time: &str) -> &str {
    match time.split_at_checked(time.len().saturating_sub(2)) {
        Some((rest, half)) if half.eq_ignore_ascii_case("am") || half.eq_ignore_ascii_case("pm") => rest.trim_end(),
        _ => time,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> FieldValue<Timestamp> {
        timestamp(&Json::Text(text.into()))
    }

    #[test]
    fn every_form_that_was_seen() {
        for (text, expected) in [
            ("03-14-2026T12:00:00Z", "2026-03-14T00:00:00Z"),
            ("02-27-2026T12:00:00Z", "2026-02-27T00:00:00Z"),
            ("2025-09-26T00:00:00Z", "2025-09-26T00:00:00Z"),
            ("2025-04-05", "2025-04-05T00:00:00Z"),
            ("2025/09/30", "2025-09-30T00:00:00Z"),
            ("08/23/2027", "2027-08-23T00:00:00Z"),
        ] {
            assert_eq!(read(text), FieldValue::Value(expected.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn forms_that_may_come() {
        for (text, expected) in [
            ("2025-09-26T12:00:00Z", "2025-09-26T12:00:00Z"),
            ("2025-09-26t10:20z", "2025-09-26T10:20:00Z"),
            ("2025-09-26 10:20:30", "2025-09-26T10:20:30Z"),
            ("2025-09-26T10:20:30.1234567Z", "2025-09-26T10:20:30.1234567Z"),
            ("2025-09-26T10:20:30+02:00", "2025-09-26T08:20:30Z"),
            ("2025/9/6T10:20:30-0530", "2025-09-06T15:50:30Z"),
            ("2027-06-30T00:00:00 +00:00", "2027-06-30T00:00:00Z"),
            ("2027-06-30 10:20:30.5  -05:30", "2027-06-30T15:50:30.5Z"),
            ("2027-06-30 1:20:30 Z", "2027-06-30T01:20:30Z"),
            ("06/30/2027 1:20:30 +00:00", "2027-06-30T00:00:00Z"),
            (" 2024-02-29 ", "2024-02-29T00:00:00Z"),
            ("8/3/2027", "2027-08-03T00:00:00Z"),
            ("08/23/2027 12:00:00 AM", "2027-08-23T00:00:00Z"),
            ("08/23/2027 5:00:00 pm", "2027-08-23T00:00:00Z"),
            ("08-23-2027T05:00:00", "2027-08-23T00:00:00Z"),
        ] {
            assert_eq!(read(text), FieldValue::Value(expected.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn dates_that_programs_write_for_no_date() {
        for text in [
            "0001-01-01T00:00:00Z",
            "01-01-0001T12:00:00Z",
            "01/01/0001",
            "1970-01-01T00:00:00Z",
            "9999-12-31T23:59:59.9999999-08:00",
            "12-31-9999T12:00:00Z",
        ] {
            assert_eq!(read(text), FieldValue::NotApplicable, "{text}");
        }
    }

    #[test]
    fn no_guess_is_made() {
        for text in [
            "23/08/2027",
            "23-08-2027T12:00:00Z",
            "13-01-2026",
            "2025-13-01",
            "2025-02-29",
            "2025-00-10",
            "2025-01-00",
            "9999-13-01",
            "08/23/27",
            "2025-09/26",
            "2025-09",
            "2025",
            "20250926",
            "2025-09-26-01",
            "+2025-09-26",
            "2025-09-26T",
            "2025-09-26T25:00:00Z",
            "2025-09-26T10:00:00 + 00:00",
            "2025-09-26T10:00:00+01:00 +00:00",
            "2025-09-26T10:00:00 Z +00:00",
            "2025-09-26T10:00:00 26",
            "03-14-2026Tnoon",
            "03-14-2026T12:61:00Z",
            "1758844800",
            "/Date(1758844800000)/",
            "Never",
            "ä",
        ] {
            assert_eq!(read(text), FieldValue::Unreadable, "{text}");
        }
        assert_eq!(timestamp(&Json::Number(1_758_844_800.into())), FieldValue::Unreadable);
    }

    proptest! {
        #[test]
        fn every_form_of_a_day_is_that_day(year in 1971_i16..9999, month in 1_i8..=12, day in 1_i8..=28) {
            let date = Date::constant(year, month, day);
            let expected = FieldValue::Value(midnight(date).unwrap());
            for text in [
                format!("{month:02}-{day:02}-{year}T12:00:00Z"),
                format!("{month:02}/{day:02}/{year}"),
                format!("{month}/{day}/{year} 12:00:00 AM"),
                format!("{year}-{month:02}-{day:02}"),
                format!("{year}/{month:02}/{day:02}"),
                format!("{year}-{month:02}-{day:02}T00:00:00Z"),
                format!("{year}-{month:02}-{day:02}T00:00:00.0000000+00:00"),
            ] {
                prop_assert_eq!(read(&text), expected, "{}", text);
            }
        }

        #[test]
        fn an_instant_in_iso_8601_is_itself(seconds in 31_536_000_i64..250_000_000_000) {
            let expected = Timestamp::from_second(seconds).unwrap();
            prop_assert_eq!(read(&expected.to_string()), FieldValue::Value(expected));
        }

        #[test]
        fn any_text_is_no_panic(text in "[0-9TZ:/ .+-]{0,24}|\\PC*") {
            let _ = read(&text);
        }
    }
}
