//! HTML layout and components shared by the pages. Links are relative, so that the pages work under any route prefix.

use elements::types::Quantity;
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, Render, html};

use super::format::{ago, count, moment, percent, plural};
use super::issue::{Issue, Severity};
use super::status::ExporterStatus;
use crate::inventory::{StatusCounts, TargetStatus};

/// The link to the documentation.
const DOCUMENTATION: &str = env!("CARGO_PKG_REPOSITORY");
/// Seconds between automatic reloads of a page.
const REFRESH: u32 = 60;

/// The complete page. `root`: relative path to the status page; `telemetry`: path of the metrics from there.
#[must_use]
pub(super) fn page(title: &str, root: &str, telemetry: &str, status: &ExporterStatus, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="refresh" content=(REFRESH);
                title { (title) }
                link rel="stylesheet" href={ (root) "style.css?v=" (super::VERSION) };
                link rel="icon" type="image/svg+xml" href={ (root) "favicon.svg" };
            }
            body {
                header {
                    a.brand href=(root) { "avepoint_exporter" }
                    small.version { (super::VERSION) }
                    (health(status))
                    nav {
                        a href=(DOCUMENTATION) { "Documentation" }
                        a href={ (root) "config" } { "Configuration" }
                        a href={ (root) (telemetry.trim_start_matches('/')) } { "Metrics" }
                        a href={ (root) "api/v1/status" } { "JSON" }
                    }
                }
                @if status.simulated {
                    p.simulated role="note" { "Simulated data: these partners and customers do not exist." }
                }
                @if let Some(notice) = &status.notice {
                    p.simulated role="note" { (notice) }
                }
                main { (content) (super::glossary::render()) }
                footer {
                    "avepoint_exporter " (super::VERSION) " · as of " (moment(status.now)) " · renews itself every minute"
                }
            }
        }
    }
}

/// The status of the exporter in one line.
fn health(status: &ExporterStatus) -> Markup {
    let targets = status.targets();
    let not_fresh = [TargetStatus::Failing, TargetStatus::Stale, TargetStatus::Pending];
    let not_fresh = not_fresh.into_iter().filter(|&status| targets.get(status) > 0);
    let is_good = status.ready && targets.get(TargetStatus::Failing) + targets.get(TargetStatus::Stale) == 0;
    html! {
        p.health {
            span class={ "dot " (if is_good { "good" } else if status.ready { "warning" } else { "critical" }) } {}
            b { (if status.role == "standby" { "Standby" } else if status.ready { "Ready" } else { "Not ready" }) }
            " · " (plural(status.customers as u64, "customer"))
            " · " (count(status.series as f64)) " series"
            @for (index, status) in not_fresh.enumerate() {
                (if index == 0 { " · targets: " } else { ", " })
                (count(targets.get(status) as f64)) " " (status.as_str())
            }
        }
    }
}

/// A table head; `numbers` are the columns that are aligned as numbers.
#[must_use]
pub(super) fn columns(names: &[&str], numbers: &[&str]) -> Markup {
    html! {
        thead { tr { @for name in names { th scope="col" .number[numbers.contains(name)] { (name) } } } }
    }
}

/// A table with a line for each row, described by its columns.
pub(super) struct Table<'a, T> {
    rows: &'a [T],
    columns: Vec<Column<'a, T>>,
}

struct Column<'a, T> {
    name: &'static str,
    /// Whether it is aligned as a number.
    is_number: bool,
    cell: Box<dyn Fn(&T) -> Markup + 'a>,
}

impl<'a, T> Table<'a, T> {
    pub(super) const fn of(rows: &'a [T]) -> Self {
        Self { rows, columns: Vec::new() }
    }

    /// Adds a column of texts.
    pub(super) fn text(mut self, name: &'static str, cell: impl Fn(&T) -> Markup + 'a) -> Self {
        self.columns.push(Column { name, is_number: false, cell: Box::new(cell) });
        self
    }

    /// Adds a column of numbers.
    pub(super) fn number(mut self, name: &'static str, cell: impl Fn(&T) -> Markup + 'a) -> Self {
        self.columns.push(Column { name, is_number: true, cell: Box::new(cell) });
        self
    }
}

