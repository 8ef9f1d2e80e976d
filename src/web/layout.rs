//! The frame of every page, and the marks that pages are made of. Links are relative, so that the pages work behind
//! any prefix.

use maud::{DOCTYPE, Markup, html};

use super::format::{count, moment, percent, plural};
use super::issue::{Issue, Severity};
use super::status::Status;
use super::status_counts::StatusCounts;
use crate::inventory::TargetStatus;

/// Where people read on.
const DOCUMENTATION: &str = env!("CARGO_PKG_REPOSITORY");
/// Seconds after which a page loads itself again.
const REFRESH: u32 = 60;

/// A page; `root` leads from it to the status page, `telemetry` from there to the metrics.
#[must_use]
pub(super) fn page(title: &str, root: &str, telemetry: &str, status: &Status, content: &Markup) -> Markup {
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

/// The exporter in one line.
fn health(status: &Status) -> Markup {
    let targets = status.targets();
    let trouble = [TargetStatus::Failing, TargetStatus::Stale, TargetStatus::Pending];
    let trouble = trouble.into_iter().filter(|&condition| targets.get(condition) > 0);
    let is_well = status.ready && targets.get(TargetStatus::Failing) + targets.get(TargetStatus::Stale) == 0;
    html! {
        p.health {
            span class={ "dot " (if is_well { "good" } else if status.ready { "warning" } else { "critical" }) } {}
            b { (if status.role == "standby" { "Standby" } else if status.ready { "Ready" } else { "Not ready" }) }
            " · " (plural(status.customers as u64, "customer"))
            " · " (count(status.series as f64)) " series"
            @for (index, condition) in trouble.enumerate() {
                (if index == 0 { " · targets: " } else { ", " })
                (count(targets.get(condition) as f64)) " " (condition.as_str())
            }
        }
    }
}

/// The head of a table; the columns of numbers are named again.
#[must_use]
pub(super) fn columns(names: &[&str], numbers: &[&str]) -> Markup {
    html! {
        thead { tr { @for name in names { th scope="col" .number[numbers.contains(name)] { (name) } } } }
    }
}

/// An issue as a word that stands out as its severity demands.
#[must_use]
pub(super) fn issue_badge(issue: Issue, severity: Severity) -> Markup {
    html! {
        span class={ "badge " (severity.as_str()) } title=[issue.alert()] { (issue_label(issue, severity)) }
    }
}

/// An issue as a person reads it.
const fn issue_label(issue: Issue, severity: Severity) -> &'static str {
    match (issue, severity) {
        (Issue::CapacityLow, Severity::Critical) => "capacity full",
        _ => issue.label(),
    }
}

/// Says that the alerts of a customer are muted.
#[must_use]
pub(super) fn muted_badge() -> Markup {
    html! { span.badge.muted title="the configuration gives this customer the label alerting=\"off\"" { "alerts muted" } }
}

/// The class of a target's condition.
#[must_use]
pub(super) const fn condition_level(condition: TargetStatus) -> &'static str {
    match condition {
        TargetStatus::Fresh => "good",
        TargetStatus::Stale => "critical",
        TargetStatus::Failing => "warning",
        TargetStatus::Pending => "quiet",
        TargetStatus::Absent | TargetStatus::NotGranted => "absent",
    }
}

/// A word that stands out.
#[must_use]
pub(super) fn badge(level: &str, text: &str) -> Markup {
    html! { span class={ "badge " (level) } { (text) } }
}

/// A bar that is as full as something is used, in the colour of a severity, and the percentage.
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

/// Targets by condition: one bar of all of them, and the numbers.
#[must_use]
pub(super) fn status_counts(targets: &StatusCounts) -> Markup {
    let total = targets.total().max(1) as f64;
    let mut start = 0.0;
    let parts: Vec<_> = targets
        .iter()
        .filter(|&(_, number)| number > 0)
        .map(|(condition, number)| {
            let width = number as f64 / total * 100.0;
            start += width;
            (condition, number, start - width, width)
        })
        .collect();
    html! {
        svg.bar.targets viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true" {
            @for (condition, _, start, width) in &parts {
                rect class={ "fill " (condition_level(*condition)) } x={ (format!("{start:.2}")) }
                    width={ (format!("{width:.2}")) } height="1" {}
            }
        }
        ul.legend {
            @for (condition, number, ..) in &parts {
                li { span class={ "dot " (condition_level(*condition)) } {} (count(*number as f64)) " " (condition.as_str()) }
            }
        }
    }
}
