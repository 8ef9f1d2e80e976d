//! The rows of a state file: the JSON of each line. A missing field has its default and an unknown field is ignored, so
//! fields can be added without a new format version.

use std::borrow::Cow;
use std::collections::BTreeMap;

use elements::types::ListedFacts;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::subscription::SubscriptionRow;
use super::target::TargetRow;

/// The first line.
#[derive(Serialize, Deserialize)]
pub(super) struct Head<'a> {
    pub(super) format: Cow<'a, str>,
    pub(super) version: u32,
    /// The exporter's version, for information only.
    #[serde(default)]
    pub(super) written_by: Cow<'a, str>,
    pub(super) saved: Timestamp,
}

/// The fields that the first line has in every version.
#[derive(Deserialize)]
pub(super) struct AnyHead<'a> {
    #[serde(borrow)]
    pub(super) format: Cow<'a, str>,
    pub(super) version: u32,
}

/// Any further line. A customer belongs to the last partner line before it.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Row<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(super) partner: Option<PartnerRow<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(super) customer: Option<CustomerRow<'a>>,
}

/// A partner and its customer listing.
#[derive(Serialize, Deserialize)]
pub(super) struct PartnerRow<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) client_id: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) polled: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) completed: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<Cow<'a, str>>,
    /// The other lists that are read, by collector.
    #[serde(borrow, default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) lists: BTreeMap<Cow<'a, str>, ListRow<'a>>,
}

/// The state of a list of customers.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ListRow<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) polled: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) completed: Option<Timestamp>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CustomerRow<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "is_default")]
    pub(super) name: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) named_by_configuration: bool,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) services: Option<ServicesRow<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) rows: Vec<ListedRow>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(super) targets: Vec<TargetRow<'a>>,
}

/// The row of a list besides the service list.
#[derive(Serialize, Deserialize)]
pub(super) struct ListedRow {
    pub(super) seen: Timestamp,
    /// `None` for a list that this version does not know.
    #[serde(flatten)]
    pub(super) facts: Option<ListedFacts>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ServicesRow<'a> {
    pub(super) seen: Timestamp,
    #[serde(borrow, default)]
    pub(super) subscriptions: Vec<SubscriptionRow<'a>>,
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
