//! No secret is in any output: canaries are entered in every possible way, and every output is searched for them, in
//! plain text, percent-encoded, in base64 and in hexadecimal digits.

mod echo;
mod panics;
mod web;

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use avepoint_exporter::config::Config;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::support::{Exporter, run};
use echo::{Answer, Echo};

/// The token of the identity service: longer than a message may be, so that it is cut in messages.
const TOKEN: &str = concat!(
    "eyJhbGciOiJSUzI1NiJ9.c4n4ryOfAnAccessToken.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB",
);
/// A piece of the token's start, of its middle and of its end: one of them is found, whichever part leaked.
const TOKEN_PARTS: [&str; 3] = ["c4n4ryOfAnAccessToken", "AAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBB"];
const SECRET: &str = "c4n4ry0fAClientSecret+/=&%~";
/// One without special characters, so that it can be the host of a URL.
const PLAIN_SECRET: &str = "c4n4ry0fAPlainSecret";
const PROXY_USER: &str = "c4n4ry0fAProxyUser";
const PROXY_PASSWORD: &str = "c4n4ry0fAProxyPassword";
const SECRET_VARIABLE: &str = "SECRET_OF_A_TEST";
const PASSWORD_VARIABLE: &str = "PFX_PASSWORD_OF_A_TEST";
const PFX_PASSWORD: &str = "c4n4ry0fAPfxPassword";

/// Panics if a text contains one of the secrets in any encoding.
fn is_clean(what: &str, text: &str, secrets: &[&str]) {
    let lower = text.to_ascii_lowercase();
    for secret in secrets {
        let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let hex = hex::encode(secret);
        // Debug output of bytes.
        let list = secret.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
        let escaped = [secret.replace('&', "&amp;"), secret.replace('&', r"\u0026").replace('+', r"\u002B")];
        let mut forms = vec![(*secret).to_owned(), form.replace('+', "%20"), form, hex, list];
        forms.extend(escaped);
        // At any offset in a longer base64 text: without the ends, which depend on the neighbours.
        for before in 0..3 {
            let encoded = BASE64_STANDARD.encode(format!("{}{secret}", "x".repeat(before)));
            let whole = encoded.trim_end_matches('=');
            // A short one leaves too little to distinguish it from other texts.
            forms.extend(whole.get(4..whole.len() - 4).filter(|part| part.len() >= 8).map(str::to_owned));
        }
        for form in forms {
            assert!(!lower.contains(&form.to_ascii_lowercase()), "{what} holds {secret} as {form}:\n{text}");
        }
    }
}

/// A certificate in a folder: `app.crt`, `app.key`, `app.pfx` and its `password`. Returns the key as PEM.
fn certificate(folder: &Path) -> String {
    let openssl = |arguments: &str| {
        let run = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    };
    openssl("req -x509 -newkey rsa:2048 -nodes -keyout app.key -out app.crt -days 2 -subj /CN=test");
    openssl(&format!("pkcs12 -export -in app.crt -inkey app.key -passout pass:{PFX_PASSWORD} -out app.pfx"));
    fs::write(folder.join("password"), PFX_PASSWORD).unwrap();
    fs::read_to_string(folder.join("app.key")).unwrap()
}

/// The forms in which a part of a key may appear, from this line on: base64, a list of bytes, hexadecimal digits.
fn key_forms(pem: &str, line: usize) -> [String; 3] {
    // Whole groups of three bytes: its lines are 64 characters long.
    let line = pem.lines().nth(line).unwrap();
    let bytes = BASE64_STANDARD.decode(line).unwrap();
    let part = &bytes[bytes.len() - 12..];
    let list = part.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    [line[line.len() - 16..].to_owned(), list, hex::encode(part)]
}

/// Panics if a text contains one of the forms of a key.
fn holds_no_key(what: &str, text: &str, forms: &[String]) {
    for form in forms {
        assert!(!text.contains(form), "{what} holds the key as {form}:\n{text}");
    }
}

