//! A value together with its string in the service list, so that expected values are never parsed from a string.

use std::borrow::Cow;

use elements::types::Quantity;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A string in a response, usually one of a few constants.
pub type Text = Cow<'static, str>;

/// One field of a service row.
#[derive(Clone, Debug, PartialEq)]
pub struct WireValue<T> {
    /// The string in the response; `None` omits the key.
    pub text: Option<Text>,
    /// The value; `None` if it cannot be exported.
    pub value: Option<T>,
}

/// `purchasedCapacity` in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capacity {
    /// The only number, or the second of `used/purchased`.
    pub purchased: Quantity,
    /// The first number of `used/purchased`.
    pub used: Option<Quantity>,
}

/// A date format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DateForm {
    /// `03-14-2026T12:00:00Z`, as in live responses.
    #[default]
    Live,
    /// `2026-03-14T00:00:00Z`
    Iso,
    /// `2026-03-14`
    IsoDate,
    /// `2026/03/14`
    Slashes,
    /// `03/14/2026`
    MonthFirst,
}

impl<T> WireValue<T> {
    /// `N/A`
    #[must_use]
    pub const fn not_applicable() -> Self {
        Self { text: Some(Cow::Borrowed("N/A")), value: None }
    }

    /// A value that no exporter can read.
    #[must_use]
    pub fn unreadable(text: impl Into<Text>) -> Self {
        Self { text: Some(text.into()), value: None }
    }
}

impl WireValue<Quantity> {
    /// `1024`
    #[must_use]
    pub fn count(count: u32) -> Self {
        Self { text: Some(count.to_string().into()), value: Some(count.into()) }
    }

    /// `1,024`
    #[must_use]
    pub fn grouped(count: u32) -> Self {
        Self { text: Some(grouped(count).into()), value: Some(count.into()) }
    }

    /// `Unlimited`
    #[must_use]
    pub const fn unlimited() -> Self {
        Self { text: Some(Cow::Borrowed("Unlimited")), value: Some(Quantity::UNLIMITED) }
    }

    /// `1.42 GB` for 142.
    #[must_use]
    pub fn size(hundredths_of_gb: u32) -> Self {
        Self { text: Some(size(hundredths_of_gb).into()), value: bytes(hundredths_of_gb) }
    }
}

impl WireValue<Capacity> {
    /// `1024 GB` for 102400.
    #[must_use]
    pub fn purchased(hundredths_of_gb: u32) -> Self {
        let WireValue { text, value } = WireValue::size(hundredths_of_gb);
        Self { text, value: value.map(|purchased| Capacity { purchased, used: None }) }
    }

    /// `0.5/1 GB` for 50 of 100.
    #[must_use]
    pub fn used_of(used: u32, purchased: u32) -> Self {
        Self {
            text: Some(format!("{}/{} GB", gb(used), gb(purchased)).into()),
            value: bytes(purchased).map(|purchased| Capacity { purchased, used: bytes(used) }),
        }
    }
}

impl WireValue<i64> {
    /// `-3`
    #[must_use]
    pub fn change(change: i64) -> Self {
        Self { text: Some(change.to_string().into()), value: Some(change) }
    }
}

impl WireValue<Timestamp> {
    /// A date in one of the formats; every format means 00:00:00Z of that day.
    #[must_use]
    pub fn date(date: Date, form: DateForm) -> Self {
        let (year, month, day) = (date.year(), date.month(), date.day());
        let text = match form {
            DateForm::Live => format!("{month:02}-{day:02}-{year:04}T12:00:00Z"),
            DateForm::Iso => format!("{year:04}-{month:02}-{day:02}T00:00:00Z"),
            DateForm::IsoDate => format!("{year:04}-{month:02}-{day:02}"),
            DateForm::Slashes => format!("{year:04}/{month:02}/{day:02}"),
            DateForm::MonthFirst => format!("{month:02}/{day:02}/{year:04}"),
        };
        Self { text: Some(text.into()), value: TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok() }
    }
}

/// `1,024`
pub(super) fn grouped(count: u32) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn gb(hundredths: u32) -> f64 {
    f64::from(hundredths) / 100.0
}

pub(super) fn size(hundredths_of_gb: u32) -> String {
    format!("{} GB", gb(hundredths_of_gb))
}

pub(super) fn bytes(hundredths_of_gb: u32) -> Option<Quantity> {
    Quantity::new(gb(hundredths_of_gb) * f64::from(1_u32 << 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_are_those_of_the_samples() {
        assert_eq!(WireValue::size(142).text.as_deref(), Some("1.42 GB"));
        assert_eq!(WireValue::size(0).text.as_deref(), Some("0 GB"));
        assert_eq!(WireValue::used_of(0, 100).text.as_deref(), Some("0/1 GB"));
        assert_eq!(WireValue::purchased(104_400).text.as_deref(), Some("1044 GB"));
        assert_eq!(WireValue::count(20).text.as_deref(), Some("20"));
        assert_eq!(WireValue::change(-3).text.as_deref(), Some("-3"));
        for (count, text) in [(0, "0"), (999, "999"), (1024, "1,024"), (1_234_567, "1,234,567")] {
            assert_eq!(WireValue::grouped(count).text.as_deref(), Some(text));
        }
    }

    #[test]
    fn every_form_of_a_date_means_its_midnight() {
        let date = jiff::civil::date(2026, 3, 14);
        for (form, text) in [
            (DateForm::Live, "03-14-2026T12:00:00Z"),
            (DateForm::Iso, "2026-03-14T00:00:00Z"),
            (DateForm::IsoDate, "2026-03-14"),
            (DateForm::Slashes, "2026/03/14"),
            (DateForm::MonthFirst, "03/14/2026"),
        ] {
            let shown = WireValue::date(date, form);
            assert_eq!(shown.text.as_deref(), Some(text));
            assert_eq!(shown.value, Some("2026-03-14T00:00:00Z".parse().unwrap()));
        }
    }

    #[test]
    fn sizes_are_binary() {
        let value = WireValue::size(150).value.unwrap();
        assert_eq!(value, Quantity::new(1_610_612_736.0).unwrap());
    }
}
