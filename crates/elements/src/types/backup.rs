//! Backups of a customer: the newest job of each plan, and what is protected.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{CompactTimestamp, Quantity};

/// One row of `backup_jobs`, without its job id. Values that are missing, `N/A` or unreadable are `None`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupJob {
    /// `jobType`, `jobModule` and `name`.
    #[serde(flatten)]
    pub key: JobKey,
    /// `status`
    pub status: Option<JobStatus>,
    /// `successfulCount`, `failedCount`, `skippedCount` and `warningCount`, in the order of [`RESULTS`].
    pub objects: [Option<Quantity>; 4],
    /// `jobDuration` in seconds.
    pub duration: Option<Quantity>,
    /// `startTime`
    pub started: Option<CompactTimestamp>,
    /// `endTime`
    pub ended: Option<CompactTimestamp>,
    /// `backupSize` in bytes.
    pub size: Option<Quantity>,
}

/// The jobs of one key are runs of the same plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobKey {
    /// `jobType`, the API's number.
    #[serde(rename = "type")]
    pub job_type: u64,
    /// `jobModule`, the API's number.
    #[serde(rename = "module")]
    pub job_module: u64,
    /// `name`; empty if missing.
    #[serde(default)]
    pub plan: Arc<str>,
}

/// The label `result` of the numbers of [`BackupJob::objects`].
pub const RESULTS: [&str; 4] = ["successful", "failed", "skipped", "warning"];

impl BackupJob {
    /// The newest job of each key, sorted by key. A job that is still running, without an end and with a status that
    /// is not final, replaces no job that has ended: its result is not known yet.
    #[must_use]
    pub fn newest(jobs: impl IntoIterator<Item = Self>) -> Arc<[Self]> {
        let mut newest: BTreeMap<JobKey, Self> = BTreeMap::new();
        for job in jobs {
            match newest.get(&job.key) {
                Some(known) if known.recency() >= job.recency() => {}
                _ => drop(newest.insert(job.key.clone(), job)),
            }
        }
        newest.into_values().collect()
    }

    fn recency(&self) -> impl Ord + use<> {
        let is_final = self.status.is_some_and(|status| status != JobStatus::Unknown);
        (self.ended.is_some() || is_final, self.ended.or(self.started), self.status)
    }
}

/// `status` of `backup_jobs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// 2
    Finished,
    /// 3
    Failed,
    /// 4
    FinishedWithException,
    /// 5
    Skipped,
    /// 7
    FailedToStart,
    /// 8
    Cancelled,
    /// 9
    Rejected,
    /// 10
    Stopped,
    /// 12
    Disabled,
    /// 14
    WaitingForConfiguration,
    /// A number that is not documented.
    #[serde(other)]
    Unknown,
}

impl JobStatus {
    /// Every status, in the order of declaration.
    pub const ALL: [Self; 11] = [
        Self::Finished,
        Self::Failed,
        Self::FinishedWithException,
        Self::Skipped,
        Self::FailedToStart,
        Self::Cancelled,
        Self::Rejected,
        Self::Stopped,
        Self::Disabled,
        Self::WaitingForConfiguration,
        Self::Unknown,
    ];

    /// Converts from the API's number.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        match number {
            2 => Self::Finished,
            3 => Self::Failed,
            4 => Self::FinishedWithException,
            5 => Self::Skipped,
            7 => Self::FailedToStart,
            8 => Self::Cancelled,
            9 => Self::Rejected,
            10 => Self::Stopped,
            12 => Self::Disabled,
            14 => Self::WaitingForConfiguration,
            _ => Self::Unknown,
        }
    }

    /// The label `status`, and the text on the status page.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::FinishedWithException => "finished_with_exception",
            Self::Skipped => "skipped",
            Self::FailedToStart => "failed_to_start",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::Stopped => "stopped",
            Self::Disabled => "disabled",
            Self::WaitingForConfiguration => "waiting_for_configuration",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the run produced no backup although it should have.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::FailedToStart | Self::Rejected)
    }
}

/// One row of `backup_overview`: what backups of one service and module of a customer cover, all its tenants together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtectedObjects {
    /// `serviceType`, the API's number.
    #[serde(rename = "service")]
    pub service_type: u64,
    /// `serviceModule`, the API's number.
    #[serde(rename = "module")]
    pub service_module: u64,
    /// `totalScannedObjects`
    pub scanned: Option<Quantity>,
    /// `totalProtectedObjects`
    pub protected: Option<Quantity>,
    /// `dataSizeStoredInAvePoint` and `dataSizeStoredInBYOS` in bytes, in the order of [`STORAGES`].
    pub stored: [Option<Quantity>; 2],
}

