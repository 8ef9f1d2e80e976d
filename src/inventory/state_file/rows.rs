//! The rows of a state file: the JSON of each line. A missing field has its default and an unknown field is ignored, so
//! fields can be added without a new format version.

use std::borrow::Cow;
use std::fmt;

use elements::types::Quantity;
use jiff::Timestamp;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::profile::ProfileRow;
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
    /// The list of customers, which was read if there is one.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) profiles: Option<ListRow<'a>>,
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
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) profile: Option<ProfileRow<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(super) targets: Vec<TargetRow<'a>>,
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

/// A quantity: a number, or `"unlimited"` because JSON cannot represent infinity.
#[derive(Clone, Copy)]
pub(super) struct Amount(pub(super) Quantity);

const UNLIMITED: &str = "unlimited";

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_unlimited() { serializer.serialize_str(UNLIMITED) } else { serializer.serialize_f64(self.0.get()) }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AmountVisitor;
        impl Visitor<'_> for AmountVisitor {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number that is not negative, or \"unlimited\"")
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Amount, E> {
                Quantity::new(number).map(Amount).ok_or_else(|| E::custom("it is negative"))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Amount, E> {
                self.visit_f64(number as f64)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
                if text == UNLIMITED { Ok(Amount(Quantity::UNLIMITED)) } else { Err(E::custom("it is another text")) }
            }
        }
        deserializer.deserialize_any(AmountVisitor)
    }
}
