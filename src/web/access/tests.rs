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

fn parse(folder: &TempDir, yaml: &str) -> Result<Rules, String> {
    Rules::parse(yaml, folder.path(), &mut Files::default())
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
        \x20 bob: $2y$18$4VeFDzXIoPHKnKTU3O3GH.N.vZu06CVqczYZ8WvfzrddFU6tGqjR.\n\
        rate_limit:\n  interval: \"1s\" # a comment\n  burst: 20\n";
    let rules = parse(&folder, example).unwrap();
    assert!(rules.tls.is_some() && rules.rate.is_some() && rules.http2 && !rules.users.is_empty());
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
        let rules = parse(&folder, nothing).unwrap_or_else(|error| panic!("{nothing:?}: {error}"));
        assert!(rules.tls.is_none() && rules.users.is_empty() && rules.rate.is_none() && rules.http2, "{nothing}");
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
        let rules = parse(&folder, &with_pair(good)).unwrap_or_else(|error| panic!("{good}: {error}"));
        assert!(rules.tls.is_some(), "{good}");
    }
    let no_http2 = with_pair("cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384], max_version: TLS12")
        + "http_server_config: { http2: false }";
    let rules = parse(&folder, &no_http2).unwrap();
    assert_eq!(rules.tls.unwrap().server.alpn_protocols, [b"http/1.1"]);
    let headers = "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    X-Content-Type-Options: nosniff\n\
        \x20   Strict-Transport-Security: max-age=31536000; includeSubDomains\n    X-XSS-Protection: 1\n\
        \x20   Content-Security-Policy: \"default-src 'self' *.test.example.net\"\n";
    let rules = parse(&folder, headers).unwrap();
    assert_eq!((rules.headers.len(), rules.headers["x-xss-protection"].as_bytes()), (5, &b"1"[..]));
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
        (with_pair("client_auth_type: VerifyClientCertIfGiven"), "refuses every client that has a certificate"),
        (with_pair("client_auth_type: RequireAnyClientCert, client_allowed_sans: [a]"), "nobody vouches for"),
    ] {
        let rules = parse(&folder, &yaml).unwrap();
        assert!(rules.warnings.iter().any(|warning| warning.contains(words)), "{yaml}: {:?}", rules.warnings);
    }
}

