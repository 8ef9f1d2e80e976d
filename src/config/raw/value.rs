//! The types of values. Scalars are kept as the text in the file, whatever type YAML would give them (number, date,
//! boolean).

use std::fmt;

use exporter_toolkit::Pairs;
use serde::de::{SeqAccess, Visitor, value::SeqAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::config::reference::{Key, Value};

impl Value for String {}
impl Value for Scalar {}
impl Value for RawSelection {}
impl Value for Pairs {}
impl<T: Value> Value for Vec<T> {
    const IS_LIST: bool = true;
    const KEYS: &'static [Key] = T::KEYS;
}

/// A number, a boolean or a duration as written in the file.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(in crate::config) struct Scalar(pub(in crate::config) String);

impl Scalar {
    pub(in crate::config) fn of(value: &impl ToString) -> Self {
        Self(value.to_string())
    }
}

impl Serialize for Scalar {
    /// Without quotes if it is a number or a boolean.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Ok(flag) = self.0.parse::<bool>() {
            serializer.serialize_bool(flag)
        } else if let Ok(whole) = self.0.parse::<u64>() {
            serializer.serialize_u64(whole)
        } else if let Ok(number) = self.0.parse::<f64>() {
            serializer.serialize_f64(number)
        } else {
            serializer.serialize_str(&self.0)
        }
    }
}

/// A word or a list.
#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::config) enum RawSelection {
    /// `auto`, or a word that is not allowed.
    Word(Scalar),
    /// A list of types.
    List(Vec<Scalar>),
}

impl<'de> Deserialize<'de> for RawSelection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrList;

        impl<'de> Visitor<'de> for WordOrList {
            type Value = RawSelection;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`auto` or a list")
            }

            fn visit_str<E>(self, word: &str) -> Result<Self::Value, E> {
                Ok(RawSelection::Word(Scalar(word.to_owned())))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(RawSelection::Word(Scalar(number.to_string())))
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
                Ok(RawSelection::Word(Scalar(flag.to_string())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(RawSelection::List)
            }
        }

        deserializer.deserialize_any(WordOrList)
    }
}
