//! Decodes backup jobs, and what backups protect.
//!
//! Job ids and the names of objects are not read. A plan's name may contain an email address, which is left out.

use std::borrow::Cow;

use super::json::{self, Json, Row};
use super::reader::{self, FieldReader, FieldValue};
use super::{Decoded, Field, Malformed, Page, date, duration, number, page, size, without_addresses};
use crate::types::{BackupJob, CompactTimestamp, JobKey, JobStatus, MAX_TEXT_CHARS, ProtectedObjects};

/// A row with a text that identifies it among the rows of a response.
#[derive(Clone, Debug, PartialEq)]
pub struct Keyed<T> {
    /// Built from the fields of the row; contains no job id.
    pub key: String,
    /// `None` if the row has no data: the scan at the start of every list of jobs, or a row that cannot be read.
    pub row: Option<T>,
}

/// `backup_jobs`: `{jobType, jobModule, status, name, successfulCount, ...}`, in the envelope or as a bare list.
pub fn backup_jobs(body: &[u8]) -> Result<Decoded<Page<Keyed<BackupJob>>>, Malformed> {
    let text = json::text(body);
    page::read(&json::parse(&text)?, page::Shape::EnvelopeOrList, Field::JobType, |reader, row| Some(job(reader, row)))
}

/// `backup_overview`: `{serviceType, serviceModule, totalScannedObjects, ...}`, in the envelope or as a bare list.
pub fn backup_overview(body: &[u8]) -> Result<Decoded<Page<Keyed<ProtectedObjects>>>, Malformed> {
    let text = json::text(body);
    page::read(&json::parse(&text)?, page::Shape::EnvelopeOrList, Field::ServiceType, |reader, row| {
        Some(protected(reader, row))
    })
}

fn job(reader: &mut FieldReader, row: Row<'_>) -> Keyed<BackupJob> {
    let Some((job_type, job_module)) = numbers(reader, row, [Field::JobType, Field::JobModule]) else {
        return Keyed { key: String::new(), row: None };
    };
    if (job_type, job_module) == (0, 0) {
        return Keyed { key: "scan".to_owned(), row: None };
    }
    let plan = reader.read(row, Field::Name, plan).value();
    let plan = reader.intern(plan);
    let mut time = |field| reader.read(row, field, date::timestamp).value().map(CompactTimestamp::from);
    let [started, ended] = [Field::StartTime, Field::EndTime].map(&mut time);
    let counts = [Field::SuccessfulCount, Field::FailedCount, Field::SkippedCount, Field::WarningCount];
    let status = reader.read(row, Field::Status, number::count).value().map(JobStatus::from_number);
    let job = BackupJob {
        key: JobKey { job_type, job_module, plan },
        status,
        objects: counts.map(|field| reader.read(row, field, number::objects).value()),
        duration: reader.read(row, Field::JobDuration, duration::seconds).value(),
        started,
        ended,
        size: reader.read(row, Field::BackupSize, size::bytes).value(),
    };
    Keyed { key: format!("{:?} {status:?} {started:?} {ended:?}", job.key), row: Some(job) }
}

/// A name without the words that may be email addresses, which are removed before the name is cut.
fn plan<'a>(json: &'a Json<'a>) -> FieldValue<Cow<'a, str>> {
    match json {
        Json::Text(text) if text.contains('@') => {
            let text = without_addresses(text.trim());
            FieldValue::Value(text.chars().take(MAX_TEXT_CHARS).collect::<String>().into())
        }
        other => reader::text(other),
    }
}

fn protected(reader: &mut FieldReader, row: Row<'_>) -> Keyed<ProtectedObjects> {
    let Some((service_type, service_module)) = numbers(reader, row, [Field::ServiceType, Field::ServiceModule]) else {
        return Keyed { key: String::new(), row: None };
    };
    // Since the end of 2026 there is a row for each tenant.
    let tenant = reader.read(row, Field::TenantId, reader::text).value().unwrap_or_default();
    let key = format!("{service_type} {service_module} {tenant}");
    let stored = [Field::DataSizeStoredInAvePoint, Field::DataSizeStoredInByos];
    let row = ProtectedObjects {
        service_type,
        service_module,
        scanned: reader.read(row, Field::TotalScannedObjects, number::objects).value(),
        protected: reader.read(row, Field::TotalProtectedObjects, number::objects).value(),
        stored: stored.map(|field| reader.read(row, field, size::bytes).value()),
    };
    Keyed { key, row: Some(row) }
}

