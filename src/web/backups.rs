//! Backup jobs, backup coverage and profile of a customer: JSON, and their HTML on both pages.

use std::sync::Arc;

use elements::types::{
    BackupJob, Collector, CompactTimestamp, CustomerJobStatus, JobStatus, ManagementMode, Observation,
    ProtectedObjects, Quantity,
};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;

use super::customer_json::observations;
use super::format::{bytes, count, plural, quantity};
use super::layout::{Table, age, badge, bar, number, or_dash, seen};
use super::summary::CustomerSummary;
use crate::inventory::is_expired;

/// The row of the list of customers: management mode and backup status.
#[derive(Clone, Debug, Serialize)]
pub struct ProfileJson {
    /// The name of the [`CustomerJobStatus`].
    pub job_status: Option<&'static str>,
    /// The country or region.
    pub country: Option<Arc<str>>,
    /// The name of the [`ManagementMode`].
    pub management_mode: Option<&'static str>,
    /// When this was received.
    pub seen: Timestamp,
    /// Older than its `max_age`.
    pub stale: bool,
}

/// The newest job of a plan.
#[derive(Clone, Debug, Serialize)]
pub struct JobJson {
    /// `jobType` of the API.
    pub job_type: u64,
    /// `jobModule` of the API.
    pub job_module: u64,
    /// The name of the plan; empty if it has none.
    pub plan: Arc<str>,
    /// The name of the [`JobStatus`].
    pub status: Option<&'static str>,
    /// `successfulCount`
    pub successful: Option<Quantity>,
    /// `failedCount`
    pub failed: Option<Quantity>,
    /// `skippedCount`
    pub skipped: Option<Quantity>,
    /// `warningCount`
    pub warning: Option<Quantity>,
    /// The duration of the job.
    pub duration_seconds: Option<Quantity>,
    /// The end of the job.
    pub ended: Option<Timestamp>,
    /// The size of the backup.
    pub size_bytes: Option<Quantity>,
    /// When this was received.
    pub seen: Timestamp,
    /// Older than its `max_age`.
    pub stale: bool,
}

/// Backup coverage of a service and module.
#[derive(Clone, Debug, Serialize)]
pub struct ModuleJson {
    /// `serviceType` of the API.
    pub service_type: u64,
    /// `serviceModule` of the API.
    pub service_module: u64,
    /// `totalScannedObjects`
    pub scanned: Option<Quantity>,
    /// `totalProtectedObjects`
    pub protected: Option<Quantity>,
    /// Protected divided by scanned objects.
    pub coverage: Option<f64>,
    /// Bytes in AvePoint's storage.
    pub stored_avepoint_bytes: Option<Quantity>,
    /// Bytes in the customer's own storage.
    pub stored_own_bytes: Option<Quantity>,
    /// When this was received.
    pub seen: Timestamp,
    /// Older than its `max_age`.
    pub stale: bool,
}

impl JobJson {
    fn new(job: &BackupJob, seen: Timestamp, stale: bool) -> Self {
        let [successful, failed, skipped, warning] = job.objects;
        Self {
            job_type: job.key.job_type,
            job_module: job.key.job_module,
            plan: Arc::clone(&job.key.plan),
            status: job.status.map(JobStatus::as_str),
            successful,
            failed,
            skipped,
            warning,
            duration_seconds: job.duration,
            ended: job.ended.map(CompactTimestamp::get),
            size_bytes: job.size,
            seen,
            stale,
        }
    }
}

impl ModuleJson {
    fn new(module: &ProtectedObjects, seen: Timestamp, stale: bool) -> Self {
        let [stored_avepoint_bytes, stored_own_bytes] = module.stored;
        Self {
            service_type: module.service_type,
            service_module: module.service_module,
            scanned: module.scanned,
            protected: module.protected,
            coverage: coverage(module),
            stored_avepoint_bytes,
            stored_own_bytes,
            seen,
            stale,
        }
    }
}

/// Protected divided by scanned objects; `None` if nothing was scanned or one of the two is unknown.
#[must_use]
pub fn coverage(module: &ProtectedObjects) -> Option<f64> {
    let (scanned, protected) = (module.scanned?.get(), module.protected?.get());
    (scanned > 0.0).then_some(protected / scanned)
}

/// The newest job of each plan; `None` unless the collector is enabled.
#[must_use]
pub(super) fn jobs(row: &CustomerSummary<'_>, now: Timestamp) -> Option<Vec<JobJson>> {
    let known = observations(row, now).filter_map(|(_, observation, seen, stale)| match observation {
        Observation::BackupJobs(jobs) => Some(jobs.iter().map(move |job| JobJson::new(job, seen, stale))),
        _ => None,
    });
    is_enabled(row, Collector::BackupJobs).then(|| known.flatten().collect())
}

/// The backup coverage by module; `None` unless the collector is enabled.
#[must_use]
pub(super) fn modules(row: &CustomerSummary<'_>, now: Timestamp) -> Option<Vec<ModuleJson>> {
    let known = observations(row, now).filter_map(|(_, observation, seen, stale)| match observation {
        Observation::BackupOverview(modules) => {
            Some(modules.iter().map(move |module| ModuleJson::new(module, seen, stale)))
        }
        _ => None,
    });
    is_enabled(row, Collector::BackupOverview).then(|| known.flatten().collect())
}

