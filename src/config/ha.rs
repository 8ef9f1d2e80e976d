//! The settings of `ha`: where the lease is kept, and its times.

use std::path::PathBuf;
use std::time::Duration;

use elements::is_loopback;
use url::Url;

/// `ha`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HaSettings {
    /// Where the lease is kept.
    pub lease: LeaseSettings,
    /// The name of this replica; distinct for each.
    pub identity: String,
    /// How long a lease is valid after its last renewal; whole seconds.
    pub lease_duration: Duration,
    /// How long after its last renewal the leader may poll; shorter than `lease_duration`.
    pub renew_deadline: Duration,
    /// The time between two attempts to acquire or renew, ±10 %.
    pub retry_period: Duration,
}

/// `ha.lease`: exactly one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseSettings {
    /// A `Lease` of the API group `coordination.k8s.io`.
    Kubernetes(KubernetesSettings),
    /// A key with an etcd lease.
    Etcd(EtcdSettings),
    /// The lease of a blob in Azure storage.
    AzureBlob(BlobSettings),
}

impl LeaseSettings {
    /// The label `lease`: the name of the `Lease`, the key, or the path of the blob.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::Kubernetes(kubernetes) => &kubernetes.name,
            Self::Etcd(etcd) => &etcd.key,
            Self::AzureBlob(blob) => blob.address.path(),
        }
    }
}

/// `ha.lease.kubernetes`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesSettings {
    /// The name of the `Lease`.
    pub name: String,
    /// Its namespace; `None` is the pod's own.
    pub namespace: Option<String>,
    /// The folder with `token`, `ca.crt` and `namespace` of the service account.
    pub service_account: PathBuf,
    /// The API server.
    pub api_url: Url,
}

/// `ha.lease.etcd`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdSettings {
    /// Client URLs of the members, in the order in which they are tried; at least one.
    pub endpoints: Vec<Url>,
    /// The key.
    pub key: String,
    /// Certificates (PEM) to trust in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// The client certificate and its key (PEM).
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// The user and the file with the password.
    pub user: Option<(String, PathBuf)>,
}

/// A blob. Its URL holds a shared access signature, which is a secret: it is read from the file for every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobSettings {
    /// The file with the URL.
    pub url_file: PathBuf,
    /// The URL without its query, which is no secret.
    pub address: Url,
}

impl BlobSettings {
    /// Whether it is on this machine, where no proxy is used.
    #[must_use]
    pub fn is_local(&self) -> bool {
        is_loopback(&self.address)
    }
}
