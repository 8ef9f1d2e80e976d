//! Logging: one line per event on standard error, as logfmt or JSON; panics are events too.

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use self::format::{LineFormat, SpanFields};
use crate::cli::{LogFormat, LogLevel};
use crate::panics;
use crate::terminal::LogWriter;

mod format;

/// The crates of this workspace that log.
const OUR_CRATES: [&str; 4] = ["avepoint_exporter", "elements", "exporter_toolkit", "simulator"];

/// Sets up logging for the rest of the process.
pub fn start(level: LogLevel, format: LogFormat) {
    let ours = LevelFilter::from(level);
    // Messages of libraries are shown only at trace level; they are not meant for operators.
    let theirs = if level == LogLevel::Trace { LevelFilter::TRACE } else { LevelFilter::ERROR.min(ours) };
    let filter = Targets::new().with_targets(OUR_CRATES.map(|name| (name, ours))).with_default(theirs);
    let layer = lines_layer(format, LogWriter(format)).with_filter(filter);
    tracing_subscriber::registry().with(layer).init();
    panics::install_hook();
}

/// Writes each event with the fields of its spans as a line.
fn lines_layer<S, W>(format: LogFormat, writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    // `SpanFields` keeps the fields of the spans; the layer below need not format them.
    let lines = tracing_subscriber::fmt::layer().fmt_fields(debug_fn(|_, _, _| Ok(())));
    SpanFields.and_then(lines.event_format(LineFormat(format)).with_writer(writer))
}
