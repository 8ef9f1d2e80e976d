//! The row of a target in a state file: a query and its last answer, in both directions. What a further endpoint answers
//! is a field of [`TargetRow`], an arm of [`TargetRow::of`] and one of [`TargetRow::observation`].

use std::borrow::Cow;
use std::sync::Arc;

use elements::types::{
    BackupJob, Collector, CompactTimestamp, Observation, ProtectedObjects, Quantity, Query, Seats, TenantSeats,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::DecodeError;
use super::decode::failure;
use super::encode::{Encoder, word};
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
    pub(super) seats: Option<Seats>,
    /// Set for `tenant_seats`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tenants: Option<Arc<[TenantSeats]>>,
    /// Set for `backup_jobs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jobs: Option<Arc<[BackupJob]>>,
    /// Set for `backup_overview`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) modules: Option<Arc<[ProtectedObjects]>>,
    /// Set for `products_purchased` and `products_available`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quantity: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<Cow<'a, str>>,
    /// `suspected` or `confirmed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) absence: Option<Cow<'a, str>>,
}

impl TargetRow<'_> {
    pub(super) fn of(encoder: Encoder, query: Query, known: &TargetState) -> Self {
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
            Some(Observation::CustomerSeats(seats)) => row.seats = Some(*seats),
            Some(Observation::TenantSeats(tenants)) => row.tenants = Some(Arc::clone(tenants)),
            Some(Observation::ProductPurchased(quantity) | Observation::ProductAvailable(quantity)) => {
                row.quantity = *quantity;
            }
            Some(Observation::BackupJobs(jobs)) => row.jobs = Some(Arc::clone(jobs)),
            Some(Observation::BackupOverview(modules)) => row.modules = Some(Arc::clone(modules)),
            None => {}
        }
        row
    }

    /// Returns `None` if this version does not know the query or the failure reason.
    pub(super) fn decode(self) -> Result<Option<(Query, TargetState)>, DecodeError> {
        let collector = Collector::ALL.into_iter().find(|collector| *collector.as_str() == *self.collector);
        let query = collector.and_then(|collector| Query::of(collector, self.number));
        let absence = match self.absence.as_deref() {
            None => Some(Absence::None),
            Some("suspected") => Some(Absence::Suspected),
            Some("confirmed") => Some(Absence::Confirmed),
            Some(_) => None,
        };
        let (Some(query), Some(absence)) = (query, absence) else { return Ok(None) };
        let failure = self.failure.as_deref().map(failure);
        if failure == Some(None) {
            return Ok(None);
        }
        let polled = self.polled.map(CompactTimestamp::from);
        let observation = match self.seen {
            Some(seen) => Some((seen.into(), self.observation(query)?)),
            None => None,
        };
        let known = TargetState { polled, observation, failure: failure.flatten(), absence };
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

    fn observation(self, query: Query) -> Result<Observation, DecodeError> {
        Ok(match query {
            Query::CustomerSeats(_) => Observation::CustomerSeats(self.seats.ok_or(MISSING)?),
            Query::TenantSeats(_) => Observation::TenantSeats(sorted(self.tenants, |a, b| a.id < b.id)?),
            Query::ProductPurchased(_) => Observation::ProductPurchased(self.quantity),
            Query::ProductAvailable(_) => Observation::ProductAvailable(self.quantity),
            Query::BackupJobs => Observation::BackupJobs(sorted(self.jobs, |a, b| a.key < b.key)?),
            Query::BackupOverview => {
                let is_before = |a: &ProtectedObjects, b: &ProtectedObjects| {
                    (a.service_type, a.service_module) < (b.service_type, b.service_module)
                };
                Observation::BackupOverview(sorted(self.modules, is_before)?)
            }
        })
    }
}

const MISSING: DecodeError = DecodeError::Invalid("a result that does not match its query");

/// The rows of an answer, which must be distinct and sorted.
fn sorted<T>(rows: Option<Arc<[T]>>, is_before: impl Fn(&T, &T) -> bool) -> Result<Arc<[T]>, DecodeError> {
    let rows = rows.ok_or(MISSING)?;
    if rows.is_sorted_by(is_before) { Ok(rows) } else { Err(DecodeError::Invalid("rows of an answer out of order")) }
}
