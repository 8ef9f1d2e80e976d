//! Validates `partners[].auth`: the client id and exactly one credential, which is read from its source.

use std::path::{Path, PathBuf};

use exporter_toolkit::read_file;
use exporter_toolkit::{ConfigPath, Diagnostic};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::path;
use crate::config::credential::{CertificateSource, Credential, SecretSource};
use crate::config::raw::{RawAuth, RawCertificate};

/// The client id and the credential; `None` only if an error was recorded.
pub(super) fn settings(at: &ConfigPath<'_>, raw: Option<RawAuth>, base: &Path) -> Option<(String, Credential)> {
    let Some(raw) = raw else {
        at.error("auth is missing", "write client_id and a credential, such as client_secret_file, beneath it");
        return None;
    };
    let client_id = raw.client_id.as_deref().map_or("", str::trim).to_owned();
    if client_id.is_empty() || client_id.contains(|c: char| c.is_whitespace() || c.is_control()) {
        let what = if client_id.is_empty() { "the client id is missing" } else { "the client id contains a space" };
        at.key("client_id").error(what, "copy it from the app registration in Elements");
    }
    let credential = credential(at, raw, base)?;
    Some((client_id, credential))
}

fn credential(at: &ConfigPath<'_>, raw: RawAuth, base: &Path) -> Option<Credential> {
    const ALLOWED: &str = "exactly one of client_secret, client_secret_file, client_secret_env, certificate";
    let expires_at = at.key("client_secret_expires");
    let expires = raw.client_secret_expires.and_then(|text| expires_at.ok_or_report(date(&text)));
    match (raw.client_secret, raw.client_secret_file, raw.client_secret_env, raw.certificate) {
        (None, None, None, None) => {
            at.error("there is no credential", format!("write {ALLOWED}"));
            None
        }
        (None, None, None, Some(certificate)) => {
            if expires.is_some() {
                expires_at.error("a certificate says itself when it expires", "remove client_secret_expires");
            }
            let at = at.key("certificate");
            let source = certificate_source(&at, certificate, base)?;
            let certificate = at.ok_or_report(source.load())?;
            Some(Credential::Certificate { source, certificate })
        }
        (value, file, env, None) if [&value, &file, &env].into_iter().flatten().count() == 1 => {
            let (key, source) = if let Some(text) = value {
                ("client_secret", SecretSource::Value(Zeroizing::new(text).trim().into()))
            } else if let Some(file) = file {
                ("client_secret_file", secret_file(&at.key("client_secret_file"), &file, base)?)
            } else {
                ("client_secret_env", secret_variable(&at.key("client_secret_env"), env.unwrap_or_default())?)
            };
            let at = at.key(key);
            let secret = at.ok_or_report(source.read())?;
            if secret.expose_secret().is_empty() {
                at.error("the client secret is empty", format!("write {ALLOWED}"));
                return None;
            }
            Some(Credential::ClientSecret { source, secret, expires })
        }
        (value, file, env, certificate) => {
            let given = [
                ("client_secret", value.is_some()),
                ("client_secret_file", file.is_some()),
                ("client_secret_env", env.is_some()),
                ("certificate", certificate.is_some()),
            ];
            at.error(format!("{} are given together", present(&given)), format!("keep {ALLOWED}"));
            None
        }
    }
}

/// Checks a path. If no such file exists, the value may be the secret itself, given by mistake: it is quoted only if it
/// looks like a path.
fn secret_file(at: &ConfigPath<'_>, raw: &str, base: &Path) -> Option<SecretSource> {
    let file = path(at, raw, base)?;
    let looks_like_one = ["/", "./", "../"].iter().any(|start| raw.starts_with(start))
        || raw.bytes().all(|byte| byte.is_ascii_lowercase() || b"_-./".contains(&byte));
    if !looks_like_one && matches!(file.try_exists(), Ok(false) | Err(_)) {
        let remedy = "write its path, from the folder of the configuration on; a secret itself has a key of its own";
        at.error("there is no such file", remedy);
        return None;
    }
    Some(SecretSource::File(file))
}