/// The whole message of each.
#[test]
fn what_is_wrong_is_said() {
    let folder = folder();
    let known_suites = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, \
        TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, \
        TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256";
    let of_pair = |more: &str| with_pair(more);
    let plain = str::to_owned;
    for (yaml, message) in [
        (
            plain("tls_server_config:\n  cert_filse: x\n"),
            "2:3: tls_server_config: unknown key `cert_filse`; did you mean `cert_file`? Known here: cert, key, client_ca, cert_file, key_file, client_auth_type, client_ca_file, client_allowed_sans, min_version, max_version, cipher_suites, curve_preferences, prefer_server_cipher_suites",
        ),
        (
            plain("basic_auth_user: {}\n"),
            "1:1: unknown key `basic_auth_user`; did you mean `basic_auth_users`? Known here: tls_server_config, http_server_config, basic_auth_users, rate_limit",
        ),
        (
            plain("hWkNKCp3\nTuEjdwNS\n"),
            "1:1: a single value stands where a mapping belongs; write its keys beneath it, each as `key: value`",
        ),
        (plain("- a\n"), "1:1: a list stands where a mapping belongs; write its keys beneath it, each as `key: value`"),
        (
            plain("tls_server_config: { key_file: server.key }"),
            "tls_server_config: cert_file is missing; write cert_file, or cert with the PEM itself",
        ),
        (
            plain("tls_server_config: { cert_file: server.crt, key: '' }"),
            "tls_server_config: key_file is missing; write key_file, or key with the PEM itself",
        ),
        (
            plain("tls_server_config: { min_version: TLS13 }"),
            "tls_server_config: cert_file is missing; write cert_file, or cert with the PEM itself\ntls_server_config: key_file is missing; write key_file, or key with the PEM itself",
        ),
        (
            plain("tls_server_config: { cert_file: none.crt, key_file: none.key }"),
            "tls_server_config.cert_file: none.crt does not exist; create it or correct the path\ntls_server_config.key_file: none.key does not exist; create it or correct the path",
        ),
        (
            plain("tls_server_config: { cert_file: server.key, key_file: server.crt }"),
            "tls_server_config.cert_file: there is no certificate in it; it must be PEM: `-----BEGIN CERTIFICATE-----`\ntls_server_config.key_file: there is no private key in it; it must be PEM: `-----BEGIN PRIVATE KEY-----`",
        ),
        (
            plain("tls_server_config: { cert_file: server.crt, key_file: other.key }"),
            "tls_server_config.key_file: the key does not belong to the certificate; give the two that were made together; of a chain, the server's certificate comes first",
        ),
        (
            plain("tls_server_config: { cert_file: server.crt, key_file: encrypted.key }"),
            "tls_server_config.key_file: the key is encrypted; give the plain key (`openssl pkey -in key -out plain`)",
        ),
        (of_pair("cert: x"), "tls_server_config.cert: there is both cert and cert_file; keep one of them"),
        (
            of_pair("client_ca_file: ca.pem"),
            "tls_server_config.client_ca_file: there are client CAs, but no client is asked for a certificate; write client_auth_type: RequireAndVerifyClientCert",
        ),
        (
            of_pair("client_ca_file: none.pem"),
            "tls_server_config.client_ca_file: none.pem does not exist; create it or correct the path\ntls_server_config.client_ca_file: there are client CAs, but no client is asked for a certificate; write client_auth_type: RequireAndVerifyClientCert",
        ),
        (
            of_pair("client_auth_type: RequireAndVerifyClientCert"),
            "tls_server_config.client_auth_type: without client CAs no certificate could be verified, and nobody could connect; write client_ca_file",
        ),
        (
            of_pair("client_auth_type: RequireAndVerifyClientCert, client_ca_file: empty"),
            "tls_server_config.client_ca_file: there is no certificate in it; it must be PEM: `-----BEGIN CERTIFICATE-----`",
        ),
        (
            of_pair("client_auth_type: x"),
            "tls_server_config.client_auth_type: there is no client_auth_type `x`; write one of NoClientCert, RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert",
        ),
        (
            of_pair("client_allowed_sans: [a]"),
            "tls_server_config.client_allowed_sans: no client is asked for a certificate, so no name would be checked; write client_auth_type: RequireAndVerifyClientCert",
        ),
        (
            of_pair("client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem, client_allowed_sans: []"),
            "tls_server_config.client_allowed_sans: the list is empty, and nobody could connect; list names, or leave the key out",
        ),
        (
            of_pair("min_version: TLS111"),
            "tls_server_config.min_version: there is no TLS version `TLS111`; write TLS12 or TLS13",
        ),
        (
            of_pair("min_version: TLS10"),
            "tls_server_config.min_version: TLS10 is deliberately not supported: it is broken and deprecated (RFC 8996); write TLS12, the default, which every client of the last ten years speaks",
        ),
        (
            of_pair("min_version: TLS13, max_version: TLS12"),
            "tls_server_config.max_version: max_version is below min_version; write TLS13, or leave it out",
        ),
        (
            of_pair("curve_preferences: [X25519, CurveP521, CurveP257]"),
            "tls_server_config.curve_preferences[1]: CurveP521 is not supported: the TLS library deliberately lacks it; write some of X25519, CurveP256, CurveP384, or leave the key out for all of them\ntls_server_config.curve_preferences[2]: there is no curve `CurveP257`; write some of X25519, CurveP256, CurveP384, or leave the key out for all of them",
        ),
        (
            of_pair("cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]"),
            &*format!(
                "tls_server_config.cipher_suites[0]: `TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA` is deliberately not supported: suites with CBC, RC4 or RSA key exchange are weak; write some of {known_suites}, or leave the key out for all of them"
            ),
        ),
        (
            of_pair("cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA2048]"),
            &*format!(
                "tls_server_config.cipher_suites[0]: there is no cipher suite `TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA2048`; write some of {known_suites}, or leave the key out for all of them"
            ),
        ),
        (
            of_pair("cipher_suites: [TLS_AES_128_GCM_SHA256], max_version: TLS12"),
            "tls_server_config.cipher_suites: none of them is for TLS 1.2, the only version allowed; add some, or allow TLS13",
        ),
        (
            of_pair("cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]"),
            "tls_server_config.cipher_suites: HTTP/2 obliges a server to have an AES_128_GCM_SHA256 suite, and there is none; add TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 or TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, or write http_server_config.http2: false, or min_version: TLS13",
        ),
        (
            of_pair("prefer_server_cipher_suites: perhaps"),
            "tls_server_config.prefer_server_cipher_suites: `perhaps` is neither true nor false; write `true` or `false`",
        ),
        (
            plain("http_server_config: { headers: { Content-Type: foo } }"),
            "http_server_config.headers.Content-Type: this header cannot be set here; write one of Content-Security-Policy, Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options, X-XSS-Protection, in just this spelling",
        ),
        (
            plain("http_server_config: { headers: { X-Frame-Options: foo, X-Content-Type-Options: sniff } }"),
            "http_server_config.headers.X-Frame-Options: `foo` is not a value of it; write deny or sameorigin\nhttp_server_config.headers.X-Content-Type-Options: `sniff` is not a value of it; write nosniff",
        ),
        (
            plain("http_server_config: { headers: { X-XSS-Protection: 1, X-XSS-Protection: 0 } }"),
            "http_server_config.headers.X-XSS-Protection: this header stands twice; keep one of them",
        ),
        (
            plain("http_server_config: { headers: { X-XSS-Protection: \"a\\nb\" } }"),
            "http_server_config.headers.X-XSS-Protection: `a\\nb` cannot be sent; write it on one line, in plain ASCII",
        ),
        (
            plain(
                "basic_auth_users: { john: doe, 'a:b': $2y$10$qRTBuFoULoYNA7AQ/F3ck.trZBPyjV64.oA4ZsSBCIWvXuvQlQTuu }",
            ),
            "basic_auth_users.john: this is not a bcrypt hash; make one with `htpasswd -nBC 10 \"\" | tr -d ':\\n'`\nbasic_auth_users.a:b: a user's name cannot have a colon in it: it ends the name; choose another name",
        ),
        (
            plain("rate_limit: { interval: 5, burst: -1 }"),
            "rate_limit.interval: `5` has no unit (exporter-toolkit would take it for nanoseconds); write a duration such as 100ms, 1s or 1m30s; 0 sets no limit\nrate_limit.burst: `-1` is not a whole number; write how many requests may come at once",
        ),
        (
            plain("rate_limit: { interval: soon }"),
            "rate_limit.interval: `soon` is not a duration; write a duration such as 100ms, 1s or 1m30s; 0 sets no limit",
        ),
    ] {
        match parse(&folder, &yaml) {
            Ok(_) => panic!("this loads: {yaml}"),
            Err(said) => assert_eq!(said, message, "of {yaml}"),
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
async fn look(access: &Access) -> Arc<Rules> {
    tokio::time::sleep(LOOK_EVERY).await;
    access.rules().await
}

const ALICE: &str = "basic_auth_users: { alice: $2y$10$qRTBuFoULoYNA7AQ/F3ck.trZBPyjV64.oA4ZsSBCIWvXuvQlQTuu }\n";

#[tokio::test(start_paused = true)]
async fn what_changes_and_is_valid_applies_and_protection_stays() {
    let folder = folder();
    let file = folder.path().join("web.yml");
    let write = |text: &str| fs::write(&file, text).unwrap();
    write(&(with_pair("min_version: TLS12") + ALICE));
    let access = Access::load(Some(&file)).unwrap();
    let first = access.rules().await;
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
    let first = access.rules().await;
    let renewed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.path().join("server.crt"), renewed.cert.pem()).unwrap();
    assert!(Arc::ptr_eq(&first, &look(&access).await), "its key is not there yet");
    fs::write(folder.path().join("server.key"), renewed.signing_key.serialize_pem()).unwrap();
    assert!(!Arc::ptr_eq(&first, &look(&access).await));
}
