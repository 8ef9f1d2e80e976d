//! Encoder: converts the store to rows. Timestamps are converted to wall-clock time here.

use std::borrow::Cow;

use elements::types::{FailureReason, Subscription, SubscriptionKey};
use jiff::{SignedDuration, Timestamp};

use super::KnownPartner;
use super::profile::ProfileRow;
use super::rows::{Amount, CustomerRow, ListRow, PartnerRow, ServicesRow, SubscriptionRow};
use super::target::TargetRow;
use crate::inventory::subscription_ids::KnownSubscription;
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
            profiles: known.past.profiles.wanted.then(|| {
                let Listing { polled, completed, failure, .. } = &known.past.profiles;
                ListRow {
                    polled: polled.map(|at| self.time(at)),
                    completed: completed.map(|at| self.time(at)),
                    failure: failure.map(word),
                }
            }),
        }
    }

    pub(super) fn customer(self, customer: &Customer) -> CustomerRow<'_> {
        let services = customer.services.as_ref().map(|services| ServicesRow {
            seen: self.time(services.seen),
            subscriptions: services.subscriptions.iter().map(subscription).collect(),
        });
        CustomerRow {
            id: customer.id.as_str().into(),
            name: (&*customer.name).into(),
            named_by_configuration: customer.named_by_configuration,
            services,
            profile: customer.profile.as_ref().map(|known| ProfileRow::of(known, self.time(known.seen))),
            targets: customer.targets.iter().map(|(query, known)| TargetRow::of(self, *query, known)).collect(),
        }
    }
}

pub(super) fn word(reason: FailureReason) -> Cow<'static, str> {
    reason.as_str().into()
}

fn subscription(known: &KnownSubscription) -> SubscriptionRow<'_> {
    let Subscription {
        kind,
        retention,
        seats_purchased,
        units_purchased,
        licenses_assigned,
        licenses_available,
        capacity_purchased,
        capacity_used,
        capacity_protected,
        storage_consumed,
        seats_change,
        expires,
        contract_ends,
    } = &known.subscription;
    let SubscriptionKey { service, model, source, payment_type, storage, name, package } = &**kind;
    SubscriptionRow {
        number: known.id.suffix().into(),
        service: (&**service).into(),
        model: (&**model).into(),
        source: (&**source).into(),
        payment_type: (&**payment_type).into(),
        storage: (&**storage).into(),
        name: (&**name).into(),
        package: (&**package).into(),
        retention: (&**retention).into(),
        seats_purchased: seats_purchased.map(Amount),
        units_purchased: units_purchased.map(Amount),
        licenses_assigned: licenses_assigned.map(Amount),
        licenses_available: licenses_available.map(Amount),
        capacity_purchased: capacity_purchased.map(Amount),
        capacity_used: capacity_used.map(Amount),
        capacity_protected: capacity_protected.map(Amount),
        storage_consumed: storage_consumed.map(Amount),
        seats_change: *seats_change,
        expires: expires.map(Timestamp::from),
        contract_ends: contract_ends.map(Timestamp::from),
    }
}
