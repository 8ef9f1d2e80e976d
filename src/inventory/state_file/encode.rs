//! Encoder: converts the store to rows. Timestamps are converted to wall-clock time here.

use std::borrow::Cow;

use elements::types::FailureReason;
use jiff::{SignedDuration, Timestamp};

use super::KnownPartner;
use super::rows::{CustomerRow, ListRow, ListedRow, PartnerRow, ServicesRow};
use super::subscription::SubscriptionRow;
use super::target::TargetRow;
use crate::inventory::{Customer, Listing};

/// The correction of the wall clock since the timestamps were taken.
#[derive(Clone, Copy)]
pub(super) struct Encoder(pub(super) SignedDuration);

impl Encoder {
    pub(super) fn time(self, at: impl Into<Timestamp>) -> Timestamp {
        let at = at.into();
        at.saturating_add(self.0).unwrap_or(at)
    }

    pub(super) fn partner(self, known: &KnownPartner) -> PartnerRow<'_> {
        let Listing { polled, completed, failure, .. } = &known.past.listing;
        PartnerRow {
            name: known.name.as_str().into(),
            client_id: known.client_id.as_str().into(),
            polled: polled.map(|at| self.time(at)),
            completed: completed.map(|at| self.time(at)),
            failure: failure.map(word),
            lists: known.past.lists.iter().map(|(of, list)| (of.as_str().into(), self.list(list))).collect(),
        }
    }

    fn list(self, list: &Listing) -> ListRow<'_> {
        ListRow {
            polled: list.polled.map(|at| self.time(at)),
            completed: list.completed.map(|at| self.time(at)),
            failure: list.failure.map(word),
        }
    }

    pub(super) fn customer(self, customer: &Customer) -> CustomerRow<'_> {
        let services = customer.services.as_ref().map(|services| ServicesRow {
            seen: self.time(services.seen),
            subscriptions: services.subscriptions.iter().map(SubscriptionRow::of).collect(),
        });
        CustomerRow {
            id: customer.id.as_str().into(),
            name: (&*customer.name).into(),
            named_by_configuration: customer.named_by_configuration,
            services,
            rows: customer
                .rows
                .iter()
                .map(|known| ListedRow { seen: self.time(known.seen), facts: Some(known.facts.clone()) })
                .collect(),
            targets: customer.targets.iter().map(|(query, known)| TargetRow::of(self, *query, known)).collect(),
        }
    }
}

pub(super) fn word(reason: FailureReason) -> Cow<'static, str> {
    reason.as_str().into()
}
