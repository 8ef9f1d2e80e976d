//! The credential of an app registration: its source and its content.

use std::path::{Path, PathBuf};

use elements::Certificate;
use exporter_toolkit::read_file;
use exporter_toolkit::{Diagnostic, quoted};
use jiff::Timestamp;
use secrecy::SecretString;
use zeroize::Zeroizing;

/// Exactly one of the two kinds.
#[derive(Debug)]
pub enum Credential {
    /// `client_secret`, `client_secret_file` or `client_secret_env`.
    ClientSecret {
        /// The source, to read the secret again after a rotation.
        source: SecretSource,
        /// The secret: trimmed, not empty.
        secret: SecretString,
        /// `client_secret_expires`; only the operator knows this date.
        expires: Option<Timestamp>,
    },
    /// `certificate`.
    Certificate {
        /// The source, to read the certificate again after a rotation.
        source: CertificateSource,
        /// The certificate and its key.
        certificate: Certificate,
    },
}

/// The source of a secret text.
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// The configuration file itself.
    Value(SecretString),
    /// A file; white space around the secret is trimmed.
    File(PathBuf),
    /// An environment variable.
    Env(String),
}

impl SecretSource {
    /// Reads the secret, also after a rotation. The content of a file or variable is trimmed; an empty one is an error.
    pub fn read(&self) -> Result<SecretString, Diagnostic> {
        let (text, origin) = match self {
            Self::Value(secret) => return Ok(secret.clone()),
            Self::File(path) => (text_of_file(path)?, path.display().to_string()),
            Self::Env(name) => (text_of_variable(name)?, format!("the environment variable {name}")),
        };
        match text.trim() {
            "" => Err(Diagnostic::new(format!("{origin} is empty"), "write the secret there")),
            secret => Ok(secret.into()),
        }
    }
}

/// Reads the text of a configuration file. It may be or contain a secret, so it is zeroed on drop.
pub(super) fn text_of_file(path: &Path) -> Result<Zeroizing<String>, Diagnostic> {
    let bytes = read_file(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        let what = format!("{} is not a text in UTF-8", path.display());
        Diagnostic::new(what, "save it as plain text")
    })?;
    // Some editors put a byte order mark at the start of a file.
    Ok(Zeroizing::new(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned()))
}

fn text_of_variable(name: &str) -> Result<Zeroizing<String>, Diagnostic> {
    // An invalid name may be the secret itself, given by mistake: do not quote it.
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if !first || !bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        let remedy = "write the variable's name: letters, digits and `_`";
        return Err(Diagnostic::new("this is not the name of an environment variable", remedy));
    }
    std::env::var(name).map(Zeroizing::new).map_err(|error| match error {
        std::env::VarError::NotPresent => {
            Diagnostic::new(format!("the environment variable {} is not set", quoted(name)), "set it for this process")
        }
        std::env::VarError::NotUnicode(_) => {
            Diagnostic::new(format!("the environment variable {} is not UTF-8", quoted(name)), "set it to plain text")
        }
    })
}

/// The source of a certificate and its private key.
#[derive(Clone, Debug)]
pub enum CertificateSource {
    /// Two PEM files; the key is PKCS #8 or PKCS #1, not encrypted.
    Pem {
        /// Path of the certificate; the first one in the file is used.
        cert_file: PathBuf,
        /// Path of its private key.
        key_file: PathBuf,
    },
    /// A PKCS #12 file.
    Pfx {
        /// Path of the file.
        pfx_file: PathBuf,
        /// Its password; empty if it has none.
        password: SecretSource,
    },
}
