//! Recordings: what `once --record` writes says nothing about anybody, and replaying it gives the same series.
//!
//! `tests/recordings/` holds recordings with the series that they must give; its README.md says how one is added.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use elements::recording::Recording;
use elements::types::Collector;
use serde_json::Value;
use simulator::{Dialect, Fault, Operation, Replay, Rule, Settings};
use testkit::golden;

use crate::support::{Simulated, config, eventually, run, today};

/// Labels whose values are pseudonyms, placeholders, or derived from them.
const REPLACED: [&str; 7] =
    ["partner", "customer_id", "customer_name", "tenant_id", "tenant_name", "subscription_id", "subscription_name"];
const FAST: &str = "budget: { requests_per_second: 500, burst: 100, concurrency: 8 }";

fn revisions() -> [(&'static str, Settings); 3] {
    let revision = |dialect, seed| Settings { dialect, ..Settings::of_size(3, seed, today()) };
    let older = Settings { absent_tenants_are_404: true, ..revision(Dialect::Older, 13) };
    [("live", revision(Dialect::Live, 11)), ("documented", revision(Dialect::Documented, 12)), ("older", older)]
}

/// The output of `once`, which may have failed in part.
fn once(folder: &Path, yaml: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let file = folder.join("config.yaml");
    fs::write(&file, yaml).unwrap();
    run(&[&["once", "--format=prometheus", "--config.file", file.to_str().unwrap()], arguments].concat())
}

/// What `once` prints when it polls a recording.
fn replayed(recording: &Path) -> String {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let recording = Recording::read(recording).unwrap();
    let replay = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        Replay::start(recording, listener).unwrap()
    });
    let folder = tempfile::tempdir().unwrap();
    // JSON is YAML.
    once(folder.path(), &replay.config().to_string(), &[]).1
}

/// The series that come from the API.
fn of_the_api(text: &str) -> Vec<&str> {
    let families = ["customer_", "tenant_", "product_", "subscription_"].map(|name| format!("avepoint_{name}"));
    text.lines().filter(|line| families.iter().any(|family| line.starts_with(family))).collect()
}

