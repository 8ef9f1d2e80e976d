//! The credential of an app registration: where it comes from, and what was read there.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::SecretString;
use zeroize::{Zeroize as _, Zeroizing};

use super::file::read_file;
use super::problem::{Mistake, quoted};

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

impl SecretSource {
    /// Reads the secret: again, if it may have been rotated. From a file or a variable it is trimmed, and an error if
    /// nothing is left.
    pub fn read(&self) -> Result<SecretString, Mistake> {
        let (text, origin) = match self {
            Self::Value(secret) => return Ok(secret.clone()),
            Self::File(path) => (text_of_file(path)?, path.display().to_string()),
            Self::Env(name) => (text_of_variable(name)?, format!("the environment variable {name}")),
        };
        match text.trim() {
            "" => Err(Mistake::new(format!("{origin} is empty"), "write the secret there")),
            secret => Ok(secret.into()),
        }
    }
}

/// The text of a file that belongs to the configuration. It may be a secret, or hold one: it is wiped when it is dropped.
pub(super) fn text_of_file(path: &Path) -> Result<Zeroizing<String>, Mistake> {
    let bytes = read_file(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        let what = format!("{} is not a text in UTF-8", path.display());
        Mistake::new(what, "save it as plain text")
    })?;
    // Some editors begin a file with a byte order mark.
    Ok(Zeroizing::new(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned()))
}

fn text_of_variable(name: &str) -> Result<Zeroizing<String>, Mistake> {
    // What is no name may be the secret itself, given by mistake: it is not quoted.
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if !first || !bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        let remedy = "write the variable's name: letters, digits and `_`";
        return Err(Mistake::new("this is not the name of an environment variable", remedy));
    }
    std::env::var(name).map(Zeroizing::new).map_err(|error| match error {
        std::env::VarError::NotPresent => {
            Mistake::new(format!("the environment variable {} is not set", quoted(name)), "set it for this process")
        }
        std::env::VarError::NotUnicode(_) => {
            Mistake::new(format!("the environment variable {} is not UTF-8", quoted(name)), "set it to plain text")
        }
    })
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

/// An RSA certificate (2048 to 4096 bits) with the private key that belongs to it, which is wiped when it is dropped.
pub struct Certificate {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// The private key, PKCS #8 or PKCS #1.
    pub key: PrivateKeyDer<'static>,
    /// When the certificate expires.
    pub not_after: Timestamp,
}

impl Drop for Certificate {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl std::fmt::Debug for Certificate {
    /// Neither the key nor a page of bytes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}
