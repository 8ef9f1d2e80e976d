//! Reads a certificate and its private key from a PKCS #12 file; only with the cargo feature `pkcs12`.

use std::path::Path;

use elements::Certificate;
use exporter_toolkit::{Diagnostic, read_file};
use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error as PfxError;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::{CertificateInfo, key_pair};
use crate::config::credential::SecretSource;

pub(super) fn from_pfx(pfx_file: &Path, password: &SecretSource) -> Result<Certificate, Diagnostic> {
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
            let info = CertificateInfo::of(&certificate, pfx_file)?;
            if info.belongs_to(&key_pair) {
                return Ok(Certificate { certificate, key: key.clone_key(), not_after: info.not_after });
            }
        }
    }
    let what = format!("the key in {name} belongs to none of its certificates");
    Err(Diagnostic::new(what, "export the certificate and the key that were made together"))
}
