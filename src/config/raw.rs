//! The raw configuration, as written in the YAML: only unknown keys are rejected here.
//!
//! Scalars are kept as the text in the file, whatever type YAML would give them (number, date, boolean). Validation
//! parses them, so that all errors are reported together. The same structs, completely filled in, are serialized for
//! `/config`. They contain secrets and therefore have no `Debug`.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor, value::SeqAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Declares a mapping in which every key is optional and an unknown key is an error.
macro_rules! mapping {
    ($(#[$doc:meta])* $name:ident { $($key:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Default, Deserialize, Serialize)]
        #[serde(deny_unknown_fields, expecting = "a mapping")]
        pub(super) struct $name {
            $(
                #[serde(skip_serializing_if = "Option::is_none")]
                pub(super) $key: Option<$type>,
            )*
        }
    };
}

mapping!(
    /// The whole file.
    RawConfig {
        partners: Vec<RawPartner>,
        collectors: RawCollectors,
        metrics: RawMetrics,
        state: RawState,
        ha: RawHa,
    }
);
mapping!(
    /// `partners[]`
    RawPartner {
        name: String,
        environment: String,
        api_url: String,
        token_url: String,
        auth: RawAuth,
        budget: RawBudget,
        proxy_url: String,
        ca_file: String,
        customers: RawCustomers,
    }
);
mapping!(
    /// `partners[].auth`
    RawAuth {
        client_id: String,
        client_secret: String,
        client_secret_file: String,
        client_secret_env: String,
        client_secret_expires: String,
        certificate: RawCertificate,
    }
);
mapping!(
    /// `partners[].auth.certificate`
    RawCertificate {
        cert_file: String,
        key_file: String,
        pfx_file: String,
        pfx_password: String,
        pfx_password_file: String,
        pfx_password_env: String,
    }
);
mapping!(
    /// `partners[].budget`
    RawBudget {
        requests_per_second: Scalar,
        burst: Scalar,
        concurrency: Scalar,
        timeout: Scalar,
    }
);
mapping!(
    /// `partners[].customers`
    RawCustomers {
        discover: Scalar,
        include: Vec<String>,
        exclude: Vec<String>,
        max: Scalar,
        list: Vec<RawListed>,
    }
);
mapping!(
    /// `partners[].customers.list[]`
    RawListed {
        id: String,
        name: String,
        labels: RawLabels,
    }
);
mapping!(
    /// `collectors`
    RawCollectors {
        services: RawServices,
        tenant_seats: RawTenantCollector,
        customer_seats: RawTenantCollector,
        products_purchased: RawProductCollector,
        products_available: RawProductCollector,
    }
);
mapping!(
    /// `collectors.services`
    RawServices {
        enabled: Scalar,
        interval: Scalar,
        max_age: Scalar,
        adaptive: Scalar,
    }
);
mapping!(
    /// `collectors.tenant_seats`, `collectors.customer_seats`
    RawTenantCollector {
        enabled: Scalar,
        interval: Scalar,
        max_age: Scalar,
        adaptive: Scalar,
        tenant_types: RawSelection,
    }
);
mapping!(
    /// `collectors.products_purchased`, `collectors.products_available`
    RawProductCollector {
        enabled: Scalar,
        interval: Scalar,
        max_age: Scalar,
        adaptive: Scalar,
        product_types: RawSelection,
    }
);
mapping!(
    /// `metrics`
    RawMetrics {
        customer_name_label: Scalar,
    }
);
mapping!(
    /// `state`
    RawState {
        file: String,
        azure_blob: RawAzureBlob,
        interval: Scalar,
    }
);
mapping!(
    /// `state.azure_blob`, `ha.lease.azure_blob`
    RawAzureBlob {
        url_file: String,
    }
);
mapping!(
    /// `ha`
    RawHa {
        lease: RawLease,
        identity: String,
        lease_duration: Scalar,
        renew_deadline: Scalar,
        retry_period: Scalar,
    }
);
mapping!(
    /// `ha.lease`
    RawLease {
        kubernetes: RawKubernetes,
        etcd: RawEtcd,
        azure_blob: RawAzureBlob,
    }
);
mapping!(
    /// `ha.lease.kubernetes`
    RawKubernetes {
        name: String,
        namespace: String,
        api_url: String,
        service_account: String,
    }
);
mapping!(
    /// `ha.lease.etcd`
    RawEtcd {
        endpoints: Vec<String>,
        key: String,
        ca_file: String,
        cert_file: String,
        key_file: String,
        username: String,
        password_file: String,
    }
);

/// A number, a boolean or a duration as written in the file.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct Scalar(pub(super) String);

impl Scalar {
    pub(super) fn of(value: &impl ToString) -> Self {
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
pub(super) enum RawSelection {
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

/// Names and values in the order of the file, including duplicate names.
#[derive(Default)]
pub(crate) struct RawLabels(pub(crate) Vec<(String, Option<String>)>);

impl<'de> Deserialize<'de> for RawLabels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = RawLabels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut labels = Vec::new();
                while let Some(label) = map.next_entry()? {
                    labels.push(label);
                }
                Ok(RawLabels(labels))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

impl Serialize for RawLabels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
