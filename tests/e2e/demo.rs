//! The first steps of a new user: `demo`, and `/metrics` read by common tools.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use avepoint_exporter::catalog;

use crate::support::{Exporter, eventually, feed, get};

const OPENMETRICS: &str = "Accept: application/openmetrics-text; version=1.0.0";

/// The demo after one complete pass.
fn demo() -> Exporter {
    let exporter = Exporter::start(&["demo"]);
    exporter.wait_for("nothing pending", |samples| {
        let pending: Vec<_> = crate::support::of(samples, "avepoint_collector_targets")
            .filter(|(series, _)| series.contains("pending"))
            .collect();
        samples.contains_key("avepoint_customers{partner=\"quillmoor\"}")
            && crate::support::of(samples, "avepoint_customers").all(|(_, count)| count > 0.0)
            && crate::support::of(samples, "avepoint_discovery_last_success_timestamp_seconds").count() == 2
            && pending.iter().all(|&(_, count)| count == 0.0)
    });
    exporter
}

fn families(text: &str) -> BTreeSet<&str> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect()
}

#[test]
fn metrics_hold_the_whole_catalogue_and_every_reader_is_content() {
    let exporter = demo();
    let (_, text) = exporter.get("/metrics");
    let served = families(&text);
    // The demo keeps nothing across a restart, and has no replicas.
    let without = ["avepoint_exporter_state_", "avepoint_exporter_lease_"];
    for family in catalog::ALL.iter().filter(|family| !without.iter().any(|start| family.name.starts_with(start))) {
        assert!(served.contains(family.name), "{} is missing", family.name);
    }
    assert!(served.contains("process_resident_memory_bytes"));

    let (content, said) = feed("promtool", &["check", "metrics"], &text);
    assert!(content && said.trim().is_empty(), "promtool: {said}");

    let (_, openmetrics) = get(&format!("{}/metrics", exporter.url), &[OPENMETRICS]);
    assert!(openmetrics.ends_with("# EOF\n"));
    let python = std::env::var("AVEPOINT_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let (content, said) = feed(&python, &["tests/openmetrics.py"], &openmetrics);
    assert!(content, "the strict parser (package prometheus-client) says: {said}");
    let parsed: usize = said.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert_eq!(parsed, openmetrics.lines().filter(|line| !line.starts_with('#')).count());
}

#[test]
fn a_real_prometheus_scrapes_every_line() {
    let exporter = demo();
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\nscrape_configs:\n  - job_name: avepoint_exporter\n    static_configs: [ {{ targets: ['{}'] }} ]\n",
        exporter.url.strip_prefix("http://").unwrap()
    );
    std::fs::write(folder.path().join("prometheus.yml"), config).unwrap();
    // Prometheus does not report its port if it uses port 0.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut prometheus = Command::new("prometheus")
        .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("prometheus runs: tests/run installs it");
    let query = |expression: &str| -> Option<f64> {
        let output = Command::new("curl")
            .args(["--silent", "--get", "--noproxy", "*", "--data-urlencode", &format!("query={expression}")])
            .arg(format!("http://127.0.0.1:{port}/api/v1/query"))
            .output()
            .unwrap();
        let response: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        response["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    };
    eventually(|| {
        let served = get(&format!("{}/metrics", exporter.url), &[OPENMETRICS]).1;
        let lines = served.lines().filter(|line| !line.starts_with('#')).count();
        let (up, samples) = (query("up"), query("scrape_samples_scraped"));
        if up == Some(1.0) && samples == Some(lines as f64) {
            return Ok(());
        }
        Err(format!("up {up:?}, scrape_samples_scraped {samples:?}, served {lines}"))
    });
    prometheus.kill().unwrap();
    prometheus.wait().unwrap();
}
