//! The row of a subscription in a state file, in both directions.

use std::borrow::Cow;
use std::sync::Arc;

use elements::types::{CompactTimestamp, Quantity, Subscription, SubscriptionKey};
use serde::{Deserialize, Serialize};

use super::DecodeError;
use super::rows::is_default;
use crate::inventory::interner;
use crate::inventory::subscription_ids::{KnownSubscription, SubscriptionId};

/// The id is derived from the texts and `number`, which distinguishes equal rows.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct SubscriptionRow<'a> {
    pub(super) number: u32,
    #[serde(borrow, skip_serializing_if = "is_default")]
    pub(super) service: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "is_default")]
    pub(super) model: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "is_default")]
    pub(super) source: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "is_default")]
    pub(super) payment_type: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "is_default")]
    pub(super) storage: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "is_default")]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "is_default")]
    pub(super) package: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "is_default")]
    pub(super) retention: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seats_purchased: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) units_purchased: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) licenses_assigned: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) licenses_available: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) capacity_purchased: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) capacity_used: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) capacity_protected: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) storage_consumed: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seats_change: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<CompactTimestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) contract_ends: Option<CompactTimestamp>,
}

impl<'a> SubscriptionRow<'a> {
    pub(super) fn of(known: &'a KnownSubscription) -> Self {
        let Subscription {
            key,
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
        let SubscriptionKey { service, model, source, payment_type, storage, name, package } = &**key;
        Self {
            number: known.id.suffix().into(),
            service: (&**service).into(),
            model: (&**model).into(),
            source: (&**source).into(),
            payment_type: (&**payment_type).into(),
            storage: (&**storage).into(),
            name: (&**name).into(),
            package: (&**package).into(),
            retention: (&**retention).into(),
            seats_purchased: *seats_purchased,
            units_purchased: *units_purchased,
            licenses_assigned: *licenses_assigned,
            licenses_available: *licenses_available,
            capacity_purchased: *capacity_purchased,
            capacity_used: *capacity_used,
            capacity_protected: *capacity_protected,
            storage_consumed: *storage_consumed,
            seats_change: *seats_change,
            expires: *expires,
            contract_ends: *contract_ends,
        }
    }

    /// `text` shares equal texts.
    pub(super) fn decode(&self, mut text: impl FnMut(&str) -> Arc<str>) -> Result<KnownSubscription, DecodeError> {
        let key = SubscriptionKey {
            service: text(&self.service),
            model: text(&self.model),
            source: text(&self.source),
            payment_type: text(&self.payment_type),
            storage: text(&self.storage),
            name: text(&self.name),
            package: text(&self.package),
        };
        let number = u16::try_from(self.number).ok().filter(|&number| number > 0);
        let number = number.ok_or(DecodeError::Invalid("the number of a subscription"))?;
        Ok(KnownSubscription {
            id: SubscriptionId::of(&key, number),
            subscription: Subscription {
                key: interner::intern(key.into()),
                retention: text(&self.retention),
                seats_purchased: self.seats_purchased,
                units_purchased: self.units_purchased,
                licenses_assigned: self.licenses_assigned,
                licenses_available: self.licenses_available,
                capacity_purchased: self.capacity_purchased,
                capacity_used: self.capacity_used,
                capacity_protected: self.capacity_protected,
                storage_consumed: self.storage_consumed,
                seats_change: self.seats_change,
                expires: self.expires,
                contract_ends: self.contract_ends,
            },
        })
    }
}
