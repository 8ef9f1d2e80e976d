//! Access control: the binary with `--web.config.file` and related flags, tested with curl and Prometheus.

mod hosts;
mod pki;
mod prometheus;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Command;
use std::time::Duration;

use crate::support::{Exporter, eventually, run};
use pki::Pki;
use prometheus::Prometheus;

/// The demo on a free port with the web configuration in the folder.
fn start(pki: &Pki, yaml: &str) -> Exporter {
    pki.write("web.yml", yaml);
    Exporter::start(&["demo", &format!("--web.config.file={}", pki.path("web.yml"))])
}

fn port(exporter: &Exporter) -> &str {
    exporter.url.rsplit(':').next().unwrap()
}

/// The result of curl: its exit code, the status, and head and body together.
#[derive(Debug)]
struct Got {
    code: i32,
    status: u16,
    version: String,
    text: String,
}

fn curl(pki: &Pki, url: &str, more: &[&str]) -> Got {
    let output = Command::new("curl")
        .args(["--silent", "--include", "--max-time", "30", "--noproxy", "*"])
        .args(["--write-out", "\n%{http_code} %{http_version}"])
        .args(more)
        .arg(url)
        .current_dir(pki.folder())
        .output()
        .expect("curl runs");
    let text = String::from_utf8(output.stdout).unwrap();
    let (text, end) = text.rsplit_once('\n').unwrap();
    let (status, version) = end.split_once(' ').unwrap();
    let (status, version) = (status.parse().unwrap(), version.to_owned());
    Got { code: output.status.code().unwrap(), status, version, text: text.to_owned() }
}

fn https(exporter: &Exporter, path: &str) -> String {
    format!("https://127.0.0.1:{}{path}", port(exporter))
}

/// Repeats the request until the response is as expected.
fn wait(what: &str, mut wanted: impl FnMut() -> bool) {
    eventually(|| if wanted() { Ok(()) } else { Err(what.to_owned()) });
}

const PAIR: &str = "cert_file: server.crt, key_file: server.key";
const CA: &[&str] = &["--cacert", "ca.pem"];

