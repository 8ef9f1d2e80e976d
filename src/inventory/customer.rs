//! One customer: its name, its subscriptions, and the state of every query about it.

use std::sync::Arc;
use std::time::Duration;

use elements::types::{
    Collector, CompactTimestamp, CustomerId, FailureReason, ListedFacts, Observation, Profile, Query,
};
use jiff::Timestamp;

use super::is_expired;
use super::subscription_ids::KnownSubscription;
use crate::config::CustomerEntry;

/// The stored state of one customer.
#[derive(Clone, Debug)]
pub struct Customer {
    /// The label `customer_id`.
    pub id: CustomerId,
    /// From the configuration, otherwise `organization` of the service list; empty while unknown.
    pub name: Arc<str>,
    /// The configured labels, sorted by name.
    pub labels: Arc<[(String, String)]>,
    /// Whether the customer is in `customers.list`: then a listing never removes it.
    pub configured: bool,
    /// The customer's last row of the service list; `None` until a listing first names the customer.
    pub services: Option<Services>,
    /// The customer's last row of each other list; removed when two lists in a row lack it.
    pub rows: KnownRows,
    /// The queries about the customer and their results, sorted by query.
    pub targets: Vec<(Query, TargetState)>,
    pub(super) named_by_configuration: bool,
}

/// The customer's row of a list besides the service list.
#[derive(Clone, Debug)]
pub struct KnownRow {
    /// When the row was received.
    pub seen: Timestamp,
    /// The row.
    pub facts: ListedFacts,
    /// Whether the last complete list lacked it. Not persisted.
    pub(super) missed: bool,
}

/// At most one row of each list. Without one, it takes the space of a pointer.
#[derive(Clone, Debug, Default)]
pub struct KnownRows(Option<Box<Rows>>);

#[derive(Clone, Debug, Default)]
struct Rows(Vec<KnownRow>);

impl KnownRows {
    /// The rows.
    pub fn iter(&self) -> impl Iterator<Item = &KnownRow> {
        self.0.iter().flat_map(|rows| &rows.0)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut KnownRow> {
        self.0.iter_mut().flat_map(|rows| &mut rows.0)
    }

    pub(super) fn retain_mut(&mut self, keeps: impl FnMut(&mut KnownRow) -> bool) {
        if let Some(rows) = &mut self.0 {
            rows.0.retain_mut(keeps);
            self.0.take_if(|rows| rows.0.is_empty());
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl Extend<KnownRow> for KnownRows {
    fn extend<I: IntoIterator<Item = KnownRow>>(&mut self, added: I) {
        for row in added {
            self.0.get_or_insert_default().0.push(row);
        }
    }
}

/// The customer's row of the service list.
#[derive(Clone, Debug)]
pub struct Services {
    /// When the row was received.
    pub seen: Timestamp,
    /// Sorted by id; ids are distinct.
    pub subscriptions: Arc<[KnownSubscription]>,
}

/// The state of one query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetState {
    /// When a poll last ended, successful or not.
    pub polled: Option<CompactTimestamp>,
    /// The last result and when it was received.
    pub observation: Option<(CompactTimestamp, Observation)>,
    /// Why the last poll failed; `None` if it succeeded.
    pub failure: Option<FailureReason>,
    /// Whether the API reports that the customer does not have this.
    pub absence: Absence,
}

/// Whether the API reports that the customer does not have the tenant or product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Absence {
    /// It is not reported as absent.
    #[default]
    None,
    /// Reported absent once, after it had values: by a 404 or by an empty list.
    Suspected,
    /// Reported absent twice, or it never had values.
    Confirmed,
}

/// The state of a target, the label `state`; each target is in exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetStatus {
    /// Has a value, the last poll succeeded, and the value is younger than `max_age`.
    Fresh,
    /// Has a value that is older than `max_age`.
    Stale,
    /// The last poll failed, and there is no stale value.
    Failing,
    /// No poll has finished.
    Pending,
    /// The customer does not have this.
    Absent,
    /// The app registration lacks the scope of the optional collector.
    NotGranted,
}

impl TargetStatus {
    /// Every status, in the order of declaration.
    pub const ALL: [Self; 6] = [Self::Fresh, Self::Stale, Self::Failing, Self::Pending, Self::Absent, Self::NotGranted];

