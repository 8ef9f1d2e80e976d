//! The commands as somebody types them: what they take, what they print, and what the daemon logs.

use std::fs;
use std::path::Path;

use elements::types::Collector;
use simulator::{Fault, Generator, Operation, Rule, Settings, SimCustomer};

use crate::support::{Exporter, Simulated, config, eventually, run, today};

const FAST: &str = "budget: { requests_per_second: 500, burst: 100, concurrency: 8 }";

fn written(folder: &Path, yaml: &str) -> String {
    let file = folder.join("config.yaml");
    fs::write(&file, yaml).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn what_discover_prints_is_pasted_into_the_configuration() {
    let generator = Generator { hostile_names: true, ..Generator::new(5, 12, today()) };
    let simulator = Simulated::start(Settings::generated(&generator));
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), &config(&simulator, FAST, ""));
    let (code, printed, said) = run(&["discover", "--config.file", &file, "--partner=main"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(printed.starts_with("      # partner main: 12 customers\n      list:\n        - id: "), "{printed}");
    let (code, _, said) = run(&["discover", "--config.file", &file, "--partner=none"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--partner=none: the configuration has no such partner, only main"), "{said}");

    let example = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config.yaml")).unwrap();
    let pasted = example
        .replace("    #customers:\n", &format!("    customers:\n{printed}"))
        .replace("client_secret_file: /etc/avepoint_exporter/client_secret", "client_secret: x");
    let file = written(folder.path(), &pasted);
    let (code, printed, said) = run(&["check", "--config.file", &file]);
    assert_eq!(code, Some(0), "{said}\n{pasted}");
    assert!(printed.contains("(12 customers of customers.list"), "{printed}");
}

#[test]
fn check_validates_what_it_takes() {
    let simulator = Simulated::start(Settings::of_size(5, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), &config(&simulator, FAST, ""));
    let check = |arguments: &[&str]| run(&[&["check", "--config.file", &file], arguments].concat());
    for flag in [
        "--web.listen-address=garbage",
        "--web.listen-address=:99999",
        "--web.listen-address=::1:80",
        "--web.telemetry-path=/config",
        "--web.external-url=example",
        "--web.config.file=none.yml",
    ] {
        let (code, printed, said) = check(&[flag]);
        assert_eq!(code, Some(2), "{flag}: {said}");
        assert!(!printed.contains("valid") && !said.is_empty(), "{flag}: {printed}");
    }
    for address in ["127.0.0.1:10120", "[::1]:80", "localhost:0", ":10120"] {
        assert_eq!(check(&[&format!("--web.listen-address={address}")]).0, Some(0), "{address}");
    }
    let (code, printed, _) = check(&[]);
    assert_eq!(code, Some(0));
    assert!(printed.contains("how many customers are discovered is not known"), "{printed}");
    // The secret is in the file, which everybody can read.
    assert!(printed.contains("warning: a secret stands in the configuration"), "{printed}");
    let (code, _, said) = check(&["--strict"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--strict: 1 warning above"), "{said}");
    let (code, printed, _) = check(&["--customers=4000000"]);
    assert_eq!(code, Some(2), "{printed}");
    let (_, printed, _) = check(&["--customers=200000"]);
    assert!(printed.contains("(200,000 customers as given"), "{printed}");
}

#[test]
fn filters_that_match_nobody_are_told() {
    let simulator = Simulated::start(Settings::of_size(5, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let partner = format!("{FAST}\ncustomers: {{ include: ['nobody*'], exclude: ['*'] }}");
    let yaml = config(&simulator, &partner, "");
    let file = written(folder.path(), &yaml);
    let (code, printed, said) = run(&["check", "--online", "--config.file", &file]);
    assert_eq!(code, Some(0), "{said}");
    let warning = "warning: partner main: customers.include: \"nobody*\" matches none of 5 customers";
    assert!(printed.contains(warning) && !printed.contains("customers.exclude"), "{printed}");
    let mut exporter = Exporter::with_config(folder.path(), &yaml);
    exporter.wait_for_logged("no customer matches customers.include and customers.exclude");
}

#[test]
fn once_reads_only_what_it_is_asked_for() {
    let simulator = Simulated::start(Settings::of_size(6, 1, today()));
    let dataset = simulator.with_dataset(Settings::CLIENT.0, |dataset| dataset.clone()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), &config(&simulator, FAST, ""));
    let once = |arguments: &[&str]| run(&[&["once", "--config.file", &file], arguments].concat());
    let first = &dataset.customers[0];

    let (code, printed, said) = once(&["--customer", &first.id]);
    assert_eq!(code, Some(0), "{said}");
    // Not on a terminal, so in the format of Prometheus.
    assert_eq!(printed.matches("\navepoint_customer_info{").count(), 1, "{printed}");
    assert!(printed.contains(&first.id), "{printed}");

    simulator.reset_requests();
    let (code, printed, said) = once(&["--partner=main", "--customer", &first.organization, "--format=csv"]);
    assert_eq!(code, Some(0), "{said}");
    let mut services: Vec<_> = first.rows.iter().map(|row| row.service.clone()).collect();
    services.sort();
    services.dedup();
    assert_eq!(printed.lines().count(), 1 + services.len(), "{printed}");
    assert!(printed.starts_with("partner,customer_id,customer_name,service_name,seats_purchased,"), "{printed}");
    assert_eq!(simulator.requests().of(Operation::Api(Collector::Services)), 1);

    let (code, _, said) = once(&["--customer=nobody"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no customer matches --customer=nobody"), "{said}");
    assert_eq!(once(&["--partner=other"]).0, Some(2));
}

#[test]
fn once_prints_a_table_on_a_terminal() {
    let simulator = Simulated::start(Settings::of_size(2, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), &config(&simulator, FAST, ""));
    let binary = env!("CARGO_BIN_EXE_avepoint_exporter");
    let command = format!("{binary} once --config.file={file} 2>/dev/null");
    let output = std::process::Command::new("script").args(["-qec", &command, "/dev/null"]).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("Licences assigned"), "{printed}");
}

#[test]
fn the_log_says_what_was_loaded_and_who_arrives_and_leaves() {
    let simulator = Simulated::start(Settings::of_size(14, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let yaml = config(&simulator, FAST, "collectors: { services: { interval: 1s } }");
    let mut exporter = Exporter::with_config(folder.path(), &yaml);
    exporter.wait_for_logged("the configuration was loaded");
    let log = exporter.log().to_owned();
    let loaded = log.lines().find(|line| line.contains("the configuration was loaded")).unwrap();
    assert!(loaded.contains("config.yaml partners=1 discovering=1 listed_customers=0"), "{loaded}");
    exporter.wait_for_logged("first pass complete");
    assert!(!exporter.log().contains("arrived"), "{}", exporter.log());

    let change = |change: &dyn Fn(&mut Vec<SimCustomer>)| {
        simulator.with_dataset(Settings::CLIENT.0, |dataset| change(&mut dataset.customers)).unwrap();
    };
    change(&|customers| customers.push(SimCustomer::new("newcomer-1", "Newcomer")));
    let line = exporter.wait_for_line("customer has arrived");
    assert!(line.contains("customer_id=newcomer-1 customer_name=Newcomer"), "{line}");
    change(&|customers| {
        customers.extend((0..11).map(|number| SimCustomer::new(format!("another-{number}"), "Another")));
    });
    let line = exporter.wait_for_line("customers have arrived");
    assert!(line.contains("customers=11"), "{line}");
    change(&|customers| customers.truncate(25));
    exporter.wait_for_line("customer has left");
    change(&|customers| customers.truncate(14));
    let line = exporter.wait_for_line("customers have left");
    assert!(line.contains("customers=11"), "{line}");

    let file = folder.path().join("config.yaml");
    fs::write(&file, yaml.replace("interval: 1s", "interval: 2s")).unwrap();
    std::process::Command::new("kill").args(["-HUP", &exporter.child.id().to_string()]).status().unwrap();
    let line = exporter.wait_for_line("the configuration was reloaded");
    assert!(line.contains("changed=\"collectors.services.interval, collectors.services.max_age\""), "{line}");
}

#[test]
fn the_daemon_logs_what_is_wrong_with_its_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "partners: [{ name: a }]\ncollectors: { services: { interval: x } }\n");
    for (format, start) in [("logfmt", "time="), ("json", "{\"time\":")] {
        let (code, printed, said) = run(&["--config.file", &file, &format!("--log.format={format}")]);
        assert_eq!((code, printed.as_str()), (Some(2), ""), "{said}");
        assert_eq!(said.lines().count(), 2, "{said}");
        assert!(said.lines().all(|line| line.starts_with(start) && line.contains("ERROR")), "{said}");
    }
    let (_, _, said) = run(&["check", "--config.file", &file]);
    assert!(said.starts_with(&file), "{said}");
}

#[test]
fn while_it_is_not_ready_it_says_who_answered_what() {
    let simulator = Simulated::start(Settings::of_size(2, 1, today()));
    simulator.faults().set(vec![Rule::new(Fault::Status(503))]);
    let folder = tempfile::tempdir().unwrap();
    let exporter = Exporter::with_config(folder.path(), &config(&simulator, FAST, ""));
    let expected = "main: waiting for the first customer listing: server_error (127.0.0.1: the API answered 503";
    let status = eventually(|| {
        let (status, text) = exporter.get("/-/ready");
        if text.contains(expected) { Ok(status) } else { Err(format!("{expected}: {text}")) }
    });
    assert_eq!(status, 503);
    assert!(exporter.get("/").1.contains("127.0.0.1: the API answered 503"));
}
