//! What a full pass costs, counted by the simulator.

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

use avepoint_exporter::domain::Collector;
use avepoint_exporter::simulator::{Operation, Settings};
use support::{Simulated, config, run, today};

#[test]
fn a_full_pass_asks_only_what_exists() {
    const HOLDERS: u32 = 600;
    let simulator = Simulated::start(Settings::thousand(HOLDERS, 3, today()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let yaml = config(&simulator, "budget: { requests_per_second: 2000, burst: 100, concurrency: 16 }", "");
    std::fs::write(&file, yaml).unwrap();
    let (code, _, said) = run(&["once", "--format=json", "--config.file", file.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");

    let requests = simulator.requests();
    let asked: u64 = Collector::ALL.into_iter().map(|collector| requests.of(Operation::Api(collector))).sum();
    let bound = (10 + 1300 + 1300 + 2000 + u64::from(HOLDERS)) * 105 / 100;
    println!("a full pass over 1,000 customers: {asked} requests, at most {bound}");
    for collector in Collector::ALL {
        println!("  {}: {}", collector.as_str(), requests.of(Operation::Api(collector)));
    }
    assert!(asked <= bound, "{asked} requests, at most {bound}");
    assert_eq!(requests.of(Operation::Token), 1);
}