/// The row of the list of customers; `None` unless the collector is enabled and has one.
#[must_use]
pub(super) fn profile(row: &CustomerSummary<'_>, now: Timestamp) -> Option<ProfileJson> {
    let (known, profile) = (row.customer.row(Collector::Customers)?, row.customer.profile()?);
    let detail = ProfileJson {
        job_status: profile.job_status.map(CustomerJobStatus::as_str),
        country: Some(&profile.country).filter(|country| !country.is_empty()).cloned(),
        management_mode: profile.management_mode.map(ManagementMode::as_str),
        seen: known.seen,
        stale: is_expired(known.seen, row.inventory.max_age(Collector::Customers), now),
    };
    is_enabled(row, Collector::Customers).then_some(detail)
}

/// Terms and values of the profile for the top of the customer's page.
pub(super) fn facts(profile: &ProfileJson) -> impl Iterator<Item = (&'static str, Markup)> {
    let text = |text: &str| html! { (text.replace('_', " ")) };
    let facts = [
        ("Backups", profile.job_status.map(text)),
        ("Managed by", profile.management_mode.map(text)),
        ("Country", profile.country.as_deref().map(|country| html! { (country) })),
    ];
    facts.into_iter().filter_map(|(term, value)| Some((term, value?)))
}

/// The CSS class of a customer's backup status.
const fn level(status: CustomerJobStatus) -> &'static str {
    match status {
        CustomerJobStatus::Working => "good",
        CustomerJobStatus::Failed | CustomerJobStatus::MultipleIssues => "warning",
        _ => "quiet",
    }
}

fn is_enabled(row: &CustomerSummary<'_>, collector: Collector) -> bool {
    row.inventory.collectors.schedule(collector).enabled
}

/// The number of failed jobs and of all jobs; `None` if no job is known.
fn failed_jobs(row: &CustomerSummary<'_>) -> Option<(usize, usize)> {
    let known = row.customer.targets.iter().filter_map(|(_, known)| known.observation.as_ref());
    let mut jobs = known.filter_map(|(_, observation)| match observation {
        Observation::BackupJobs(jobs) if !jobs.is_empty() => Some(jobs),
        _ => None,
    });
    let jobs = jobs.next()?;
    Some((jobs.iter().filter(|job| job.status.is_some_and(JobStatus::is_failure)).count(), jobs.len()))
}

/// The cell of the table of customers with the backup status.
#[must_use]
pub(super) fn cell(row: &CustomerSummary<'_>) -> Markup {
    let status = row.customer.profile().and_then(|profile| profile.job_status);
    html! {
        @if let Some(status) = status { (badge(level(status), &status.as_str().replace('_', " "))) " " }
        @match failed_jobs(row) {
            Some((0, all)) => small { (plural(all as u64, "plan")) ", none failed" },
            Some((failed, all)) => small.warning { (count(failed as f64)) " of " (plural(all as u64, "plan")) " failed" },
            None => @if status.is_none() { span.muted { "–" } },
        }
    }
}

#[must_use]
pub(super) fn jobs_section(jobs: &[JobJson], now: Timestamp) -> Markup {
    let level = |status: &str| match JobStatus::ALL.into_iter().find(|known| known.as_str() == status) {
        Some(JobStatus::Finished) => "good",
        Some(status) if status.is_failure() => "warning",
        _ => "quiet",
    };
    let table = Table::of(jobs)
        .text("Plan", |job| html! { (job.plan) })
        .number("Type", |job| html! { (job.job_type) })
        .number("Module", |job| html! { (job.job_module) })
        .text("Status", |job| or_dash(job.status.map(|status| badge(level(status), status))))
        .text("Ended", |job| or_dash(job.ended.map(|at| age(at, now))))
        .number("Successful", |job| number(job.successful, quantity))
        .number("Failed", |job| number(job.failed, quantity))
        .number("Size", |job| number(job.size_bytes, bytes))
        .text("Seen", |job| seen(job.seen, job.stale, now));
    html! { section { h2 { "Backup jobs" } (table) } }
}

#[must_use]
pub(super) fn modules_section(modules: &[ModuleJson], now: Timestamp) -> Markup {
    let table = Table::of(modules)
        .number("Service", |row| html! { (row.service_type) })
        .number("Module", |row| html! { (row.service_module) })
        .text("Share protected", |row| or_dash(row.coverage.map(|share| bar(share, None))))
        .number("Protected", |row| number(row.protected, quantity))
        .number("Scanned", |row| number(row.scanned, quantity))
        .number("Stored by AvePoint", |row| number(row.stored_avepoint_bytes, bytes))
        .number("Stored by the customer", |row| number(row.stored_own_bytes, bytes))
        .text("Seen", |row| seen(row.seen, row.stale, now));
    html! { section { h2 { "Backup coverage" } (table) } }
}