/// The state file, decompressed.
fn saved_state(folder: &Path) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(fs::File::open(folder.join("state")).unwrap()).read_to_string(&mut text).unwrap();
    text
}

fn all_secrets() -> Vec<&'static str> {
    [&TOKEN_PARTS[..], &[SECRET, PLAIN_SECRET, PROXY_USER, PROXY_PASSWORD, PFX_PASSWORD]].concat()
}

/// The starts of the signatures of the assertions that an identity service received.
fn signatures(heard: &str) -> Vec<&str> {
    let assertions = heard.split("client_assertion=").skip(1);
    assertions.filter_map(|rest| rest.split('&').next()?.split('.').nth(2)?.get(..24)).collect()
}

/// A configuration of one partner for an echo server, which is also its proxy.
fn config(echo: &Echo, auth: &str) -> String {
    let address = &echo.address;
    format!(
        "partners:\n  - auth: {{ client_id: app, {auth} }}\n    api_url: http://{address}\n    token_url: http://{address}/connect/token\n    \
         proxy_url: http://{PROXY_USER}:{PROXY_PASSWORD}@{address}\n    budget: {{ timeout: 1s, requests_per_second: 1000, burst: 100 }}\n\
         collectors:\n  services: {{ interval: 2s }}\nstate: {{ file: state }}\n"
    )
}

const PAGES: [&str; 8] = [
    "/",
    "/config",
    "/metrics",
    "/customers/main/c-1",
    "/api/v1/customers",
    "/api/v1/status",
    "/-/ready",
    "/no/such/page",
];

#[test]
fn the_daemon_shows_no_secret_whatever_it_is_answered() {
    for (format, auth) in [
        ("logfmt", format!("client_secret: '{SECRET}'")),
        ("json", "client_secret_file: secret".to_owned()),
        ("logfmt", format!("client_secret_env: {SECRET_VARIABLE}")),
        ("json", "certificate: { cert_file: app.crt, key_file: app.key }".to_owned()),
        ("logfmt", format!("certificate: {{ pfx_file: app.pfx, pfx_password: {PFX_PASSWORD} }}")),
        ("json", "certificate: { pfx_file: app.pfx, pfx_password_file: password }".to_owned()),
        ("logfmt", format!("certificate: {{ pfx_file: app.pfx, pfx_password_env: {PASSWORD_VARIABLE} }}")),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), format!("{PLAIN_SECRET}\n")).unwrap();
        let key = key_forms(&certificate(folder.path()), 8);
        let is_clean = |what: &str, text: &str, secrets: &[&str]| {
            is_clean(what, text, secrets);
            holds_no_key(what, text, &key);
        };
        let file = folder.path().join("config.yaml");
        let echo = Echo::start(TOKEN);
        fs::write(&file, config(&echo, &auth)).unwrap();
        let level = ["--log.level=trace".to_owned(), format!("--log.format={format}")];
        let mut exporter = Exporter::spawn(
            Command::new(env!("CARGO_BIN_EXE_avepoint_exporter"))
                .args(["--config.file", file.to_str().unwrap(), "--web.listen-address=127.0.0.1:0"])
                .args(level)
                .env(SECRET_VARIABLE, SECRET)
                .env(PASSWORD_VARIABLE, PFX_PASSWORD),
        );
        exporter.wait_for("a customer", |samples| samples.get("avepoint_customers{partner=\"main\"}") == Some(&1.0));
        let look = |exporter: &Exporter, when: &str| {
            for page in PAGES {
                let (_, text) = exporter.get(page);
                is_clean(&format!("{page} ({when})"), &text, &all_secrets());
            }
        };
        look(&exporter, "all is well");
        // The token is refused with an echo of the whole request; so is the request for another one.
        echo.answers(Answer::Status(401), Answer::Status(401));
        let failures =
            "avepoint_api_request_failures_total{operation=\"token\",partner=\"main\",reason=\"unauthorized\"}";
        exporter.wait_for("a refused token", |samples| samples.get(failures).is_some_and(|&count| count > 0.0));
        look(&exporter, "refused");
        let (code, _) = exporter.terminate();
        assert_eq!(code, Some(0));
        let state = saved_state(folder.path());
        assert!(state.contains("Contoso"), "the state was saved");
        is_clean("the state file", &state, &all_secrets());
        let heard = echo.heard();
        for secret in [TOKEN, &BASE64_STANDARD.encode(format!("{PROXY_USER}:{PROXY_PASSWORD}"))] {
            assert!(heard.contains(secret), "the test sees what it looks for: {heard}");
        }
        // An assertion is as sensitive as a secret while it is valid.
        let signatures = signatures(&heard);
        assert_eq!(signatures.is_empty(), !auth.starts_with("certificate"), "{heard}");
        let log = exporter.log().to_owned();
        for signature in signatures {
            assert!(!log.contains(signature), "{signature} of {auth}: {log}");
        }
        assert!(log.contains("checkout waiting for idle connection"), "libraries speak at trace: {log}");
        is_clean(&format!("the log in {format}"), &log, &all_secrets());
    }
}

