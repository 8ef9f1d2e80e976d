//! Reads a certificate and its private key from PEM or PKCS #12, and checks what signing requires: an RSA key that
//! `ring` can sign with and that matches the certificate. The expiry is not checked here.

use std::path::Path;

use elements::Certificate;
use exporter_toolkit::Diagnostic;
use exporter_toolkit::read_file;
use jiff::Timestamp;
use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error as PfxError;
use ring::rsa::KeyPair;
use ring::signature::KeyPair as _;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::ExposeSecret as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use super::credential::{CertificateSource, SecretSource};

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
    let facts = Facts::of(&certificate, cert_file)?;
    if !facts.belongs_to(&key_pair) {
        let what = format!("the key in {} does not belong to {}", key_file.display(), cert_file.display());
        return Err(Diagnostic::new(what, "give the certificate and the key that were made together"));
    }
    Ok(Certificate { certificate, key: key.clone_key(), not_after: facts.not_after })
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

fn from_pfx(pfx_file: &Path, password: &SecretSource) -> Result<Certificate, Diagnostic> {
    let password = password.read()?;
    let name = pfx_file.display();
    let archive =
        Pkcs12Archive::from_pkcs12(&read_file(pfx_file)?, password.expose_secret()).map_err(|error| match error {
            PfxError::MacError(_) => {
                let remedy = "check pfx_password, pfx_password_file or pfx_password_env";
                Diagnostic::new(format!("the password of {name} is wrong"), remedy)
            }
            error => Diagnostic::new(
                format!("{name} cannot be read as PKCS #12 ({error})"),
                "make it with `openssl pkcs12 -export -in app.crt -inkey app.key -out app.pfx`",
            ),
        })?;
    if archive.keys.is_empty() || archive.certs.is_empty() {
        let what = format!("{name} does not contain both a certificate and its private key");
        return Err(Diagnostic::new(what, "export both"));
    }
    // The certificate is matched to the key by its public key; ids and names in the file are optional.
    for bag in &archive.keys {
        let key = PrivatePkcs8KeyDer::from(bag.key.as_der().to_vec());
        let key = Zeroizing::new(PrivateKeyDer::from(key));
        let key_pair = key_pair(&key, pfx_file)?;
        for candidate in &archive.certs {
            let certificate = CertificateDer::from(candidate.cert.as_der().to_vec());
            let facts = Facts::of(&certificate, pfx_file)?;
            if facts.belongs_to(&key_pair) {
                return Ok(Certificate { certificate, key: key.clone_key(), not_after: facts.not_after });
            }
        }
    }
    let what = format!("the key in {name} belongs to none of its certificates");
    Err(Diagnostic::new(what, "export the certificate and the key that were made together"))
}

/// The parts of a certificate that are checked.
struct Facts {
    /// The public key as encoded in the certificate; an RSA key is PKCS #1.
    public_key: Vec<u8>,
    not_after: Timestamp,
}

impl Facts {
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
