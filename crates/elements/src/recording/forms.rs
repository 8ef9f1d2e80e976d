//! Recognises texts without personal data: numbers, sizes, durations, dates, and "not applicable".

/// More digits in a text may be a phone number or an id.
const MAX_DIGITS: usize = 9;
const UNITS: &[&str] = &[
    "%", "b", "byte", "bytes", "kb", "mb", "gb", "tb", "pb", "kib", "mib", "gib", "tib", "pib", "s", "m", "h", "d",
    "ms",
];

/// `N/A`, `-`, spaces, or empty.
pub(super) fn is_not_applicable(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || text == "-" || text.eq_ignore_ascii_case("n/a")
}

/// A number, a size, a duration, a date, a boolean, or "unlimited".
pub(super) fn is_value(text: &str) -> bool {
    let text = text.trim();
    let word = |word: &str| text.eq_ignore_ascii_case(word);
    is_not_applicable(text) || word("true") || word("false") || word("null") || is_amount(text) || is_date(text)
}

/// `20`, `1,024`, `-3`, `1.42 GB`, `0/1 GB`, `Unlimited GB`, `1h13m30s`
fn is_amount(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if digits > MAX_DIGITS || text.len() > 32 {
        return false;
    }
    let is_half = |half: &str| {
        let half = half.trim();
        let half = half.strip_prefix(['+', '-']).unwrap_or(half);
        let (number, unit) = half.split_once(' ').unwrap_or((half, ""));
        (number.eq_ignore_ascii_case("unlimited") || is_number_with_units(number))
            && (unit.is_empty() || is_unit(unit.trim()))
    };
    match text.split_once('/') {
        Some((used, of)) => is_half(used) && is_half(of),
        None => is_half(text),
    }
}

fn is_unit(text: &str) -> bool {
    UNITS.iter().any(|unit| unit.eq_ignore_ascii_case(text))
}

/// `38s`, `1h13m30s`, `1.42GB`, `20`
fn is_number_with_units(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ',')).unwrap_or(rest.len());
        let (digits, after) = rest.split_at(number);
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        if !digits.bytes().any(|byte| byte.is_ascii_digit()) || !(unit.is_empty() || is_unit(unit)) {
            return false;
        }
        rest = after;
    }
    !text.is_empty()
}

/// A date in any order and with any of `-`, `/`, with or without time and offset.
pub(super) fn is_date(text: &str) -> bool {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, time.trim_start()),
        None => (text, ""),
    };
    let parts: Vec<&str> = date.split(['-', '/']).collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let ordered = matches!(lengths[..], [4, 1..=2, 1..=2] | [1..=2, 1..=2, 4]);
    let numeric = parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    ordered && numeric && is_time(time)
}

/// A clock time with fraction, offset, AM or PM; also none.
fn is_time(time: &str) -> bool {
    let time = time.trim_end_matches(['Z', 'z']);
    let time = ["AM", "PM", "am", "pm"].iter().find_map(|half| time.strip_suffix(half)).unwrap_or(time).trim_end();
    time.len() <= 24 && time.bytes().all(|byte| byte.is_ascii_digit() || b":.+- ".contains(&byte))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
pub(super) fn is_http_date(text: &str) -> bool {
    jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text.trim()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_dates_are_values() {
        for text in [
            "20",
            "1,024",
            "-3",
            "20.0",
            "1.42 GB",
            "0/1 GB",
            "1024 gb",
            "Unlimited",
            "Unlimited GB",
            "0 S",
            "38s",
            "1h13m30s",
            "N/A",
            "",
            "-",
            "true",
            "2025-09-26T00:00:00Z",
            "03-14-2026T12:00:00Z",
            "2025/09/30",
            "08/23/2027 12:00:00 AM",
            "2027-06-30T00:00:00 +00:00",
            "2025-09-26T10:20:30.1234567Z",
            "0.01 GB",
            "97 %",
        ] {
            assert!(is_value(text), "{text}");
        }
    }

    #[test]
    fn values_that_may_be_personal_are_none() {
        for text in [
            "Contoso",
            "GB",
            "12345678901",
            "+43 664 1234567",
            "1c10525c-121b-4bbc-80a4-2e641bc13421",
            "a@b.c",
            "20 seats",
            "664 1234",
            "2025-09-26Tcontoso",
            "1.2.3.contoso",
            "mhsd",
            "365 GB contoso",
            "12-34-56-78",
        ] {
            assert!(!is_value(text), "{text}");
        }
        assert!(is_http_date("Sun, 06 Nov 1994 08:49:37 GMT") && !is_http_date("soon"));
    }
}
