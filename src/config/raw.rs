//! The raw configuration, as written in the YAML: only unknown keys are rejected here.
//!
//! Values are parsed by validation, so that all errors are reported together. The same structs, completely filled in,
//! are serialized for `/config`. They contain secrets and therefore have no `Debug`.

mod value;

use elements::types::Collector;
use exporter_toolkit::Pairs;
use serde::{Deserialize, Serialize};

pub(super) use value::{RawSelection, Scalar};

use super::reference::{Key, Value};

/// Declares a mapping in which every key is optional and an unknown key is an error. The comment above a key is its
/// text in `docs/configuration.md`.
macro_rules! mapping {
    ($(#[$doc:meta])* $name:ident { $($(#[doc = $text:literal])* $key:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Default, Deserialize, Serialize)]
        #[serde(deny_unknown_fields, expecting = "a mapping")]
        pub(super) struct $name {
            $(
                #[serde(skip_serializing_if = "Option::is_none")]
                pub(super) $key: Option<$type>,
            )*
        }

        impl Value for $name {
            const KEYS: &'static [Key] = &[$(Key {
                name: stringify!($key),
                text: concat!($($text),*),
                is_list: <$type as Value>::IS_LIST,
                keys: <$type as Value>::KEYS,
            },)*];
        }
    };
}

