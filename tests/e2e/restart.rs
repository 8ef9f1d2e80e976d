//! A restart loses nothing and sends no request early, whatever happened to the state file meanwhile.
//!
//! The large partner has 2,000 customers by default; `RESTART_CUSTOMERS=20000` for the full size.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use avepoint_exporter::config::Config;
use avepoint_exporter::inventory::state_file::State;
use elements::types::Collector;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use simulator::{Generator, Operation, Requests, Settings};

use crate::support::known::{kept, served_at, served_of, state_of};
use crate::support::{Exporter, Samples, Simulated, config, expected, of, today, value};

const BUDGET: &str = "budget: { requests_per_second: 500, burst: 100, concurrency: 4 }";
const SAVED: &str = "avepoint_exporter_state_last_save_timestamp_seconds";
const FAILURES: &str = "avepoint_exporter_state_save_failures_total";
const RESTORED: &str = "avepoint_exporter_state_restore_successful";

fn state(rest: &str) -> String {
    format!("state: {{ file: state, interval: 10ms }}\n{rest}")
}

/// The complete first pass.
fn wait_for_all(exporter: &Exporter, simulator: &Simulated) -> Samples {
    let dataset = simulator.with_dataset(Settings::CLIENT.0, |dataset| dataset.clone()).unwrap();
    let expected = expected::api_series("main", &dataset, 0);
    exporter.wait_for("everything", |samples| {
        let pending = of(samples, "avepoint_collector_targets")
            .filter(|(series, _)| series.contains("state=\"pending\""))
            .map(|(_, count)| count)
            .sum::<f64>();
        pending == 0.0 && expected::served(samples, "main") == expected
    })
}

fn asked(requests: &Requests) -> u64 {
    Collector::ALL.into_iter().map(|collector| requests.of(Operation::Api(collector))).sum()
}

/// Warnings about the state.
fn warnings(log: &str) -> usize {
    log.lines().filter(|line| line.contains("level=WARN") && line.contains("the state")).count()
}

fn arrivals(requests: &Requests, collector: Collector) -> Vec<Duration> {
    let all = requests.arrivals.get(Settings::CLIENT.0).into_iter().flatten();
    let mut times: Vec<_> =
        all.filter(|arrival| arrival.operation == Operation::Api(collector)).map(|arrival| arrival.at).collect();
    times.sort();
    times
}

#[test]
fn a_restart_serves_the_same_at_once_and_asks_nothing_before_its_time() {
    let simulator = Simulated::start(Settings::of_size(30, 7, today()));
    let folder = tempfile::tempdir().unwrap();
    let mut exporter = Exporter::with_config(folder.path(), &config(&simulator, BUDGET, &state("")));
    let before = wait_for_all(&exporter, &simulator);
    let (code, _) = exporter.terminate();
    assert_eq!(code, Some(0), "{}", exporter.log());
    let first = simulator.requests();
    simulator.reset_requests();

    // The same again, but tenants are polled every few seconds: this shows that no other request will come.
    let interval = Duration::from_secs(8);
    let tenants = "collectors:\n  tenant_seats: { interval: 8s, max_age: 1h }\n";
    let mut exporter = Exporter::with_config(folder.path(), &config(&simulator, BUDGET, &state(tenants)));
    let after = exporter.samples();
    assert_eq!(kept(after.clone()), kept(before.clone()), "what it serves first, and when that was seen");
    assert_eq!(exporter.get("/-/ready").0, 200, "{}", exporter.get("/-/ready").1);
    assert_eq!(value(&after, RESTORED), Some(1.0));
    assert!(value(&after, SAVED).unwrap() > 0.0);
    for states in ["pending", "failing", "stale"] {
        let count: f64 = of(&after, "avepoint_collector_targets")
            .filter(|(series, _)| series.contains(&format!("state=\"{states}\"")))
            .map(|(_, count)| count)
            .sum();
        assert_eq!(count, 0.0, "{states}");
    }

    let earlier = arrivals(&first, Collector::TenantSeats);
    let absent = of(&after, "avepoint_collector_targets")
        .find(|(series, _)| series.contains("collector=\"tenant_seats\"") && series.contains("state=\"absent\""))
        .map_or(0, |(_, count)| count as usize);
    let due = earlier.len() - absent;
    assert!(due > 20, "{due} targets");
    exporter.wait_for("all tenants, once more", |_| {
        simulator.requests().of(Operation::Api(Collector::TenantSeats)) as usize >= due
    });
    let second = simulator.requests();
    for (before, after) in earlier.iter().zip(arrivals(&second, Collector::TenantSeats)).take(due) {
        // No target was polled before its interval: the nth request of the second round is at least as late as the nth
        // of the first allows.
        assert!(after >= *before + interval.mul_f64(0.95), "{before:?}, then {after:?}");
    }
    for collector in Collector::ALL.into_iter().filter(|&collector| collector != Collector::TenantSeats) {
        assert_eq!(second.of(Operation::Api(collector)), 0, "{collector:?} is not due");
    }
    println!("{} requests before the restart, {} within the interval after it", asked(&first), asked(&second));

    // The saved values at the end are exactly those served last.
    let last = exporter.samples();
    exporter.terminate();
    let yaml = fs::read_to_string(folder.path().join("config.yaml")).unwrap();
    let config = Config::parse(&yaml, folder.path()).unwrap();
    let saved = State::decode(&fs::read(folder.path().join("state")).unwrap()).unwrap();
    assert_eq!(kept(last).len(), served_of(&config, &saved).len());
}