    /// The label value, and the text on the status page.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Failing => "failing",
            Self::Pending => "pending",
            Self::Absent => "absent",
            Self::NotGranted => "not_granted",
        }
    }
}

impl TargetState {
    /// The state that the target is in, if its scope is granted; see [`super::Inventory::status`].
    #[must_use]
    pub(super) fn status(&self, now: Timestamp, max_age: Duration) -> TargetStatus {
        if self.absence == Absence::Confirmed {
            TargetStatus::Absent
        } else if self.polled.is_none() && self.observation.is_none() {
            TargetStatus::Pending
        } else if self.observation.as_ref().is_some_and(|(seen, _)| is_expired(seen.get(), max_age, now)) {
            TargetStatus::Stale
        } else if self.failure.is_some() {
            TargetStatus::Failing
        } else {
            TargetStatus::Fresh
        }
    }

    /// The result and when it was received, unless it is older than `max_age`.
    #[must_use]
    pub fn current(&self, now: Timestamp, max_age: Duration) -> Option<(Timestamp, &Observation)> {
        let (seen, observation) = self.observation.as_ref().map(|(seen, observation)| (seen.get(), observation))?;
        (!is_expired(seen, max_age, now)).then_some((seen, observation))
    }

    /// Returns false if the result is not accepted yet: it is the first one that would remove all rows.
    pub(super) fn record_success(&mut self, mut observation: Observation, now: Timestamp) -> bool {
        if let Some((_, before)) = &self.observation {
            if takes_all_rows(&observation, before) && self.absence == Absence::None {
                self.polled = Some(now.into());
                (self.failure, self.absence) = (None, Absence::Suspected);
                return false;
            }
            reuse_allocations(&mut observation, before);
        }
        let now = now.into();
        *self =
            Self { polled: Some(now), observation: Some((now, observation)), failure: None, absence: Absence::None };
        true
    }

    pub(super) fn record_failure(&mut self, reason: FailureReason, now: Timestamp) {
        self.polled = Some(now.into());
        self.failure = Some(reason);
    }

    /// When it was last read.
    #[must_use]
    pub fn last_success(&self) -> Option<Timestamp> {
        self.observation.as_ref().map(|&(seen, _)| seen.get())
    }

    pub(super) fn record_absent(&mut self, now: Timestamp) -> Absence {
        self.polled = Some(now.into());
        self.failure = None;
        self.absence = match self.absence {
            Absence::None if self.observation.is_some() => Absence::Suspected,
            _ => Absence::Confirmed,
        };
        if self.absence == Absence::Confirmed {
            self.observation = None;
        }
        self.absence
    }
}

fn takes_all_rows(observation: &Observation, before: &Observation) -> bool {
    observation.rows() == Some(0) && before.rows().is_some_and(|rows| rows > 0)
}

/// Unchanged values keep their memory: hundreds of results arrive per second, and replacing each would fragment the
/// heap.
fn reuse_allocations(observation: &mut Observation, before: &Observation) {
    if observation == before {
        observation.clone_from(before);
    } else if let (Observation::TenantSeats(tenants), Observation::TenantSeats(before)) = (observation, before) {
        for tenant in Arc::make_mut(tenants) {
            let known = before.binary_search_by(|known| known.id.cmp(&tenant.id)).ok();
            let known = known.and_then(|place| before.get(place)).filter(|known| known.name == tenant.name);
            if let Some(known) = known {
                tenant.name = Arc::clone(&known.name);
            }
        }
    }
}

impl Customer {
    pub(super) fn discovered(id: CustomerId) -> Self {
        Self {
            id,
            name: "".into(),
            labels: Arc::default(),
            configured: false,
            services: None,
            rows: KnownRows::default(),
            targets: Vec::new(),
            named_by_configuration: false,
        }
    }

    pub(super) fn configured(listed: &CustomerEntry) -> Self {
        Self {
            name: listed.name.as_deref().unwrap_or_default().into(),
            labels: listed.labels.clone().into(),
            configured: true,
            named_by_configuration: listed.name.is_some(),
            ..Self::discovered(listed.id.clone())
        }
    }

