//! Settings of a client. The caller validates them and reads the files.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::SecretString;
use url::Url;
use zeroize::Zeroize as _;

use crate::types::PartnerName;

/// Settings of a [`Client`](crate::Client): one partner's use of an app registration.
pub struct ClientConfig {
    /// The label `partner` of the metrics, and the key `partner` of log lines.
    pub partner: PartnerName,
    /// The base URL of the API, without a trailing slash in its path.
    pub api_url: Url,
    /// The token URL of the identity service.
    pub token_url: Url,
    /// The client id of the app registration.
    pub client_id: String,
    /// The credential that the first token request uses.
    pub credential: Credential,
    /// Where the credential comes from, to read it again after a rotation.
    pub credential_source: Arc<dyn CredentialSource>,
    /// The request limits, shared by all clients of the app registration.
    pub budget: Budget,
    /// All requests use this proxy. Without it, the usual environment variables apply, except for loopback addresses.
    pub proxy_url: Option<Url>,
    /// Certificates to trust in addition to those of the system.
    pub extra_roots: Vec<CertificateDer<'static>>,
}

impl ClientConfig {
    /// The identity of the app registration.
    #[must_use]
    pub fn registration_key(&self) -> RegistrationKey {
        RegistrationKey::new(&self.client_id, &self.token_url)
    }
}

impl fmt::Debug for ClientConfig {
    /// Without `proxy_url`, which may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("partner", &self.partner)
            .field("api_url", &self.api_url.as_str())
            .field("token_url", &self.token_url.as_str())
            .field("client_id", &self.client_id)
            .field("credential", &self.credential)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

/// The identity of an app registration: its client id at a token URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RegistrationKey {
    client_id: String,
    token_url: Url,
}

impl RegistrationKey {
    /// The client id is a GUID, which is compared without case.
    #[must_use]
    pub fn new(client_id: &str, token_url: &Url) -> Self {
        Self { client_id: client_id.to_ascii_lowercase(), token_url: token_url.clone() }
    }
}

/// The request limits of one app registration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Requests per second, above 0.
    pub requests_per_second: f64,
    /// The number of requests that may be sent at once after a pause, at least 1.
    pub burst: u32,
    /// The number of requests in flight at the same time, at least 1.
    pub concurrency: u32,
    /// The deadline of one request, including its body.
    pub timeout: Duration,
}

/// The credential of an app registration.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A client secret.
    ClientSecret {
        /// The secret, not empty.
        secret: SecretString,
        /// When it expires, if configured; the API does not report it.
        expires: Option<Timestamp>,
    },
    /// A certificate, whose key signs an assertion for each token request.
    Certificate(Certificate),
}

/// Where a credential comes from.
pub trait CredentialSource: fmt::Debug + Send + Sync {
    /// Whether [`read`](Self::read) may return another credential while the process runs.
    fn may_rotate(&self) -> bool;

    /// Reads the current credential. Blocks. The error's text is logged and must not contain a secret.
    fn read(&self) -> Result<Credential, Box<dyn Error + Send + Sync>>;
}

/// An RSA certificate (2048 to 4096 bits) with its private key, which is zeroed on drop.
pub struct Certificate {
    /// The certificate, DER.
    pub certificate: CertificateDer<'static>,
    /// The private key, PKCS #8 or PKCS #1.
    pub key: PrivateKeyDer<'static>,
    /// When the certificate expires.
    pub not_after: Timestamp,
}

impl Clone for Certificate {
    fn clone(&self) -> Self {
        Self { certificate: self.certificate.clone(), key: self.key.clone_key(), not_after: self.not_after }
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl fmt::Debug for Certificate {
    /// Shows neither the key nor the raw bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}
