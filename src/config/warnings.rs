//! What an operator should know about a configuration that is valid.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::credential::{CertificateSource, Credential, SecretSource};
use super::settings::Config;

/// Before a credential expires, there is this much time to act.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Config {
    /// What is valid and yet unwise at this time, one sentence each: secret files that every user can read, credentials
    /// that have expired or expire within 30 days.
    #[must_use]
    pub fn warnings(&self, now: Timestamp) -> Vec<String> {
        let mut warnings = Vec::new();
        for (index, partner) in self.partners.iter().enumerate() {
            let at = format!("partners[{index}].auth");
            let secret_files = secret_files(&partner.credential).into_iter().filter(|file| is_world_readable(file));
            warnings.extend(
                secret_files
                    .map(|file| format!("{at}: {0} can be read by every user; run `chmod o-r {0}`", file.display())),
            );
            let (what, expires) = match &partner.credential {
                Credential::ClientSecret { expires, .. } => ("the client secret", *expires),
                Credential::Certificate { certificate, .. } => ("the certificate", Some(certificate.not_after)),
            };
            if let Some(expires) = expires.filter(|expires| expires.duration_since(now) < SOON) {
                let verb = if expires <= now { "expired" } else { "expires" };
                let date = expires.strftime("%Y-%m-%d");
                warnings.push(format!("{at}: {what} {verb} on {date}; make a new one in the app registration"));
            }
        }
        if self.state_file.is_some() {
            warnings.push(
                "state.file: this version keeps nothing across a restart yet; what is known is polled anew".into(),
            );
        }
        warnings
    }
}

fn secret_files(credential: &Credential) -> Vec<&Path> {
    match credential {
        Credential::ClientSecret { source, .. } => secret_file(source).into_iter().collect(),
        Credential::Certificate { source: CertificateSource::Pem { key_file, .. }, .. } => vec![key_file],
        Credential::Certificate { source: CertificateSource::Pfx { pfx_file, password }, .. } => {
            std::iter::once(pfx_file.as_path()).chain(secret_file(password)).collect()
        }
    }
}

fn secret_file(source: &SecretSource) -> Option<&Path> {
    match source {
        SecretSource::File(file) => Some(file),
        SecretSource::Value(_) | SecretSource::Env(_) => None,
    }
}

#[cfg(unix)]
pub(crate) fn is_world_readable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
pub(crate) const fn is_world_readable(_: &Path) -> bool {
    false
}