    /// A row removes only what it mentions: without a name the known name stays, so that names do not flap; without a
    /// list of products the known products stay and keep their age.
    pub(super) fn upsert_listed(
        &mut self,
        name: Option<Arc<str>>,
        subscriptions: Option<Arc<[KnownSubscription]>>,
        now: Timestamp,
    ) {
        self.rename(name);
        match (&mut self.services, subscriptions) {
            (_, Some(subscriptions)) => self.services = Some(Services { seen: now, subscriptions }),
            (Some(services), None) if services.subscriptions.is_empty() => services.seen = now,
            (Some(_), None) => {}
            (services @ None, None) => *services = Some(Services { seen: now, subscriptions: Arc::default() }),
        }
    }

    /// A name from the service list wins over one from another list. A field that the row lacks keeps its known value.
    pub(super) fn upsert_row(&mut self, name: Option<Arc<str>>, facts: ListedFacts, now: Timestamp) {
        if self.services.is_none() || self.name.is_empty() {
            self.rename(name);
        }
        let collector = facts.collector();
        let known = self.rows.iter_mut().find(|known| known.facts.collector() == collector);
        if let Some(known) = known {
            let (facts, is_new) = facts.or_known(&known.facts);
            *known = KnownRow { seen: if is_new { now } else { known.seen }, facts, missed: false };
            return;
        }
        self.rows.extend([KnownRow { seen: now, facts, missed: false }]);
    }

    /// The row of a list besides the service list.
    #[must_use]
    pub fn row(&self, collector: Collector) -> Option<&KnownRow> {
        self.rows.iter().find(|known| known.facts.collector() == collector)
    }

    /// The row of the list of customers.
    #[must_use]
    pub fn profile(&self) -> Option<&Profile> {
        self.rows.iter().map(|known| &known.facts).find_map(ListedFacts::profile)
    }

    /// Whether only the list of customers contains it, and neither the service list nor the configuration.
    #[must_use]
    pub fn is_unlisted(&self) -> bool {
        self.services.is_none() && self.row(Collector::Customers).is_some() && !self.configured
    }

    pub(super) fn rename(&mut self, name: Option<Arc<str>>) {
        if let Some(name) = name.filter(|name| !self.named_by_configuration && *name != self.name) {
            self.name = name;
        }
    }

    /// Targets are sorted by their query.
    pub(super) fn target_index(&self, query: Query) -> Option<usize> {
        self.targets.binary_search_by_key(&query, |&(query, _)| query).ok()
    }

    /// The name, or the id while the name is unknown.
    #[must_use]
    pub fn display_name(&self) -> &str {
        if self.name.is_empty() { self.id.as_str() } else { &self.name }
    }

    /// The stored rows of the service list.
    #[must_use]
    pub fn subscriptions(&self) -> Arc<[KnownSubscription]> {
        self.services.as_ref().map(|services| Arc::clone(&services.subscriptions)).unwrap_or_default()
    }

    pub(super) fn plan(&mut self, queries: &[Query]) -> (Vec<Query>, Vec<Query>) {
        let mut before = std::mem::take(&mut self.targets);
        let mut added = Vec::new();
        for &query in queries {
            let known = if let Some(index) = before.iter().position(|&(known, _)| known == query) {
                before.swap_remove(index).1
            } else {
                added.push(query);
                TargetState::default()
            };
            self.targets.push((query, known));
        }
        self.targets.sort_by_key(|&(query, _)| query);
        self.targets.shrink_to_fit();
        (added, before.into_iter().map(|(query, _)| query).collect())
    }

    /// The oldest last success among the customer's targets of a collector that are not absent; `None` if none
    /// succeeded.
    #[must_use]
    pub fn last_success(&self, collector: Collector) -> Option<Timestamp> {
        if collector == Collector::Services {
            return self.services.as_ref().map(|services| services.seen);
        }
        if collector.is_list() {
            return self.row(collector).map(|known| known.seen);
        }
        let targets = self.targets.iter().filter(|(query, _)| query.collector() == collector);
        targets
            .filter(|(_, known)| known.absence != Absence::Confirmed)
            .filter_map(|(_, target)| target.last_success())
            .min()
    }
}
