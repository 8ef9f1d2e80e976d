//! Reads a certificate and its private key from PEM or PKCS #12, and checks what signing requires: an RSA key that
//! `ring` can sign with and that matches the certificate. The expiry is not checked here.

use std::path::Path;

use elements::Certificate;
use exporter_toolkit::Diagnostic;
use exporter_toolkit::read_file;
use jiff::Timestamp;
use ring::rsa::KeyPair;
use ring::signature::KeyPair as _;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use super::credential::CertificateSource;
#[cfg(not(feature = "pkcs12"))]
use super::credential::SecretSource;
#[cfg(feature = "pkcs12")]
use pkcs12::from_pfx;

#[cfg(feature = "pkcs12")]
mod pkcs12;

impl CertificateSource {
    /// Reads the certificate and its key, also after a rotation.
    pub fn load(&self) -> Result<Certificate, Diagnostic> {
        match self {
            Self::Pem { cert_file, key_file } => from_pem(cert_file, key_file),
            Self::Pfx { pfx_file, password } => from_pfx(pfx_file, password),
        }
    }
}

fn from_pem(cert_file: &Path, key_file: &Path) -> Result<Certificate, Diagnostic> {
    let certificate = CertificateDer::from_pem_slice(&read_file(cert_file)?).map_err(|_| {
        let what = format!("{} contains no certificate", cert_file.display());
        Diagnostic::new(what, "it must be PEM: `-----BEGIN CERTIFICATE-----`")
    })?;
    let key = private_key(key_file)?;
    let key_pair = key_pair(&key, key_file)?;
    let info = CertificateInfo::of(&certificate, cert_file)?;
    if !info.belongs_to(&key_pair) {
        let what = format!("the key in {} does not belong to {}", key_file.display(), cert_file.display());
        return Err(Diagnostic::new(what, "give the certificate and the key that were made together"));
    }
    Ok(Certificate { certificate, key: key.clone_key(), not_after: info.not_after })
}

fn private_key(key_file: &Path) -> Result<Zeroizing<PrivateKeyDer<'static>>, Diagnostic> {
    let pem = read_file(key_file)?;
    let name = key_file.display();
    if pem.windows(9).any(|word| word == b"ENCRYPTED") {
        let remedy =
            "give the plain key (`openssl pkey -in key -out plain`), or a PKCS #12 file with pfx_password_file";
        return Err(Diagnostic::new(format!("the key in {name} is encrypted"), remedy));
    }
    PrivateKeyDer::from_pem_slice(&pem).map(Zeroizing::new).map_err(|_| {
        let remedy = "it must be PEM: `-----BEGIN PRIVATE KEY-----` or `-----BEGIN RSA PRIVATE KEY-----`";
        Diagnostic::new(format!("{name} contains no private key"), remedy)
    })
}

/// This build has no PKCS #12 reader: the cargo feature `pkcs12` is off.
#[cfg(not(feature = "pkcs12"))]
fn from_pfx(pfx_file: &Path, _password: &SecretSource) -> Result<Certificate, Diagnostic> {
    Err(Diagnostic::new(
        format!("{} cannot be read: this exporter was built without PKCS #12", pfx_file.display()),
        "convert it with `openssl pkcs12 -in app.pfx -nodes -out app.pem` and write app.pem as cert_file and as key_file, \
         or build with the cargo feature `pkcs12`",
    ))
}

/// The parts of a certificate that are checked.
struct CertificateInfo {
    /// The public key as encoded in the certificate; an RSA key is PKCS #1.
    public_key: Vec<u8>,
    not_after: Timestamp,
}

impl CertificateInfo {
    fn of(certificate: &CertificateDer<'_>, file: &Path) -> Result<Self, Diagnostic> {
        let unreadable = || {
            let what = format!("the certificate in {} cannot be read", file.display());
            Diagnostic::new(what, "it must be X.509")
        };
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| unreadable())?;
        let not_after = Timestamp::from_second(parsed.validity().not_after.timestamp()).map_err(|_| unreadable())?;
        Ok(Self { public_key: parsed.public_key().subject_public_key.data.to_vec(), not_after })
    }

    fn belongs_to(&self, key_pair: &KeyPair) -> bool {
        self.public_key == key_pair.public_key().as_ref()
    }
}

/// The key, parsed by the library that will sign with it.
fn key_pair(key: &PrivateKeyDer<'_>, file: &Path) -> Result<KeyPair, Diagnostic> {
    let parsed = match key {
        PrivateKeyDer::Pkcs8(key) => KeyPair::from_pkcs8(key.secret_pkcs8_der()).ok(),
        PrivateKeyDer::Pkcs1(key) => KeyPair::from_der(key.secret_pkcs1_der()).ok(),
        _ => None,
    };
    parsed.ok_or_else(|| {
        let what = format!("the key in {} is not an RSA key of 2048 to 4096 bits", file.display());
        Diagnostic::new(what, "make one with `openssl req -x509 -newkey rsa:2048 -nodes`")
    })
}

#[cfg(all(test, not(feature = "pkcs12")))]
mod tests {
    use super::*;

    #[test]
    fn without_pkcs12_a_pfx_file_is_an_error_with_a_remedy() {
        let password = SecretSource::Value("".into());
        let source = CertificateSource::Pfx { pfx_file: "app.pfx".into(), password };
        let error = source.load().unwrap_err();
        assert_eq!(error.message, "app.pfx cannot be read: this exporter was built without PKCS #12");
        assert!(error.help.contains("openssl pkcs12 -in app.pfx") && error.help.contains("pkcs12`"), "{}", error.help);
    }
}