/// The mapping of a collector: its schedule, then these keys.
macro_rules! collector {
    ($(#[$doc:meta])* $name:ident { $($keys:tt)* }) => {
        mapping!(
            $(#[$doc])*
            $name {
                /// Whether it is polled.
                enabled: Scalar,
                /// The time between two polls of a target: from 1ms to 1y.
                interval: Scalar,
                /// The age at which a value that could not be renewed is no longer served: at least `interval`, from
                /// 1ms to 10y. The default is 4 intervals.
                max_age: Scalar,
                $($keys)*
            }
        );
    };
}

mapping!(
    /// The whole file.
    RawConfig {
        /// Required, at least one: one entry for each app registration.
        partners: Vec<RawPartner>,
        /// What is polled, how often, and how long a value that cannot be renewed is served. At least one must be
        /// enabled.
        collectors: RawCollectors,
        /// What the exposition contains.
        metrics: RawMetrics,
        /// Where the known values are saved, so that a restart serves them at once. Without it they are lost at the end
        /// of the process.
        state: RawState,
        /// Several replicas of which one polls. Without it, this process always does.
        ha: RawHa,
    }
);
mapping!(
    /// `partners[]`
    RawPartner {
        /// The label `partner` of every series: 1 to 100 characters. With several partners each needs a name of its
        /// own.
        name: String,
        /// `commercial`, `us_government`, `aos2` or `fedramp`: sets `api_url` and `token_url`.
        environment: String,
        /// The base URL of the API; overrides that of `environment`. https, or http to a loopback address.
        api_url: String,
        /// The URL of the identity service that issues tokens; overrides that of `environment`. https, or http to a
        /// loopback address.
        token_url: String,
        /// Required: the app registration and its credential.
        auth: RawAuth,
        /// How much may be requested. Partners with the same `client_id` and `token_url` share one budget; write the
        /// same values at each.
        budget: RawBudget,
        /// A proxy for all requests, such as `http://user:password@proxy.example.com:3128`. Without it the environment
        /// variables `HTTPS_PROXY` and `NO_PROXY` apply, except to loopback addresses.
        proxy_url: String,
        /// A PEM file of certificates to trust in addition to those of the system.
        ca_file: String,
        /// Which customers are polled.
        customers: RawCustomers,
    }
);
mapping!(
    /// `partners[].auth`
    RawAuth {
        /// Required: the client id of the app registration.
        client_id: String,
        /// The secret itself. Of the four credentials (this, the next two and `certificate`), write exactly one.
        client_secret: String,
        /// A file with the secret. A changed file is used at the next token request, without a reload.
        client_secret_file: String,
        /// The name of an environment variable with the secret.
        client_secret_env: String,
        /// When the secret expires, such as `2027-03-01`. The API does not report it; it is exported as
        /// `avepoint_auth_credential_expiration_timestamp_seconds`.
        client_secret_expires: String,
        /// A certificate that was uploaded to the app registration: `cert_file` and `key_file`, or `pfx_file`.
        certificate: RawCertificate,
    }
);
mapping!(
    /// `partners[].auth.certificate`
    RawCertificate {
        /// The certificate, PEM.
        cert_file: String,
        /// Its private key: RSA of 2048 to 4096 bits, PEM, not encrypted.
        key_file: String,
        /// A PKCS #12 file with both.
        pfx_file: String,
        /// The password of `pfx_file`. Write at most one of the three passwords.
        pfx_password: String,
        /// A file with the password.
        pfx_password_file: String,
        /// The name of an environment variable with the password.
        pfx_password_env: String,
    }
);
mapping!(
    /// `partners[].budget`
    RawBudget {
        /// A number from 0.001 to 100,000. Halved after HTTP 429, then raised by 5 % of this value each second.
        requests_per_second: Scalar,
        /// How many requests may be sent at once after a pause: from 1 to 100,000.
        burst: Scalar,
        /// How many requests may be in flight at the same time: from 1 to 1,000.
        concurrency: Scalar,
        /// The deadline of one request, including its body: from 1ms to 1h.
        timeout: Scalar,
    }
);
mapping!(
    /// `partners[].customers`
    RawCustomers {
        /// `true`: every customer that the app registration can see. `false`: only those of `list`.
        discover: Scalar,
        /// Globs (`*`, `?`) on the id or the name, ignoring case. A discovered customer must match at least one.
        include: Vec<String>,
        /// Globs on the id or the name. A discovered customer must match none.
        exclude: Vec<String>,
        /// The maximum number of customers, from 1 to 10,000,000. Beyond it no customer is added and none is removed;
        /// the log and the status page say how many are left out.
        max: Scalar,
        /// Customers that are always polled, whatever `discover`, `include` and `exclude` say. `avepoint_exporter
        /// discover` prints this list.
        list: Vec<RawListed>,
    }
);
mapping!(
    /// `partners[].customers.list[]`
    RawListed {
        /// Required: the customer id, as the API writes it.
        id: String,
        /// Overrides the name that the API reports.
        name: String,
        /// Labels for every series of the customer, such as `{ tier: gold }`. `alerting: "off"` mutes its alerts.
        labels: Pairs,
    }
);
mapping!(
    /// `collectors`
    RawCollectors {
        /// The service list: every customer, and its subscriptions with seats, capacities and expirations.
        services: RawServices,
        /// Assigned and available seats of each tenant.
        tenant_seats: RawTenantCollector,
        /// Assigned and available seats of all tenants of one type together.
        customer_seats: RawTenantCollector,
        /// Purchased seats of each product.
        products_purchased: RawProductCollector,
        /// Available seats of each product.
        products_available: RawProductCollector,
        /// The list of customers: job status, country, management mode, and customers without services. Off by default; needs
        /// the permission `elements.customers.read.all`.
        customers: RawSchedule,
        /// The newest backup job of every plan. Off by default; needs the permission `elements.jobs.read.all`.
        backup_jobs: RawSchedule,
        /// How many objects are protected, and the stored size. Off by default; needs the permission
        /// `elements.cbprotected.read.all`.
        backup_overview: RawSchedule,
    }
);

impl RawCollectors {
    /// The optional collectors, each with what is written about it.
    pub(super) fn optional(&mut self) -> impl Iterator<Item = (Collector, &mut Option<RawSchedule>)> {
        [
            (Collector::Customers, &mut self.customers),
            (Collector::BackupJobs, &mut self.backup_jobs),
            (Collector::BackupOverview, &mut self.backup_overview),
        ]
        .into_iter()
    }
}

collector!(
    /// An optional collector.
    RawSchedule {}
);
collector!(
    /// `collectors.services`
    RawServices {
        /// No effect; accepted with a warning until 0.3.
        adaptive: Scalar,
    }
);
collector!(
    /// `collectors.tenant_seats`, `collectors.customer_seats`
    RawTenantCollector {
        /// No effect; accepted with a warning until 0.3.
        adaptive: Scalar,
        /// `auto`: the types that follow from the service list. Or a list of `microsoft365`, `salesforce`, `google`,
        /// `dynamics365` and numbers of the API.
        tenant_types: RawSelection,
    }
);
collector!(
    /// `collectors.products_purchased`, `collectors.products_available`
    RawProductCollector {
        /// No effect; accepted with a warning until 0.3.
        adaptive: Scalar,
        /// `auto`: the products that follow from the service list. Or a list of numbers of the API, such as `[2048,
        /// 65536]`.
        product_types: RawSelection,
    }
);
mapping!(
    /// `metrics`
    RawMetrics {
        /// `true`: every series of a customer has the label `customer_name`, not only `avepoint_customer_info`.
        customer_name_label: Scalar,
    }
);
mapping!(
    /// `state`
    RawState {
        /// The state file, which must be in a writable folder. See [state.md](state.md).
        file: String,
        /// The state as a blob of Azure Storage instead of a file, for several replicas.
        azure_blob: RawAzureBlob,
        /// The minimum time between two saves: from 1ms to 1h. The default is 5m for a blob.
        interval: Scalar,
    }
);
mapping!(
    /// `state.azure_blob`, `ha.lease.azure_blob`
    RawAzureBlob {
        /// A file with the SAS URL of the blob, which is a secret.
        url_file: String,
    }
);
mapping!(
    /// `ha`
    RawHa {
        /// Required: where the lease is kept, exactly one of the three.
        lease: RawLease,
        /// The name of this replica, distinct for each. The default is the host name and a random part.
        identity: String,
        /// How long a lease is valid after its last renewal, in whole seconds: from 1ms to 1h, in Azure 15s to 60s.
        lease_duration: Scalar,
        /// How long after its last renewal the leader may poll: from 1ms to 1h, shorter than `lease_duration`.
        renew_deadline: Scalar,
        /// The time between two attempts to acquire or renew: from 1ms to 1h. `renew_deadline` is more than 1.2 times as
        /// long.
        retry_period: Scalar,
    }
);
mapping!(
    /// `ha.lease`
    RawLease {
        /// A `Lease` of the API group `coordination.k8s.io`.
        kubernetes: RawKubernetes,
        /// A key with a lease of etcd.
        etcd: RawEtcd,
        /// The lease of a blob in Azure storage.
        azure_blob: RawAzureBlob,
    }
);
mapping!(
    /// `ha.lease.kubernetes`
    RawKubernetes {
        /// Required: the name of the `Lease`.
        name: String,
        /// Its namespace. The default is that of the pod.
        namespace: String,
        /// The API server.
        api_url: String,
        /// The folder with `token`, `ca.crt` and `namespace` of the service account.
        service_account: String,
    }
);
mapping!(
    /// `ha.lease.etcd`
    RawEtcd {
        /// Required: the URLs of the members, tried one after the other.
        endpoints: Vec<String>,
        /// Required: the key that the leader holds.
        key: String,
        /// Certificates (PEM) to trust in addition to those of the system.
        ca_file: String,
        /// The client certificate (PEM), with `key_file`.
        cert_file: String,
        /// The private key of `cert_file` (PEM).
        key_file: String,
        /// The user, with `password_file`.
        username: String,
        /// A file with the password of `username`.
        password_file: String,
    }
);
