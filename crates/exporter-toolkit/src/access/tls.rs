//! Converts `tls_server_config` to a rustls configuration.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig};
use serde::Deserialize;
use zeroize::{Zeroize as _, Zeroizing};

use super::client_verifier::{Ca, Clients, Policy};
use super::files::Files;
use super::go_names::{self, Version};
use super::parse_bool;
use crate::{ConfigPath, Diagnostic, quoted, world_accessible_warning};

/// The section as written. It may contain a key, and therefore has no `Debug`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a mapping")]
pub(super) struct RawTls {
    cert: Option<String>,
    key: Option<String>,
    client_ca: Option<String>,
    cert_file: Option<String>,
    key_file: Option<String>,
    client_auth_type: Option<String>,
    client_ca_file: Option<String>,
    client_allowed_sans: Option<Vec<String>>,
    min_version: Option<String>,
    max_version: Option<String>,
    cipher_suites: Option<Vec<String>>,
    curve_preferences: Option<Vec<String>>,
    prefer_server_cipher_suites: Option<String>,
}

/// The rustls configuration, and the requirements for clients.
pub(super) struct Tls {
    pub(super) server: Arc<ServerConfig>,
    pub(super) policy: Policy,
    pub(super) asks_for_sans: bool,
    /// Whether the private key is inline in the web configuration.
    pub(super) has_inline_key: bool,
}

/// `None` without TLS, or if an error was reported.
pub(super) fn tls(
    at: &ConfigPath<'_>,
    raw: RawTls,
    base: &Path,
    files: &mut Files,
    warnings: &mut Vec<String>,
) -> Option<Tls> {
    // An empty value counts as missing, as in exporter-toolkit.
    let source = |inline: Option<String>, file: Option<String>| {
        (inline.filter(|text| !text.is_empty()), file.filter(|text| !text.is_empty()))
    };
    let cert = source(raw.cert, raw.cert_file);
    let key = source(raw.key, raw.key_file);
    let has_inline_key = key.0.is_some();
    let ca = source(raw.client_ca, raw.client_ca_file);
    let (cipher_suites, curves) = (raw.cipher_suites.unwrap_or_default(), raw.curve_preferences.unwrap_or_default());
    let versions = versions(at, raw.min_version.as_deref(), raw.max_version.as_deref());
    let suites = suites(&at.key("cipher_suites"), &cipher_suites, versions);
    let curves: Vec<_> = curves
        .iter()
        .enumerate()
        .filter_map(|(index, word)| at.key("curve_preferences").item(index).ok_or_report(go_names::curve(word)))
        .collect();
    let prefer_ours =
        parse_bool(&at.key("prefer_server_cipher_suites"), raw.prefer_server_cipher_suites.as_deref(), true);
    let auth_type = raw.client_auth_type.filter(|word| !word.is_empty());

    let wanted = [&cert, &key, &ca].into_iter().any(|(inline, file)| inline.is_some() || file.is_some())
        || auth_type.is_some()
        || raw.min_version.is_some()
        || raw.max_version.is_some()
        || raw.client_allowed_sans.is_some()
        || !cipher_suites.is_empty()
        || !curves.is_empty();
    if !wanted {
        return None;
    }

    let mut provider = default_provider();
    provider.cipher_suites = suites;
    if !curves.is_empty() {
        provider.kx_groups = curves;
    }
    let provider = Arc::new(provider);
    if let Some(file) = &key.1 {
        warnings.extend(world_accessible_warning(&base.join(file)));
    }
    let identity = identity(at, cert, key, base, files);
    let clients = clients(at, auth_type.as_deref(), ca, raw.client_allowed_sans, base, files, &provider, warnings);
    let (certified, clients) = (identity?, clients?);
    let (policy, asks_for_sans) = (clients.policy, clients.allowed_sans.is_some());

    let (least, most) = versions;
    let offered: Vec<_> = [(Version::Tls13, &TLS13), (Version::Tls12, &TLS12)]
        .into_iter()
        .filter(|(version, _)| (least..=most).contains(version))
        .map(|(_, version)| version)
        .collect();
    let builder = at.ok_or_report(
        ServerConfig::builder_with_provider(provider).with_protocol_versions(&offered).map_err(|error| {
            Diagnostic::new(format!("this is no TLS ({error})"), "allow a version and cipher suites that fit together")
        }),
    )?;
    let mut server = match policy {
        Policy::None => builder.with_no_client_auth(),
        _ => builder.with_client_cert_verifier(Arc::new(clients)),
    }
    .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    server.ignore_client_order = prefer_ours;
    server.alpn_protocols = vec![b"http/1.1".into()];
    if policy != Policy::None {
        // A resumed session would not present its certificate again, which may have expired meanwhile.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
    }
    Some(Tls { server: Arc::new(server), policy, asks_for_sans, has_inline_key })
}

