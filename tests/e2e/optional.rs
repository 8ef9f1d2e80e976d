//! The optional collectors, end to end: every value, a scope that is not granted, restarts, faults, request counts, and
//! what must not be visible.

use std::collections::BTreeSet;
use std::path::Path;

use elements::types::{Collector, Scope};
use serde_json::Value;
use simulator::{Dataset, Dialect, Fault, Operation, Rule, Settings, SimCustomer};

use crate::support::optional::{NAMES, collectors, is_value, series, served};
use crate::support::{Exporter, Samples, Simulated, config, of, run, samples, today, value};

const BUDGET: &str = "budget: { requests_per_second: 2000, burst: 100, concurrency: 8 }";
/// Quick enough to see a value go and come.
const QUICK: &str = "interval: 2s, max_age: 16s";

fn dataset(simulator: &Simulated) -> Dataset {
    simulator.with_dataset(Settings::CLIENT.0, |dataset| dataset.clone()).unwrap()
}

/// Settings whose registration has these scopes only.
fn with_scopes(settings: Settings, scopes: &[Scope]) -> Settings {
    let mut settings = settings;
    settings.registrations[0].scopes = scopes.iter().map(|scope| scope.permission().to_owned()).collect();
    settings
}

/// Runs `once`; returns the exit code, the output and the log.
fn once(folder: &Path, yaml: &str, format: &str) -> (Option<i32>, String, String) {
    let file = folder.join("config.yaml");
    std::fs::write(&file, yaml).unwrap();
    run(&["once", &format!("--format={format}"), "--config.file", file.to_str().unwrap()])
}

fn compare(served: &Samples, expected: &Samples) {
    let wrong: Vec<_> = served.iter().filter(|(series, value)| expected.get(*series) != Some(value)).collect();
    let missing: Vec<_> = expected.keys().filter(|series| !served.contains_key(*series)).collect();
    assert!(wrong.is_empty() && missing.is_empty(), "wrong: {wrong:#?}\nmissing: {missing:#?}");
}

#[test]
fn every_value_of_every_revision_is_served() {
    for (dialect, seed) in [(Dialect::Live, 7), (Dialect::Documented, 8), (Dialect::Older, 9)] {
        let simulator = Simulated::start(Settings { dialect, ..Settings::of_size(40, seed, today()) });
        let folder = tempfile::tempdir().unwrap();
        let yaml = config(&simulator, BUDGET, &collectors("interval: 1h"));
        let (code, text, log) = once(folder.path(), &yaml, "prometheus");
        assert_eq!(code, Some(0), "{dialect:?}: {log}");
        let expected = series("main", &dataset(&simulator));
        assert!(expected.len() > 3000, "the dataset is too small to say much: {}", expected.len());
        compare(&served(&samples(&text)), &expected);

        let (code, text, _) = once(folder.path(), &yaml, "json");
        assert_eq!(code, Some(0));
        let document: Value = serde_json::from_str(&text).unwrap();
        let customers = document["customers"].as_array().unwrap();
        let jobs = customers.iter().flat_map(|customer| customer["backup_jobs"].as_array().into_iter().flatten());
        let statuses = jobs.filter(|job| job["status"].is_string()).count();
        let is_status = |series: &str| series.starts_with("avepoint_backup_job_status");
        let expected = expected.iter().filter(|(series, value)| is_status(series) && **value == 1.0).count();
        assert_eq!(statuses, expected);
        assert!(
            customers
                .iter()
                .map(|customer| &customer["profile"])
                .all(|profile| { profile["job_status"].is_string() && profile["country"].is_string() })
        );
    }
}

/// The names and labels of all series, without those of the process.
fn names(text: &str) -> BTreeSet<String> {
    samples(text).into_keys().filter(|series| !series.starts_with("process_")).collect()
}