#[test]
fn another_configuration_takes_over_what_it_still_wants() {
    let simulator = Simulated::start(Settings::of_size(10, 7, today()));
    let folder = tempfile::tempdir().unwrap();
    let mut exporter = Exporter::with_config(folder.path(), &config(&simulator, BUDGET, &state("")));
    let before = wait_for_all(&exporter, &simulator);
    exporter.terminate();
    simulator.reset_requests();
    let ids = simulator
        .with_dataset(Settings::CLIENT.0, |dataset| dataset.customers.iter().map(|c| c.id.clone()).collect::<Vec<_>>())
        .unwrap();
    let more = format!(
        "{BUDGET}\ncustomers:\n  exclude: [\"{}\"]\n  list: [{{ id: \"{}\", name: Ours, labels: {{ tier: gold }} }}]",
        ids[0], ids[1]
    );
    let rest = state("collectors:\n  products_available: { enabled: false }\n");
    let exporter = Exporter::with_config(folder.path(), &config(&simulator, &more, &rest));
    let after = exporter.samples();
    let named = format!(
        "avepoint_customer_info{{partner=\"main\",customer_id=\"{}\",customer_name=\"Ours\",tier=\"gold\"}}",
        ids[1]
    );
    assert_eq!(value(&after, &named), Some(1.0));
    assert!(!after.keys().any(|series| series.contains(&ids[0])), "the excluded one");
    assert_eq!(of(&after, "avepoint_product_seats_available").count(), 0, "the collector that is off");
    let tenants =
        |samples: &Samples, id: &str| of(samples, "avepoint_tenant_seats").filter(|(s, _)| s.contains(id)).count();
    assert!(ids[1..].iter().all(|id| tenants(&after, id) == tenants(&before, id)));
    assert_eq!(asked(&simulator.requests()), 0, "{:?}", simulator.requests().by_operation);

    // Another app registration sees other customers.
    drop(exporter);
    let yaml = fs::read_to_string(folder.path().join("config.yaml")).unwrap();
    fs::write(folder.path().join("config.yaml"), yaml.replace(Settings::CLIENT.0, "another")).unwrap();
    let exporter = Exporter::start(&["--config.file", folder.path().join("config.yaml").to_str().unwrap()]);
    let samples = exporter.samples();
    assert_eq!(of(&samples, "avepoint_subscription_info").count(), 0);
    assert_eq!(exporter.get("/-/ready").0, 503);
}

/// The resident memory and its peak, in bytes.
fn memory(exporter: &Exporter) -> [f64; 2] {
    let status = fs::read_to_string(format!("/proc/{}/status", exporter.child.id())).unwrap();
    ["VmRSS:", "VmHWM:"].map(|field| {
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
    })
}

