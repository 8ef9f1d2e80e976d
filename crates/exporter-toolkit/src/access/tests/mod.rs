//! Files that load, files that are refused with their messages, and what changes of them do.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use super::*;

/// A folder with what web configurations name: a server's pair, another key, a CA, and what is none of it.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    write("server.crt", &server.pem());
    write("server.key", &key.serialize_pem());
    write("other.key", &KeyPair::generate().unwrap().serialize_pem());
    write("encrypted.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAAw\n-----END ENCRYPTED PRIVATE KEY-----\n");
    write("ca.pem", &ca.pem());
    write("empty", "");
    folder
}

fn parse(folder: &TempDir, yaml: &str) -> Result<WebConfig, String> {
    WebConfig::parse(yaml, folder.path(), &mut Files::default())
        .map_err(|errors| errors.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

const PAIR: &str = "cert_file: server.crt, key_file: server.key";

fn with_pair(more: &str) -> String {
    format!("tls_server_config: {{ {PAIR}, {more} }}\n")
}

/// The examples of exporter-toolkit's documentation and what its tests call good, in our words.
#[test]
fn what_is_written_for_other_exporters_loads() {
    let folder = folder();
    let example = "# a comment\ntls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n\
        basic_auth_users:\n  alice: $2y$10$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze\n\
        \x20 bob: $2y$16$4VeFDzXIoPHKnKTU3O3GH.N.vZu06CVqczYZ8WvfzrddFU6tGqjR.\n\
        rate_limit:\n  interval: \"1s\" # a comment\n  burst: 20\n";
    let config = parse(&folder, example).unwrap();
    assert!(config.tls.is_some() && config.rate.is_some() && !config.users.is_empty());
    for nothing in [
        "",
        "# only a comment\n",
        "---\n",
        "{}",
        "tls_server_config: {}\n",
        "tls_server_config:\n",
        "tls_server_config: { cert_file: '', key_file: \"\" }",
        "rate_limit: { interval: 0, burst: 0 }",
    ] {
        let config = parse(&folder, nothing).unwrap_or_else(|error| panic!("{nothing:?}: {error}"));
        assert!(config.tls.is_none() && config.users.is_empty() && config.rate.is_none(), "{nothing}");
    }
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap().replace('\n', "\n    ");
    let inline =
        format!("tls_server_config:\n  cert: |\n    {}\n  key: |\n    {}\n", read("server.crt"), read("server.key"));
    assert!(parse(&folder, &inline).unwrap().tls.is_some());
    for good in [
        "client_auth_type: NoClientCert",
        "client_auth_type: ''",
        "client_auth_type: RequestClientCert",
        "client_auth_type: RequireClientCert",
        "client_auth_type: RequireAnyClientCert",
        "client_auth_type: VerifyClientCertIfGiven",
        "client_auth_type: VerifyClientCertIfGiven, client_ca_file: ca.pem",
        "client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem, client_allowed_sans: [one, 10.0.0.1]",
        "min_version: TLS13, curve_preferences: [CurveP384]",
        "max_version: TLS12, curve_preferences: [CurveP256, CurveP384, X25519]",
        "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384], min_version: TLS12",
        "cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384], prefer_server_cipher_suites: no",
        "cipher_suites: [TLS_AES_256_GCM_SHA384], min_version: TLS13",
    ] {
        let config = parse(&folder, &with_pair(good)).unwrap_or_else(|error| panic!("{good}: {error}"));
        assert!(config.tls.is_some(), "{good}");
    }
    let suite = "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384], max_version: TLS12";
    for http2 in ["", "http_server_config: { http2: true }", "http_server_config: { http2: false }"] {
        let config = parse(&folder, &(with_pair(suite) + http2)).unwrap();
        assert_eq!(config.tls.unwrap().server.alpn_protocols, [b"http/1.1"]);
        let warnings = config.warnings.iter().filter(|warning| warning.contains("http2 has no effect"));
        assert_eq!(warnings.count(), usize::from(!http2.is_empty()), "{http2}: {:?}", config.warnings);
    }
    let headers = "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    X-Content-Type-Options: nosniff\n\
        \x20   Strict-Transport-Security: max-age=31536000; includeSubDomains\n    X-XSS-Protection: 1\n\
        \x20   Content-Security-Policy: \"default-src 'self' *.test.example.net\"\n";
    let config = parse(&folder, headers).unwrap();
    assert_eq!((config.headers.len(), config.headers["x-xss-protection"].as_bytes()), (5, &b"1"[..]));
    assert!(
        parse(&folder, "http_server_config: { headers: { Content-Security-Policy: } }").unwrap().headers.is_empty()
    );
}

#[test]
fn what_is_unwise_is_warned_of() {
    let folder = folder();
    for (yaml, words) in [
        ("rate_limit: { interval: 1s, burst: 0 }".to_owned(), "lets no request through"),
        ("rate_limit: { interval: 1s }".to_owned(), "lets no request through"),
        (
            "basic_auth_users: { a: $2y$13$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG }".to_owned(),
            "the bcrypt cost 13",
        ),
        (with_pair("client_auth_type: VerifyClientCertIfGiven"), "refuses every client that has a certificate"),
        (with_pair("client_auth_type: RequireAnyClientCert, client_allowed_sans: [a]"), "that are not verified"),
    ] {
        let config = parse(&folder, &yaml).unwrap();
        assert!(config.warnings.iter().any(|warning| warning.contains(words)), "{yaml}: {:?}", config.warnings);
    }
}

/// Hashes are there to be guessed at, and a key needs no guess.
#[test]
fn a_file_with_secrets_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let inline = fs::read_to_string(folder.path().join("server.key")).unwrap().replace('\n', "\\n");
    let inline = format!("tls_server_config: {{ cert_file: server.crt, key: \"{inline}\" }}");
    let file = folder.path().join("web.yml");
    for mode in [0o600, 0o644] {
        for (yaml, is_secret) in
            [(ALICE, true), (inline.as_str(), true), (&with_pair("min_version: TLS12"), false), ("", false)]
        {
            fs::write(&file, yaml).unwrap();
            for name in ["web.yml", "server.key"] {
                let mode = if name == "web.yml" { mode } else { 0o600 };
                fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
            }
            let warnings = Access::load(Some(&file)).unwrap().warnings();
            let is_open = format!("{0} can be read by every user; run `chmod o-rwx {0}`", file.display());
            let expected = if is_secret && mode == 0o644 { vec![is_open] } else { vec![] };
            assert_eq!(warnings, expected, "{yaml}");
        }
    }
}

/// Each file with its whole message, a line of it after each `> `.
const BAD: &str = include_str!("bad.txt");

#[test]
fn what_is_wrong_is_said() {
    let folder = folder();
    for case in BAD.split("\n\n") {
        let (yaml, message) = case.trim_end().split_once("\n> ").unwrap();
        match parse(&folder, yaml) {
            Ok(_) => panic!("this loads: {yaml}"),
            Err(said) => assert_eq!(said, message.replace("\n> ", "\n"), "of {yaml}"),
        }
    }
}

#[test]
fn no_secret_is_in_a_message() {
    let folder = folder();
    for yaml in [
        "basic_auth_users: { alice: hunter2 }",
        "basic_auth_users: { alice: [hunter2] }",
        "basic_auth_users: [hunter2]",
        "basic_auth_users: hunter2",
        "tls_server_config: { cert_file: server.crt, key: hunter2 }",
        "tls_server_config: { key: { hunter2: x } }",
        "tls_server_config: { key: hunter2\n",
    ] {
        let said = parse(&folder, yaml).map(|_| ()).unwrap_err();
        assert!(!said.contains("hunter2"), "{yaml}: {said}");
    }
}

#[test]
fn a_file_is_named_with_its_mistakes_and_the_folder_is_its_own() {
    let folder = folder();
    let file = folder.path().join("web.yml");
    fs::write(&file, with_pair("min_version: TLS12")).unwrap();
    assert!(Access::load(Some(&file)).unwrap().is_tls());
    fs::write(&file, "rate_limit: { burst: x }").unwrap();
    let said = Access::load(Some(&file)).unwrap_err().to_string();
    assert!(said.starts_with(&format!("{}: rate_limit.burst: `x` is not", file.display())), "{said}");
    let said = Access::load(Some(&folder.path().join("none.yml"))).unwrap_err().to_string();
    assert!(said.contains("none.yml does not exist; create it or correct the path"), "{said}");
    assert!(!Access::load(None).unwrap().is_tls());
}

/// Advances time to the next look and takes it.
async fn look(access: &Access) -> Arc<WebConfig> {
    tokio::time::sleep(REFRESH_INTERVAL).await;
    access.config().await
}

const ALICE: &str = "basic_auth_users: { alice: $2y$10$qRTBuFoULoYNA7AQ/F3ck.trZBPyjV64.oA4ZsSBCIWvXuvQlQTuu }\n";

#[tokio::test(start_paused = true)]
async fn what_changes_and_is_valid_applies_and_protection_stays() {
    let folder = folder();
    let file = folder.path().join("web.yml");
    let write = |text: &str| fs::write(&file, text).unwrap();
    write(&(with_pair("min_version: TLS12") + ALICE));
    let access = Access::load(Some(&file)).unwrap();
    let first = access.config().await;
    assert!(Arc::ptr_eq(&first, &look(&access).await), "nothing has changed");

    write(&(with_pair("min_version: TLS13") + ALICE));
    let second = look(&access).await;
    assert!(!Arc::ptr_eq(&first, &second));

    for refused in ["", "junk", ALICE, &with_pair("min_version: TLS13"), &(with_pair("min_version: TLS10") + ALICE)] {
        write(refused);
        assert!(Arc::ptr_eq(&second, &look(&access).await), "{refused}");
    }
    // The same, asked for.
    write("junk");
    assert!(access.reread().is_err() && access.is_tls());
    write("");
    let reread = access.reread().unwrap();
    assert!(access.is_tls(), "not before it is applied");
    access.apply(reread);
    assert!(!access.is_tls() && look(&access).await.users.is_empty());

    write(&with_pair("client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem, client_allowed_sans: [a]"));
    let strict = look(&access).await;
    assert!(strict.tls.is_some());
    for refused in [
        "client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem",
        "client_auth_type: RequireAnyClientCert, client_allowed_sans: [a]",
    ] {
        write(&with_pair(refused));
        assert!(Arc::ptr_eq(&strict, &look(&access).await), "{refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_is_replaced_applies_once_it_fits() {
    let folder = folder();
    let file = folder.path().join("web.yml");
    fs::write(&file, with_pair("min_version: TLS12")).unwrap();
    let access = Access::load(Some(&file)).unwrap();
    let first = access.config().await;
    let renewed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.path().join("server.crt"), renewed.cert.pem()).unwrap();
    assert!(Arc::ptr_eq(&first, &look(&access).await), "its key is not there yet");
    fs::write(folder.path().join("server.key"), renewed.signing_key.serialize_pem()).unwrap();
    assert!(!Arc::ptr_eq(&first, &look(&access).await));
}
