//! The binary as a process: exit codes, signals, and what it prints.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "what does not hold ends the test, which waits for other processes outside of any runtime"
)]

mod support;

use std::process::Command;
use std::time::Duration;

use avepoint_exporter::simulator::{Fault, Rule, Settings, SimCredential};
use support::{Exporter, Simulated, config, run, today};

#[test]
fn sigterm_during_a_poll_ends_it_within_five_seconds() {
    let simulator = Simulated::start(Settings::of_size(50, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let mut exporter = Exporter::with_config(folder.path(), &config(&simulator, "", ""));
    exporter.wait_for("the first customers", |samples| support::of(samples, "avepoint_tenant_info").count() > 0);
    simulator.faults().set(vec![Rule::new(Fault::Hang)]);
    std::thread::sleep(Duration::from_secs(1));
    let (code, took) = exporter.terminate();
    assert_eq!(code, Some(0), "{}", exporter.log());
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn only_auth_is_needed() {
    let simulator = Simulated::start(Settings::of_size(5, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let (client_id, secret) = Settings::CLIENT;
    std::fs::write(folder.path().join("secret"), format!("{secret}\n")).unwrap();
    // The URLs are the simulator's; nobody can reach the real ones.
    let yaml = format!(
        "partners:\n  - auth: {{ client_id: {client_id}, client_secret_file: secret }}\n    api_url: {}\n    token_url: {}\n",
        simulator.api_url(),
        simulator.token_url()
    );
    let exporter = Exporter::with_config(folder.path(), &yaml);
    exporter.wait_for("customers", |samples| samples.get("avepoint_customers{partner=\"main\"}") == Some(&5.0));
    let (status, text) = exporter.get("/config");
    assert_eq!(status, 200);
    assert!(text.contains("interval: 15m") && !text.contains(secret), "{text}");
}

#[test]
fn exit_codes_tell_usage_and_configuration_from_failure() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let path = file.to_str().unwrap();
    let (code, _, said) = run(&["--config.file", path]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(path), "{said}");
    std::fs::write(&file, "partners: []\n").unwrap();
    for command in [&["check"][..], &["once"], &["discover"], &[]] {
        let (code, _, said) = run(&[command, &["--config.file", path]].concat());
        assert_eq!(code, Some(2), "{command:?}: {said}");
        assert!(said.contains("partners"), "{said}");
    }
    assert_eq!(run(&["--no-such-flag"]).0, Some(2));
    for flag in ["--web.telemetry-path=/", "--web.listen-address=nonsense", "--web.listen-address=127.0.0.1:99999"] {
        let (code, _, said) = run(&["demo", "--web.listen-address=127.0.0.1:0", flag]);
        assert_eq!(code, Some(2), "{flag}: {said}");
        assert!(said.contains(flag.split('=').next().unwrap()), "{said}");
    }
    assert_eq!(run(&["simulate", "--faults=none-such"]).0, Some(2));
    let (code, printed, _) = run(&["--version"]);
    assert_eq!((code, printed.contains(env!("CARGO_PKG_VERSION"))), (Some(0), true));
    assert_eq!(run(&["--help"]).0, Some(0));

    let mut simulator = Simulated::start(Settings::of_size(5, 1, today()));
    std::fs::write(&file, config(&simulator, "", "")).unwrap();
    simulator.stop();
    assert_eq!(run(&["check", "--config.file", path]).0, Some(0), "without a network");
    for command in [&["check", "--online"][..], &["once"], &["discover"]] {
        let (code, _, said) = run(&[command, &["--config.file", path]].concat());
        assert_eq!(code, Some(1), "{command:?}: {said}");
    }
}

#[test]
fn commands_answer_on_standard_output() {
    let simulator = Simulated::start(Settings::of_size(30, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, config(&simulator, "budget: { requests_per_second: 500, burst: 100 }", "")).unwrap();

    let (code, printed, said) = run(&["discover", "--config.file", path]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(printed.matches("- id: ").count(), 30, "{printed}");

    let (code, printed, said) = run(&["check", "--online", "--config.file", path]);
    assert_eq!(code, Some(0), "{said}");
    assert!(printed.contains("30 customers") && printed.contains("products_purchased"), "{printed}");

    let slow = folder.path().join("slow.yaml");
    std::fs::write(&slow, config(&simulator, "budget: { requests_per_second: 0.001, burst: 1 }", "")).unwrap();
    let (code, printed, said) = run(&["check", "--config.file", slow.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    assert!(printed.contains("requests_per_second to 0.01 or more"), "what is advised is enough: {printed}");

    let (code, printed, said) = run(&["once", "--format=table", "--config.file", path]);
    assert_eq!(code, Some(0), "{said}");
    assert!(printed.contains("Customer") && printed.contains("Expires"), "{printed}");

    let (code, printed, said) = run(&["once", "--format=openmetrics", "--config.file", path]);
    assert_eq!(code, Some(0), "{said}");
    assert!(printed.ends_with("# EOF\n"));

    let slow = config(&simulator, "budget: { requests_per_second: 0.001 }", "");
    std::fs::write(&file, slow).unwrap();
    let (code, printed, said) = run(&["check", "--config.file", path]);
    assert_eq!(code, Some(0), "{said}");
    assert!(printed.contains("cannot keep the intervals"), "{printed}");
}

#[test]
fn a_certificate_logs_in_as_a_pair_of_files_and_as_pfx() {
    let folder = tempfile::tempdir().unwrap();
    let openssl = |arguments: &str| {
        let run = Command::new("openssl").args(arguments.split(' ')).current_dir(&folder).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    };
    openssl("req -x509 -newkey rsa:2048 -nodes -keyout app.key -out app.crt -days 2 -subj /CN=test");
    openssl("x509 -in app.crt -outform DER -out app.der");
    openssl("pkcs12 -export -in app.crt -inkey app.key -passout pass:of-the-pfx -out app.pfx");
    let certificate = std::fs::read(folder.path().join("app.der")).unwrap();
    let mut settings = Settings::of_size(5, 1, today());
    settings.registrations[0].credential = SimCredential::Certificate(certificate);
    let simulator = Simulated::start(settings);
    let file = folder.path().join("config.yaml");
    for credential in ["cert_file: app.crt, key_file: app.key", "pfx_file: app.pfx, pfx_password: of-the-pfx"] {
        let yaml = format!(
            "partners:\n  - auth: {{ client_id: {}, certificate: {{ {credential} }} }}\n    api_url: {}\n    token_url: {}\n",
            Settings::CLIENT.0,
            simulator.api_url(),
            simulator.token_url()
        );
        std::fs::write(&file, yaml).unwrap();
        let (code, printed, said) = run(&["check", "--online", "--config.file", file.to_str().unwrap()]);
        assert_eq!(code, Some(0), "{credential}: {said}");
        assert!(printed.contains("5 customers"), "{printed}");
    }
}
