//! Secrets of the web configuration and of its clients: hashes, passwords, keys.

use std::fs;
use std::path::Path;
use std::process::Command;

use exporter_toolkit::Access;

use super::echo::Echo;
use super::{PAGES, SECRET, TOKEN, all_secrets, config, holds_no_key, is_clean, key_forms, saved_state};
use crate::support::Exporter;

const PASSWORD: &str = "c4n4ry0fAWebPassword";
const WRONG_PASSWORD: &str = "c4n4ry0fAWrongPassword";
/// A password written where its hash belongs.
const PLAIN_PASSWORD: &str = "c4n4ry0fAPlainPassword";
const PASSWORDS: [&str; 3] = [PASSWORD, WRONG_PASSWORD, PLAIN_PASSWORD];

/// Status and body, over TLS.
fn curl(folder: &Path, exporter: &Exporter, path: &str, more: &[&str]) -> (u16, String) {
    let url = format!("{}{path}", exporter.url.replace("http://", "https://"));
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--include", "--max-time", "30", "--noproxy", "*"])
        .args(["--cacert", "server.crt", "--write-out", "\n%{http_code}"])
        .args(more)
        .arg(url)
        .current_dir(folder)
        .output()
        .expect("curl runs");
    let text = String::from_utf8(output.stdout).unwrap();
    let (text, status) = text.rsplit_once('\n').unwrap();
    assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
    (status.parse().unwrap(), text.to_owned())
}

#[test]
fn nothing_of_the_web_configuration_and_its_clients_is_shown() {
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    // Salt and digest, each recognisable by itself.
    let parts = [hash.as_str(), &hash[7..29], &hash[29..]];
    for (format, inline) in [("logfmt", false), ("json", true)] {
        let folder = tempfile::tempdir().unwrap();
        let (file, web) = (folder.path().join("config.yaml"), folder.path().join("web.yml"));
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let key = pair.signing_key.serialize_pem();
        fs::write(folder.path().join("server.crt"), pair.cert.pem()).unwrap();
        fs::write(folder.path().join("server.key"), &key).unwrap();
        let key_line = if inline {
            format!("key: \"{}\"", key.replace('\r', "").replace('\n', "\\n"))
        } else {
            "key_file: server.key".to_owned()
        };
        let tls = format!("tls_server_config: {{ cert_file: server.crt, {key_line} }}\n");
        fs::write(&web, format!("{tls}basic_auth_users: {{ alice: {hash} }}\n")).unwrap();
        let key_forms = key_forms(&key, 1);
        let secrets: Vec<&str> = [&all_secrets(), &PASSWORDS[..], &parts].concat();
        let check = |what: &str, text: &str| {
            is_clean(what, text, &secrets);
            holds_no_key(what, text, &key_forms);
        };

        let echo = Echo::start(TOKEN);
        fs::write(&file, config(&echo, &format!("client_secret: '{SECRET}'"))).unwrap();
        let mut exporter = Exporter::start(&[
            "--config.file",
            file.to_str().unwrap(),
            "--web.config.file",
            web.to_str().unwrap(),
            "--web.enable-lifecycle",
            "--log.level=trace",
            &format!("--log.format={format}"),
        ]);
        let (right, wrong) = (format!("alice:{PASSWORD}"), format!("alice:{WRONG_PASSWORD}"));
        let (nobody, in_url) = (format!("{PASSWORD}:x"), format!("/?user={WRONG_PASSWORD}"));
        for page in PAGES.into_iter().chain([in_url.as_str()]) {
            for (user, let_in) in [(&right, true), (&wrong, false), (&nobody, false)] {
                let (status, text) = curl(folder.path(), &exporter, page, &["--user", user]);
                assert_eq!(status != 401, let_in, "{page}: {text}");
                check(page, &text);
            }
            let (status, text) =
                curl(folder.path(), &exporter, page, &["--header", &format!("Authorization: Basic {PASSWORD}")]);
            assert_eq!(status, 401, "{page}: {text}");
            check(page, &text);
        }
        // Refused by a reload, and by the check at every request.
        for broken in [
            format!("{tls}basic_auth_users: {{ alice: {PLAIN_PASSWORD} }}\n"),
            format!("{tls}basic_auth_users: {{ {PLAIN_PASSWORD} }}\n"),
            format!("{tls}basic_auth_users: [{hash}]\n"),
            format!(
                "tls_server_config: {{ cert_file: other.crt, {key_line} }}\nbasic_auth_users: {{ alice: {hash} x }}\n"
            ),
        ] {
            fs::write(&web, broken).unwrap();
            let (status, text) = curl(folder.path(), &exporter, "/-/reload", &["--request", "POST", "--user", &right]);
            assert_eq!(status, 400, "{text}");
            check("the answer to a reload", &text);
        }
        let (code, _) = exporter.terminate();
        assert_eq!(code, Some(0));
        check("the state file", &saved_state(folder.path()));
        let log = exporter.log().to_owned();
        assert!(log.contains("web.yml") && log.contains("TRACE") | log.contains("trace"), "{log}");
        check(&format!("the log in {format}"), &log);
    }
}

#[test]
fn no_mistake_in_the_web_configuration_repeats_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let (flat, forms) = (key.replace('\r', "").replace('\n', "\\n"), key_forms(&key, 1));
    for yaml in [
        "basic_auth_users: { alice: SECRET }",
        "basic_auth_users: { alice: [SECRET] }",
        "basic_auth_users: [SECRET]",
        "basic_auth_users: SECRET",
        "basic_auth_users: { alice: $2y$10$SECRET }",
        "basic_auth_users: { alice: SECRET, alice: SECRET }",
        "basic_auth_user: { alice: SECRET }",
        "tls_server_config: { cert_file: none.crt, key: SECRET }",
        "tls_server_config: { cert_file: none.crt, key: \"KEY\" }",
        "tls_server_config: { cert: \"KEY\", key: \"KEY\" }",
        "tls_server_config: { cert_file: none.crt, key_file: none.key, key: \"KEY\" }",
        "tls_server_config: { cert_file: none.crt, ky: \"KEY\" }",
        "tls_server_config: { key: [\"KEY\"] }",
        "tls_server_config: { key: \"KEY\n",
        "tls_server_config: \"KEY\"",
        "\"KEY\"",
    ] {
        let yaml = yaml.replace("SECRET", PLAIN_PASSWORD).replace("KEY", &flat);
        let errors = Access::parse(&yaml, folder.path()).expect_err(&yaml);
        let said = format!("{errors} {errors:?}");
        is_clean(&yaml, &said, &PASSWORDS);
        holds_no_key(&yaml, &said, &forms);
    }
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    let access = Access::parse(&format!("basic_auth_users: {{ alice: {hash} }}"), folder.path()).unwrap();
    is_clean("Debug", &format!("{access:?}"), &[PASSWORD, &hash, &hash[29..]]);
}
