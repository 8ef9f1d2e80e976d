//! Simulated backups: jobs (`backup_jobs`), coverage (`backup_overview`), how they are generated, and the expected
//! values.

use elements::types::{BackupJob, JobKey, JobStatus, ProtectedObjects, ServiceInfo, TenantType};
use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::dataset::SimCustomer;
use super::responses::{ApiRequest, Page, Refusal, filter_number};
use super::rng::SeededRng;
use super::settings::Dialect;
use super::wire_value::{Text, bytes, size};

/// A job of `backup_jobs`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SimJob {
    /// `jobType`
    pub job_type: u64,
    /// `jobModule`
    pub job_module: u64,
    /// The number in `jobId`, which no exporter may show.
    pub id: u64,
    /// `name`
    pub plan: Text,
    /// `status`
    pub status: u64,
    /// `successfulCount`, `failedCount`, `skippedCount`, `warningCount`
    pub objects: [u32; 4],
    /// `startTime`; without one, all values of a run are `N/A`.
    pub started: Option<Timestamp>,
    /// `jobDuration`, and what lies between `startTime` and `endTime`.
    pub seconds: u32,
    /// `backupSize`, in hundredths of a GB.
    pub size: u32,
}

/// A module of `backup_overview`, all tenants together.
#[derive(Clone, Debug, PartialEq)]
pub struct SimModule {
    /// `serviceType`
    pub service_type: u64,
    /// `serviceModule`
    pub service_module: u64,
    /// `totalScannedObjects`
    pub scanned: u32,
    /// `totalProtectedObjects`
    pub protected: u32,
    /// Hundredths of a GB in AvePoint's storage and in the customer's own; `None` is `N/A`.
    pub stored: [Option<u32>; 2],
}

/// The state of a customer's backups; the number is its `jobStatus` in the list of customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BackupScenario {
    /// Every night, with a few skipped objects.
    Healthy = 1,
    /// The last two nights failed.
    Failing = 2,
    /// No run: the backup is not configured.
    NotConfigured = 3,
    /// Every night, but half of the objects are not protected.
    HalfCovered = 4,
    /// Finished, with a tenth of the objects failed.
    Exceptions = 5,
    /// Every night until four days ago.
    Stalled = 6,
}

impl BackupScenario {
    /// The scenario of the customer at an index; half of them are healthy.
    pub(super) const fn of(index: u32) -> Self {
        match index % 10 {
            1 => Self::Failing,
            3 => Self::NotConfigured,
            5 => Self::Stalled,
            7 => Self::HalfCovered,
            9 => Self::Exceptions,
            _ => Self::Healthy,
        }
    }
}

impl SimJob {
    fn ended(&self) -> Option<Timestamp> {
        self.started?.saturating_add(SignedDuration::from_secs(self.seconds.into())).ok()
    }

    fn json(&self, dialect: Dialect) -> Value {
        let has_run = self.started.is_some();
        let text = |text: String| Value::from(if has_run { text } else { "N/A".to_owned() });
        let count = |count: u32| match dialect {
            Dialect::Live => text(count.to_string()),
            _ if has_run => dialect.number(count),
            _ => text(String::new()),
        };
        let time = |at: Option<Timestamp>| at.map_or_else(|| "N/A".to_owned(), |at| at.to_string());
        let [successful, failed, skipped, warning] = self.objects;
        json!({
            "jobType": self.job_type,
            "jobModule": self.job_module,
            "jobId": format!("CB{:016x}", self.id),
            "name": self.plan,
            "status": self.status,
            "totalCount": count(self.objects.iter().sum()),
            "successfulCount": count(successful),
            "failedCount": count(failed),
            "skippedCount": count(skipped),
            "warningCount": count(warning),
            "backupSize": text(size(self.size)),
            "startTime": time(self.started),
            "endTime": time(self.ended()),
            "jobDuration": text(duration(self.seconds)),
        })
    }

