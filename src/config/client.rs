//! Converts a partner's settings to those of the API client, which reads a rotated credential again through them.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use elements::{ClientConfig, CredentialSource};
use exporter_toolkit::read_file;
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::credential::{CertificateSource, Credential, SecretSource};
use super::settings::PartnerSettings;

/// `ca_file` cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("ca_file {}: {problem}", path.display())]
pub struct CaFileError {
    path: PathBuf,
    problem: String,
}

impl PartnerSettings {
    /// The settings of this partner's client. Blocks while `ca_file` is read.
    pub fn client_config(&self) -> Result<ClientConfig, CaFileError> {
        Ok(ClientConfig {
            partner: self.name.clone(),
            api_url: self.api_url.clone(),
            token_url: self.token_url.clone(),
            client_id: self.client_id.clone(),
            credential: self.credential.value(),
            credential_source: self.credential.source(),
            budget: self.budget,
            proxy_url: self.proxy_url.clone(),
            extra_roots: self.ca_file.as_deref().map(read_roots).transpose()?.unwrap_or_default(),
        })
    }
}

/// The certificates of a PEM file, at least one.
fn read_roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, CaFileError> {
    let failed = |problem| CaFileError { path: path.to_owned(), problem };
    let pem = read_file(path).map_err(|diagnostic| failed(diagnostic.to_string()))?;
    let roots = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let roots = roots.map_err(|error| failed(error.to_string()))?;
    // Parsed as the client will parse them, so that a wrong certificate is detected now.
    for root in &roots {
        x509_parser::parse_x509_certificate(root).map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() { Err(failed("there is no PEM certificate in it".to_owned())) } else { Ok(roots) }
}

impl Credential {
    fn value(&self) -> elements::Credential {
        match self {
            Self::ClientSecret { secret, expires, .. } => {
                elements::Credential::ClientSecret { secret: secret.clone(), expires: *expires }
            }
            Self::Certificate { certificate, .. } => elements::Credential::Certificate(certificate.clone()),
        }
    }

    fn source(&self) -> Arc<dyn CredentialSource> {
        match self {
            Self::ClientSecret { source, expires, .. } => {
                Arc::new(ClientSecretSource { source: source.clone(), expires: *expires })
            }
            Self::Certificate { source, .. } => Arc::new(source.clone()),
        }
    }
}

#[derive(Debug)]
struct ClientSecretSource {
    source: SecretSource,
    expires: Option<Timestamp>,
}

impl CredentialSource for ClientSecretSource {
    fn may_rotate(&self) -> bool {
        matches!(self.source, SecretSource::File(_))
    }

    fn read(&self) -> Result<elements::Credential, Box<dyn Error + Send + Sync>> {
        Ok(elements::Credential::ClientSecret { secret: self.source.read()?, expires: self.expires })
    }
}

impl CredentialSource for CertificateSource {
    fn may_rotate(&self) -> bool {
        true
    }

    fn read(&self) -> Result<elements::Credential, Box<dyn Error + Send + Sync>> {
        Ok(elements::Credential::Certificate(self.load()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_without_certificates_is_an_error_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "nothing").unwrap();
        for path in [empty, folder.path().join("missing.pem")] {
            let error = read_roots(&path).unwrap_err().to_string();
            assert!(error.contains(path.to_str().unwrap()), "{error}");
        }
    }
}
