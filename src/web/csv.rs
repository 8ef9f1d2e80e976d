//! The services of customers as CSV (RFC 4180), for spreadsheets and billing: one row for each service of each customer.
//!
//! The first line names the columns; each configured label has a column of its own, `label_` and its name. What is not known
//! is empty, what has no limit is `unlimited`, `expires` is a day in UTC: the next expiry, or the last one if the service
//! has expired. Columns of backups exist while their collector is enabled for a partner. They are about the customer, so they
//! are filled in its first row only: their sums are right. A text that a spreadsheet would take for a formula begins with an apostrophe.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write;

use elements::types::{Collector, CompactTimestamp, JobStatus, Observation, Quantity};
use jiff::Timestamp;

use super::customer_json::observations;
use super::format;
use super::query::CustomerQuery;
use super::service_summary::Service;
use super::snapshot::PageSnapshot;
use super::summary::CustomerSummary;
use super::utilization::Utilization;

const COLUMNS: [&str; 8] = [
    "partner",
    "customer_id",
    "customer_name",
    "service_name",
    "seats_purchased",
    "licenses_assigned",
    "headroom",
    "expires",
];

/// The columns of the collectors that are off by default.
const OPTIONAL_COLUMNS: [(Collector, [&str; 2]); 2] = [
    (Collector::BackupJobs, ["backup_job_status", "backup_job_ended"]),
    (Collector::BackupOverview, ["backup_coverage", "backup_stored_bytes"]),
];

/// The services of the customers that are asked for, whatever page of them.
#[must_use]
pub fn render(snapshot: &PageSnapshot, query: &CustomerQuery) -> String {
    let list = snapshot.list(&CustomerQuery { page: 1, per_page: usize::MAX, ..query.clone() });
    let labels: BTreeSet<&str> =
        list.rows.iter().flat_map(|row| row.customer.labels.iter()).map(|(name, _)| name.as_str()).collect();
    let mut text = String::new();
    let is_enabled = |collector: Collector| {
        snapshot.inventories.iter().any(|inventory| inventory.collectors.schedule(collector).enabled)
    };
    let optional: Vec<_> = OPTIONAL_COLUMNS.into_iter().filter(|(collector, _)| is_enabled(*collector)).collect();
    let header = COLUMNS.into_iter().chain(optional.iter().flat_map(|(_, columns)| *columns)).map(Cow::Borrowed);
    line(&mut text, header.chain(labels.iter().map(|label| format!("label_{label}").into())));
    for row in &list.rows {
        for (index, service) in row.services.iter().enumerate() {
            let backups = optional.iter().flat_map(|(collector, _)| match index {
                0 => backups(row, *collector, snapshot.now),
                _ => Default::default(),
            });
            let cells = cells(row, service, snapshot.now).into_iter().chain(backups.map(Cow::Owned));
            line(&mut text, cells.chain(label_cells(row, &labels)));
        }
    }
    text
}

fn cells<'a>(row: &CustomerSummary<'a>, service: &Service<'a>, now: Timestamp) -> [Cow<'a, str>; 8] {
    let customer = row.customer;
    let number = |number: Option<f64>| Cow::Owned(number.map_or_else(String::new, |number| number.to_string()));
    [
        plain(row.inventory.partner.as_str()),
        plain(customer.id.as_str()),
        plain(&customer.name),
        plain(service.name),
        quantity(service.purchased).into(),
        quantity(service.assigned).into(),
        number(service.seats.map(Utilization::headroom)),
        expires(service, now).map_or_else(String::new, format::date).into(),
    ]
}

fn label_cells<'a>(row: &CustomerSummary<'a>, labels: &BTreeSet<&str>) -> Vec<Cow<'a, str>> {
    let customer = row.customer;
    let label = |name: &&str| {
        let found = customer.labels.iter().find(|(label, _)| label == name);
        found.map_or(Cow::Borrowed(""), |(_, value)| plain(value))
    };
    labels.iter().map(label).collect()
}

/// The values of [`OPTIONAL_COLUMNS`]: of the job that ended last, or of all modules together.
fn backups(row: &CustomerSummary<'_>, collector: Collector, now: Timestamp) -> [String; 2] {
    let known = observations(row, now).map(|(_, observation, ..)| observation);
    if !row.inventory.collectors.schedule(collector).enabled {
        return Default::default();
    }
    if collector == Collector::BackupJobs {
        let jobs = known
            .filter_map(|observation| if let Observation::BackupJobs(jobs) = observation { Some(jobs) } else { None });
        let ended = jobs.flat_map(|jobs| jobs.iter()).filter_map(|job| Some((job.ended?.get(), job.status)));
        let Some((at, status)) = ended.max_by_key(|(at, _)| *at) else { return Default::default() };
        let status = status.map_or("", JobStatus::as_str);
        return [status.to_owned(), at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()];
    }
    let (mut scanned, mut protected, mut stored) = (0.0, 0.0, None);
    for observation in known {
        let Observation::BackupOverview(modules) = observation else { continue };
        for module in modules.iter() {
            if let (Some(of), Some(number)) = (module.scanned, module.protected) {
                scanned += of.get();
                protected += number.get();
            }
            for size in module.stored.into_iter().flatten() {
                stored = Some(stored.unwrap_or(0.0) + size.get());
            }
        }
    }
    let number = |number: Option<f64>| {
        number.filter(|number| number.is_finite()).map_or_else(String::new, |number| number.to_string())
    };
    [number((scanned > 0.0).then(|| protected / scanned)), number(stored)]
}

