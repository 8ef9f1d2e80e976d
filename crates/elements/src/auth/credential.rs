//! The credential of token requests: a client secret, or an assertion signed with a certificate's key.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use zeroize::Zeroizing;

use super::assertion;
use crate::config::{Certificate, CertificateSource, Credential, Mistake, SecretSource};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Why a credential cannot be used: the token request cannot be built.
#[derive(Clone, Copy, Debug, Error)]
pub(super) enum CredentialError {
    #[error("the certificate's key is not a usable RSA key")]
    NotRsa,
    #[error("the certificate's key cannot sign")]
    CannotSign,
    #[error("the system provides no random numbers")]
    NoRandom,
}

/// Identifies a credential; equal for equal credentials, and meaningless outside of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::elements) struct CredentialId(u64);

impl CredentialId {
    fn of(credential: &[u8]) -> Self {
        static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(KEY.hash_one(credential))
    }

    #[cfg(test)]
    pub(super) const fn of_test(number: u64) -> Self {
        Self(number)
    }
}

/// The credential as last read, and its source.
#[derive(Debug)]
pub(super) enum ClientAuth {
    Secret { secret: SecretString, expires: Option<Timestamp>, source: SecretSource },
    Certificate { certificate: Certificate, source: CertificateSource },
}

impl ClientAuth {
    pub(super) fn new(credential: &Credential) -> Self {
        match credential {
            Credential::ClientSecret { secret, expires, source } => {
                Self::Secret { secret: secret.clone(), expires: *expires, source: source.clone() }
            }
            Credential::Certificate { certificate, source } => Self::Certificate {
                certificate: Certificate {
                    certificate: certificate.certificate.clone(),
                    key: certificate.key.clone_key(),
                    not_after: certificate.not_after,
                },
                source: source.clone(),
            },
        }
    }

    pub(super) fn id(&self) -> CredentialId {
        match self {
            Self::Secret { secret, .. } => CredentialId::of(secret.expose_secret().as_bytes()),
            Self::Certificate { certificate, .. } => CredentialId::of(&certificate.certificate),
        }
    }

    /// Whether it comes from a file that may be replaced.
    pub(super) fn may_rotate(&self) -> bool {
        !matches!(self, Self::Secret { source: SecretSource::Value(_) | SecretSource::Env(_), .. })
    }

    /// Returns the current credential if it has changed. Reads files.
    pub(super) fn reread(&self) -> Result<Option<Self>, Mistake> {
        match self {
            Self::Secret { secret, expires, source } => {
                let now = source.read()?;
                let changed = now.expose_secret() != secret.expose_secret();
                Ok(changed.then(|| Self::Secret { secret: now, expires: *expires, source: source.clone() }))
            }
            Self::Certificate { certificate, source } => {
                let now = source.load()?;
                let changed = now.certificate != certificate.certificate || now.key != certificate.key;
                Ok(changed.then(|| Self::Certificate { certificate: now, source: source.clone() }))
            }
        }
    }

    /// The label `credential` and its expiry, where that is known.
    pub(super) fn expiration(&self) -> (&'static str, Option<Timestamp>) {
        match self {
            Self::Secret { expires, .. } => ("client_secret", *expires),
            Self::Certificate { certificate, .. } => ("certificate", Some(certificate.not_after)),
        }
    }

    /// The fields that this credential adds to a token request; the last one is the secret.
    pub(super) fn fields(
        &self,
        client_id: &str,
        token_url: &str,
        now: Timestamp,
    ) -> Result<Vec<(&'static str, Zeroizing<String>)>, CredentialError> {
        match self {
            Self::Secret { secret, .. } => {
                Ok(vec![("client_secret", Zeroizing::new(secret.expose_secret().to_owned()))])
            }
            Self::Certificate { certificate, .. } => Ok(vec![
                ("client_assertion_type", Zeroizing::new(ASSERTION_TYPE.to_owned())),
                ("client_assertion", Zeroizing::new(assertion::sign(certificate, client_id, token_url, now)?)),
            ]),
        }
    }
}
