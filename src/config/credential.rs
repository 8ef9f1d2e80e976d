//! The credential of an app registration: where it comes from, and what was read there.

use std::path::PathBuf;

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::SecretString;

/// Exactly one of the two kinds.
#[derive(Debug)]
pub enum Credential {
    /// `client_secret`, `client_secret_file` or `client_secret_env`.
    ClientSecret {
        /// Where it came from, to read it again when it was rotated.
        source: SecretSource,
        /// What was read there: trimmed, not empty.
        secret: SecretString,
        /// `client_secret_expires`: known only to the operator.
        expires: Option<Timestamp>,
    },
    /// `certificate`.
    Certificate {
        /// Where it came from, to read it again when it was rotated.
        source: CertificateSource,
        /// What was read there.
        certificate: Certificate,
    },
}

/// Where a secret text comes from.
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// The configuration itself.
    Value(SecretString),
    /// A file; white space around the secret is trimmed.
    File(PathBuf),
    /// An environment variable.
    Env(String),
}

/// Where a certificate and its private key come from.
#[derive(Clone, Debug)]
pub enum CertificateSource {
    /// Two PEM files; the key in PKCS #8 or PKCS #1, not encrypted.
    Pem {
        /// The certificate; the first one if there are several.
        cert_file: PathBuf,
        /// Its private key.
        key_file: PathBuf,
    },
    /// A PKCS #12 file.
    Pfx {
        /// The file.
        pfx_file: PathBuf,
        /// Its password, empty if there is none.
        password: SecretSource,
    },
}

/// An RSA certificate (2048 bits or more) with the private key that belongs to it.
#[derive(Debug)]
pub struct Certificate {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// The private key, PKCS #8 or PKCS #1.
    pub key: PrivateKeyDer<'static>,
    /// When the certificate expires.
    pub not_after: Timestamp,
}