/// The next expiry of a row that runs, or when the service expired.
fn expires(service: &Service<'_>, now: Timestamp) -> Option<Timestamp> {
    // They are sorted by date.
    let dates = service.rows.iter().filter_map(|row| row.subscription.expires.map(CompactTimestamp::get));
    service.expired.or_else(|| dates.filter(|&date| date > now).min())
}

fn quantity(quantity: Option<Quantity>) -> String {
    match quantity {
        Some(quantity) if quantity.is_unlimited() => "unlimited".to_owned(),
        Some(quantity) => quantity.get().to_string(),
        None => String::new(),
    }
}

/// A text that stays a text in a spreadsheet.
fn plain(text: &str) -> Cow<'_, str> {
    if text.trim_start().starts_with(['=', '+', '-', '@']) { format!("'{text}").into() } else { text.into() }
}

fn line<'a>(out: &mut String, cells: impl Iterator<Item = Cow<'a, str>>) {
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            out.push(',');
        }
        // A row is a line.
        let cell = cell.replace(char::is_control, " ");
        if cell.contains([',', '"']) {
            let _ = write!(out, "\"{}\"", cell.replace('"', "\"\""));
        } else {
            out.push_str(&cell);
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Schedule;
    use crate::inventory::{Inventory, TargetState};
    use crate::web::readiness::ReadyLatch;
    use crate::web::tests::samples::{at, day, listed, subscription};
    use elements::types::{BackupJob, JobKey, ProtectedObjects, Query, Subscription};
    use std::sync::Arc;

    #[test]
    fn a_service_is_a_row() {
        let backup = Subscription {
            seats_purchased: Some(20.into()),
            licenses_assigned: Some(23.into()),
            expires: Some(day(12).into()),
            ..subscription("Cloud Backup, \"Microsoft 365\"")
        };
        let fly = Subscription { seats_purchased: Some(Quantity::UNLIMITED), ..subscription("Fly") };
        let opus = Subscription { expires: Some(day(-3).into()), ..subscription("Opus") };
        let inventory = listed("main", vec![("c1", "=SUM(A1)\nx", vec![fly, backup, opus]), ("c2", "None", vec![])]);
        let snapshot = PageSnapshot::new(vec![inventory], 0, &ReadyLatch::default(), false, at(1));
        let expires = |days| format::date(day(days));
        assert_eq!(
            render(&snapshot, &CustomerQuery::default()),
            format!(
                "partner,customer_id,customer_name,service_name,seats_purchased,licenses_assigned,headroom,expires\n\
                 main,c1,'=SUM(A1) x,\"Cloud Backup, \"\"Microsoft 365\"\"\",20,23,-3,{}\n\
                 main,c1,'=SUM(A1) x,Fly,unlimited,,,\n\
                 main,c1,'=SUM(A1) x,Opus,,,,{}\n",
                expires(12),
                expires(-3)
            )
        );
        let nobody = render(&snapshot, &CustomerQuery { text: "nobody".to_owned(), ..CustomerQuery::default() });
        assert_eq!(nobody.lines().count(), 1);
    }

    #[test]
    fn backups_are_in_the_first_row_of_a_customer_while_they_are_enabled() {
        let mut inventory = listed("main", vec![("c1", "One", vec![subscription("Backup"), subscription("Fly")])]);
        let answered = |observation| TargetState {
            polled: Some(at(0).into()),
            observation: Some((at(0).into(), observation)),
            ..TargetState::default()
        };
        let job = |plan: &str, status, ended: Option<Timestamp>| BackupJob {
            key: JobKey { job_type: 1, job_module: 1, plan: plan.into() },
            status: Some(status),
            objects: [None; 4],
            duration: None,
            started: None,
            ended: ended.map(CompactTimestamp::from),
            size: None,
        };
        let module = |service_module, protected: Option<u32>, stored: u32| ProtectedObjects {
            service_type: 1,
            service_module,
            scanned: Some(100.into()),
            protected: protected.map(Into::into),
            stored: [Some(stored.into()), None],
        };
        let jobs = [
            job("a", JobStatus::Finished, Some(day(-2))),
            job("b", JobStatus::Failed, Some(day(-1))),
            job("c", JobStatus::Finished, None),
        ];
        let customer = Arc::make_mut(inventory.customers.values_mut().next().unwrap());
        customer.targets = vec![
            (Query::BackupJobs, answered(Observation::BackupJobs(jobs.into()))),
            (
                Query::BackupOverview,
                answered(Observation::BackupOverview([module(1, Some(50), 7), module(2, None, 5)].into())),
            ),
        ];
        let rendered = |inventory: &Inventory| {
            let snapshot = PageSnapshot::new(vec![inventory.clone()], 0, &ReadyLatch::default(), false, at(1));
            render(&snapshot, &CustomerQuery::default())
        };
        assert!(rendered(&inventory).starts_with(&format!("{}\n", COLUMNS.join(","))), "they are off");

        for collector in [Collector::BackupJobs, Collector::BackupOverview] {
            let schedule = Schedule { enabled: true, ..Schedule::disabled(collector) };
            Arc::make_mut(&mut inventory.collectors).optional.insert(collector, schedule);
        }
        let ended = day(-1).strftime("%Y-%m-%dT%H:%M:%SZ");
        let optional = "backup_job_status,backup_job_ended,backup_coverage,backup_stored_bytes";
        assert_eq!(
            rendered(&inventory),
            format!(
                "{},{optional}\n\
                 main,c1,One,Backup,,,,,failed,{ended},0.5,12\n\
                 main,c1,One,Fly,,,,,,,,\n",
                COLUMNS.join(",")
            )
        );
    }
}