/// The same for a variable: one that is not set and does not look like a variable name is not quoted.
fn secret_variable(at: &ConfigPath<'_>, name: String) -> Option<SecretSource> {
    // Invalid names are never quoted.
    let looks_like_one = !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        || !name.bytes().any(|byte| byte.is_ascii_lowercase());
    if !looks_like_one && std::env::var_os(&name).is_none() {
        at.error(
            "there is no such environment variable",
            "set it for this process; a secret itself has a key of its own",
        );
        return None;
    }
    Some(SecretSource::Env(name))
}

fn certificate_source(at: &ConfigPath<'_>, raw: RawCertificate, base: &Path) -> Option<CertificateSource> {
    const ALLOWED: &str = "cert_file with key_file, or pfx_file";
    // Each file is also read here, before the certificate is loaded, so that an error is reported at the file's own
    // key.
    let file = |key: &str, raw: &str| -> Option<PathBuf> {
        let path = path(&at.key(key), raw, base)?;
        at.key(key).ok_or_report(read_file(&path)).map(|_| path)
    };
    let passwords = [
        ("pfx_password", raw.pfx_password.is_some()),
        ("pfx_password_file", raw.pfx_password_file.is_some()),
        ("pfx_password_env", raw.pfx_password_env.is_some()),
    ];
    let password_count = passwords.iter().filter(|(_, given)| *given).count();
    match (raw.cert_file, raw.key_file, raw.pfx_file) {
        (Some(cert_file), Some(key_file), None) => {
            if password_count > 0 {
                at.error(
                    format!("{} without pfx_file", present(&passwords)),
                    "remove it, the key file is not encrypted",
                );
                return None;
            }
            let (cert_file, key_file) = (file("cert_file", &cert_file), file("key_file", &key_file));
            Some(CertificateSource::Pem { cert_file: cert_file?, key_file: key_file? })
        }
        (None, None, Some(pfx_file)) => {
            if password_count > 1 {
                at.error(format!("{} are given together", present(&passwords)), "keep at most one of them");
                return None;
            }
            let pfx_file = file("pfx_file", &pfx_file);
            let (key, password) = match (raw.pfx_password_file, raw.pfx_password_env) {
                (Some(password), _) => {
                    ("pfx_password_file", secret_file(&at.key("pfx_password_file"), &password, base)?)
                }
                (None, Some(name)) => ("pfx_password_env", secret_variable(&at.key("pfx_password_env"), name)?),
                (None, None) => (
                    "pfx_password",
                    SecretSource::Value(Zeroizing::new(raw.pfx_password.unwrap_or_default()).as_str().into()),
                ),
            };
            at.key(key).ok_or_report(password.read())?;
            Some(CertificateSource::Pfx { pfx_file: pfx_file?, password })
        }
        (cert, key, pfx) => {
            let what = match (cert.is_some(), key.is_some(), pfx.is_some()) {
                (_, _, true) => "PEM files and pfx_file are given together",
                (true, false, _) => "key_file is missing",
                (false, true, _) => "cert_file is missing",
                _ => "no file is given",
            };
            at.error(what, format!("write {ALLOWED}"));
            None
        }
    }
}

/// The given keys, joined for a message.
fn present(keys: &[(&str, bool)]) -> String {
    let names: Vec<_> = keys.iter().filter(|(_, given)| *given).map(|&(name, _)| name).collect();
    names.join(" and ")
}

/// A date, taken as midnight UTC, or a time in RFC 3339.
fn date(text: &str) -> Result<Timestamp, Diagnostic> {
    let text = text.trim();
    let time = if text.len() == "2027-03-01".len() {
        text.parse::<Date>().and_then(|date| date.to_zoned(TimeZone::UTC)).map(|midnight| midnight.timestamp())
    } else {
        text.parse::<Timestamp>()
    };
    time.map_err(|_| {
        // Not quoted: the key stands next to a secret, so the value may be one.
        Diagnostic::new("this is not a date", "write it like `2027-03-01` (midnight UTC) or `2027-03-01T12:00:00Z`")
    })
}
