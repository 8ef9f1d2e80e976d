//! Backups and profile of a customer: as JSON, in the table of customers, and on the customer's page.

use std::sync::Arc;

use elements::types::{
    Answer, BackupJob, Collector, CustomerJobStatus, JobStatus, ManagementMode, Moment, ProtectedObjects, Quantity,
    Question,
};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;

use super::customer_json::{Number, answers};
use super::format::{ago, bytes, count, moment, plural, quantity};
use super::layout::{badge, bar, columns};
use super::summary::Row;
use crate::inventory::{KnownProfile, is_expired};

/// How a customer is managed, and how its backups are.
#[derive(Clone, Debug, Serialize)]
pub struct ProfileDetail {
    /// The word of [`CustomerJobStatus`].
    pub job_status: Option<&'static str>,
    /// Its country or region.
    pub country: Option<Arc<str>>,
    /// The word of [`ManagementMode`].
    pub management_mode: Option<&'static str>,
    /// When this was seen.
    pub seen: Timestamp,
    /// Older than its `max_age`.
    pub stale: bool,
}

/// The newest job of a plan.
#[derive(Clone, Debug, Serialize)]
pub struct JobDetail {
    /// The API's number.
    pub job_type: u64,
    /// The API's number.
    pub job_module: u64,
    /// Its name; empty if it has none.
    pub plan: Arc<str>,
    /// The word of [`JobStatus`].
    pub status: Option<&'static str>,
    /// `successfulCount`
    pub successful: Option<Number>,
    /// `failedCount`
    pub failed: Option<Number>,
    /// `skippedCount`
    pub skipped: Option<Number>,
    /// `warningCount`
    pub warning: Option<Number>,
    /// How long it ran.
    pub duration_seconds: Option<Number>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// What it backed up.
    pub size_bytes: Option<Number>,
    /// When this was seen.
    pub seen: Timestamp,
    /// Older than its `max_age`.
    pub stale: bool,
}

/// What backups of a service and module cover.
#[derive(Clone, Debug, Serialize)]
pub struct ModuleDetail {
    /// The API's number.
    pub service_type: u64,
    /// The API's number.
    pub service_module: u64,
    /// `totalScannedObjects`
    pub scanned: Option<Number>,
    /// `totalProtectedObjects`
    pub protected: Option<Number>,
    /// Protected of scanned objects.
    pub coverage: Option<f64>,
    /// In AvePoint's storage.
    pub stored_avepoint_bytes: Option<Number>,
    /// In the customer's own storage.
    pub stored_own_bytes: Option<Number>,
    /// When this was seen.
    pub seen: Timestamp,
    /// Older than its `max_age`.
    pub stale: bool,
}

impl JobDetail {
    fn new(job: &BackupJob, seen: Timestamp, stale: bool) -> Self {
        let [successful, failed, skipped, warning] = job.objects.map(|number| number.map(Number));
        Self {
            job_type: job.key.job_type,
            job_module: job.key.job_module,
            plan: Arc::clone(&job.key.plan),
            status: job.status.map(JobStatus::as_str),
            successful,
            failed,
            skipped,
            warning,
            duration_seconds: job.duration.map(Number),
            ended: job.ended.map(Moment::get),
            size_bytes: job.size.map(Number),
            seen,
            stale,
        }
    }
}

impl ModuleDetail {
    fn new(module: &ProtectedObjects, seen: Timestamp, stale: bool) -> Self {
        let [stored_avepoint_bytes, stored_own_bytes] = module.stored.map(|size| size.map(Number));
        Self {
            service_type: module.service_type,
            service_module: module.service_module,
            scanned: module.scanned.map(Number),
            protected: module.protected.map(Number),
            coverage: coverage(module),
            stored_avepoint_bytes,
            stored_own_bytes,
            seen,
            stale,
        }
    }
}

/// Protected of scanned objects; `None` where nothing was scanned or one of the two is not known.
#[must_use]
pub fn coverage(module: &ProtectedObjects) -> Option<f64> {
    let (scanned, protected) = (module.scanned?.get(), module.protected?.get());
    (scanned > 0.0).then_some(protected / scanned)
}

/// The newest job of each plan; `None` unless the collector is enabled.
#[must_use]
pub(super) fn jobs(row: &Row<'_>, now: Timestamp) -> Option<Vec<JobDetail>> {
    let mut details = Vec::new();
    for (question, answer, seen, stale) in answers(row, now) {
        if let (Question::BackupJobs, Answer::BackupJobs(jobs)) = (question, answer) {
            details.extend(jobs.iter().map(|job| JobDetail::new(job, seen, stale)));
        }
    }
    is_enabled(row, Collector::BackupJobs).then_some(details)
}

/// What is covered; `None` unless the collector is enabled.
#[must_use]
pub(super) fn modules(row: &Row<'_>, now: Timestamp) -> Option<Vec<ModuleDetail>> {
    let mut details = Vec::new();
    for (question, answer, seen, stale) in answers(row, now) {
        if let (Question::BackupOverview, Answer::BackupOverview(modules)) = (question, answer) {
            details.extend(modules.iter().map(|module| ModuleDetail::new(module, seen, stale)));
        }
    }
    is_enabled(row, Collector::BackupOverview).then_some(details)
}