impl<T> Render for Table<'_, T> {
    fn render(&self) -> Markup {
        let names: Vec<_> = self.columns.iter().map(|column| column.name).collect();
        let numbers = self.columns.iter().filter(|column| column.is_number).map(|column| column.name);
        html! {
            div.scroll { table {
                (columns(&names, &numbers.collect::<Vec<_>>()))
                tbody { @for row in self.rows { tr { @for column in &self.columns {
                    @let cell = (column.cell)(row);
                    @if column.is_number { td.number { (cell) } } @else { td { (cell) } }
                } } } }
            } }
        }
    }
}

/// An issue as a badge in the style of its severity.
#[must_use]
pub(super) fn issue_badge(issue: Issue, severity: Severity) -> Markup {
    html! {
        span class={ "badge " (severity.as_str()) } title=[issue.alert()] { (issue_label(issue, severity)) }
    }
}

/// The text of an issue.
const fn issue_label(issue: Issue, severity: Severity) -> &'static str {
    match (issue, severity) {
        (Issue::CapacityLow, Severity::Critical) => "capacity full",
        _ => issue.label(),
    }
}

/// The badge of a customer whose alerts are muted.
#[must_use]
pub(super) fn muted_badge() -> Markup {
    html! { span.badge.muted title="the configuration gives this customer the label alerting=\"off\"" { "alerts muted" } }
}

/// The CSS class of a target status.
#[must_use]
pub(super) const fn status_class(status: TargetStatus) -> &'static str {
    match status {
        TargetStatus::Fresh => "good",
        TargetStatus::Stale => "critical",
        TargetStatus::Failing => "warning",
        TargetStatus::Pending => "quiet",
        TargetStatus::Absent | TargetStatus::NotGranted => "absent",
    }
}

/// A value, or a dash if there is none.
#[must_use]
pub(super) fn or_dash(value: Option<impl Render>) -> Markup {
    html! { @if let Some(value) = value { (value) } @else { span.muted { "–" } } }
}

/// A number in this format; a dash if it is unknown.
#[must_use]
pub(super) fn number(value: Option<Quantity>, format: fn(Quantity) -> String) -> Markup {
    or_dash(value.map(format))
}

/// How long ago something was, with the time as a title.
#[must_use]
pub(super) fn age(at: Timestamp, now: Timestamp) -> Markup {
    html! { span title=(moment(at)) { (ago(at, now)) } }
}

/// The age of a value, and whether it is stale.
#[must_use]
pub(super) fn seen(at: Timestamp, stale: bool, now: Timestamp) -> Markup {
    html! { (age(at, now)) @if stale { " " (badge("warning", "stale")) } }
}

/// A text as a badge with this CSS class.
#[must_use]
pub(super) fn badge(level: &str, text: &str) -> Markup {
    html! { span class={ "badge " (level) } { (text) } }
}

/// A bar of this utilization in the style of a severity, with the percentage.
#[must_use]
pub(super) fn bar(ratio: f64, severity: Option<Severity>) -> Markup {
    let level = match severity {
        Some(Severity::Critical) => "critical",
        Some(Severity::Warning) => "warning",
        Some(Severity::Info) | None => "good",
    };
    let width = format!("{:.1}", (ratio * 100.0).clamp(0.0, 100.0));
    html! {
        span.usage {
            svg.bar viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true" {
                rect class={ "fill " (level) } width=(width) height="1" {}
            }
            span.percent { (percent(ratio)) }
        }
    }
}

/// Targets by status: one bar of all of them, and the counts.
#[must_use]
pub(super) fn status_counts(targets: &StatusCounts) -> Markup {
    let total = targets.total().max(1) as f64;
    let mut start = 0.0;
    let parts: Vec<_> = targets
        .iter()
        .filter(|&(_, number)| number > 0)
        .map(|(status, number)| {
            let width = number as f64 / total * 100.0;
            start += width;
            (status, number, start - width, width)
        })
        .collect();
    html! {
        svg.bar.targets viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true" {
            @for (status, _, start, width) in &parts {
                rect class={ "fill " (status_class(*status)) } x={ (format!("{start:.2}")) }
                    width={ (format!("{width:.2}")) } height="1" {}
            }
        }
        ul.legend {
            @for (status, number, ..) in &parts {
                li { span class={ "dot " (status_class(*status)) } {} (count(*number as f64)) " " (status.as_str()) }
            }
        }
    }
}
