//! Warnings about a valid configuration.

use std::path::Path;

use exporter_toolkit::world_accessible_warning;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;

use super::credential::{CertificateSource, Credential, SecretSource};
use super::ha::LeaseSettings;
use super::settings::{Config, PartnerSettings};
use super::settings::{StateLocation, StateSettings};

/// How long before the expiry of a credential the warning starts.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Config {
    /// Warnings as of this time, one sentence each: files with secrets that every user can access (the configuration
    /// file too, if it contains one); keys without effect; credentials that have expired or expire within 30 days.
    #[must_use]
    pub fn warnings(&self, now: Timestamp) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(file) = self.file.as_deref().filter(|_| self.partners.iter().any(holds_a_secret)) {
            // The service of the packages runs as a user of its own, which could then not read the file.
            warnings.extend(world_accessible_warning(file).map(|sentence| {
                format!(
                    "a secret stands in the configuration, and {sentence}, or put the secret into a file of its own \
                     if the exporter's user could then not read the configuration"
                )
            }));
        }
        for (at, file) in self.lease_secret_files() {
            warnings.extend(world_accessible_warning(file).map(|sentence| format!("{at}: {sentence}")));
        }
        if !self.ignored.is_empty() {
            let keys = self.ignored.join(", ");
            warnings.push(format!("{keys}: no longer has an effect and will be refused in 0.3; remove it"));
        }
        for (index, partner) in self.partners.iter().enumerate() {
            let at = format!("partners[{index}].auth");
            let open = secret_files(&partner.credential).into_iter().filter_map(world_accessible_warning);
            warnings.extend(open.map(|sentence| format!("{at}: {sentence}")));
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
        warnings
    }

    fn lease_secret_files(&self) -> Vec<(&'static str, &Path)> {
        let mut files = Vec::new();
        if let Some(StateSettings { location: StateLocation::AzureBlob(blob), .. }) = &self.state {
            files.push(("state.azure_blob", blob.url_file.as_path()));
        }
        match self.ha.as_ref().map(|ha| &ha.lease) {
            Some(LeaseSettings::AzureBlob(blob)) => files.push(("ha.lease.azure_blob", &blob.url_file)),
            Some(LeaseSettings::Etcd(etcd)) => {
                let key = etcd.client_certificate.as_ref().map(|(_, key)| key.as_path());
                let password = etcd.user.as_ref().map(|(_, password)| password.as_path());
                files.extend(key.into_iter().chain(password).map(|file| ("ha.lease.etcd", file)));
            }
            Some(LeaseSettings::Kubernetes(_)) | None => {}
        }
        files
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

/// Whether the configuration itself contains a secret of this partner.
fn holds_a_secret(partner: &PartnerSettings) -> bool {
    let inline = |source: &SecretSource| match source {
        SecretSource::Value(secret) => !secret.expose_secret().is_empty(),
        SecretSource::File(_) | SecretSource::Env(_) => false,
    };
    let credential = match &partner.credential {
        Credential::ClientSecret { source, .. } => inline(source),
        Credential::Certificate { source: CertificateSource::Pfx { password, .. }, .. } => inline(password),
        Credential::Certificate { source: CertificateSource::Pem { .. }, .. } => false,
    };
    credential || partner.proxy_url.as_ref().is_some_and(|url| url.password().is_some())
}