#[test]
fn no_command_shows_a_secret_whatever_it_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let path = file.to_str().unwrap();
    let echo = Echo::start(TOKEN);
    fs::write(&file, config(&echo, &format!("client_secret: '{SECRET}'"))).unwrap();
    let look = |arguments: &[&str]| {
        let (code, printed, said) = run(arguments);
        is_clean(&format!("{arguments:?}"), &format!("{printed}\n{said}"), &all_secrets());
        code
    };
    assert_eq!(look(&["check", "--config.file", path]), Some(0));
    for format in ["table", "json", "text", "openmetrics"] {
        let flag = format!("--format={format}");
        look(&["once", &flag, "--config.file", path, "--log.level=trace"]);
    }
    let failures = [
        Answer::Status(400),
        Answer::Status(401),
        Answer::Status(403),
        Answer::Redirect,
        Answer::Html,
        Answer::Shape,
        Answer::BreaksOff,
    ];
    for (number, failure) in failures.into_iter().enumerate() {
        let format = ["--log.format=logfmt", "--log.format=json"][number % 2];
        for (identity, api) in [(failure, Answer::Right), (Answer::Right, failure)] {
            // Not a failure: a token may have any form.
            if (identity, api) == (Answer::Shape, Answer::Right) {
                continue;
            }
            echo.answers(identity, api);
            let command = if number % 2 == 0 { &["discover"][..] } else { &["check", "--online"] };
            let code = look(&[command, &["--config.file", path, "--log.level=trace", format]].concat());
            assert_eq!(code, Some(1), "{identity:?} {api:?}");
        }
    }
}

