//! The form of a log line: `time`, `level`, `msg`, then what the line is about, as logfmt or JSON.
//!
//! What a field holds may come from outside, so each is cut: a line has a bound whatever the API says. Control characters
//! are escaped.

use std::fmt::{self, Debug, Write};

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use crate::cli::LogFormat;

/// Characters of a field; longer ones end with `…`.
const MAX_FIELD_CHARS: usize = 1024;

/// Formats events as lines.
pub(super) struct LineFormat(pub(super) LogFormat);

impl<S, N> FormatEvent<S, N> for LineFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let time = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        let head = [("time", time), ("level", event.metadata().level().to_string()), ("msg", fields.message)];
        let head = head.into_iter().map(|(name, value)| (name, Value::Text(value)));
        let all = head.chain(fields.others).enumerate();
        match self.0 {
            LogFormat::Logfmt => {
                for (place, (name, value)) in all {
                    write!(writer, "{}{name}=", if place > 0 { " " } else { "" })?;
                    value.write_logfmt(&mut writer)?;
                }
                writer.write_char('\n')
            }
            LogFormat::Json => {
                for (place, (name, value)) in all {
                    write!(writer, "{}\"{name}\":", if place > 0 { "," } else { "{" })?;
                    value.write_json(&mut writer)?;
                }
                writer.write_str("}\n")
            }
        }
    }
}

/// Of one event.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

enum Value {
    Text(String),
    /// A number or a boolean, as it is written.
    Plain(String),
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::Text(text)) => self.message = text,
            (name, value) => self.others.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = CutText::default();
        // An error is the end of what is taken.
        let _ = write!(text, "{value:?}");
        self.add(field, Value::Text(text.finish()));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let mut text = CutText::default();
        let _ = text.write_str(value);
        self.add(field, Value::Text(text.finish()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let value = if value.is_finite() { Value::Plain(value.to_string()) } else { Value::Text(value.to_string()) };
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Value::Plain(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, Value::Plain(value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, Value::Plain(value.to_string()));
    }
}

/// Takes [`MAX_FIELD_CHARS`] and fails from then on, so that nothing goes on being formatted.
#[derive(Default)]
struct CutText {
    text: String,
    chars: usize,
}

impl CutText {
    fn finish(mut self) -> String {
        if self.chars > MAX_FIELD_CHARS {
            self.text.push('…');
        }
        self.text
    }
}

impl Write for CutText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            self.chars += 1;
            if self.chars > MAX_FIELD_CHARS {
                return Err(fmt::Error);
            }
            self.text.push(c);
        }
        Ok(())
    }
}

impl Value {
    fn write_json(&self, writer: &mut impl Write) -> fmt::Result {
        match self {
            Self::Plain(text) => writer.write_str(text),
            Self::Text(text) => writer.write_str(&serde_json::Value::from(text.as_str()).to_string()),
        }
    }

    fn write_logfmt(&self, writer: &mut impl Write) -> fmt::Result {
        let (Self::Plain(text) | Self::Text(text)) = self;
        let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '=' | '\\');
        if !text.is_empty() && text.chars().all(is_plain) {
            return writer.write_str(text);
        }
        writer.write_char('"')?;
        for c in text.chars() {
            match c {
                '"' | '\\' => write!(writer, "\\{c}")?,
                c if c.is_control() => write!(writer, "{}", c.escape_default())?,
                c => writer.write_char(c)?,
            }
        }
        writer.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing::warn;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn logged(format: LogFormat, log: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Lines(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Lines {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::default();
        let writer = lines.clone();
        let layer =
            tracing_subscriber::fmt::layer().event_format(LineFormat(format)).with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_line_has_the_keys_of_prometheus() {
        let log = || warn!(partner = "a b", seats = 3, share = 0.5, none = None::<&str>, "it \"failed\"\n");
        let line = logged(LogFormat::Logfmt, log);
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.strip_prefix("time=").unwrap().parse::<Timestamp>().is_ok(), "{line}");
        assert_eq!(rest, "level=WARN msg=\"it \\\"failed\\\"\\n\" partner=\"a b\" seats=3 share=0.5\n");
        let json: serde_json::Value = serde_json::from_str(&logged(LogFormat::Json, log)).unwrap();
        assert_eq!(json["level"], "WARN");
        assert_eq!((&json["msg"], &json["seats"]), (&"it \"failed\"\n".into(), &3.into()));
    }

    #[test]
    fn every_field_is_cut() {
        let long = "ä".repeat(2 << 20);
        for format in [LogFormat::Logfmt, LogFormat::Json] {
            let line = logged(format, || warn!(text = long, display = %long, debug = ?long, "{long}"));
            assert!(line.len() < 4 * (2 * MAX_FIELD_CHARS + 40), "{} bytes", line.len());
            assert_eq!(line.matches('…').count(), 4);
            assert_eq!(line.lines().count(), 1);
        }
    }
}
