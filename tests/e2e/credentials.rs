//! Secrets and certificates in files: reading, reading again after a rotation, and warnings.

use std::fs;
use std::path::{Path, PathBuf};

use avepoint_exporter::config::{CertificateSource, Config, SecretSource};
use files::{PASSWORD, SECRET, readable_by_others};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use secrecy::ExposeSecret as _;

use crate::config::files;

fn pem(folder: &Path, cert_file: &str, key_file: &str) -> CertificateSource {
    CertificateSource::Pem { cert_file: folder.join(cert_file), key_file: folder.join(key_file) }
}

fn pfx(pfx_file: PathBuf, password: &str) -> CertificateSource {
    CertificateSource::Pfx { pfx_file, password: SecretSource::Value(password.into()) }
}

#[test]
fn a_secret_is_read_anew_when_its_file_was_rotated() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let source = SecretSource::File(file.clone());
    fs::write(&file, "\u{feff} first\n").unwrap();
    assert_eq!(source.read().unwrap().expose_secret(), "first");
    fs::write(&file, "second\r\n").unwrap();
    assert_eq!(source.read().unwrap().expose_secret(), "second");
    fs::remove_file(&file).unwrap();
    assert!(source.read().unwrap_err().message.ends_with("secret does not exist"));
    assert_eq!(SecretSource::Env("CARGO_PKG_NAME".into()).read().unwrap().expose_secret(), "avepoint-exporter");
}

#[test]
fn a_certificate_is_the_same_in_every_format() {
    let folder = files::make();
    let folder = folder.path();
    let plain = pem(folder, "app.crt", "app.key").load().unwrap();
    assert!(matches!(plain.key, PrivateKeyDer::Pkcs8(_)));
    let traditional = pem(folder, "app.crt", "app_pkcs1.key").load().unwrap();
    assert!(matches!(traditional.key, PrivateKeyDer::Pkcs1(_)));
    let year = plain.not_after.duration_since(Timestamp::now());
    assert!(year > SignedDuration::from_hours(364 * 24) && year <= SignedDuration::from_hours(365 * 24));

    let password = SecretSource::File(folder.join("password"));
    let from_file = CertificateSource::Pfx { pfx_file: folder.join("app.pfx"), password };
    for source in [
        from_file,
        pfx(folder.join("app.pfx"), PASSWORD),
        pfx(folder.join("legacy.pfx"), PASSWORD),
        pfx(folder.join("triple_des.pfx"), PASSWORD),
        pfx(folder.join("chain.pfx"), PASSWORD),
        pfx(folder.join("no_password.pfx"), ""),
    ] {
        let loaded = source.load().unwrap_or_else(|mistake| panic!("{source:?}: {mistake}"));
        assert_eq!(loaded.certificate, plain.certificate, "{source:?}");
        assert_eq!(loaded.key.secret_der(), plain.key.secret_der(), "{source:?}");
        assert_eq!(loaded.not_after, plain.not_after, "{source:?}");
    }
}

#[test]
fn nothing_shows_a_key() {
    let folder = files::make();
    let certificate = pem(folder.path(), "app.crt", "app.key").load().unwrap();
    let shown = format!("{certificate:?} {:?}", pfx(folder.path().join("app.pfx"), PASSWORD));
    assert!(shown.starts_with("Certificate { not_after: "), "{shown}");
    assert!(!shown.contains(PASSWORD), "{shown}");
    assert!(PrivateKeyDer::from_pem_slice(shown.as_bytes()).is_err());
}

#[test]
fn a_damaged_file_is_an_error_not_a_panic() {
    let folder = files::make();
    let whole = fs::read(folder.path().join("app.pfx")).unwrap();
    let damaged = folder.path().join("damaged.pfx");
    proptest!(ProptestConfig::with_cases(64), |(length in 0..whole.len(), bytes: [u8; 4])| {
        let mut part = whole[..length].to_vec();
        part.extend(bytes);
        fs::write(&damaged, &part).unwrap();
        prop_assert!(pfx(damaged.clone(), PASSWORD).load().is_err());
        prop_assert!(pem(folder.path(), "damaged.pfx", "app.key").load().is_err());
    });
}

#[test]
fn what_is_valid_and_unwise_is_warned_of() {
    let folder = files::make();
    let config = |auth: &str| {
        Config::parse(&format!("partners: [{{ auth: {{ client_id: a, {auth} }} }}]"), folder.path()).unwrap()
    };
    let at = |time: &str| time.parse::<Timestamp>().unwrap();
    let said = |config: &Config, now: &str| {
        config.warnings(at(now)).join("\n").replace(&folder.path().display().to_string(), "{dir}")
    };

    let secret = config("client_secret_file: secret, client_secret_expires: 2027-03-01");
    assert_eq!(said(&secret, "2027-01-30T00:00:00Z"), "");
    assert_eq!(
        said(&secret, "2027-01-30T00:00:01Z"),
        "partners[0].auth: the client secret expires on 2027-03-01; make a new one in the app registration"
    );
    assert_eq!(
        said(&secret, "2027-03-01T00:00:00Z"),
        "partners[0].auth: the client secret expired on 2027-03-01; make a new one in the app registration"
    );
    readable_by_others(&folder.path().join("secret"), true);
    assert_eq!(
        said(&secret, "2026-01-01T00:00:00Z"),
        "partners[0].auth: {dir}/secret can be read by every user; run `chmod o-rwx {dir}/secret`"
    );
    assert_eq!(said(&config(&format!("client_secret: {SECRET}")), "2026-01-01T00:00:00Z"), "");

    let certificate = config("certificate: { pfx_file: app.pfx, pfx_password_file: password }");
    assert_eq!(said(&certificate, &Timestamp::now().to_string()), "");
    assert!(said(&certificate, "2199-01-01T00:00:00Z").starts_with("partners[0].auth: the certificate expired on "));
    readable_by_others(&folder.path().join("app.pfx"), true);
    readable_by_others(&folder.path().join("password"), true);
    assert_eq!(certificate.warnings(Timestamp::now()).len(), 2);
}

/// A configuration that contains a secret is such a file too.
#[test]
fn a_configuration_with_a_secret_in_it_is_warned_of() {
    let folder = files::make();
    let file = folder.path().join("config.yaml");
    for (partner, warned) in [
        ("auth: { client_id: a, client_secret: b }", true),
        ("auth: { client_id: a, client_secret_file: secret }", false),
        ("auth: { client_id: a, client_secret_file: secret }, proxy_url: 'http://user:pass@127.0.0.1:1'", true),
        ("auth: { client_id: a, client_secret_file: secret }, proxy_url: 'http://127.0.0.1:1'", false),
        ("auth: { client_id: a, certificate: { cert_file: app.crt, key_file: app.key } }", false),
        ("auth: { client_id: a, certificate: { pfx_file: no_password.pfx } }", false),
        ("auth: { client_id: a, certificate: { pfx_file: app.pfx, pfx_password: canary-of-a-pfx-password } }", true),
    ] {
        fs::write(&file, format!("partners: [{{ {partner} }}]")).unwrap();
        for open in [true, false] {
            readable_by_others(&file, open);
            let warnings = Config::load(&file).unwrap().warnings(Timestamp::now());
            let expected = format!(
                "a secret stands in the configuration, and {0} can be read by every user; run `chmod o-rwx {0}`, \
                 or put the secret into a file of its own if the exporter's user could then not read the configuration",
                file.display()
            );
            let expected: Vec<String> = (warned && open).then_some(expected).into_iter().collect();
            assert_eq!(warnings, expected, "{partner}");
        }
    }
}
