//! The row of a target in a state file: a query and its last answer, in both directions. What a further endpoint answers
//! is a field of [`TargetRow`], an arm of [`TargetRow::of`] and one of [`observation`].

use std::borrow::Cow;

use elements::types::{
    BackupJob, Collector, CompactTimestamp, JobKey, JobStatus, Observation, ProtectedObjects, Query, Seats, TenantSeats,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::DecodeError;
use super::decode::failure;
use super::encode::{Encoder, word};
use super::rows::{Amount, is_default};
use crate::inventory::{Absence, TargetState};

/// A query and its last result; there is a result if `seen` is set.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct TargetRow<'a> {
    /// The collector, by its name in the configuration.
    #[serde(borrow)]
    pub(super) collector: Cow<'a, str>,
    /// The number of the tenant type or product type.
    #[serde(rename = "type")]
    pub(super) number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) polled: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seen: Option<Timestamp>,
    /// Set for `customer_seats`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seats: Option<SeatsRow>,
    /// Set for `tenant_seats`.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(super) tenants: Option<Vec<TenantRow<'a>>>,
    /// Set for `backup_jobs`.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(super) jobs: Option<Vec<JobRow<'a>>>,
    /// Set for `backup_overview`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) modules: Option<Vec<ProtectedRow>>,
    /// Set for `products_purchased` and `products_available`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quantity: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<Cow<'a, str>>,
    /// `suspected` or `confirmed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) absence: Option<Cow<'a, str>>,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct SeatsRow {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) assigned: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) available: Option<Amount>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct TenantRow<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "is_default")]
    pub(super) name: Cow<'a, str>,
    #[serde(default)]
    pub(super) seats: SeatsRow,
}

impl<'a> TargetRow<'a> {
    pub(super) fn of(encoder: Encoder, query: Query, known: &'a TargetState) -> Self {
        let TargetState { polled, observation, failure, absence } = known;
        let mut row = Self {
            collector: query.collector().as_str().into(),
            number: query.number(),
            polled: polled.map(|at| encoder.time(at)),
            seen: observation.as_ref().map(|&(seen, _)| encoder.time(seen)),
            failure: failure.map(word),
            absence: match absence {
                Absence::None => None,
                Absence::Suspected => Some("suspected".into()),
                Absence::Confirmed => Some("confirmed".into()),
            },
            ..Self::default()
        };
        match observation.as_ref().map(|(_, observation)| observation) {
            Some(Observation::CustomerSeats(observation)) => row.seats = Some(seats(observation)),
            Some(Observation::TenantSeats(tenants)) => {
                row.tenants = Some(tenants.iter().map(tenant).collect());
            }
            Some(Observation::ProductPurchased(quantity) | Observation::ProductAvailable(quantity)) => {
                row.quantity = quantity.map(Amount);
            }
            Some(Observation::BackupJobs(jobs)) => row.jobs = Some(jobs.iter().map(Into::into).collect()),
            Some(Observation::BackupOverview(modules)) => row.modules = Some(modules.iter().map(Into::into).collect()),
            None => {}
        }
        row
    }

    /// Returns `None` if this version does not know the query or the failure reason.
    pub(super) fn decode(mut self) -> Result<Option<(Query, TargetState)>, DecodeError> {
        let collector = Collector::ALL.into_iter().find(|collector| *collector.as_str() == *self.collector);
        let query = collector.and_then(|collector| Query::of(collector, self.number));
        let absence = match self.absence.as_deref() {
            None => Some(Absence::None),
            Some("suspected") => Some(Absence::Suspected),
            Some("confirmed") => Some(Absence::Confirmed),
            Some(_) => None,
        };
        let (Some(query), Some(absence)) = (query, absence) else { return Ok(None) };
        let failure = match self.failure.as_deref() {
            None => None,
            Some(word) => match failure(word) {
                Some(reason) => Some(reason),
                None => return Ok(None),
            },
        };
        let observation = match self.seen {
            Some(seen) => Some((seen.into(), observation(query, &mut self)?)),
            None => None,
        };
        let known = TargetState { polled: self.polled.map(CompactTimestamp::from), observation, failure, absence };
        let contradicts = match known.absence {
            Absence::None => false,
            Absence::Suspected => known.observation.is_none(),
            Absence::Confirmed => known.observation.is_some(),
        };
        let has_result = known.observation.is_some() || known.failure.is_some() || known.absence != Absence::None;
        if contradicts || has_result && known.polled.is_none() {
            return Err(DecodeError::Invalid("a result and an absence that contradict each other"));
        }
        Ok(Some((query, known)))
    }
}

fn observation(query: Query, row: &mut TargetRow<'_>) -> Result<Observation, DecodeError> {
    let missing = DecodeError::Invalid("a result that does not match its query");
    let quantity = row.quantity.map(|amount| amount.0);
    match query {
        Query::CustomerSeats(_) => row.seats.map(|row| Observation::CustomerSeats(seats_of(row))).ok_or(missing),
        Query::TenantSeats(_) => {
            let tenant = |row: TenantRow<'_>| TenantSeats {
                id: row.id.as_ref().into(),
                name: row.name.as_ref().into(),
                seats: seats_of(row.seats),
            };
            let tenants: Vec<_> = row.tenants.take().ok_or(missing)?.into_iter().map(tenant).collect();
            if !tenants.is_sorted_by(|a, b| a.id < b.id) {
                return Err(DecodeError::Invalid("tenants out of order"));
            }
            Ok(Observation::TenantSeats(tenants.into()))
        }
        Query::ProductPurchased(_) => Ok(Observation::ProductPurchased(quantity)),
        Query::ProductAvailable(_) => Ok(Observation::ProductAvailable(quantity)),
        Query::BackupJobs => Ok(Observation::BackupJobs(jobs(row.jobs.take().ok_or(missing)?)?.into())),
        Query::BackupOverview => Ok(Observation::BackupOverview(modules(row.modules.take().ok_or(missing)?)?.into())),
    }
}

fn seats_of(row: SeatsRow) -> Seats {
    Seats { assigned: row.assigned.map(|amount| amount.0), available: row.available.map(|amount| amount.0) }
}

fn tenant(tenant: &TenantSeats) -> TenantRow<'_> {
    TenantRow { id: tenant.id.as_str().into(), name: (&*tenant.name).into(), seats: seats(&tenant.seats) }
}

fn seats(seats: &Seats) -> SeatsRow {
    SeatsRow { assigned: seats.assigned.map(Amount), available: seats.available.map(Amount) }
}

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
fn jobs(rows: Vec<JobRow<'_>>) -> Result<Vec<BackupJob>, DecodeError> {
    let jobs: Vec<BackupJob> = rows.into_iter().map(Into::into).collect();
    if !jobs.is_sorted_by(|a, b| a.key < b.key) {
        return Err(DecodeError::Invalid("backup jobs out of order"));
    }
    Ok(jobs)
}

/// The modules, which must be distinct and sorted.
fn modules(rows: Vec<ProtectedRow>) -> Result<Vec<ProtectedObjects>, DecodeError> {
    let modules: Vec<ProtectedObjects> = rows.into_iter().map(Into::into).collect();
    let key = |row: &ProtectedObjects| (row.service_type, row.service_module);
    if !modules.is_sorted_by(|a, b| key(a) < key(b)) {
        return Err(DecodeError::Invalid("modules of a backup out of order"));
    }
    Ok(modules)
}
