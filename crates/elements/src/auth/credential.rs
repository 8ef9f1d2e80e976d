//! The credential of token requests: a client secret, or an assertion signed with a certificate's key.

use std::error::Error;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use thiserror::Error;
use zeroize::Zeroizing;

use super::assertion;
use crate::config::{Credential, CredentialSource};

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
pub(crate) struct CredentialId(u64);

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
pub(super) struct ClientAuth {
    credential: Credential,
    source: Arc<dyn CredentialSource>,
}

impl ClientAuth {
    pub(super) fn new(credential: Credential, source: Arc<dyn CredentialSource>) -> Self {
        Self { credential, source }
    }

    pub(super) fn id(&self) -> CredentialId {
        match &self.credential {
            Credential::ClientSecret { secret, .. } => CredentialId::of(secret.expose_secret().as_bytes()),
            Credential::Certificate(certificate) => CredentialId::of(&certificate.certificate),
        }
    }

    /// Whether it comes from a file that may be replaced.
    pub(super) fn may_rotate(&self) -> bool {
        self.source.may_rotate()
    }

    /// Returns the current credential if it has changed. Reads files.
    pub(super) fn reread(&self) -> Result<Option<Self>, Box<dyn Error + Send + Sync>> {
        let now = self.source.read()?;
        let changed = match (&now, &self.credential) {
            (Credential::ClientSecret { secret: now, .. }, Credential::ClientSecret { secret, .. }) => {
                now.expose_secret() != secret.expose_secret()
            }
            (Credential::Certificate(now), Credential::Certificate(before)) => {
                now.certificate != before.certificate || now.key != before.key
            }
            _ => true,
        };
        Ok(changed.then(|| Self { credential: now, source: Arc::clone(&self.source) }))
    }

    /// The label `credential` and its expiry, where that is known.
    pub(super) fn expiration(&self) -> (&'static str, Option<Timestamp>) {
        match &self.credential {
            Credential::ClientSecret { expires, .. } => ("client_secret", *expires),
            Credential::Certificate(certificate) => ("certificate", Some(certificate.not_after)),
        }
    }

    /// The fields that this credential adds to a token request; the last one is the secret.
    pub(super) fn fields(
        &self,
        client_id: &str,
        token_url: &str,
        now: Timestamp,
    ) -> Result<Vec<(&'static str, Zeroizing<String>)>, CredentialError> {
        match &self.credential {
            Credential::ClientSecret { secret, .. } => {
                Ok(vec![("client_secret", Zeroizing::new(secret.expose_secret().to_owned()))])
            }
            Credential::Certificate(certificate) => Ok(vec![
                ("client_assertion_type", Zeroizing::new(ASSERTION_TYPE.to_owned())),
                ("client_assertion", Zeroizing::new(assertion::sign(certificate, client_id, token_url, now)?)),
            ]),
        }
    }
}