/// The row of the list of customers; `None` unless the collector is enabled and has one.
#[must_use]
pub(super) fn profile(row: &Row<'_>, now: Timestamp) -> Option<ProfileDetail> {
    let KnownProfile { seen, profile, .. } = row.customer.profile.as_deref()?;
    let detail = ProfileDetail {
        job_status: profile.job_status.map(CustomerJobStatus::as_str),
        country: Some(&profile.country).filter(|country| !country.is_empty()).cloned(),
        management_mode: profile.management_mode.map(ManagementMode::as_str),
        seen: *seen,
        stale: is_expired(*seen, row.inventory.max_age(Collector::Customers), now),
    };
    is_enabled(row, Collector::Customers).then_some(detail)
}

/// What the top of a customer's page says of its profile.
pub(super) fn facts(profile: &ProfileDetail) -> impl Iterator<Item = (&'static str, Markup)> {
    let text = |text: &str| html! { (text.replace('_', " ")) };
    let facts = [
        ("Backups", profile.job_status.map(text)),
        ("Managed by", profile.management_mode.map(text)),
        ("Country", profile.country.as_deref().map(|country| html! { (country) })),
    ];
    facts.into_iter().filter_map(|(term, value)| Some((term, value?)))
}

/// The class of a status of all backups of a customer.
const fn level(status: CustomerJobStatus) -> &'static str {
    match status {
        CustomerJobStatus::Working => "good",
        CustomerJobStatus::Failed | CustomerJobStatus::MultipleIssues => "warning",
        _ => "quiet",
    }
}

fn is_enabled(row: &Row<'_>, collector: Collector) -> bool {
    row.inventory.collectors.schedule(collector).enabled
}

/// Jobs that failed, and all jobs; `None` if none is known.
fn failed_jobs(row: &Row<'_>) -> Option<(usize, usize)> {
    let known = row.customer.targets.iter().filter_map(|(_, known)| known.answer.as_ref());
    let mut jobs = known.filter_map(|(_, answer)| match answer {
        Answer::BackupJobs(jobs) if !jobs.is_empty() => Some(jobs),
        _ => None,
    });
    let jobs = jobs.next()?;
    Some((jobs.iter().filter(|job| job.status.is_some_and(JobStatus::is_failure)).count(), jobs.len()))
}

/// How the customer's backups are, in the table of customers.
#[must_use]
pub(super) fn cell(row: &Row<'_>) -> Markup {
    let status = row.customer.profile.as_ref().and_then(|known| known.profile.job_status);
    html! {
        @if let Some(status) = status { (badge(level(status), &status.as_str().replace('_', " "))) " " }
        @match failed_jobs(row) {
            Some((0, all)) => small { (plural(all as u64, "plan")) ", none failed" },
            Some((failed, all)) => small.warning { (count(failed as f64)) " of " (plural(all as u64, "plan")) " failed" },
            None => @if status.is_none() { span.muted { "–" } },
        }
    }
}

fn number(value: Option<Number>, text: fn(Quantity) -> String) -> Markup {
    html! { @if let Some(Number(value)) = value { (text(value)) } @else { span.muted { "–" } } }
}

fn seen(at: Timestamp, stale: bool, now: Timestamp) -> Markup {
    html! { span title=(moment(at)) { (ago(at, now)) } @if stale { " " (badge("warning", "stale")) } }
}

/// The section of the jobs.
#[must_use]
pub(super) fn jobs_section(jobs: &[JobDetail], now: Timestamp) -> Markup {
    let level = |status: &str| match JobStatus::ALL.into_iter().find(|known| known.as_str() == status) {
        Some(JobStatus::Finished) => "good",
        Some(status) if status.is_failure() => "warning",
        _ => "quiet",
    };
    html! {
        section {
            h2 { "Backup jobs" }
            div.scroll { table {
                (columns(&["Plan", "Type", "Module", "Status", "Ended", "Successful", "Failed", "Size", "Seen"], &["Type", "Module", "Successful", "Failed", "Size"]))
                tbody { @for job in jobs { tr {
                    td { (job.plan) }
                    td.number { (job.job_type) }
                    td.number { (job.job_module) }
                    td { @if let Some(status) = job.status { (badge(level(status), status)) } @else { span.muted { "–" } } }
                    td { @if let Some(at) = job.ended { span title=(moment(at)) { (ago(at, now)) } } @else { span.muted { "–" } } }
                    td.number { (number(job.successful, quantity)) }
                    td.number { (number(job.failed, quantity)) }
                    td.number { (number(job.size_bytes, bytes)) }
                    td { (seen(job.seen, job.stale, now)) }
                } } }
            } }
        }
    }
}

/// The section of what is covered.
#[must_use]
pub(super) fn modules_section(modules: &[ModuleDetail], now: Timestamp) -> Markup {
    html! {
        section {
            h2 { "Backup coverage" }
            div.scroll { table {
                (columns(&["Service", "Module", "Share protected", "Protected", "Scanned", "Stored by AvePoint", "Stored by the customer", "Seen"], &["Service", "Module", "Protected", "Scanned", "Stored by AvePoint", "Stored by the customer"]))
                tbody { @for row in modules { tr {
                    td.number { (row.service_type) }
                    td.number { (row.service_module) }
                    td { @if let Some(share) = row.coverage { (bar(share, None)) } @else { span.muted { "–" } } }
                    td.number { (number(row.protected, quantity)) }
                    td.number { (number(row.scanned, quantity)) }
                    td.number { (number(row.stored_avepoint_bytes, bytes)) }
                    td.number { (number(row.stored_own_bytes, bytes)) }
                    td { (seen(row.seen, row.stale, now)) }
                } } }
            } }
        }
    }
}
