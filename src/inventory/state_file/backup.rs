//! The rows of backups in a state file, and their conversion in both directions.

use std::borrow::Cow;

use elements::types::{BackupJob, CompactTimestamp, JobKey, JobStatus, ProtectedObjects};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::DecodeError;
use super::rows::{Amount, is_default};

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct JobRow<'a> {
    #[serde(rename = "type")]
    job_type: u64,
    module: u64,
    #[serde(borrow, skip_serializing_if = "is_default")]
    plan: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    status: Option<Cow<'a, str>>,
    /// Successful, failed, skipped, warning.
    objects: [Option<Amount>; 4],
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<Amount>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ProtectedRow {
    service: u64,
    module: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scanned: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protected: Option<Amount>,
    /// In AvePoint's storage, in the customer's own.
    stored: [Option<Amount>; 2],
}

impl<'a> From<&'a BackupJob> for JobRow<'a> {
    fn from(job: &'a BackupJob) -> Self {
        let BackupJob { key: JobKey { job_type, job_module, plan }, status, objects, duration, started, ended, size } =
            job;
        Self {
            job_type: *job_type,
            module: *job_module,
            plan: (&**plan).into(),
            status: status.map(|status| status.as_str().into()),
            objects: objects.map(|number| number.map(Amount)),
            duration: duration.map(Amount),
            started: started.map(Timestamp::from),
            ended: ended.map(Timestamp::from),
            size: size.map(Amount),
        }
    }
}

impl From<JobRow<'_>> for BackupJob {
    /// A status that this version does not know is unknown.
    fn from(row: JobRow<'_>) -> Self {
        let status = |word: &str| JobStatus::ALL.into_iter().find(|status| status.as_str() == word);
        Self {
            key: JobKey { job_type: row.job_type, job_module: row.module, plan: row.plan.as_ref().into() },
            status: row.status.map(|word| status(&word).unwrap_or(JobStatus::Unknown)),
            objects: row.objects.map(|number| number.map(|amount| amount.0)),
            duration: row.duration.map(|amount| amount.0),
            started: row.started.map(CompactTimestamp::from),
            ended: row.ended.map(CompactTimestamp::from),
            size: row.size.map(|amount| amount.0),
        }
    }
}

impl From<&ProtectedObjects> for ProtectedRow {
    fn from(row: &ProtectedObjects) -> Self {
        let ProtectedObjects { service_type, service_module, scanned, protected, stored } = row;
        Self {
            service: *service_type,
            module: *service_module,
            scanned: scanned.map(Amount),
            protected: protected.map(Amount),
            stored: stored.map(|number| number.map(Amount)),
        }
    }
}

impl From<ProtectedRow> for ProtectedObjects {
    fn from(row: ProtectedRow) -> Self {
        Self {
            service_type: row.service,
            service_module: row.module,
            scanned: row.scanned.map(|amount| amount.0),
            protected: row.protected.map(|amount| amount.0),
            stored: row.stored.map(|number| number.map(|amount| amount.0)),
        }
    }
}

/// The jobs, which must be distinct and sorted.
pub(super) fn jobs(rows: Vec<JobRow<'_>>) -> Result<Vec<BackupJob>, DecodeError> {
    let jobs: Vec<BackupJob> = rows.into_iter().map(Into::into).collect();
    if !jobs.is_sorted_by(|a, b| a.key < b.key) {
        return Err(DecodeError::Invalid("backup jobs out of order"));
    }
    Ok(jobs)
}

/// The modules, which must be distinct and sorted.
pub(super) fn modules(rows: Vec<ProtectedRow>) -> Result<Vec<ProtectedObjects>, DecodeError> {
    let modules: Vec<ProtectedObjects> = rows.into_iter().map(Into::into).collect();
    let key = |row: &ProtectedObjects| (row.service_type, row.service_module);
    if !modules.is_sorted_by(|a, b| key(a) < key(b)) {
        return Err(DecodeError::Invalid("modules of a backup out of order"));
    }
    Ok(modules)
}