#[test]
fn a_secret_under_a_wrong_key_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    for auth in [
        "client_secrett: SECRET",
        "client_secret: [SECRET]",
        "client_secret: { value: SECRET }",
        "client_secret:SECRET",
        "SECRET",
        "SECRET: ",
        "client_secret: a, client_secret: SECRET",
        "client_secret_file: SECRET",
        "client_secret_env: SECRET",
        "client_secret: a, client_secret_expires: SECRET",
        "client_secret: SECRET, client_secret_env: HOME",
        "certificate: SECRET",
        "certificate: { pfx_file: missing.pfx, pfx_password: SECRET }",
        "certificate: { pfx_file: config.yaml, pfx_password_file: SECRET }",
        "certificate: { pfx_file: config.yaml, pfx_password_env: SECRET }",
        "certificate: { cert_file: config.yaml, key_file: config.yaml, pfx_password: SECRET }",
        "certificate: { pfx_file: config.yaml, pfx_pasword: SECRET }",
        "client_secret: !secret SECRET, x: 1",
        "client_secret: 'SECRET",
        "client_secret: *SECRET",
    ] {
        for secret in ["c4n4ry0fASecret", "c4n4ry0f/A+Secret==", "c4n4ry~8Q~0f.A-Secret_x"] {
            let auth = auth.replace("SECRET", secret);
            let yaml = format!("partners: [{{ auth: {{ client_id: a, {auth} }} }}]\n");
            fs::write(folder.path().join("config.yaml"), &yaml).unwrap();
            let errors = Config::load(&folder.path().join("config.yaml")).expect_err(&yaml);
            is_clean(&yaml, &format!("{errors} {errors:?}"), &[secret, "c4n4ry"]);
        }
    }
    for partner in [
        "proxy_url: 'ftp://user:SECRET@127.0.0.1'",
        "proxy_url: 'http://user:SECRET@127.0.0.1:port'",
        "proxy_url: 'http://user:SECRET@127.0.0.1/path'",
        "api_url: 'https://user:SECRET@127.0.0.1'",
        "token_url: 'https://127.0.0.1/?SECRET'",
        "secret: SECRET",
    ] {
        let partner = partner.replace("SECRET", "c4n4ry0fASecret");
        let yaml = format!("partners: [{{ {partner}, auth: {{ client_id: a, client_secret: b }} }}]\n");
        let errors = Config::parse(&yaml, folder.path()).expect_err(&yaml);
        is_clean(&yaml, &format!("{errors} {errors:?}"), &["c4n4ry0fASecret"]);
    }
}

/// A panic prints values with `Debug`, including types that contain a secret.
#[test]
fn no_type_that_holds_a_secret_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let key = key_forms(&certificate(folder.path()), 8);

    let proxy = format!("proxy_url: 'http://{PROXY_USER}:{PROXY_PASSWORD}@127.0.0.1:1'");
    for auth in [
        format!("client_secret: '{SECRET}'"),
        "certificate: { cert_file: app.crt, key_file: app.key }".to_owned(),
        format!("certificate: {{ pfx_file: app.pfx, pfx_password: {PFX_PASSWORD} }}"),
        "certificate: { pfx_file: app.pfx, pfx_password_file: password }".to_owned(),
    ] {
        let yaml = format!("partners: [{{ auth: {{ client_id: a, {auth} }}, {proxy} }}]");
        let config = Config::parse(&yaml, folder.path()).unwrap();
        let client =
            elements::Client::new(&config.partners[0].client_config().unwrap(), elements::clock::Clock::start());
        let credential = &config.partners[0].credential;
        let shown = format!("{config:?} {config:#?} {credential:?} {client:?} {}", config.to_redacted_yaml());
        is_clean(&auth, &shown, &all_secrets());
        holds_no_key(&auth, &shown, &key);
        assert!(!config.warnings(jiff::Timestamp::now()).concat().contains("c4n4ry"));
    }
    let body = serde_json::json!({ "access_token": TOKEN }).to_string();
    is_clean("a token", &format!("{:?}", elements::decode::token(body.as_bytes())), &TOKEN_PARTS);
}

/// Common words and single letters are poor secrets; they must not make messages unreadable.
#[test]
fn a_short_or_common_secret_leaves_messages_readable() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let echo = Echo::start(TOKEN);
    echo.answers(Answer::Status(403), Answer::Right);
    for secret in ["e", "id", "the", "client", "identity service"] {
        fs::write(&file, config(&echo, &format!("client_secret: '{secret}'"))).unwrap();
        let (code, printed, said) = run(&["discover", "--config.file", file.to_str().unwrap()]);
        assert_eq!(code, Some(1), "{printed}");
        assert!(said.contains("partner main: the identity service answered 403: invalid_client"), "{secret}: {said}");
        assert!(!said.contains(&format!("client_secret={secret}")), "{secret}: {said}");
    }
}