    /// The expected value.
    #[must_use]
    pub fn expected(&self) -> BackupJob {
        let has_run = self.started.is_some();
        BackupJob {
            key: JobKey { job_type: self.job_type, job_module: self.job_module, plan: self.plan.as_ref().into() },
            status: Some(JobStatus::from_number(self.status)),
            objects: self.objects.map(|count| has_run.then(|| count.into())),
            duration: has_run.then(|| self.seconds.into()),
            started: self.started.map(Into::into),
            ended: self.ended().map(Into::into),
            size: bytes(self.size).filter(|_| has_run),
        }
    }
}

impl SimModule {
    /// The expected value.
    #[must_use]
    pub fn expected(&self) -> ProtectedObjects {
        ProtectedObjects {
            service_type: self.service_type,
            service_module: self.service_module,
            scanned: Some(self.scanned.into()),
            protected: Some(self.protected.into()),
            stored: self.stored.map(|size| size.and_then(bytes)),
        }
    }

    fn json(&self, dialect: Dialect, tenant: Option<&str>) -> Value {
        let [avepoint, own] = self.stored.map(|stored| stored.map_or_else(|| "N/A".to_owned(), size));
        let mut row = json!({
            "serviceType": self.service_type,
            "serviceModule": self.service_module,
            "totalScannedObjects": dialect.number(self.scanned),
            "totalProtectedObjects": dialect.number(self.protected),
            "dataSizeStoredInAvePoint": avepoint,
            "dataSizeStoredInBYOS": own,
        });
        if let (Some(tenant), Some(fields)) = (tenant, row.as_object_mut()) {
            fields.insert("tenantId".to_owned(), tenant.into());
            fields.insert("lastRunTime".to_owned(), "2026-10-01T02:00:00Z".into());
        }
        row
    }
}

/// The response of `backup_jobs`: a scan, then the jobs.
pub(super) fn jobs(customer: &SimCustomer, request: &ApiRequest<'_>) -> Result<Vec<u8>, Refusal> {
    let [job_type, job_module] = ["jobType", "jobModule"].map(|name| filter_number(request.body, name));
    let (job_type, job_module) = (job_type?, job_module?);
    let is_wanted = |job: &&SimJob| {
        job_type.is_none_or(|wanted| wanted == job.job_type) && job_module.is_none_or(|wanted| wanted == job.job_module)
    };
    let dialect = request.settings.dialect;
    let mut rows = Vec::new();
    if dialect != Dialect::Documented {
        let mut scan = SimJob::default().json(dialect);
        if let Some(fields) = scan.as_object_mut() {
            fields.extend(["jobId", "name", "status"].map(|name| (name.to_owned(), "N/A".into())));
        }
        rows.push(scan);
    }
    rows.extend(customer.jobs.iter().filter(is_wanted).map(|job| job.json(dialect)));
    respond(&rows, request)
}

/// The response of `backup_overview`; live, with a row for each tenant.
pub(super) fn overview(customer: &SimCustomer, request: &ApiRequest<'_>) -> Result<Vec<u8>, Refusal> {
    let dialect = request.settings.dialect;
    let mut tenants = customer.tenants.iter().filter(|tenant| tenant.tenant_type == TenantType::Microsoft365);
    let first = tenants.next().map(|tenant| tenant.id.as_str()).filter(|_| dialect == Dialect::Live);
    let rows: Vec<_> = customer.modules.iter().map(|module| module.json(dialect, first)).collect();
    respond(&rows, request)
}

fn respond(rows: &[Value], request: &ApiRequest<'_>) -> Result<Vec<u8>, Refusal> {
    if request.settings.dialect == Dialect::Older {
        return Ok(serde_json::to_vec(rows).unwrap_or_default());
    }
    let page = Page::of(request)?;
    let shown = rows.get(page.range(rows.len())).unwrap_or_default();
    Ok(page.envelope(shown, rows.len(), request.faults))
}

