//! Glossary at the end of every page: terms, issues and their thresholds, and target statuses.

use maud::{Markup, html};

use super::format::percent;
use super::issue::Issue;
use super::thresholds::{
    CAPACITY_FULL, CAPACITY_LOW, CONTRACT_DAYS, CONTRACT_ENDED_DAYS, EXPIRED_CRITICAL_DAYS, EXPIRED_WARNING_DAYS,
    EXPIRING_CRITICAL_DAYS, EXPIRING_INFO_DAYS, EXPIRING_WARNING_DAYS, SEATS_LOW, SEATS_OVER, SEATS_UNUSED,
    SEATS_UNUSED_DAYS, SEATS_UNUSED_MIN, TENANT_SEATS_LOW,
};
use crate::inventory::TargetStatus;

/// Terms of the API.
const API_TERMS: [(&str, &str); 4] = [
    ("purchased", "Seats bought from AvePoint: the sum of the rows of a service that have not expired."),
    (
        "assigned",
        "Microsoft licences assigned to users, which AvePoint bills by: the largest number among those rows, since each \
         repeats the customer's.",
    ),
    (
        "left, over",
        "Headroom: purchased minus assigned. Nothing is concluded where the subscription model is about capacity (\
         \u{201c}unlimited users\u{201d}, \u{201c}GB/user/year\u{201d}), where nothing or an unlimited number was \
         purchased, or where no assigned licences are known.",
    ),
    (
        "licences available",
        "What AvePoint calls available. Its documentation does not say what that counts; most likely licences of \
         Microsoft (or Google, Salesforce) that the customer owns and has not assigned. It is not the number of AvePoint \
         seats left, and 0 is normal.",
    ),
];

#[must_use]
pub(super) fn render() -> Markup {
    html! {
        section.glossary {
            details {
                summary { "What the words mean" }
                p {
                    "The thresholds are those that the alert rules are shipped with (settings.rules.yml); if your Prometheus \
                     has others, its alerts differ from this page. What needs history is known to Prometheus only: the \
                     forecast, and that a service has been over-assigned for 25 days, which makes it critical."
                }
                dl {
                    @for (word, text) in API_TERMS { (entry(word, text, None)) }
                    @for issue in Issue::ALL.into_iter().filter(|issue| !issue.is_about_data()) {
                        (entry(issue.label(), &meaning(issue), issue.alert()))
                    }
                    (entry("ok", "None of these, and nothing stale, failing or pending.", None))
                    (entry("unknown", "Nothing was read yet.", None))
                    (entry(
                        "alerts muted",
                        "The configuration gives the customer the label alerting=\"off\": no alert about it is sent. Other \
                         mutes of settings.rules.yml are not known here.",
                        None,
                    ))
                    @for status in TargetStatus::ALL { (entry(status.as_str(), status_meaning(status), None)) }
                }
            }
        }
    }
}

fn entry(word: &str, text: &str, alert: Option<&str>) -> Markup {
    html! {
        div {
            dt { (word) }
            dd { (text) @if let Some(alert) = alert { " " span.muted { "Alert: " (alert) "." } } }
        }
    }
}

fn meaning(issue: Issue) -> String {
    match issue {
        Issue::OverAssigned => format!(
            "More licences are assigned than seats of a service were purchased; critical above {} of them.",
            percent(1.0 + SEATS_OVER)
        ),
        Issue::Exhausted => "As many licences are assigned as seats of a service were purchased.".to_owned(),
        Issue::Low => format!("At least {} of the purchased seats of a service are assigned.", percent(SEATS_LOW)),
        Issue::Expired => format!(
            "No row of a service runs on. Critical for {EXPIRED_CRITICAL_DAYS} days, about as long as AvePoint keeps the data, \
             and a warning until day {EXPIRED_WARNING_DAYS}; then the alert ends, and the page goes on saying it."
        ),
        Issue::Expiring => format!(
            "A row expires within {EXPIRING_INFO_DAYS} days (warning {EXPIRING_WARNING_DAYS}, critical \
             {EXPIRING_CRITICAL_DAYS}), and the rows of the service that run beyond that do not carry its seats."
        ),
        Issue::CapacityLow => format!(
            "At least {} of the capacity of a service is protected (or used, where nothing is protected); full, and \
             critical, from {} on.",
            percent(CAPACITY_LOW),
            percent(CAPACITY_FULL)
        ),
        Issue::ContractEnding => {
            format!("A contract ends within {CONTRACT_DAYS} days, or ended less than {CONTRACT_ENDED_DAYS} days ago.")
        }
        Issue::Unused => format!(
            "Bought and unused before renewal: under {} of the seats of a service are assigned, at least \
             {SEATS_UNUSED_MIN} are not, and a row expires or its contract ends within {SEATS_UNUSED_DAYS} days.",
            percent(SEATS_UNUSED)
        ),
        Issue::TenantExhausted => {
            "A tenant has licences assigned and none available. See \u{201c}licences available\u{201d}.".to_owned()
        }
        Issue::TenantLow => format!(
            "At least {} of the licences of a tenant, assigned and available ones, are assigned. See \u{201c}licences \
             available\u{201d}.",
            percent(TENANT_SEATS_LOW)
        ),
        Issue::Stale | Issue::Failing | Issue::Pending => String::new(),
    }
}

const fn status_meaning(status: TargetStatus) -> &'static str {
    match status {
        TargetStatus::Fresh => "Read lately: the last poll succeeded.",
        TargetStatus::Stale => {
            "The last answer is older than max_age: the page still shows it, the metrics leave it out."
        }
        TargetStatus::Failing => "The last poll failed; what was read before is not stale yet, or there is nothing.",
        TargetStatus::Pending => "Not polled yet.",
        TargetStatus::Absent => "AvePoint says that the customer has no such tenant or product.",
        TargetStatus::NotGranted => {
            "The app registration lacks the permission of this collector; it is asked for once a day."
        }
    }
}