/// The label `storage` of the numbers of [`ProtectedObjects::stored`].
pub const STORAGES: [&str; 2] = ["avepoint", "own"];

impl ProtectedObjects {
    /// One row for each service and module, sorted; rows of several tenants are added up. A number that only some of
    /// them have is not known.
    #[must_use]
    pub fn by_module(rows: impl IntoIterator<Item = Self>) -> Arc<[Self]> {
        let mut modules: BTreeMap<(u64, u64), Self> = BTreeMap::new();
        for row in rows {
            let key = (row.service_type, row.service_module);
            let sum = match modules.remove(&key) {
                Some(known) => known.plus(&row),
                None => row,
            };
            modules.insert(key, sum);
        }
        modules.into_values().collect()
    }

    fn plus(self, other: &Self) -> Self {
        let add = |a: Option<Quantity>, b: Option<Quantity>| Quantity::new(a?.get() + b?.get());
        let ([avepoint, own], [more_avepoint, more_own]) = (self.stored, other.stored);
        // A size is N/A where that storage is not used.
        let either = |a: Option<Quantity>, b: Option<Quantity>| add(a, b).or(a).or(b);
        Self {
            scanned: add(self.scanned, other.scanned),
            protected: add(self.protected, other.protected),
            stored: [either(avepoint, more_avepoint), either(own, more_own)],
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn job(plan: &str, status: u64, ended: Option<i64>) -> BackupJob {
        let at = |hour: i64| CompactTimestamp::from(Timestamp::from_second(hour * 3600).unwrap());
        BackupJob {
            key: JobKey { job_type: 1, job_module: 2, plan: plan.into() },
            status: Some(JobStatus::from_number(status)),
            objects: [None; 4],
            duration: None,
            started: ended.map(|hour| at(hour - 1)),
            ended: ended.map(at),
            size: None,
        }
    }

    proptest! {
        #[test]
        fn the_newest_run_of_each_plan_stays_however_they_are_ordered(
            jobs in prop::collection::vec(("[ab]", prop::sample::select(vec![2, 3, 4]), 0..50_i64), 1..20).prop_shuffle(),
        ) {
            let newest = BackupJob::newest(jobs.iter().map(|(plan, status, hour)| job(plan, *status, Some(*hour))));
            prop_assert!(newest.is_sorted_by(|a, b| a.key < b.key));
            for job in &*newest {
                let runs = jobs.iter().filter(|(plan, ..)| **plan == *job.key.plan);
                let latest = runs.map(|&(_, _, hour)| hour).max().unwrap();
                prop_assert_eq!(job.ended.unwrap().get().as_second(), latest * 3600);
            }
        }
    }

    #[test]
    fn a_running_job_has_no_result() {
        let running = |hour: i64| BackupJob { ended: None, ..job("a", 1, Some(hour)) };
        let status = |jobs: Vec<BackupJob>| BackupJob::newest(jobs)[0].status;
        assert_eq!(status(vec![job("a", 3, Some(10)), running(20)]), Some(JobStatus::Failed));
        assert_eq!(status(vec![running(20)]), Some(JobStatus::Unknown));
        let waiting = BackupJob { ended: None, started: None, ..job("a", 14, None) };
        assert_eq!(status(vec![running(20), waiting]), Some(JobStatus::WaitingForConfiguration));
    }

    #[test]
    fn tenants_are_added_up() {
        let row = |scanned: Option<u32>, avepoint: Option<u32>, own: Option<u32>| ProtectedObjects {
            service_type: 1,
            service_module: 2,
            scanned: scanned.map(Into::into),
            protected: Some(1.into()),
            stored: [avepoint.map(Into::into), own.map(Into::into)],
        };
        let sum = ProtectedObjects::by_module([row(Some(10), Some(5), None), row(Some(20), Some(6), Some(7))]);
        assert_eq!((sum[0].scanned, sum[0].protected), (Some(30.into()), Some(2.into())));
        assert_eq!(sum[0].stored, [Some(11.into()), Some(7.into())]);
        assert_eq!(ProtectedObjects::by_module([row(None, None, None), row(Some(1), None, None)])[0].scanned, None);
    }
}