/// The two numbers that say what a row is about; `None` if they are `N/A`, or cannot be read, which is counted.
fn numbers(reader: &mut FieldReader, row: Row<'_>, fields: [Field; 2]) -> Option<(u64, u64)> {
    let [first, second] = fields.map(|field| {
        let number = reader.read(row, field, number::count);
        if number == FieldValue::Absent {
            reader.record_unreadable(field, "");
        }
        number.value()
    });
    first.zip(second)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::types::Quantity;

    fn at(text: &str) -> CompactTimestamp {
        text.parse::<Timestamp>().unwrap().into()
    }

    #[test]
    fn a_list_of_jobs_begins_with_a_scan() {
        let body = br#"{"data": [
            {"jobType": 0, "jobModule": 0, "status": "N/A", "jobId": "N/A", "name": "N/A", "totalCount": "N/A",
             "failedCount": "N/A", "backupSize": "N/A", "startTime": "N/A", "endTime": "N/A", "jobDuration": "N/A"},
            {"jobType": 1, "jobModule": 4, "status": 4, "jobId": "CB2025", "name": "Daily", "totalCount": "2,430",
             "failedCount": "7", "successfulCount": "2,423", "skippedCount": "0", "warningCount": "N/A",
             "backupSize": "0.01 GB", "startTime": "2025-12-09T01:00:00Z", "endTime": "2025-12-09T02:13:30Z",
             "jobDuration": "1h13m30s"},
            {"jobType": "1", "jobModule": 4, "status": 99, "name": "for anna@example.com", "jobDuration": "0 S"}
        ], "metadata": {"totalCount": 3, "pageSize": 100, "pageIndex": 1}}"#;
        let Decoded { value: page, unreadable } = backup_jobs(body).unwrap();
        assert_eq!((unreadable, page.received, page.rows.len()), (vec![], 3, 3));
        let mut rows = page.rows.into_iter().map(|keyed| keyed.row);
        assert_eq!(rows.next(), Some(None), "the scan has no result");
        let job = rows.next().unwrap().unwrap();
        assert_eq!(job.key, JobKey { job_type: 1, job_module: 4, plan: "Daily".into() });
        assert_eq!(job.status, Some(JobStatus::FinishedWithException));
        assert_eq!(job.objects, [Some(2423.into()), Some(7.into()), Some(0.into()), None]);
        assert_eq!((job.duration, job.size), (Some(4410.into()), Quantity::new(0.01 * f64::from(1 << 30))));
        assert_eq!((job.started, job.ended), (Some(at("2025-12-09T01:00:00Z")), Some(at("2025-12-09T02:13:30Z"))));
        let job = rows.next().unwrap().unwrap();
        assert_eq!((&*job.key.plan, job.status, job.objects), ("for <address>", Some(JobStatus::Unknown), [None; 4]));
    }

    #[test]
    fn unreadable_values_of_a_job_are_counted_and_omitted() {
        let body = br#"[{"jobType": 1, "jobModule": 2, "status": "done", "failedCount": "-1", "jobDuration": "long"},
            {"jobModule": 2, "status": 3}, {"jobType": "N/A", "jobModule": "N/A"}, {"jobType": -1, "jobModule": 2}, 7]"#;
        let Decoded { value: page, unreadable } = backup_jobs(body).unwrap();
        let fields: Vec<_> = unreadable.iter().map(|one| one.field).collect();
        let of_first = [Field::Status, Field::FailedCount, Field::JobDuration];
        assert_eq!(fields, [&of_first[..], &[Field::JobType; 3]].concat());
        let rows: Vec<_> = page.rows.into_iter().filter_map(|keyed| keyed.row).collect();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].status, rows[0].objects, rows[0].duration), (None, [None; 4], None));
        assert!(backup_jobs(b"{}").is_err() && backup_jobs(br#"{"data": null}"#).is_err());
    }

    #[test]
    fn an_overview_has_a_row_for_each_module_and_tenant() {
        let body = br#"{"data": [
            {"serviceType": 1, "serviceModule": 3, "totalScannedObjects": 120, "totalProtectedObjects": "118",
             "dataSizeStoredInAvePoint": "143.22 GB", "dataSizeStoredInBYOS": "N/A", "tenantId": "t1", "lastRunTime": "?"},
            {"serviceType": 1, "serviceModule": 3, "totalScannedObjects": 1, "tenantId": "t2"},
            {"serviceType": 1, "serviceModule": "N/A"}]}"#;
        let Decoded { value: page, unreadable } = backup_overview(body).unwrap();
        assert_eq!(unreadable, []);
        let keys: Vec<_> = page.rows.iter().map(|keyed| &*keyed.key).collect();
        assert_eq!(keys, ["1 3 t1", "1 3 t2", ""]);
        let first = page.rows[0].row.as_ref().unwrap();
        assert_eq!((first.scanned, first.protected), (Some(120.into()), Some(118.into())));
        assert_eq!(first.stored, [Quantity::new(143.22 * f64::from(1 << 30)), None]);
        assert_eq!(backup_overview(b"[]").unwrap().value.rows, []);
    }
}
