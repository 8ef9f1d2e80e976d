//! `ha`: exactly one engine, and times that leave room for one another.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use elements::is_loopback;
use secrecy::ExposeSecret as _;
use url::Url;

use super::scalars::ParseScalar as _;
use super::{ca_file, path};
use crate::config::credential::SecretSource;
use crate::config::ha::{BlobSettings, EtcdSettings, HaSettings, KubernetesSettings, LeaseSettings};
use crate::config::raw::{RawAzureBlob, RawEtcd, RawHa, RawKubernetes, RawLease};
use crate::config::urls;
use exporter_toolkit::ConfigPath;

const API_SERVER: &str = "https://kubernetes.default.svc";
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const MAX_DURATION: Duration = Duration::from_hours(1);
/// The limits of Azure storage for `lease_duration`.
const AZURE: std::ops::RangeInclusive<Duration> = Duration::from_secs(15)..=Duration::from_mins(1);

/// The default identity: the host name and a random part, the same at every reload.
static IDENTITY: LazyLock<String> = LazyLock::new(|| {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}-{:08x}", if host.trim().is_empty() { "replica" } else { host.trim() }, fastrand::u32(..))
});

/// Returns `None` only if an error was recorded.
pub(super) fn settings(at: &ConfigPath<'_>, raw: RawHa, base: &Path) -> Option<HaSettings> {
    let duration =
        |key: &str, raw: Option<&_>, seconds| at.key(key).duration(raw, Duration::from_secs(seconds), MAX_DURATION);
    let lease_duration = duration("lease_duration", raw.lease_duration.as_ref(), 35);
    let renew_deadline = duration("renew_deadline", raw.renew_deadline.as_ref(), 30);
    let retry_period = duration("retry_period", raw.retry_period.as_ref(), 5);
    let identity = raw.identity.unwrap_or_else(|| IDENTITY.clone());
    if identity.is_empty() || identity.len() > 200 || !identity.bytes().all(|byte| byte.is_ascii_graphic()) {
        at.key("identity").error("this is not a name", "write 1 to 200 ASCII characters without spaces");
    }
    if lease_duration.subsec_nanos() > 0 {
        at.key("lease_duration").error("the engines count whole seconds", "write a duration in whole seconds");
    }
    if lease_duration <= renew_deadline {
        let remedy = "write a longer one: a leader must have stopped polling before another one begins";
        at.key("lease_duration").error("it is not above renew_deadline", remedy);
    }
    if renew_deadline <= retry_period.mul_f64(1.2) {
        let remedy = "write a longer one, so that there is time for a second attempt";
        at.key("renew_deadline").error("it is not above 1.2 times retry_period", remedy);
    }
    let lease = lease(&at.key("lease"), raw.lease.unwrap_or_default(), base)?;
    if matches!(lease, LeaseSettings::AzureBlob(_)) && !AZURE.contains(&lease_duration) {
        at.key("lease_duration").error("Azure storage has leases of 15s to 60s", "write a duration from 15s to 60s");
    }
    Some(HaSettings { lease, identity, lease_duration, renew_deadline, retry_period })
}

fn lease(at: &ConfigPath<'_>, raw: RawLease, base: &Path) -> Option<LeaseSettings> {
    match raw {
        RawLease { kubernetes: Some(raw), etcd: None, azure_blob: None } => {
            kubernetes(&at.key("kubernetes"), raw, base).map(LeaseSettings::Kubernetes)
        }
        RawLease { kubernetes: None, etcd: Some(raw), azure_blob: None } => {
            etcd(&at.key("etcd"), raw, base).map(LeaseSettings::Etcd)
        }
        RawLease { kubernetes: None, etcd: None, azure_blob: Some(raw) } => {
            blob(&at.key("azure_blob"), raw, base).map(LeaseSettings::AzureBlob)
        }
        _ => {
            at.error("it names no engine, or several", "write exactly one of kubernetes, etcd and azure_blob");
            None
        }
    }
}