fn versions(at: &ConfigPath<'_>, least: Option<&str>, most: Option<&str>) -> (Version, Version) {
    let read = |key: &str, word: Option<&str>, default| {
        word.and_then(|word| at.key(key).ok_or_report(go_names::version(word))).unwrap_or(default)
    };
    let (least, most) = (read("min_version", least, Version::Tls12), read("max_version", most, Version::Tls13));
    if least > most {
        at.key("max_version").error("max_version is below min_version", "write TLS13, or leave it out");
        return (Version::Tls12, Version::Tls13);
    }
    (least, most)
}

/// All suites of TLS 1.3, and those of TLS 1.2 that are listed, in that order; all if none is listed.
fn suites(at: &ConfigPath<'_>, raw: &[String], (least, most): (Version, Version)) -> Vec<rustls::SupportedCipherSuite> {
    let mut suites: Vec<_> = go_names::suites(Version::Tls13).collect();
    if raw.is_empty() {
        suites.extend(go_names::suites(Version::Tls12));
        return suites;
    }
    let known: Vec<_> =
        raw.iter().enumerate().filter_map(|(index, word)| at.item(index).ok_or_report(go_names::suite(word))).collect();
    let all_known = known.len() == raw.len();
    let listed: Vec<_> = known.into_iter().flatten().collect();
    if all_known && (least, most) == (Version::Tls12, Version::Tls12) && listed.is_empty() {
        at.error("none of them is for TLS 1.2, the only version allowed", "add some, or allow TLS13");
        suites.extend(go_names::suites(Version::Tls12));
    }
    suites.extend(listed);
    suites
}

type Source = (Option<String>, Option<String>);

/// The bytes of a value that is inline or in a file; `None` if there is none, or if an error was reported.
fn text(
    at: &ConfigPath<'_>,
    key: &str,
    (inline, file): Source,
    base: &Path,
    files: &mut Files,
) -> Option<Zeroizing<Vec<u8>>> {
    match (inline.map(|text| Zeroizing::new(text.into_bytes())), file) {
        (Some(_), Some(_)) => {
            at.key(key).error(format!("there is both {key} and {key}_file"), "keep one of them");
            None
        }
        (Some(text), None) => Some(text),
        (None, Some(file)) => at.key(&format!("{key}_file")).ok_or_report(files.read(&base.join(file))),
        (None, None) => None,
    }
}

fn identity(at: &ConfigPath<'_>, cert: Source, key: Source, base: &Path, files: &mut Files) -> Option<CertifiedKey> {
    let name = |key: &str, source: &Source| if source.1.is_some() { format!("{key}_file") } else { key.to_owned() };
    let (at_cert, at_key) = (at.key(&name("cert", &cert)), at.key(&name("key", &key)));
    for (name, (inline, file)) in [("cert", &cert), ("key", &key)] {
        if inline.is_none() && file.is_none() {
            at.error(format!("{name}_file is missing"), format!("write {name}_file, or {name} with the PEM itself"));
        }
    }
    // Both are read before returning, so that the errors of both are reported.
    let cert = text(at, "cert", cert, base, files).and_then(|pem| at_cert.ok_or_report(certificates(&pem)));
    let key = text(at, "key", key, base, files).and_then(|pem| at_key.ok_or_report(private_key(&pem)));
    at_key.ok_or_report(certified(cert?, key?).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => Diagnostic::new(
            "the key does not belong to the certificate",
            "give the two that were made together; of a chain, the server's certificate comes first",
        ),
        _ => Diagnostic::new(
            "this key cannot be used",
            "make an RSA key of at least 2048 bits, or an elliptic one of P-256, P-384 or Ed25519",
        ),
    }))
}

