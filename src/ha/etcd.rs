//! A key with an etcd lease, by the JSON gateway of etcd's v3 API: etcd deletes the key when the lease has not been kept
//! alive for `lease_duration`, and the replica that creates it next leads.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use url::Url;

use super::{Backend, Holder, MAX_BODY};
use crate::config::{EtcdSettings, HaSettings};
use crate::remote::{Http, RemoteError, secret};

const ENGINE: &str = "etcd";

/// The backend.
#[derive(Debug)]
pub(super) struct Etcd {
    http: Http,
    settings: EtcdSettings,
    /// Base64 of the key and of this replica's identity.
    key: String,
    value: String,
    /// Seconds.
    ttl: u64,
    token: Option<String>,
    /// The lease that our key has, or may have if the answer was lost.
    lease: Option<String>,
}

impl Etcd {
    /// Reads the certificates.
    pub(super) fn new(lease: &EtcdSettings, settings: &HaSettings) -> Result<Self, RemoteError> {
        let EtcdSettings { endpoints, ca_file, client_certificate, .. } = lease;
        // A member that does not answer leaves time for the others.
        let timeout = settings.renew_deadline / 2 / u32::try_from(endpoints.len().max(1)).unwrap_or(u32::MAX);
        Ok(Self {
            http: Http::direct(ENGINE, timeout, MAX_BODY, ca_file.as_deref(), client_certificate.as_ref())?,
            settings: lease.clone(),
            key: BASE64_STANDARD.encode(&lease.key),
            value: BASE64_STANDARD.encode(&settings.identity),
            ttl: settings.lease_duration.as_secs(),
            token: None,
            lease: None,
        })
    }

    /// Keeps the lease alive, and makes sure that the key still has it: somebody may have deleted it.
    async fn is_renewed(&mut self, lease: &str) -> Result<bool, RemoteError> {
        let kept = self.call("lease/keepalive", &json!({ "ID": lease })).await?;
        let ours = json!({ "target": "LEASE", "key": self.key, "result": "EQUAL", "lease": lease });
        let is_alive = kept.pointer("/result/TTL").is_some_and(|seconds| seconds != "0");
        Ok(is_alive && self.call("kv/txn", &json!({ "compare": [ours] })).await?.get("succeeded") == Some(&true.into()))
    }

    /// Calls a method of the gateway at the first member that answers, beginning with the one that answered last. Numbers
    /// of 64 bits are strings, and what is 0, false or empty is absent.
    async fn call(&mut self, method: &str, body: &Value) -> Result<Value, RemoteError> {
        let mut outcome = Err(RemoteError::new(ENGINE, "no endpoint is configured"));
        for _ in 0..self.settings.endpoints.len() {
            outcome = self.call_first(method, body).await;
            if outcome.is_ok() {
                break;
            }
            self.token = None;
            self.settings.endpoints.rotate_left(1);
        }
        outcome
    }

    async fn call_first(&mut self, method: &str, body: &Value) -> Result<Value, RemoteError> {
        if let (None, Some((name, password_file))) = (&self.token, &self.settings.user) {
            let password = secret(ENGINE, password_file.clone()).await?;
            let body = json!({ "name": name, "password": password.expose_secret() });
            self.token =
                self.post("auth/authenticate", &body).await?.get("token").and_then(Value::as_str).map(str::to_owned);
        }
        self.post(method, body).await
    }

    async fn post(&self, method: &str, body: &Value) -> Result<Value, RemoteError> {
        let endpoint = self.settings.endpoints.first().map_or("", Url::as_str).trim_end_matches('/');
        let mut request = self.http.request(Method::POST, format!("{endpoint}/v3/{method}")).body(body.to_string());
        if let Some(token) = &self.token {
            request = request.header("authorization", token);
        }
        self.http.send(request).await?.json()
    }
}

impl Backend for Etcd {
    async fn acquire_or_renew(&mut self, _: Timestamp) -> Result<Holder, RemoteError> {
        if let Some(lease) = self.lease.clone() {
            if self.is_renewed(&lease).await? {
                return Ok(Holder::Us);
            }
            self.lease = None;
        }
        let present = self.call("kv/range", &json!({ "key": self.key })).await?;
        if let Some(holder) = present.pointer("/kvs/0/value").and_then(Value::as_str) {
            let holder = BASE64_STANDARD.decode(holder).unwrap_or_default();
            return Ok(Holder::Other(String::from_utf8_lossy(&holder).into_owned()));
        }
        let granted = self.call("lease/grant", &json!({ "TTL": self.ttl })).await?;
        self.lease = granted.get("ID").and_then(Value::as_str).map(str::to_owned);
        let is_new = json!({ "target": "CREATE", "key": self.key, "result": "EQUAL", "create_revision": "0" });
        let put = json!({ "request_put": { "key": self.key, "value": self.value, "lease": self.lease } });
        let acquired = self.call("kv/txn", &json!({ "compare": [is_new], "success": [put] })).await?;
        Ok(if acquired.get("succeeded") == Some(&true.into()) { Holder::Us } else { Holder::Unknown })
    }

    async fn release(&mut self) -> Result<(), RemoteError> {
        match self.lease.take() {
            // The key goes with the lease.
            Some(lease) => self.call("lease/revoke", &json!({ "ID": lease })).await.map(drop),
            None => Ok(()),
        }
    }
}