#[test]
fn a_scope_that_is_not_granted_is_a_state_of_its_collector_and_nothing_else() {
    let settings = with_scopes(Settings::of_size(24, 7, today()), &[Scope::License]);
    let simulator = Simulated::start(settings);
    let folder = tempfile::tempdir().unwrap();
    let wait = |exporter: &Exporter, more: &dyn Fn(&Samples) -> bool| {
        exporter.wait_for("a pass", |samples| {
            let pending = of(samples, "avepoint_collector_targets").filter(|(series, _)| series.contains("pending"));
            samples.contains_key("avepoint_discovery_last_success_timestamp_seconds{partner=\"main\"}")
                && pending.map(|(_, count)| count).sum::<f64>() == 0.0
                && more(samples)
        });
        exporter.get("/metrics").1
    };
    let without = Exporter::with_config(folder.path(), &config(&simulator, BUDGET, ""));
    let off = names(&wait(&without, &|_| true));
    drop(without);
    for name in ["avepoint_backup_", "avepoint_customer_job_status", "not_granted", "backup_", "\"jobs\"", "jobType"] {
        assert!(!off.iter().any(|series| series.contains(name)), "{name}");
    }

    simulator.reset_requests();
    let mut with = Exporter::with_config(folder.path(), &config(&simulator, BUDGET, &collectors("interval: 1h")));
    let not_granted = |samples: &Samples| {
        of(samples, "avepoint_collector_targets")
            .filter(|(series, count)| series.contains("not_granted") && *count > 0.0)
            .count()
    };
    let text = wait(&with, &|samples| not_granted(samples) == 3);
    let on = names(&text);
    assert_eq!(off.difference(&on).collect::<Vec<_>>(), Vec::<&String>::new());
    let fields = elements::decode::Field::ALL;
    let fields: Vec<_> = fields.iter().filter(|field| field.collector().is_some()).collect();
    for series in on.difference(&off) {
        let label = |name: &str, value: &str| series.contains(&format!("{name}=\"{value}\""));
        let is_theirs = NAMES.iter().any(|name| label("collector", name) || label("operation", name))
            || ["customers", "jobs", "protected"].iter().any(|scope| label("scope", scope))
            || fields.iter().any(|field| label("field", field.as_str()));
        assert!(is_theirs, "{series}");
    }
    let samples = samples(&text);
    assert!(!samples.keys().any(|series| is_value(series)));
    assert_eq!(value(&samples, "avepoint_up{partner=\"main\"}"), Some(1.0));
    // Told once for each collector, one token request for each, and nothing fails.
    for name in NAMES {
        let told = |line: &&str| line.contains(&format!("collector={name}")) && line.contains("level=WARN");
        assert_eq!(with.log().lines().filter(told).count(), 1, "{}", with.log());
        let requests = simulator.requests().of(Operation::Api(collector(name)));
        assert_eq!(requests, 0, "{name}");
        let failures = of(&samples, "avepoint_collector_poll_failures_total");
        assert_eq!(failures.filter(|(series, _)| series.contains(name)).map(|(_, count)| count).sum::<f64>(), 0.0);
    }
    assert_eq!(warnings(with.log()), 3, "{}", with.log());
    assert_eq!(simulator.requests().of(Operation::Token), 4);

    let (_, status) = with.get("/api/v1/status");
    let status: Value = serde_json::from_str(&status).unwrap();
    let told = status["partners"][0]["not_granted"].as_array().unwrap();
    assert_eq!(told.len(), 3, "{status}");
    assert!(with.get("/").1.contains("elements.jobs.read.all"));
    assert!(with.get("/-/ready").1.contains("0 targets pending in all"));

    let file = folder.path().join("config.yaml");
    let (code, text, log) = run(&["check", "--online", "--config.file", file.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(text.matches("will read nothing").count(), 3, "{text}");
    let (code, _, log) = run(&["once", "--format=json", "--config.file", file.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(log.contains("main customers: 1 not_granted"), "{log}");
}

/// Warnings, without the one about the secret in the configuration.
fn warnings(log: &str) -> usize {
    log.lines().filter(|line| line.contains("level=WARN") && !line.contains("a secret stands")).count()
}

fn collector(name: &str) -> Collector {
    Collector::ALL.into_iter().find(|collector| collector.as_str() == name).unwrap()
}

#[test]
fn one_scope_that_is_missing_costs_the_others_nothing() {
    let scopes = [Scope::License, Scope::Jobs];
    let simulator = Simulated::start(with_scopes(Settings::of_size(12, 7, today()), &scopes));
    let folder = tempfile::tempdir().unwrap();
    let yaml = config(&simulator, BUDGET, &collectors("interval: 1h"));
    let (code, text, log) = once(folder.path(), &yaml, "prometheus");
    assert_eq!(code, Some(1), "{log}");
    let is_of_jobs = |series: &str| series.starts_with("avepoint_backup_job_");
    let mut expected = series("main", &dataset(&simulator));
    expected.retain(|series, _| is_of_jobs(series));
    assert!(!expected.is_empty());
    compare(&served(&samples(&text)), &expected);
}

#[test]
fn a_full_pass_costs_what_check_says() {
    let simulator = Simulated::start(Settings::thousand(600, 3, today()));
    let folder = tempfile::tempdir().unwrap();
    let budget = "budget: { requests_per_second: 2000, burst: 100, concurrency: 16 }";
    // With an interval of an hour, requests per hour are those of a pass.
    let yaml = config(&simulator, budget, &collectors("interval: 1h"));
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, &yaml).unwrap();
    let (code, text, log) = run(&["check", "--online", "--config.file", file.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{log}");
    simulator.reset_requests();
    let (code, _, log) = once(folder.path(), &yaml, "json");
    assert_eq!(code, Some(0), "{log}");
    let requests = simulator.requests();
    let planned = |name: &str| -> f64 {
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(name)).expect(name);
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let asked = |collector| requests.of(Operation::Api(collector)) as f64;
    for collector in Collector::ALL {
        println!("{}: {} of {}", collector.as_str(), asked(collector), planned(collector.as_str()));
    }
    let all: f64 = Collector::ALL.into_iter().map(asked).sum();
    println!("total: {all} of {}", planned("total"));
    assert!((all / planned("total") - 1.0).abs() <= 0.02, "{all} of {}", planned("total"));
    assert!(asked(Collector::BackupOverview) >= 600.0 && asked(Collector::Customers) <= 11.0);
    assert_eq!(requests.of(Operation::Token), 4, "one token for each scope");
}

#[test]
fn a_restart_serves_the_same_at_once() {
    let mut simulator = Simulated::start(Settings::of_size(24, 7, today()));
    let folder = tempfile::tempdir().unwrap();
    let rest = format!("state: {{ file: state, interval: 10ms }}\n{}", collectors("interval: 1h"));
    let yaml = config(&simulator, BUDGET, &rest);
    let mut exporter = Exporter::with_config(folder.path(), &yaml);
    let expected = series("main", &dataset(&simulator));
    exporter.wait_for("everything", |samples| served(samples) == expected);
    exporter.terminate();
    // Everything that it serves now, it has kept.
    simulator.stop();
    let mut exporter = Exporter::with_config(folder.path(), &yaml);
    compare(&served(&exporter.samples()), &expected);
    assert_eq!(warnings(exporter.log()), 0, "nothing was asked before its time: {}", exporter.log());

    // Who disables a collector sees nothing of it, and finds it gone from the state file.
    exporter.terminate();
    let jobs = "state: { file: state, interval: 10ms }\ncollectors:\n  backup_jobs: { enabled: true }\n";
    let exporter = Exporter::with_config(folder.path(), &config_like(&yaml, &rest, jobs));
    let samples = exporter.samples();
    assert!(of(&samples, "avepoint_backup_job_status").count() > 0);
    assert!(!samples.keys().any(|series| is_value(series) && !series.starts_with("avepoint_backup_job_")));
}

/// The same configuration with another rest.
fn config_like(yaml: &str, rest: &str, other: &str) -> String {
    let (before, _) = yaml.split_once(rest).unwrap();
    format!("{before}{other}")
}

#[test]
fn a_fault_of_one_endpoint_removes_nothing_and_ends() {
    let simulator = Simulated::start(Settings::of_size(12, 7, today()));
    let folder = tempfile::tempdir().unwrap();
    let yaml = config(&simulator, BUDGET, &collectors("interval: 1s, max_age: 1h"));
    let exporter = Exporter::with_config(folder.path(), &yaml);
    let expected = series("main", &dataset(&simulator));
    exporter.wait_for("everything", |samples| served(samples) == expected);
    let failing = |samples: &Samples, name: &str| -> f64 {
        of(samples, "avepoint_collector_targets")
            .filter(|(series, _)| series.contains(&format!("\"{name}\"")) && series.contains("failing"))
            .map(|(_, count)| count)
            .sum()
    };
    for name in NAMES {
        let operation = Operation::Api(collector(name));
        for fault in [
            Fault::Status(500),
            Fault::Status(403),
            Fault::WrongShape,
            Fault::Html,
            Fault::MalformedJson,
            Fault::Reset,
            Fault::Answer { status: 200, body: r#"{"data": "none"}"#.to_owned() },
        ] {
            simulator.faults().set(vec![Rule::new(fault.clone()).on(operation)]);
            let samples = exporter.wait_for("failures", |samples| failing(samples, name) > 0.0);
            assert_eq!(served(&samples), expected, "{name}: {fault:?} removes values");
            for other in Collector::ALL.into_iter().filter(|other| other.as_str() != name) {
                assert_eq!(failing(&samples, other.as_str()), 0.0, "{name}: {fault:?} reaches {other:?}");
            }
        }
        simulator.faults().set(vec![]);
        exporter.wait_for("the end", |samples| failing(samples, name) == 0.0 && served(samples) == expected);
    }
}

#[test]
fn an_empty_list_is_believed_the_second_time() {
    let simulator = Simulated::start(Settings::of_size(12, 7, today()));
    let folder = tempfile::tempdir().unwrap();
    let exporter =
        Exporter::with_config(folder.path(), &config(&simulator, BUDGET, &collectors("interval: 1s, max_age: 1h")));
    let expected = series("main", &dataset(&simulator));
    exporter.wait_for("everything", |samples| served(samples) == expected);
    simulator.with_dataset(Settings::CLIENT.0, |dataset| {
        for customer in &mut dataset.customers {
            customer.jobs.clear();
            customer.modules.clear();
        }
    });
    let has_backups = |samples: &Samples| samples.keys().any(|series| series.starts_with("avepoint_backup_"));
    let samples = exporter.wait_for("no backups", |samples| !has_backups(samples));
    let succeeded = of(&samples, "avepoint_collector_polls_total").filter(|(series, _)| series.contains("backup_jobs"));
    assert!(succeeded.map(|(_, count)| count).sum::<f64>() > 0.0);
}

#[test]
fn values_that_are_too_old_are_gone_and_come_again() {
    let simulator = Simulated::start(Settings::of_size(12, 7, today()));
    let folder = tempfile::tempdir().unwrap();
    let exporter = Exporter::with_config(folder.path(), &config(&simulator, BUDGET, &collectors(QUICK)));
    let expected = series("main", &dataset(&simulator));
    exporter.wait_for("everything", |samples| served(samples) == expected);
    let theirs = NAMES.map(|name| Operation::Api(collector(name)));
    simulator.faults().set(theirs.map(|operation| Rule::new(Fault::Status(500)).on(operation)).into());
    let samples = exporter.wait_for("nothing of them", |samples| served(samples).is_empty());
    assert!(of(&samples, "avepoint_subscription_info").count() > 0, "the others stay");
    simulator.faults().set(vec![]);
    exporter.wait_for("everything again", |samples| served(samples) == expected);
}

#[test]
fn customers_that_only_the_list_of_customers_has_are_known() {
    let simulator = Simulated::start(Settings::of_size(8, 7, today()));
    let id = "7d0c3c1e-0000-4000-8000-000000000001";
    let customer = SimCustomer { unlisted: true, ..SimCustomer::new(id, "Only Here") };
    simulator.with_dataset(Settings::CLIENT.0, |dataset| dataset.customers.push(customer));
    let folder = tempfile::tempdir().unwrap();
    let more = format!("{BUDGET}\ncustomers: {{ exclude: [\"*nobody*\"] }}");
    let exporter =
        Exporter::with_config(folder.path(), &config(&simulator, &more, &collectors("interval: 1s, max_age: 1h")));
    let info = format!("avepoint_customer_info{{partner=\"main\",customer_id=\"{id}\",customer_name=\"Only Here\"}}");
    let status =
        format!("avepoint_customer_job_status{{partner=\"main\",customer_id=\"{id}\",status=\"not_available\"}}");
    let is_known = |samples: &Samples| value(samples, &info) == Some(1.0) && value(samples, &status) == Some(1.0);
    exporter.wait_for("the customer", is_known);
    // Lists of services pass, and it stays; no list is asked for it by id.
    simulator.reset_requests();
    let services = || simulator.requests().of(Operation::Api(Collector::Services));
    exporter.wait_for("three lists", |samples| {
        assert!(is_known(samples));
        services() >= 3
    });
    let lists = of(&exporter.samples(), "avepoint_collector_polls_total")
        .find(|(series, _)| series.contains("\"services\""))
        .map_or(0.0, |(_, count)| count);
    assert!(services() as f64 <= lists + 1.0, "{} requests in {lists} lists", services());
    // Once it buys something it has services; once it has none it stays.
    let change = |unlisted: bool, rows| {
        simulator.with_dataset(Settings::CLIENT.0, |dataset| {
            let customer = dataset.customer_mut(id).unwrap();
            (customer.unlisted, customer.rows) = (unlisted, rows);
        });
    };
    let rows = dataset(&simulator).customers[0].rows.clone();
    let subscriptions =
        |samples: &Samples| of(samples, "avepoint_subscription_info").filter(|(series, _)| series.contains(id)).count();
    change(false, rows);
    exporter.wait_for("its services", |samples| subscriptions(samples) > 0);
    change(true, vec![]);
    exporter.wait_for("none", |samples| subscriptions(samples) == 0 && is_known(samples));
    // Gone from both, it leaves.
    simulator.with_dataset(Settings::CLIENT.0, |dataset| dataset.remove(id));
    exporter.wait_for("its leave", |samples| !samples.keys().any(|series| series.contains(id)));
}

#[test]
fn nothing_personal_and_no_id_of_a_job_is_anywhere() {
    let simulator = Simulated::start(Settings::of_size(12, 7, today()));
    simulator.with_dataset(Settings::CLIENT.0, |dataset| {
        for customer in &mut dataset.customers {
            customer.email = format!("owner-c4n4ry@{}.example", customer.id);
            for job in &mut customer.jobs {
                job.plan = "Daily of plan-c4n4ry@example.com".into();
            }
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let rest = format!("state: {{ file: state, interval: 10ms }}\n{}", collectors("interval: 1h"));
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, config(&simulator, BUDGET, &rest)).unwrap();
    let mut exporter = Exporter::start(&["--log.level=debug", "--config.file", file.to_str().unwrap()]);
    exporter
        .wait_for("the jobs", |samples| samples.keys().any(|series| series.contains("plan=\"Daily of <address>\"")));
    exporter.wait_for("the others", |samples| of(samples, "avepoint_backup_objects_scanned").count() > 0);
    exporter.terminate();
    let state = std::fs::read(folder.path().join("state")).unwrap();
    let mut state_text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*state), &mut state_text).unwrap();
    assert!(state_text.contains("backup_jobs"));
    let ids: Vec<String> = dataset(&simulator)
        .customers
        .iter()
        .flat_map(|customer| customer.jobs.iter().map(|job| format!("CB{:016x}", job.id)))
        .collect();
    assert!(ids.len() > 50);
    let exporter_again = Exporter::start(&["--config.file", file.to_str().unwrap()]);
    let customer = dataset(&simulator).customers[0].id.clone();
    let mut outputs = vec![state_text, exporter.log().to_owned()];
    for path in ["/metrics", "/", "/api/v1/customers", "/api/v1/status", &format!("/customers/main/{customer}")] {
        let (status, text) = exporter_again.get(path);
        assert_eq!(status, 200, "{path}");
        outputs.push(text);
    }
    for format in ["json", "table", "openmetrics"] {
        let (_, text, log) = run(&["once", &format!("--format={format}"), "--config.file", file.to_str().unwrap()]);
        outputs.extend([text, log]);
    }
    for output in &outputs {
        assert!(!output.contains("c4n4ry"), "an address in: {output}");
        assert!(!ids.iter().any(|id| output.contains(id)), "an id of a job in: {output}");
    }
}

#[test]
fn the_page_has_a_column_and_sections_for_backups() {
    let simulator = Simulated::start(Settings::of_size(12, 7, today()));
    let folder = tempfile::tempdir().unwrap();
    let exporter = Exporter::with_config(folder.path(), &config(&simulator, BUDGET, &collectors("interval: 1h")));
    let dataset = dataset(&simulator);
    let expected = series("main", &dataset);
    exporter.wait_for("everything", |samples| served(samples) == expected);
    let (_, page) = exporter.get("/");
    assert!(page.contains("Backups</th>") && page.contains("failed"), "{page}");
    let failing = dataset.customers.iter().find(|customer| customer.profile.job_status == 2).unwrap();
    let (_, page) = exporter.get(&format!("/customers/main/{}", failing.id));
    for text in ["Backup jobs", "Backup coverage", "Managed by", "Daily", "failed"] {
        assert!(page.contains(text), "{text} is not on {page}");
    }
    let (_, json) = exporter.get(&format!("/api/v1/customers?q={}", failing.id));
    let json: Value = serde_json::from_str(&json).unwrap();
    let customer = &json["customers"][0];
    assert_eq!(customer["profile"]["job_status"], "failed");
    assert_eq!(customer["backup_jobs"][0]["status"], "failed");
    assert!(customer["backup_overview"][0]["coverage"].as_f64().unwrap() > 0.5);
}