/// Zeroes the key; the signing key is a copy owned by rustls.
fn certified(cert: Vec<CertificateDer<'static>>, mut key: PrivateKeyDer<'static>) -> Result<CertifiedKey, Error> {
    let signing_key = any_supported_type(&key);
    key.zeroize();
    let certified = CertifiedKey::new(cert, signing_key?);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(error) => Err(error),
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Diagnostic> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(Diagnostic::new("there is no certificate in it", "it must be PEM: `-----BEGIN CERTIFICATE-----`")),
    }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Diagnostic> {
    if pem.windows(9).any(|word| word == b"ENCRYPTED") {
        let remedy = "give the plain key (`openssl pkey -in key -out plain`)";
        return Err(Diagnostic::new("the key is encrypted", remedy));
    }
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| Diagnostic::new("there is no private key in it", "it must be PEM: `-----BEGIN PRIVATE KEY-----`"))
}

#[expect(clippy::too_many_arguments, reason = "three keys that belong together, and where they are read from")]
fn clients(
    at: &ConfigPath<'_>,
    auth_type: Option<&str>,
    ca: Source,
    allowed_sans: Option<Vec<String>>,
    base: &Path,
    files: &mut Files,
    provider: &Arc<CryptoProvider>,
    warnings: &mut Vec<String>,
) -> Option<Clients> {
    let policy = policy(&at.key("client_auth_type"), auth_type)?;
    let key = if ca.1.is_some() { "client_ca_file" } else { "client_ca" };
    let has_cas = ca.0.is_some() || ca.1.is_some();
    let cas = text(at, "client_ca", ca, base, files).and_then(|pem| at.key(key).ok_or_report(certificates(&pem)));
    if has_cas && policy == Policy::None {
        at.key(key).error(
            "there are client CAs, but no client is asked for a certificate",
            "write client_auth_type: RequireAndVerifyClientCert",
        );
        return None;
    }
    if policy == Policy::RequireAndVerify && !has_cas {
        at.key("client_auth_type").error(
            "without client CAs no certificate could be verified, and nobody could connect",
            "write client_ca_file",
        );
        return None;
    }
    if policy == Policy::VerifyIfGiven && !has_cas {
        warnings.push(
            "tls_server_config: VerifyClientCertIfGiven without client_ca_file refuses every client that has a \
             certificate"
                .to_owned(),
        );
    }
    if let Some(allowed) = &allowed_sans {
        let at = at.key("client_allowed_sans");
        if policy == Policy::None {
            at.error(
                "no client is asked for a certificate, so no name would be checked",
                "write client_auth_type: RequireAndVerifyClientCert",
            );
        } else if allowed.is_empty() {
            at.error("the list is empty, and nobody could connect", "list names, or leave the key out");
        } else if !policy.verifies() {
            warnings.push(
                "tls_server_config: client_allowed_sans checks names that are not verified; write client_auth_type: \
                 RequireAndVerifyClientCert"
                    .to_owned(),
            );
        }
    }
    let chain = match &cas {
        Some(cas) if policy.verifies() => Some(at.key(key).ok_or_report(chain(cas, provider))?),
        _ => None,
    };
    if has_cas && cas.is_none() {
        return None;
    }
    let provider = Arc::clone(provider);
    let cas = cas.unwrap_or_default().into_iter().map(Ca::new).collect();
    Some(Clients { policy, cas, chain, allowed_sans, provider })
}

fn policy(at: &ConfigPath<'_>, word: Option<&str>) -> Option<Policy> {
    // What it was called before.
    let word = match word {
        Some("RequireClientCert") => "RequireAnyClientCert",
        word => word.unwrap_or("NoClientCert"),
    };
    let known = Policy::NAMES.iter().find(|(name, _)| *name == word);
    if known.is_none() {
        let names = Policy::NAMES.map(|(name, _)| name).join(", ");
        at.error(format!("there is no client_auth_type {}", quoted(word)), format!("write one of {names}"));
    }
    known.map(|&(_, policy)| policy)
}

fn chain(
    cas: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, Diagnostic> {
    let mut roots = RootCertStore::empty();
    for (index, ca) in cas.iter().enumerate() {
        roots.add(ca.clone()).map_err(|_| {
            Diagnostic::new(format!("certificate {} in it cannot be read", index + 1), "it must be X.509 in PEM")
        })?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| Diagnostic::new(format!("these CAs cannot be used ({error})"), "give the CAs' certificates"))
}
