//! The binary as a process: exit codes, signals, output, and the service manager.

use std::collections::BTreeSet;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use simulator::{Fault, Rule, Settings, SimCredential, WireValue};

use crate::support::{Exporter, PATIENCE, Simulated, config, eventually, run, today};

#[test]
fn sigterm_during_a_poll_ends_it_within_five_seconds() {
    let simulator = Simulated::start(Settings::of_size(50, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let mut exporter = Exporter::with_config(folder.path(), &config(&simulator, "", ""));
    exporter.wait_for("the first customers", |samples| crate::support::of(samples, "avepoint_tenant_info").count() > 0);
    simulator.faults().set(vec![Rule::new(Fault::Hang)]);
    let before = simulator.requests().total();
    eventually(|| if simulator.requests().total() > before { Ok(()) } else { Err("a poll that hangs".to_owned()) });
    let (code, took) = exporter.terminate();
    assert_eq!(code, Some(0), "{}", exporter.log());
    assert!(took < Duration::from_secs(5), "{took:?}");
}

/// From the first instruction on, also before it listens.
#[test]
fn sigterm_during_the_start_ends_it() {
    let simulator = Simulated::start(Settings::of_size(50, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.yaml"), config(&simulator, "", "state: { file: state }\n")).unwrap();
    for delay in [0, 1, 2, 5, 10, 20, 50, 100, 200, 400] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_avepoint_exporter"))
            .args(["--config.file=config.yaml", "--web.listen-address=127.0.0.1:0"])
            .current_dir(folder.path())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // A fixed time on purpose: the signal comes at any stage of the start.
        std::thread::sleep(Duration::from_millis(delay));
        let (status, took) = end(&mut child);
        // Before its first instruction, the system ends it.
        assert!(status.code() == Some(0) || status.signal() == Some(15), "after {delay} ms: {status}");
        assert!(took < Duration::from_secs(10), "after {delay} ms: {took:?}");
    }
}

/// Nobody reads the log any more: every thread that logs blocks, including the one that shuts down.
#[test]
fn sigterm_ends_it_though_nobody_reads_its_log() {
    let simulator = Simulated::start(Settings::of_size(50, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let collectors = "collectors:\n  services: { interval: 50ms }\n  tenant_seats: { interval: 50ms }\n";
    std::fs::write(&file, config(&simulator, "budget: { requests_per_second: 500, burst: 100 }", collectors)).unwrap();
    let (log, writer) = std::io::pipe().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_avepoint_exporter"))
        .args(["--log.level=trace", "--web.listen-address=127.0.0.1:0", "--config.file", file.to_str().unwrap()])
        .stderr(writer)
        .spawn()
        .unwrap();
    let begin = Instant::now();
    let (mut waiting, mut full) = (0, 0);
    while full < 20 {
        assert!(begin.elapsed() < PATIENCE, "the pipe was never full: {waiting} bytes");
        std::thread::sleep(Duration::from_millis(50));
        let now = rustix::io::ioctl_fionread(&log).unwrap();
        full = if now == waiting && now > 30_000 { full + 1 } else { 0 };
        waiting = now;
    }
    let (status, took) = end(&mut child);
    assert!(took < Duration::from_secs(10), "{status}: {took:?}");
}

/// Sends SIGTERM and waits for the exit.
fn end(child: &mut Child) -> (ExitStatus, Duration) {
    let start = Instant::now();
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return (status, start.elapsed());
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("it never ended");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_command_ends_at_a_signal() {
    let simulator = Simulated::start(Settings::of_size(50, 1, today()));
    simulator.faults().set(vec![Rule::new(Fault::Hang)]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.yaml"), config(&simulator, "", "")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_avepoint_exporter"))
        .args(["once", "--config.file=config.yaml"])
        .current_dir(folder.path())
        .spawn()
        .unwrap();
    eventually(|| if simulator.requests().total() > 0 { Ok(()) } else { Err("a request".to_owned()) });
    let (status, _) = end(&mut child);
    assert_eq!(status.code(), Some(128 + 15), "{status}");
}

#[test]
fn only_auth_is_needed() {
    let simulator = Simulated::start(Settings::of_size(5, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let (client_id, secret) = Settings::CLIENT;
    std::fs::write(folder.path().join("secret"), format!("{secret}\n")).unwrap();
    // The URLs are those of the simulator; the real ones are not reachable.
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
    for (state, warned) in [("state", false), ("none/state", true)] {
        std::fs::write(&file, config(&simulator, "", &format!("state: {{ file: {state} }}\n"))).unwrap();
        let command = ["check", "--config.file", "config.yaml"];
        let output = Command::new(env!("CARGO_BIN_EXE_avepoint_exporter"))
            .args(command)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed.contains("the folder none does not exist: create it"), warned, "{printed}");
        assert_eq!(printed.contains("state.file"), warned, "{printed}");
    }
    std::fs::write(&file, config(&simulator, "", "")).unwrap();
    simulator.stop();
    let (code, printed, _) = run(&["check", "--config.file", path]);
    assert_eq!(code, Some(0), "without a network: {printed}");
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
    assert!(printed.contains("and 10 more") && printed.matches("\n  ").count() > 20, "{printed}");

    let slow = folder.path().join("slow.yaml");
    std::fs::write(&slow, config(&simulator, "budget: { requests_per_second: 0.001, burst: 1 }", "")).unwrap();
    let (code, printed, said) = run(&["check", "--config.file", slow.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    assert!(printed.contains("requests_per_second to 0.01 or more"), "what is advised is enough: {printed}");

    let (code, printed, said) = run(&["once", "--format=table", "--config.file", path]);
    assert_eq!(code, Some(0), "{said}");
    assert!(printed.contains("Customer") && printed.contains("Expires"), "{printed}");
    // Purchased and available seats of a product are one row.
    let rows: Vec<_> = printed.lines().filter(|line| line.contains("(2048)")).collect();
    let distinct: BTreeSet<_> = rows.iter().map(|row| row.split('┆').next()).collect();
    assert!(!rows.is_empty() && rows.len() == distinct.len(), "{printed}");

    let (code, printed, said) = run(&["once", "--format=openmetrics", "--config.file", path]);
    assert_eq!(code, Some(0), "{said}");
    assert!(printed.ends_with("# EOF\n"));

    let client = Settings::CLIENT.0;
    simulator
        .with_dataset(client, |dataset| dataset.customers[0].rows[0].expiration_date = WireValue::unreadable("soon"))
        .unwrap();
    let (code, printed, said) = run(&["once", "--config.file", path]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("main: values that cannot be read: 1") && printed.contains("avepoint_customer_info"),
        "{said}"
    );

    let slow = config(&simulator, "budget: { requests_per_second: 0.001 }", "");
    std::fs::write(&file, slow).unwrap();
    let (code, printed, said) = run(&["check", "--config.file", path]);
    assert_eq!(code, Some(0), "{said}");
    assert!(printed.contains("is too small for the intervals"), "{printed}");
}

/// Names from the API with terminal control characters or bidirectional controls, on a terminal, by every command and
/// format.
#[test]
fn nothing_of_the_api_steers_a_terminal() {
    const ATTACK: &str = "a\u{1b}]0;owned\u{7}b\u{9b}31mc\u{202e}d\u{2066}e\u{7f}f\rg";
    let simulator = Simulated::start(Settings::of_size(3, 1, today()));
    simulator.with_dataset(Settings::CLIENT.0, |dataset| dataset.customers[0].organization = ATTACK.into()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, config(&simulator, "budget: { requests_per_second: 500, burst: 100 }", "")).unwrap();
    let binary = env!("CARGO_BIN_EXE_avepoint_exporter");
    for command in [
        "discover",
        "check --online",
        "once --format=prometheus",
        "once --format=openmetrics",
        "once --format=json",
        "once --format=csv",
        "once --format=table",
    ] {
        // Without the progress bar, which is on standard error and moves the cursor.
        let command = format!("{binary} {command} --config.file={} 2>/dev/null", file.display());
        let output = Command::new("script").args(["-qec", &command, "/dev/null"]).output().expect("script runs");
        let printed = String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n");
        assert!(output.status.success(), "{command}: {printed}");
        assert!(printed.contains("owned"), "{command}: {printed:?}");
        let raw: BTreeSet<_> = printed
            .chars()
            .filter(|c| *c != '\n' && (c.is_control() || ATTACK.contains(*c) && !c.is_ascii()))
            .collect();
        assert!(raw.is_empty(), "{command}: {raw:?} in {printed:?}");
    }
    // Programs get the name unchanged, in each format's own escaping.
    let (_, printed, _) = run(&["once", "--format=json", "--config.file", file.to_str().unwrap()]);
    let document: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let customers = document["customers"].as_array().unwrap();
    assert!(customers.iter().any(|customer| customer["customer_name"] == ATTACK), "{printed}");
    let (_, printed, _) = run(&["once", "--config.file", file.to_str().unwrap()]);
    assert!(printed.contains(ATTACK), "{printed}");
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

/// Listens, and becomes the exporter, with the socket passed as systemd does it.
const HAND_OVER: &str = "import os, socket, sys
kind = sys.argv[1]
listener = socket.socket(socket.AF_UNIX if kind == 'unix' else socket.AF_INET)
listener.bind(sys.argv[2] + '.socket' if kind == 'unix' else ('127.0.0.1', 0))
if kind != 'bound':
    listener.listen()
if kind == 'connected':
    peer = socket.create_connection(listener.getsockname())
    listener = listener.accept()[0]
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES='web')
os.execv(sys.argv[2], sys.argv[2:])
";

#[test]
fn sockets_of_systemd_are_served() {
    let binary = env!("CARGO_BIN_EXE_avepoint_exporter");
    let mut exporter = Exporter::spawn(Command::new("python3").args([
        "-c",
        HAND_OVER,
        "inet",
        binary,
        "demo",
        "--web.systemd-socket",
    ]));
    assert_eq!(exporter.get("/-/healthy").0, 200);
    assert_eq!(exporter.terminate().0, Some(0));

    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("exporter");
    std::os::unix::fs::symlink(binary, &link).unwrap();
    for (kind, words) in [
        ("unix", "only TCP sockets"),
        ("connected", "it cannot accept connections"),
        ("bound", "it cannot accept connections"),
    ] {
        let output = Command::new("python3")
            .args(["-c", HAND_OVER, kind, link.to_str().unwrap(), "demo", "--web.systemd-socket"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{kind}: {said}");
        assert!(said.contains(&format!("--web.systemd-socket: socket 0 (web): {words}")), "{kind}: {said}");
    }
}

#[test]
fn the_service_manager_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let notify = folder.path().join("notify");
    let socket = UnixDatagram::bind(&notify).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let heard = |wanted: &str| loop {
        let mut buffer = [0; 1000];
        let length = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{wanted}: {error}"));
        let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if message.lines().any(|line| line == wanted) {
            return message;
        }
    };
    let mut exporter = Exporter::spawn(
        Command::new(env!("CARGO_BIN_EXE_avepoint_exporter"))
            .args(["demo", "--web.listen-address=127.0.0.1:0"])
            .env("NOTIFY_SOCKET", &notify)
            .env("WATCHDOG_USEC", "200000"),
    );
    assert!(heard("READY=1").contains("\nSTATUS=serving\n"));
    heard("WATCHDOG=1");
    heard("WATCHDOG=1");
    Command::new("kill").args(["-HUP", &exporter.child.id().to_string()]).status().unwrap();
    let message = heard("RELOADING=1");
    assert!(message.lines().any(|line| line.starts_with("MONOTONIC_USEC=")), "{message}");
    heard("READY=1");
    assert_eq!(exporter.terminate().0, Some(0));
    heard("STOPPING=1");
}

#[test]
fn every_partner_that_fails_is_named() {
    let simulator = Simulated::start(Settings::of_size(3, 1, today()));
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let yaml = config(&simulator, "", "");
    let broken = |name: &str| {
        format!(
            "  - name: {name}\n    api_url: http://{gone}\n    token_url: http://{gone}/t\n    auth: {{ client_id: {name}, client_secret: x }}\n"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let partners = yaml.trim_end().replacen("partners:\n", &format!("partners:\n{}", broken("first")), 1);
    std::fs::write(&file, format!("{partners}\n{}", broken("last"))).unwrap();
    for command in [&["check", "--online"][..], &["discover"]] {
        let (code, printed, said) = run(&[command, &["--config.file", file.to_str().unwrap()]].concat());
        assert_eq!(code, Some(1), "{command:?}: {said}");
        assert!(said.contains("partner first: ") && said.contains("; partner last: "), "{command:?}: {said}");
        assert!(printed.contains("partner main: 3 customers"), "{command:?}: {printed}");
    }
}
