//! Format of log lines: `time`, `level`, `msg`, the fields of the spans, then those of the event, as logfmt or JSON.
//!
//! A key occurs once: the event's field hides a span's, and an inner span's hides an outer one's. Values may come from the
//! API, so each is truncated, which limits the length of a line. Control characters are escaped.

use std::fmt::{self, Debug, Write};

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

use crate::cli::LogFormat;

/// Maximum characters of a field; a longer one ends with `…`.
const MAX_FIELD_CHARS: usize = 1024;

/// Stores the fields of each span, for [`LineFormat`].
pub(super) struct SpanFields;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for SpanFields {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }
}

/// Formats events as lines.
pub(super) struct LineFormat(pub(super) LogFormat);

impl<S, N> FormatEvent<S, N> for LineFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                of_span.others.iter().for_each(|(name, value)| fields.set(name, value.clone()));
            }
        }
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

/// The fields of an event or a span; each name occurs once.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

#[derive(Clone)]
enum Value {
    Text(String),
    /// A number or a boolean, in its written form.
    Plain(String),
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::Text(text)) => self.message = text,
            (name, value) => self.set(name, value),
        }
    }

    fn set(&mut self, name: &'static str, value: Value) {
        match self.others.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.others.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = CutText::default();
        // An error means that the text was truncated.
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

/// Keeps [`MAX_FIELD_CHARS`] characters and fails after that, which stops the formatting.
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

    use tracing::{error_span, field, warn};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::logging::lines_layer;

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
        let layer = lines_layer(format, move || writer.clone());
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
    fn fields_of_spans_occur_once() {
        let log = || {
            let partner = error_span!("poller", partner = "main", collector = "none", customer_id = field::Empty);
            let _partner = partner.enter();
            let _poll = error_span!("poll", collector = "services", customer_id = None::<&str>).entered();
            partner.record("customer_id", "c1");
            warn!(partner = "other", seats = 3, "failed");
        };
        let line = logged(LogFormat::Logfmt, log);
        let (_, rest) = line.split_once(' ').unwrap();
        assert_eq!(rest, "level=WARN msg=failed partner=other collector=services customer_id=c1 seats=3\n");
        let line = logged(LogFormat::Json, log);
        let (_, rest) = line.split_once(',').unwrap();
        let expected =
            r#""level":"WARN","msg":"failed","partner":"other","collector":"services","customer_id":"c1","seats":3}"#;
        assert_eq!(rest, format!("{expected}\n"));
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