/// Gives a customer the backups of the products that it holds.
pub(super) fn fill(customer: &mut SimCustomer, case: BackupScenario, today: Date, rng: &mut SeededRng) {
    let services = customer.rows.iter().filter_map(|row| row.service.as_deref()).map(ServiceInfo::parse);
    let services: Vec<_> = services.filter(|service| service.is_backup).collect();
    let size = rng.between(40, 900);
    for (place, service) in (0_u64..).zip(&services) {
        let is_m365 = service.tenant_type == Some(TenantType::Microsoft365);
        let modules = if is_m365 { 4 } else { 1 };
        for job_module in 1..=modules {
            let plans: &'static [&'static str] =
                if job_module == 1 && is_m365 { &["Daily", "Executives"] } else { &["Daily"] };
            for plan in plans {
                let (job_type, size) = (place + 1, size * rng.between(1, 9));
                customer.jobs.extend(runs(case, today, rng).map(|(night, status, objects)| SimJob {
                    job_type,
                    job_module,
                    id: rng.next_u64(),
                    plan: Text::Borrowed(plan),
                    status,
                    objects,
                    started: night,
                    seconds: rng.pick(&[0, 38, 4410]),
                    size,
                }));
            }
            if is_m365 && case != BackupScenario::NotConfigured && place == 0 {
                let scanned = size * rng.between(2, 20);
                let is_half = case == BackupScenario::HalfCovered && job_module == 1;
                customer.modules.push(SimModule {
                    service_type: 1,
                    service_module: job_module,
                    scanned,
                    protected: if is_half { scanned / 2 } else { scanned - rng.between(0, 2) },
                    stored: [Some(size * rng.between(10, 90)), (job_module == 2).then_some(size)],
                });
            }
        }
    }
}

/// When each run of a plan began, its status and its objects; the newest first.
fn runs(
    case: BackupScenario,
    today: Date,
    rng: &mut SeededRng,
) -> impl Iterator<Item = (Option<Timestamp>, u64, [u32; 4])> + use<> {
    let all = rng.between(100, 3000);
    let evening = Offset::UTC.to_timestamp(today.at(22, 0, 0, 0)).unwrap_or_default();
    let nights: &'static [i64] = match case {
        BackupScenario::NotConfigured => &[0],
        BackupScenario::Stalled => &[4, 5, 6],
        _ => &[1, 2, 3],
    };
    nights.iter().map(move |&days| {
        let started = evening.saturating_sub(SignedDuration::from_hours(24 * days)).ok();
        match case {
            BackupScenario::NotConfigured => (None, 14, [0; 4]),
            BackupScenario::Failing if days < 3 => (started, 3, [0, all, 0, 0]),
            BackupScenario::Exceptions => (started, 4, [all - all / 10, all / 10, 0, 2]),
            _ => (started, 2, [all, 0, 3, 0]),
        }
    })
}

/// `0 S`, `38s`, `1h13m30s`
fn duration(seconds: u32) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0) => "0 S".to_owned(),
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_are_those_of_the_records() {
        assert_eq!([0, 38, 95, 4410].map(duration), ["0 S", "38s", "1m35s", "1h13m30s"]);
        assert_eq!((size(1), size(14_322)), ("0.01 GB".to_owned(), "143.22 GB".to_owned()));
    }

    #[test]
    fn every_case_has_the_backups_that_its_name_says() {
        let customer = |case| {
            let mut customer = SimCustomer::new("c", "C");
            customer.rows = vec![super::super::dataset::SimRow::new("Cloud Backup for Microsoft 365")];
            fill(&mut customer, case, jiff::civil::date(2026, 3, 14), &mut SeededRng::of(&[1]));
            customer
        };
        let newest = |case| BackupJob::newest(customer(case).jobs.iter().map(SimJob::expected));
        assert!(newest(BackupScenario::Healthy).len() == 5, "two plans of the first module, one of three others");
        let statuses = |case| newest(case).iter().filter_map(|job| job.status).collect::<Vec<_>>();
        assert_eq!(statuses(BackupScenario::Failing), [JobStatus::Failed; 5]);
        assert_eq!(statuses(BackupScenario::NotConfigured), [JobStatus::WaitingForConfiguration; 5]);
        assert!(newest(BackupScenario::Stalled)[0].ended < newest(BackupScenario::Healthy)[0].started);
        let half = &customer(BackupScenario::HalfCovered).modules[0];
        assert!(half.protected * 2 <= half.scanned);
    }
}