fn kubernetes(at: &ConfigPath<'_>, raw: RawKubernetes, base: &Path) -> Option<KubernetesSettings> {
    let name = required(&at.key("name"), raw.name, "write the name of the Lease, such as avepoint-exporter-leader");
    let service_account = raw.service_account.as_deref().unwrap_or(SERVICE_ACCOUNT);
    let service_account = path(&at.key("service_account"), service_account, base);
    let api_url = at.key("api_url").ok_or_report(urls::service_url(raw.api_url.as_deref().unwrap_or(API_SERVER)));
    Some(KubernetesSettings {
        name: name?,
        namespace: raw.namespace,
        service_account: service_account?,
        api_url: api_url?,
    })
}

fn etcd(at: &ConfigPath<'_>, raw: RawEtcd, base: &Path) -> Option<EtcdSettings> {
    let file = |key: &str, raw: Option<String>| raw.and_then(|raw| path(&at.key(key), &raw, base));
    let (cert_file, key_file) = (file("cert_file", raw.cert_file), file("key_file", raw.key_file));
    let password_file = file("password_file", raw.password_file);
    if cert_file.is_some() != key_file.is_some() {
        at.error("a client certificate needs its key", "write both cert_file and key_file, or neither");
    }
    if raw.username.is_some() != password_file.is_some() {
        at.error("a user needs a password", "write both username and password_file, or neither");
    }
    let endpoints = raw.endpoints.unwrap_or_default();
    if endpoints.is_empty() {
        at.key("endpoints").error("there is no endpoint", "list the client URLs of the members");
    }
    let endpoint = |(index, url): (usize, &String)| {
        let at = at.key("endpoints").item(index);
        // A password and a client certificate are worth TLS; a cluster without either may do without.
        if password_file.is_some() || key_file.is_some() {
            at.ok_or_report(urls::service_url(url))
        } else {
            at.ok_or_report(urls::plain_url(url, "https://10.0.0.1:2379"))
        }
    };
    let endpoints = endpoints.iter().enumerate().filter_map(endpoint).collect();
    Some(EtcdSettings {
        endpoints,
        key: required(&at.key("key"), raw.key, "write a key, such as /avepoint_exporter/leader")?,
        ca_file: raw.ca_file.and_then(|raw| ca_file(&at.key("ca_file"), &raw, base)),
        client_certificate: cert_file.zip(key_file),
        user: raw.username.zip(password_file),
    })
}

/// Reads the URL once, to validate it. No message quotes it, because it is a secret.
pub(super) fn blob(at: &ConfigPath<'_>, raw: RawAzureBlob, base: &Path) -> Option<BlobSettings> {
    let at = at.key("url_file");
    let remedy = "write the path of a file that holds the URL of the blob with its shared access signature";
    let url_file = path(&at, &required(&at, raw.url_file, remedy)?, base)?;
    let url = at.ok_or_report(SecretSource::File(url_file.clone()).read())?;
    let url = Url::parse(url.expose_secret()).ok().filter(|url| url.query().is_some() && url.path().len() > 1);
    match url {
        Some(mut address) if address.scheme() == "https" || address.scheme() == "http" && is_loopback(&address) => {
            address.set_query(None);
            address.set_fragment(None);
            Some(BlobSettings { url_file, address })
        }
        _ => {
            let what = format!("{} does not hold the URL of a blob with its signature", url_file.display());
            at.error(what, "write one like https://ACCOUNT.blob.core.windows.net/CONTAINER/BLOB?SIGNATURE");
            None
        }
    }
}

fn required(at: &ConfigPath<'_>, raw: Option<String>, remedy: &str) -> Option<String> {
    let given = raw.filter(|text| !text.trim().is_empty());
    if given.is_none() {
        at.error("it is missing", remedy);
    }
    given
}