#[test]
fn tls_is_served_and_what_is_none_is_told_so() {
    let pki = Pki::new();
    let exporter = start(&pki, &format!("tls_server_config: {{ {PAIR} }}"));
    let got = curl(&pki, &https(&exporter, "/metrics"), CA);
    assert_eq!((got.code, got.status, &*got.version), (0, 200, "1.1"), "{got:?}");
    assert!(got.text.contains("avepoint_exporter_build_info"));
    let got = curl(&pki, &https(&exporter, "/-/healthy"), &["--cacert", "ca.pem", "--http1.1", "--tls-max", "1.2"]);
    assert_eq!((got.status, &*got.version), (200, "1.1"));
    assert_eq!(curl(&pki, &https(&exporter, "/"), &[]).code, 60, "the CA is not known to everybody");
    let old = ["--cacert", "ca.pem", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"];
    assert_eq!(curl(&pki, &https(&exporter, "/"), &old).code, 35);
    let got = curl(&pki, &exporter.url, &[]);
    assert_eq!(got.status, 400);
    assert!(got.text.ends_with("Client sent an HTTP request to an HTTPS server.\n"), "{got:?}");
    // A silent connection blocks nothing.
    let _silent = std::net::TcpStream::connect(("127.0.0.1", port(&exporter).parse().unwrap())).unwrap();
    assert_eq!(curl(&pki, &https(&exporter, "/-/healthy"), CA).status, 200);
}

#[test]
fn http2_is_not_spoken_and_its_key_is_accepted() {
    let pki = Pki::new();
    for (key, warnings) in [("", 0), ("http_server_config: { http2: true }", 1)] {
        let mut exporter = start(&pki, &format!("tls_server_config: {{ {PAIR} }}\n{key}"));
        let got = curl(&pki, &https(&exporter, "/-/healthy"), &["--cacert", "ca.pem", "--http2"]);
        assert_eq!((got.status, &*got.version), (200, "1.1"));
        assert_eq!(exporter.log().matches("http2 has no effect").count(), warnings, "{}", exporter.log());
    }
    let exporter = start(&pki, "");
    let got = curl(&pki, &format!("{}/-/healthy", exporter.url), &["--http2-prior-knowledge"]);
    assert_ne!((got.code, got.status), (0, 200), "{got:?}");
}

#[test]
fn an_answer_to_head_has_no_body_whoever_gives_it() {
    let pki = Pki::new();
    let [one, _] = users();
    let rules = format!("tls_server_config: {{ {PAIR} }}\nbasic_auth_users: {{ alice: {one} }}\n");
    for (limit, statuses) in [("", [401, 200, 404]), ("rate_limit: { interval: 1h, burst: 0 }\n", [429; 3])] {
        let exporter = start(&pki, &format!("{rules}{limit}"));
        let head = |path: &str, user: &str| {
            let got = curl(&pki, &https(&exporter, path), &[CA, &["--head", "--user", user]].concat());
            assert_eq!(got.code, 0, "{path}: {got:?}");
            assert!(got.text.to_lowercase().contains("\r\ncontent-length: "), "{path}: {got:?}");
            got.status
        };
        let got = [head("/metrics", "alice:two"), head("/-/healthy", "alice:one"), head("/none", "alice:one")];
        assert_eq!(got, statuses);
    }
}

#[test]
fn a_certificate_is_replaced_without_a_restart() {
    let pki = Pki::new();
    let mut exporter = start(&pki, &format!("tls_server_config: {{ {PAIR} }}"));
    let url = https(&exporter, "/-/healthy");
    assert_eq!(curl(&pki, &url, CA).status, 200);
    // A certificate and key that do not match change nothing.
    pki.write("server.key", "nonsense");
    wait("the warning", || {
        assert_eq!(curl(&pki, &url, CA).status, 200);
        exporter.log().contains("keeping the previous one")
    });
    let renewed = Pki::new();
    pki.write("server.crt", &renewed.read("server.crt"));
    pki.write("server.key", &renewed.read("server.key"));
    pki.write("new-ca.pem", &renewed.read("ca.pem"));
    wait("the new certificate", || curl(&pki, &url, &["--cacert", "new-ca.pem"]).status == 200);
    assert_ne!(curl(&pki, &url, CA).code, 0);
    let warnings = exporter.log().matches("keeping the previous one").count();
    assert!(warnings <= 2, "a broken state is warned of once: {}", exporter.log());
}

#[test]
fn clients_certificates_are_judged_as_each_type_says() {
    let pki = Pki::new();
    // No certificate, one of our CA, one of an unknown CA, a self-signed one that is listed, an expired one, and one of
    // an expired CA.
    let clients = ["", "client", "foreign", "listed", "expired", "outlived"];
    let (all, old) = ("client_ca_file: cas.pem", "client_ca_file: old-cas.pem");
    for (settings, let_in) in [
        ("client_auth_type: NoClientCert".to_owned(), [true, true, true, true, true, true]),
        ("client_auth_type: RequestClientCert".to_owned(), [true, true, true, true, true, true]),
        ("client_auth_type: RequireAnyClientCert".to_owned(), [false, true, true, true, true, true]),
        (format!("client_auth_type: VerifyClientCertIfGiven, {all}"), [true, true, false, true, false, false]),
        ("client_auth_type: VerifyClientCertIfGiven".to_owned(), [true, false, false, false, false, false]),
        (format!("client_auth_type: RequireAndVerifyClientCert, {old}"), [false, true, false, true, false, false]),
        (format!("client_auth_type: RequireAndVerifyClientCert, {all}"), [false, true, false, true, false, false]),
    ] {
        let exporter = start(&pki, &format!("tls_server_config: {{ {PAIR}, {settings} }}"));
        for tls in ["1.2", "1.3"] {
            let came_in = clients.map(|client| comes_in(&pki, &exporter, client, tls));
            assert_eq!(came_in, let_in, "{settings}, TLS {tls}");
        }
    }
}

#[test]
fn who_is_no_longer_trusted_is_out() {
    let pki = Pki::new();
    let tls = |san: &str| {
        format!(
            "tls_server_config: {{ {PAIR}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: cas.pem, \
             client_allowed_sans: [{san}] }}"
        )
    };
    let exporter = start(&pki, &tls("192.0.2.7"));
    let url = https(&exporter, "/-/healthy");
    // One connection for all requests: a change between them closes it, and the client is refused when it reconnects.
    let mut client = Command::new("curl")
        .args(["--silent", "--noproxy", "*", "--cacert", "ca.pem", "--cert", "client.crt", "--key", "client.key"])
        .args(["--rate", "60/m", "--max-time", "60", "--fail-early", &format!("{url}?[1-60]")])
        .current_dir(pki.folder())
        .arg("--no-buffer")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("curl runs");
    // Kept open: a client that cannot write what it got would end too.
    let mut answers = client.stdout.take().unwrap();
    answers.read_exact(&mut [0; 2]).expect("it gets answers");
    pki.write("web.yml", &tls("192.0.2.8"));
    wait("the end of the client", || client.try_wait().unwrap().is_some());
    assert_ne!(client.wait().unwrap().code(), Some(0));
}

/// The last response on a kept connection announces its end, so that no request fails.
#[test]
fn who_has_to_come_again_is_told_so() {
    let pki = Pki::new();
    let exporter = start(&pki, &format!("tls_server_config: {{ {PAIR} }}"));
    let url = https(&exporter, "/-/healthy");
    let mut client = Command::new("curl")
        .args(["--silent", "--include", "--noproxy", "*", "--cacert", "ca.pem", "--http1.1", "--no-buffer"])
        .args(["--rate", "600/m", "--max-time", "60", &format!("{url}?[1-300]")])
        .current_dir(pki.folder())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("curl runs");
    let mut answers = BufReader::new(client.stdout.take().unwrap()).lines().map(|line| line.unwrap().to_lowercase());
    assert!(answers.any(|line| line == "healthy"));
    let renewed = Pki::new();
    for name in ["server.crt", "server.key"] {
        pki.write(name, &renewed.read(name));
    }
    // It reconnects at once, and does not trust the new certificate.
    assert!(answers.any(|line| line == "connection: close"), "it is not told");
    client.kill().unwrap();
    client.wait().unwrap();
}

#[test]
fn names_of_clients_are_checked_against_the_list() {
    let pki = Pki::new();
    let policy = "client_auth_type: RequireAndVerifyClientCert, client_ca_file: cas.pem, client_allowed_sans";
    for (sans, let_in) in [
        ("[other, prometheus.example.com]", true),
        ("[192.0.2.7]", true),
        ("['2001:DB8:0::7']", true),
        ("[somebody@example.com]", true),
        ("['spiffe://example.com/prometheus']", true),
        ("[example.com, '*.example.com', PROMETHEUS.example.com, 192.0.2.8]", false),
        ("['CN=client']", false),
    ] {
        let exporter = start(&pki, &format!("tls_server_config: {{ {PAIR}, {policy}: {sans} }}"));
        assert_eq!(comes_in(&pki, &exporter, "client", "1.3"), let_in, "{sans}");
        assert!(!comes_in(&pki, &exporter, "", "1.3"), "{sans}");
    }
    // Without a certificate there is no user name, as in exporter-toolkit.
    let policy = "client_auth_type: VerifyClientCertIfGiven, client_ca_file: cas.pem, client_allowed_sans";
    let exporter = start(&pki, &format!("tls_server_config: {{ {PAIR}, {policy}: [192.0.2.7] }}"));
    assert!(comes_in(&pki, &exporter, "client", "1.2") && !comes_in(&pki, &exporter, "", "1.2"));
}

fn comes_in(pki: &Pki, exporter: &Exporter, client: &str, tls: &str) -> bool {
    let (cert, key) = (format!("{client}.crt"), format!("{client}.key"));
    let mut more = [CA, &["--tlsv1.2", "--tls-max", tls]].concat();
    if !client.is_empty() {
        more.extend(["--cert", &cert, "--key", &key]);
    }
    let got = curl(pki, &https(exporter, "/-/healthy"), &more);
    assert_eq!(got.code == 0, got.status == 200, "{got:?}");
    got.code == 0
}

/// `one` and `two`, with the lowest bcrypt cost.
fn users() -> [String; 2] {
    ["one", "two"].map(|password| bcrypt::hash(password, 4).unwrap())
}

#[test]
fn only_users_with_their_passwords_get_answers() {
    let pki = Pki::new();
    let [one, two] = users();
    let mut exporter = start(&pki, &format!("basic_auth_users:\n  alice: {one}\n"));
    let url = exporter.url.clone();
    let status = |path: &str, user: &str| {
        let more: &[&str] = if user.is_empty() { &[] } else { &["--user", user] };
        let got = curl(&pki, &format!("{url}{path}"), more);
        assert_eq!(got.status == 401, got.text.to_lowercase().contains("\r\nwww-authenticate: basic\r\n"), "{got:?}");
        got.status
    };
    for path in ["/metrics", "/", "/-/healthy", "/-/ready", "/config", "/none"] {
        assert_eq!(status(path, ""), 401, "{path}");
        assert_eq!(status(path, "alice:two"), 401, "{path}");
        assert_eq!(status(path, "nobody:one"), 401, "{path}");
    }
    assert_eq!(status("/metrics", "alice:one"), 200);
    assert_eq!(status("/none", "alice:one"), 404);

    // Users are added and removed without a restart.
    pki.write("web.yml", &format!("basic_auth_users:\n  bob: {two}\n"));
    wait("bob", || status("/-/healthy", "bob:two") == 200);
    assert_eq!(status("/-/healthy", "alice:one"), 401);
    // A file that is invalid, or would disable authentication, changes nothing and is logged once.
    for (text, words) in [("basic_auth_users: { bob: two }", "is invalid"), ("", "would remove basic_auth_users")] {
        pki.write("web.yml", text);
        wait("the warning", || {
            assert_eq!((status("/-/healthy", ""), status("/-/healthy", "bob:two")), (401, 200));
            exporter.log().contains(words)
        });
        // A fixed time on purpose: longer than the file is looked at again, and nothing is logged again.
        std::thread::sleep(Duration::from_millis(1100));
        assert_eq!(status("/-/healthy", "bob:two"), 200);
        assert_eq!(exporter.log().matches(words).count(), 1, "{}", exporter.log());
    }
}

#[test]
fn headers_are_on_every_answer_and_requests_are_limited() {
    let pki = Pki::new();
    let headers = "http_server_config: { headers: { X-Frame-Options: deny, X-XSS-Protection: 1, \
                   Content-Security-Policy: default-src 'self' } }\n";
    let exporter = start(&pki, &format!("{headers}rate_limit: {{ interval: 1h, burst: 3 }}"));
    let statuses = ["/metrics", "/none", "/-/healthy", "/-/healthy", "/metrics"].map(|path| {
        let got = curl(&pki, &format!("{}{path}", exporter.url), &[]);
        let head = got.text.to_lowercase();
        assert!(
            head.contains("\r\nx-frame-options: deny\r\n") && head.contains("\r\nx-xss-protection: 1\r\n"),
            "{head}"
        );
        assert_eq!(head.matches("\r\ncontent-security-policy: ").count(), 1, "{head}");
        assert!(head.contains("\r\ncontent-security-policy: default-src 'self'\r\n"), "{head}");
        got.status
    });
    assert_eq!(statuses, [200, 404, 200, 429, 429]);
}

#[test]
fn everything_is_under_the_prefix() {
    let pki = Pki::new();
    for flags in
        [&["--web.external-url=https://example.com/a/b/"][..], &["--web.external-url=/x", "--web.route-prefix=a/b"]]
    {
        let exporter = Exporter::start(&[&["demo"], flags].concat());
        for path in ["/a/b/metrics", "/a/b/", "/a/b/-/healthy", "/a/b/api/v1/status", "/a/b/style.css"] {
            assert_eq!(exporter.get(path).0, 200, "{path}");
        }
        for path in ["/metrics", "/-/healthy", "/a", "/a/bmetrics", "/a/b/none"] {
            assert_eq!(exporter.get(path).0, 404, "{path}");
        }
        for path in ["/a/b/metrics", "/a/b/none", "/none", "/", "/a/b"] {
            has_default_headers(&curl(&pki, &format!("{}{path}", exporter.url), &[]));
        }
        for path in ["/", "/a/b"] {
            let got = curl(&pki, &format!("{}{path}", exporter.url), &["--location", "--max-redirs", "1"]);
            assert_eq!((got.status, got.text.contains("<html")), (200, true), "{path}: {got:?}");
        }
    }
    let exporter = Exporter::start(&["demo", "--web.external-url=https://example.com/a", "--web.route-prefix=/"]);
    assert_eq!(exporter.get("/metrics").0, 200);
}

fn has_default_headers(got: &Got) {
    let head = got.text.to_lowercase();
    for header in [
        "content-security-policy: default-src 'none'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
    ] {
        assert!(head.contains(&format!("\r\n{header}")), "{header}: {got:?}");
    }
    assert!(head.contains("\r\ncache-control: "), "{got:?}");
}

#[test]
fn what_is_wrong_ends_it_before_it_starts() {
    let pki = Pki::new();
    pki.write("web.yml", "basic_auth_users: { john: doe }\nrate_limit: { burst: x }\n");
    let flag = format!("--web.config.file={}", pki.path("web.yml"));
    let (code, _, said) = run(&["demo", &flag]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("web.yml: basic_auth_users.john: ") && said.contains("web.yml: rate_limit.burst: "),
        "{said}"
    );
    for flag in ["--web.external-url=example", "--web.route-prefix=/a b", "--web.systemd-socket"] {
        let (code, _, said) = run(&["demo", flag]);
        assert_eq!(code, Some(2), "{flag}: {said}");
        assert!(said.contains(flag), "{said}");
    }
    // Both configuration files are checked.
    let none = pki.path("config.yaml");
    let (code, _, said) = run(&["check", "--config.file", &none, &flag]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("config.yaml") && said.contains("basic_auth_users.john"), "{said}");
    let yaml = "partners: [{ auth: { client_id: 00000000-0000-0000-0000-000000000000, client_secret: x } }]\n";
    pki.write("config.yaml", yaml);
    assert_eq!(run(&["check", "--config.file", &none, &flag]).0, Some(2));
    pki.write("web.yml", &format!("tls_server_config: {{ {PAIR} }}\nrate_limit: {{ interval: 1s }}"));
    pki.open_to_everybody("server.key");
    let (code, printed, said) = run(&["check", "--config.file", &none, &flag]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        printed.contains("web.yml: valid") && printed.contains("server.key can be read by every user"),
        "{printed}"
    );
    assert!(printed.contains("lets no request through"), "{printed}");
}

/// A real Prometheus with TLS, a client certificate and a password.
#[test]
fn prometheus_scrapes_with_tls_mtls_and_basic_auth() {
    let pki = Pki::new();
    let [one, _] = users();
    let exporter = start(
        &pki,
        &format!(
            "tls_server_config: {{ {PAIR}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: cas.pem, \
             client_allowed_sans: [prometheus.example.com] }}\nbasic_auth_users: {{ alice: {one} }}\n"
        ),
    );
    let target = format!("127.0.0.1:{}", port(&exporter));
    let job = |name: &str, password: &str| {
        format!(
            "  - job_name: {name}\n    scheme: https\n    static_configs: [{{ targets: ['{target}'] }}]\n    \
             basic_auth: {{ username: alice, password: {password} }}\n    \
             tls_config: {{ ca_file: ca.pem, cert_file: client.crt, key_file: client.key }}\n"
        )
    };
    let http1 = job("http1", "one") + "    enable_http2: false\n";
    let yaml = format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\nscrape_configs:\n{}{http1}{}",
        job("right", "one"),
        job("wrong", "two")
    );
    pki.write("prometheus.yml", &yaml);
    let mut prometheus = Prometheus::start(pki.folder());
    for (job, value) in [("right", "1"), ("http1", "1"), ("wrong", "0")] {
        wait(&format!("up of {job}"), || prometheus.value(&format!("up{{job=\"{job}\"}}")).as_deref() == Some(value));
    }
    wait("samples", || prometheus.value("avepoint_customers{job=\"right\"}").is_some());
}
