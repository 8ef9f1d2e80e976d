//! A `Lease` of `coordination.k8s.io/v1`, with the rules of client-go: a holder counts as dead only after its record has not
//! changed for `lease_duration` by our own clock, so clocks that differ do no harm. Every write carries the
//! `resourceVersion` that was read; a 409 means that another replica was faster.

use std::path::PathBuf;
use std::time::Duration;

use exporter_toolkit::Diagnostic;
use jiff::Timestamp;
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Backend, Holder, MAX_BODY};
use crate::config::{HaSettings, KubernetesSettings, SecretSource};
use crate::remote::{Http, RemoteError, secret};

const ENGINE: &str = "Kubernetes";

/// The backend.
#[derive(Debug)]
pub(super) struct Kubernetes {
    http: Http,
    /// Of all leases of the namespace.
    url: String,
    name: String,
    token_file: PathBuf,
    identity: String,
    lease_duration: Duration,
    /// The record, and since when it has not changed.
    observed: Option<(Map<String, Value>, Timestamp)>,
}

/// The object, including the fields that are not ours.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Lease {
    metadata: Map<String, Value>,
    #[serde(default)]
    spec: Map<String, Value>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Lease {
    fn holder(&self) -> &str {
        self.spec.get("holderIdentity").and_then(Value::as_str).unwrap_or_default()
    }

    fn number(&self, key: &str) -> u64 {
        self.spec.get(key).and_then(Value::as_u64).unwrap_or_default()
    }
}

impl Kubernetes {
    /// Reads the namespace and the CA of the service account.
    pub(super) fn new(lease: &KubernetesSettings, settings: &HaSettings) -> Result<Self, RemoteError> {
        let KubernetesSettings { name, namespace, service_account, api_url } = lease;
        let own = || Ok(SecretSource::File(service_account.join("namespace")).read()?.expose_secret().to_owned());
        let namespace = namespace.clone().map_or_else(own, Ok);
        let namespace = namespace.map_err(|error: Diagnostic| RemoteError::new(ENGINE, error))?;
        let (timeout, ca_file) = (settings.renew_deadline / 3, service_account.join("ca.crt"));
        let api = api_url.as_str().trim_end_matches('/');
        Ok(Self {
            http: Http::direct(ENGINE, timeout, MAX_BODY, Some(&ca_file), None)?,
            url: format!("{api}/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"),
            name: name.clone(),
            token_file: service_account.join("token"),
            identity: settings.identity.clone(),
            lease_duration: settings.lease_duration,
            observed: None,
        })
    }

    /// Writes the holder and the time into the record. Times in it are for people: nothing is decided by them.
    fn write(&self, lease: &mut Lease, holder: &str) {
        let now = format!("{:.6}", Timestamp::now());
        let is_new = !holder.is_empty() && holder != lease.holder();
        let transitions =
            lease.number("leaseTransitions") + u64::from(is_new && lease.spec.contains_key("acquireTime"));
        let mut set = |key: &str, value: Value| lease.spec.insert(key.to_owned(), value);
        if is_new {
            set("acquireTime", now.clone().into());
        }
        set("holderIdentity", holder.into());
        set("leaseDurationSeconds", self.lease_duration.as_secs().into());
        set("leaseTransitions", transitions.into());
        set("renewTime", now.into());
    }

    /// The object in the answer; `None` for a 404. The token is read each time, because Kubernetes replaces it.
    async fn request(&self, method: Method, body: Option<&Lease>) -> Result<Option<Lease>, RemoteError> {
        let token = secret(ENGINE, self.token_file.clone()).await?;
        let url = if method == Method::POST { self.url.clone() } else { format!("{}/{}", self.url, self.name) };
        let mut request = self.http.request(method, url).bearer_auth(token.expose_secret());
        if let Some(body) = body {
            let body = serde_json::to_vec(body).map_err(|error| RemoteError::new(ENGINE, error))?;
            request = request.header("content-type", "application/json").body(body);
        }
        let response = self.http.send(request).await?;
        if response.status == StatusCode::NOT_FOUND { Ok(None) } else { response.json().map(Some) }
    }
}

impl Backend for Kubernetes {
    async fn acquire_or_renew(&mut self, now: Timestamp) -> Result<Holder, RemoteError> {
        let present = self.request(Method::GET, None).await?;
        let method = if present.is_some() { Method::PUT } else { Method::POST };
        let mut lease = present.unwrap_or_default();
        let unchanged = self.observed.take().filter(|(known, _)| *known == lease.spec);
        let (spec, since) = unchanged.unwrap_or_else(|| (lease.spec.clone(), now));
        let valid_for = self.lease_duration.max(Duration::from_secs(lease.number("leaseDurationSeconds")));
        let is_valid = Duration::try_from(now.duration_since(since)).unwrap_or_default() < valid_for;
        self.observed = Some((spec, since));
        let holder = lease.holder();
        if is_valid && !holder.is_empty() && holder != self.identity {
            return Ok(Holder::Other(holder.to_owned()));
        }
        lease.metadata.insert("name".to_owned(), self.name.clone().into());
        lease.others.insert("apiVersion".to_owned(), "coordination.k8s.io/v1".into());
        lease.others.insert("kind".to_owned(), "Lease".into());
        self.write(&mut lease, &self.identity);
        match self.request(method, Some(&lease)).await {
            Ok(Some(_)) => Ok(Holder::Us),
            // Another replica has written it since, or it was deleted.
            Ok(None) | Err(RemoteError { status: Some(409), .. }) => Ok(Holder::Unknown),
            Err(error) => Err(error),
        }
    }

    async fn release(&mut self) -> Result<(), RemoteError> {
        let lease = self.request(Method::GET, None).await?;
        if let Some(mut lease) = lease.filter(|lease| lease.holder() == self.identity) {
            self.write(&mut lease, "");
            self.request(Method::PUT, Some(&lease)).await?;
        }
        Ok(())
    }
}
