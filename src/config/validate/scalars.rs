//! Parses booleans, numbers and durations from their text in the file.

use std::time::Duration;

use exporter_toolkit::{ConfigPath, quoted};

use crate::config::duration::{format_duration, parse_duration};
use crate::config::raw::Scalar;

/// Parses the scalar at a path. An error is reported there, and the default is returned.
pub(super) trait ParseScalar {
    /// `true` or `false`.
    fn parse_bool(&self, raw: Option<&Scalar>, default: bool) -> bool;
    /// A whole number from 1 to `max`.
    fn parse_u32(&self, raw: Option<&Scalar>, default: u32, max: u32) -> u32;
    /// A number of requests per second.
    fn parse_rate(&self, raw: Option<&Scalar>, default: f64) -> f64;
    /// A duration above 0, at most `max`.
    fn duration(&self, raw: Option<&Scalar>, default: Duration, max: Duration) -> Duration;
}

impl ParseScalar for ConfigPath<'_> {
    fn parse_bool(&self, raw: Option<&Scalar>, default: bool) -> bool {
        raw.map_or(default, |Scalar(text)| {
            text.parse().unwrap_or_else(|_| {
                self.error(format!("{} is neither true nor false", quoted(text)), "write `true` or `false`");
                default
            })
        })
    }

    fn parse_u32(&self, raw: Option<&Scalar>, default: u32, max: u32) -> u32 {
        raw.map_or(default, |Scalar(text)| {
            text.parse().ok().filter(|count| (1..=max).contains(count)).unwrap_or_else(|| {
                let what = format!("{} is not a whole number from 1 to {max}", quoted(text));
                self.error(what, format!("write one; the default is {default}"));
                default
            })
        })
    }

    fn parse_rate(&self, raw: Option<&Scalar>, default: f64) -> f64 {
        // With a lower rate, a first pass over any partner takes longer than the values are kept.
        const LEAST: f64 = 0.001;
        const MOST: f64 = 100_000.0;
        raw.map_or(default, |Scalar(text)| {
            text.parse().ok().filter(|rate| (LEAST..=MOST).contains(rate)).unwrap_or_else(|| {
                let what = format!("{} is not a number from {LEAST} to {MOST}", quoted(text));
                self.error(what, format!("write requests per second; the default is {default}"));
                default
            })
        })
    }

    fn duration(&self, raw: Option<&Scalar>, default: Duration, max: Duration) -> Duration {
        let Some(Scalar(text)) = raw else { return default };
        let Some(duration) = self.ok_or_report(parse_duration(text)) else { return default };
        let what = match duration {
            Duration::ZERO => format!("{} is no time at all", quoted(text)),
            too_long if too_long > max => format!("{} is above {}", quoted(text), format_duration(max)),
            duration => return duration,
        };
        self.error(what, format!("write a duration from 1ms to {}", format_duration(max)));
        default
    }
}