#[test]
fn a_restart_with_many_customers_is_quick_and_quiet() {
    let customers = std::env::var("RESTART_CUSTOMERS").map_or(2000, |customers| customers.parse().unwrap());
    let simulator = Simulated::start(Settings::of_size(1, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let yaml = config(&simulator, "", &state(""));
    let file = folder.path().join("config.yaml");
    fs::write(&file, &yaml).unwrap();
    let dataset = Generator::new(3, customers, today()).dataset();
    let state = state_of(&Config::parse(&yaml, folder.path()).unwrap(), &dataset, Timestamp::now());
    let start = Instant::now();
    let bytes = state.encode();
    let encoded = start.elapsed();
    let start = Instant::now();
    State::decode(&bytes).unwrap();
    let decoded = start.elapsed();
    fs::write(folder.path().join("state"), &bytes).unwrap();

    let start = Instant::now();
    let mut exporter = Exporter::start(&["--config.file", file.to_str().unwrap()]);
    let listening = start.elapsed();
    let scrape = |format: &str| {
        let format = format!("accept-encoding: {format}");
        let arguments = ["--silent", "--noproxy", "*", "--output", "-", "--header", &format];
        let output = Command::new("curl").args(arguments).arg(format!("{}/metrics", exporter.url)).output().unwrap();
        assert!(output.status.success());
        output.stdout
    };
    // Like a request of Prometheus.
    let compressed = scrape("gzip");
    let first = start.elapsed();
    let [resident, most] = memory(&exporter);
    let text = String::from_utf8(scrape("identity")).unwrap();
    let series = value(&crate::support::samples(&text), "avepoint_exporter_series").unwrap();
    println!(
        "{customers} customers, {series} series: file of {} bytes, encoded in {encoded:?}, decoded in {decoded:?}; listening after {listening:?}, first /metrics ({} bytes compressed) after {first:?}",
        bytes.len(),
        compressed.len(),
    );
    println!(
        "bytes a series: {:.1} resident, at most {:.1}; {:.1} of text, {:.1} compressed",
        resident / series,
        most / series,
        text.len() as f64 / series,
        compressed.len() as f64 / series,
    );
    assert!(text.matches("\navepoint_customer_info{").count() == customers as usize);
    assert!(series > f64::from(customers) * 20.0);
    assert_eq!(exporter.get("/-/ready").0, 200);
    assert_eq!(asked(&simulator.requests()), 0, "nothing is due");
    if !cfg!(debug_assertions) {
        assert!(first < Duration::from_secs(10), "{first:?}");
    }
    let (code, took) = exporter.terminate();
    assert_eq!(code, Some(0), "{}", exporter.log());
    println!("ended after {took:?}");
}

#[test]
fn a_file_that_is_no_state_is_set_aside_and_the_daemon_runs() {
    let simulator = Simulated::start(Settings::of_size(5, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let yaml = config(&simulator, BUDGET, &state(""));
    let dataset = simulator.with_dataset(Settings::CLIENT.0, |dataset| dataset.clone()).unwrap();
    let good = state_of(&Config::parse(&yaml, folder.path()).unwrap(), &dataset, Timestamp::now()).encode();
    let mut corrupt = good.clone();
    corrupt[good.len() - 8] ^= 1;
    let mut newer = GzEncoder::new(Vec::new(), Compression::fast());
    newer.write_all(b"{\"format\":\"avepoint_exporter state\",\"version\":200,\"new\":[]}\n").unwrap();
    let newer = newer.finish().unwrap();
    for (content, what) in [
        (&good[..good.len() - 1], "it ends too early"),
        (&[], "it ends too early"),
        (&[&good[..], b"x"].concat(), "it has data after its end"),
        (b"partners: []\n", "it is not a state file of this exporter"),
        (&newer, "its format is 200, and this version reads 2"),
        (&corrupt, "its checksum does not match its content"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        fs::write(&path, content).unwrap();
        let mut exporter = Exporter::with_config(folder.path(), &yaml);
        assert_eq!(value(&exporter.samples(), RESTORED), Some(0.0), "{what}");
        let log = exporter.log().to_owned();
        assert!(log.contains(what) && log.contains("it was renamed to") && !log.contains("panicked"), "{log}");
        assert_eq!(warnings(&log), 1, "{log}");
        wait_for_all(&exporter, &simulator);
        let aside = names(folder.path()).into_iter().find(|name| name.starts_with("state.bad-")).unwrap();
        assert_eq!(fs::read(folder.path().join(aside)).unwrap(), content);
        exporter.terminate();
        // The next process finds what this one saved.
        let exporter = Exporter::with_config(folder.path(), &yaml);
        let samples = exporter.samples();
        assert_eq!(value(&samples, RESTORED), Some(1.0));
        assert_eq!(value(&samples, "avepoint_customers{partner=\"main\"}"), Some(5.0));
    }
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_folder_that_is_gone_is_a_warning_and_the_state_is_saved_once_it_is_back() {
    let simulator = Simulated::start(Settings::of_size(5, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let yaml = config(&simulator, BUDGET, "state: { file: kept/state, interval: 10ms }\n");
    let mut exporter = Exporter::with_config(folder.path(), &yaml);
    wait_for_all(&exporter, &simulator);
    let samples = exporter.wait_for("failures", |samples| value(samples, FAILURES) > Some(3.0));
    assert_eq!(value(&samples, SAVED), Some(0.0), "never saved");
    assert_eq!(value(&samples, RESTORED), Some(1.0), "there was nothing to restore");
    assert_eq!(warnings(exporter.log()), 1, "said once: {}", exporter.log());
    assert!(exporter.log().contains("its folder does not exist"), "{}", exporter.log());

    fs::create_dir(folder.path().join("kept")).unwrap();
    exporter.wait_for_line("the state is saved again");
    exporter.wait_for("a save", |samples| value(samples, SAVED) > Some(0.0));
    State::decode(&fs::read(folder.path().join("kept/state")).unwrap()).unwrap();
    assert_eq!(exporter.terminate().0, Some(0));
}

/// A limit on file size behaves like a full disk: a write is partly done and then fails.
#[test]
fn a_full_disk_is_a_warning_and_takes_nothing_away() {
    let simulator = Simulated::start(Settings::of_size(5, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let collectors = "collectors:\n  services: { interval: 1s, max_age: 5m }\n";
    fs::write(folder.path().join("config.yaml"), config(&simulator, BUDGET, &state(collectors))).unwrap();
    let file = folder.path().join("config.yaml");
    // The signal that comes with it (SIGXFSZ) would end the process by default.
    let mut exporter = Exporter::start(&["--config.file", file.to_str().unwrap()]);
    wait_for_all(&exporter, &simulator);
    let limit = |bytes: &str| {
        let fsize = format!("--fsize={bytes}");
        assert!(
            Command::new("prlimit")
                .args(["--pid", &exporter.child.id().to_string(), &fsize])
                .status()
                .unwrap()
                .success()
        );
    };
    limit("500:");
    let failures = |more: f64| exporter.wait_for("failures", |samples| value(samples, FAILURES) >= Some(more));
    let samples = failures(1.0);
    let before = fs::read(folder.path().join("state")).unwrap();
    State::decode(&before).expect("the last good one stays");
    let samples = failures(value(&samples, FAILURES).unwrap() + 2.0);
    assert_eq!(fs::read(folder.path().join("state")).unwrap(), before);
    assert!(value(&samples, SAVED) > Some(0.0));
    wait_for_all(&exporter, &simulator);
    limit("unlimited:");
    exporter.wait_for_line("the state is saved again");
    assert_eq!(warnings(exporter.log()), 1, "said once: {}", exporter.log());
    assert!(exporter.log().contains("it exceeds the limit on file sizes"), "{}", exporter.log());
    assert_eq!(exporter.terminate().0, Some(0));
}

/// A file that claims to be long costs neither memory nor time.
#[test]
fn a_sparse_file_is_set_aside_unread() {
    let simulator = Simulated::start(Settings::of_size(5, 1, today()));
    let magic = b"avepoint_exporter state\n\x01\0\0\0";
    let length: u64 = 3 << 30;
    let claimed = [&magic[..], &(length - 40).to_le_bytes(), b"\0\0\0\0"].concat();
    for start in [&b""[..], magic, &claimed, b"\x1f\x8b\x08\0"] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("state"), start).unwrap();
        let file = fs::OpenOptions::new().write(true).open(folder.path().join("state")).unwrap();
        file.set_len(length).unwrap();
        let mut exporter = Exporter::with_config(folder.path(), &config(&simulator, BUDGET, &state("")));
        wait_for_all(&exporter, &simulator);
        assert_eq!(warnings(exporter.log()), 1, "{}", exporter.log());
        assert_eq!(exporter.samples()[RESTORED], 0.0);
        let [_, most] = memory(&exporter);
        assert!(most < 100e6, "{most} bytes");
        assert_eq!(exporter.terminate().0, Some(0));
    }
}

/// `tests/state/format-1.state` was written by version 0.1, and `format-1.prom` is what that version served from it.
#[test]
fn the_format_before_is_read_and_loses_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/state");
    let before = State::decode(&fs::read(folder.join("format-1.state")).unwrap()).unwrap();
    let after = State::decode(&before.encode()).unwrap();
    let expected = crate::support::samples(&fs::read_to_string(folder.join("format-1.prom")).unwrap());
    let client_id = Settings::CLIENT.0;
    let yaml = format!("partners: [{{ name: simulated, auth: {{ client_id: {client_id}, client_secret: s }} }}]");
    let config = Config::parse(&yaml, &folder).unwrap();
    assert!(expected.len() > 600);
    for state in [before, after] {
        let mut served = served_at(&config, &state, state.saved);
        // It follows from the subscription's model, and version 0.1 did not have it.
        served.retain(|series, _| !series.starts_with("avepoint_subscription_capacity_per_seat_bytes"));
        assert_eq!(served, expected);
    }
}

#[test]
fn two_do_not_fight_over_one_file() {
    let simulator = Simulated::start(Settings::of_size(5, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let yaml = config(&simulator, BUDGET, &state(""));
    let mut first = Exporter::with_config(folder.path(), &yaml);
    wait_for_all(&first, &simulator);
    first.wait_for("a save", |samples| value(samples, SAVED) > Some(0.0));
    let mut second = Exporter::with_config(folder.path(), &yaml);
    assert!(second.log().contains("another exporter that is running saves to this file"), "{}", second.log());
    second.wait_for("failures", |samples| value(samples, FAILURES) > Some(0.0));
    assert_eq!(value(&first.samples(), FAILURES), Some(0.0));
    first.terminate();
    second.wait_for_line("the state is saved again");
    assert_eq!(second.terminate().0, Some(0));
}