/// Name, labels and value of a sample.
fn parse(line: &str) -> (&str, Vec<(&str, &str)>, &str) {
    let (name, rest) = line.split_once('{').unwrap();
    let (mut labels, mut rest) = (Vec::new(), rest);
    while !rest.starts_with('}') {
        let (label, after) = rest.split_once("=\"").unwrap();
        let mut escaped = false;
        let end = after.find(|c: char| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let (value, after) = after.split_at(end.unwrap());
        labels.push((label, value));
        rest = after[1..].trim_start_matches(',');
    }
    (name, labels, rest[1..].trim())
}

/// The series of each customer without what is replaced, in an order that does not depend on ids. Of a subscription's id
/// the suffix stays, and of a name whether there is one.
fn nameless(text: &str) -> Vec<Vec<String>> {
    let mut customers: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for line in of_the_api(text) {
        let (name, labels, value) = parse(line);
        let customer = labels.iter().find(|(label, _)| *label == "customer_id").unwrap().1;
        let labels = labels.iter().map(|&(label, value)| {
            let kept = match (label, value.split_once('-')) {
                ("subscription_id", suffix) => suffix.map_or("", |(_, suffix)| suffix),
                (label, _) if !REPLACED.contains(&label) && label != "tier" => value,
                _ if value.is_empty() => "",
                _ => "name",
            };
            format!("{label}={kept}")
        });
        let labels: Vec<_> = labels.collect();
        customers.entry(customer).or_default().push(format!("{name} {} {value}", labels.join(",")));
    }
    let mut customers: Vec<_> = customers.into_values().collect();
    for series in &mut customers {
        series.sort();
    }
    customers.sort();
    customers
}

fn all_files(folder: &Path) -> String {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let text = |path: &PathBuf| format!("{}\n{}", path.display(), fs::read_to_string(path).unwrap());
    files.iter().map(text).collect()
}

#[test]
fn a_replay_serves_what_was_recorded_but_for_names() {
    for (name, settings) in revisions() {
        let simulator = Simulated::start(settings);
        let dataset = simulator.with_dataset(Settings::CLIENT.0, |dataset| dataset.clone()).unwrap();
        let (labelled, excluded) = (&dataset.customers[0].id, &dataset.customers[1].organization);
        let customers = format!(
            "{FAST}\ncustomers: {{ exclude: ['{excluded}'], list: [{{ id: {labelled}, labels: {{ tier: golden }} }}] }}"
        );
        // An answer that is not JSON is part of a recording, too.
        simulator.faults().set(vec![Rule::new(Fault::Html).first(1)]);
        let folder = tempfile::tempdir().unwrap();
        let recording = folder.path().join("recording");
        let flag = format!("--record={}", recording.display());
        let (code, original, said) = once(folder.path(), &config(&simulator, &customers, ""), &[&flag]);
        assert_eq!(code, Some(0), "{name}: {said}");
        assert!(said.contains("Replaced: ") && said.contains("Look at the files before you send them"), "{said}");

        let files = all_files(&recording).to_lowercase();
        let (client_id, secret) = Settings::CLIENT;
        let mut words = vec![client_id.to_owned(), secret.to_owned(), "golden".to_owned(), "127.0.0.1".to_owned()];
        for customer in &dataset.customers {
            words.extend([customer.id.clone(), customer.organization.to_string(), customer.email.clone()]);
            words.extend(customer.tenants.iter().flat_map(|tenant| [tenant.id.clone(), tenant.name.clone()]));
        }
        for word in words.iter().filter(|word| word.len() > 3) {
            assert!(!files.contains(&word.to_lowercase()), "{name}: {word} is in the recording");
        }

        let replayed = nameless(&replayed(&recording));
        assert!(replayed.len() == 2 && replayed.concat().len() > 40, "{name}: {replayed:?}");
        assert_eq!(replayed, nameless(&original), "{name}");
        assert!(replayed.concat().iter().any(|series| series.contains("tier=name")), "{name}: {replayed:?}");
    }
}

#[test]
fn simulate_replays_and_prints_a_configuration() {
    let (_, settings) = revisions().into_iter().next().unwrap();
    let simulator = Simulated::start(settings);
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("recording");
    let flag = format!("--record={}", recording.display());
    let yaml = config(&simulator, FAST, "");
    assert_eq!(once(folder.path(), &yaml, &[&flag]).0, Some(0));
    let (code, _, said) = once(folder.path(), &yaml, &[&flag]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("--record=") && said.contains("the folder is not empty"), "{said}");

    let mut child = Command::new(env!("CARGO_BIN_EXE_avepoint_exporter"))
        .args(["simulate", "--web.listen-address=127.0.0.1:0", "--replay", recording.to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = String::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while !printed.contains("token_url:") {
        printed += &(lines.next().expect("it ended early").unwrap() + "\n");
    }
    let (code, text, said) = once(folder.path(), &printed, &[]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(nameless(&text).len(), 3);

    let none = folder.path().join("none");
    let (code, _, said) = run(&["simulate", "--replay", none.to_str().unwrap()]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--replay") && said.contains("index.json"), "{said}");
}

/// The exchanges of a recording that is under way or complete.
fn exchanges(recording: &Path) -> usize {
    fs::read_dir(recording)
        .into_iter()
        .flatten()
        .filter(|entry| !entry.as_ref().unwrap().path().ends_with("index.json"))
        .count()
}

#[test]
fn an_interrupted_recording_has_what_was_read() {
    let (_, settings) = revisions().into_iter().next().unwrap();
    let simulator = Simulated::start(settings);
    // These requests never end, so the command does not either.
    simulator.faults().set(vec![Rule::new(Fault::Hang).on(Operation::Api(Collector::ProductsPurchased))]);
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let folder = tempfile::tempdir().unwrap();
        let recording = folder.path().join("recording");
        let file = folder.path().join("config.yaml");
        fs::write(&file, config(&simulator, "budget: { requests_per_second: 500, timeout: 10m }", "")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_avepoint_exporter"))
            .args(["once", "--format=prometheus", "--config.file", file.to_str().unwrap(), "--record"])
            .arg(&recording)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        eventually(|| match exchanges(&recording) {
            3.. => Ok(()),
            few => Err(format!("{few} exchanges")),
        });
        let kill = Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(output.stdout.is_empty());
        assert!(said.contains("Interrupted: ") && said.contains("Look at the files before you send them"), "{said}");
        let index: Value = serde_json::from_slice(&fs::read(recording.join("index.json")).unwrap()).unwrap();
        assert_eq!(index["exchanges"].as_array().unwrap().len(), exchanges(&recording), "{index}");
        assert!(nameless(&replayed(&recording)).len() == 3, "the customers are listed");
    }
}

/// The folders of `tests/recordings/`.
fn recordings() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let folders = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let mut folders: Vec<_> = folders.collect();
    folders.sort();
    folders
}

#[test]
fn recordings_give_the_series_that_they_gave_before() {
    let folders = recordings();
    assert!(folders.len() >= 3, "{folders:?}");
    for folder in folders {
        let text = replayed(&folder);
        let series = of_the_api(&text);
        assert!(!series.is_empty(), "{}: nothing was read", folder.display());
        golden::compare(&folder.join("expected.prom"), &(series.join("\n") + "\n"));
    }
}

/// Records the simulator in each of its revisions that has no recording.
#[test]
fn write_recordings_of_the_simulator() {
    if !golden::is_updating() {
        return;
    }
    for (name, settings) in revisions() {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings").join(name);
        if target.join("index.json").exists() {
            continue;
        }
        let simulator = Simulated::start(settings);
        let folder = tempfile::tempdir().unwrap();
        let flag = format!("--record={}", target.display());
        let (code, _, said) = once(folder.path(), &config(&simulator, FAST, ""), &[&flag]);
        assert_eq!(code, Some(0), "{said}");
    }
}
