//! Formats numbers, quantities and times for display.

use elements::types::Quantity;
use jiff::{SignedDuration, Timestamp};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How long ago something was: "3 min ago".
#[must_use]
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs();
    if seconds < 5 { "just now".to_owned() } else { format!("{} ago", span(seconds)) }
}

/// When something will be or was: "in 12 days", "3 days ago".
#[must_use]
pub fn countdown(at: Timestamp, now: Timestamp) -> String {
    let left = at.duration_since(now);
    if left > SignedDuration::ZERO { format!("in {}", span(left.as_secs())) } else { ago(at, now) }
}

fn span(seconds: i64) -> String {
    match seconds {
        ..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        HOUR..DAY => format!("{} h", seconds / HOUR),
        _ if seconds < 2 * DAY => "1 day".to_owned(),
        _ => format!("{} days", count((seconds / DAY) as f64)),
    }
}

/// "2026-03-14"
#[must_use]
pub fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// "2026-03-14 08:15 UTC"
#[must_use]
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// "12,345"; at most two decimals.
#[must_use]
pub fn count(value: f64) -> String {
    let text = format!("{value:.2}");
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (position, digit) in whole.chars().enumerate() {
        let left = whole.len() - position;
        if position > 0 && left.is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match decimals.trim_end_matches('0') {
        "" => grouped,
        decimals => format!("{grouped}.{decimals}"),
    }
}

/// A count, or "unlimited".
#[must_use]
pub fn quantity(quantity: Quantity) -> String {
    if quantity.is_unlimited() { "unlimited".to_owned() } else { count(quantity.get()) }
}

/// "1.42 GB", where 1 GB is 2^30 bytes as the API counts; or "unlimited".
#[must_use]
pub fn bytes(quantity: Quantity) -> String {
    const UNITS: [&str; 6] = ["B", "KB", "MB", "GB", "TB", "PB"];
    if quantity.is_unlimited() {
        return "unlimited".to_owned();
    }
    let mut value = quantity.get();
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    format!("{} {unit}", count(value))
}

/// "97 %"; never rounded up to 100.
#[must_use]
pub fn percent(ratio: f64) -> String {
    let percent = ratio * 100.0;
    let shown = if percent < 100.0 { percent.floor() } else { percent.round() };
    format!("{} %", count(shown))
}

/// "1 customer", "2 customers"
#[must_use]
pub fn plural(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number as f64), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_their_largest_unit() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        for (seconds, expected) in [
            (0, "just now"),
            (59, "59 s ago"),
            (60, "1 min ago"),
            (7_199, "1 h ago"),
            (86_400, "1 day ago"),
            (3 * 86_400, "3 days ago"),
        ] {
            assert_eq!(ago(at(0), at(seconds)), expected);
        }
        assert_eq!(countdown(at(12 * 86_400), at(0)), "in 12 days");
        assert_eq!(countdown(at(0), at(3 * 86_400)), "3 days ago");
        assert_eq!(ago(at(9), at(0)), "just now", "a clock that was set back");
        assert_eq!(date(at(0)), "2027-01-15");
        assert_eq!(moment(at(0)), "2027-01-15 08:00 UTC");
    }

    #[test]
    fn numbers_are_told_with_separators() {
        for (value, expected) in [(0.0, "0"), (999.0, "999"), (1_000.0, "1,000"), (1_234_567.5, "1,234,567.5")] {
            assert_eq!(count(value), expected);
        }
        assert_eq!(count(-123.0), "-123");
        assert_eq!(quantity(Quantity::UNLIMITED), "unlimited");
        assert_eq!(percent(0.999), "99 %");
        assert_eq!(percent(1.3), "130 %");
    }

    #[test]
    fn sizes_are_binary() {
        let size = |value| bytes(Quantity::new(value).unwrap());
        assert_eq!(size(0.0), "0 B");
        assert_eq!(size(1.42 * f64::from(1 << 30)), "1.42 GB");
        assert_eq!(size(3072.0 * f64::from(1 << 30)), "3 TB");
        assert_eq!(bytes(Quantity::UNLIMITED), "unlimited");
    }
}
