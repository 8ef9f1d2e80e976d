//! Request counts: of a full pass (and its speed) and of the hours after it, counted by the simulator.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use elements::types::Collector;
use simulator::{Fault, Operation, Rule, Settings};

use crate::support::{Exporter, Simulated, config, run, today};

#[test]
fn a_full_pass_asks_only_what_exists() {
    const HOLDERS: u32 = 600;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
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

/// One test at a time: the load of another test must not affect the result.
static ALONE: Mutex<()> = Mutex::new(());

/// The time from the first to the last request as a multiple of the time that the rate needs beyond the burst; and the
/// largest excess of any window over `rate * window`.
fn pace(simulator: &Simulated, rate: f64, burst: usize) -> (f64, f64) {
    let requests = simulator.requests();
    let mut at: Vec<f64> = requests.arrivals[Settings::CLIENT.0].iter().map(|one| one.at.as_secs_f64()).collect();
    at.sort_by(f64::total_cmp);
    let lasted = at[at.len() - 1] - at[0];
    // The worst window starts at the largest k - rate * at[k] so far.
    let (mut lowest, mut excess) = (f64::MAX, 0.0_f64);
    for (count, &at) in at.iter().enumerate() {
        lowest = lowest.min(count as f64 - rate * at);
        excess = excess.max(count as f64 + 1.0 - rate * at - lowest);
    }
    (lasted / ((at.len() - burst) as f64 / rate), excess)
}

#[test]
fn a_full_pass_is_no_faster_than_the_budget() {
    // `CALLS_RATE=50 CALLS_CUSTOMERS=20000` for the full size, which takes more than half an hour.
    const BURST: usize = 20;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let number = |name: &str, default: u32| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (rate, customers) = (number("CALLS_RATE", 100), number("CALLS_CUSTOMERS", 250));
    let simulator = Simulated::start(Settings::of_size(customers, 3, today()));
    simulator
        .faults()
        .set(vec![Rule::new(Fault::Latency { fixed: Duration::from_millis(20), jitter: Duration::ZERO })]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let budget = format!("budget: {{ requests_per_second: {rate}, burst: {BURST}, concurrency: 16 }}");
    std::fs::write(&file, config(&simulator, &budget, "")).unwrap();
    let (code, _, said) = run(&["once", "--format=json", "--config.file", file.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    let (ratio, excess) = pace(&simulator, f64::from(rate), BURST);
    println!(
        "{} requests at {rate} a second: {ratio:.4} of requests / rate, at most {excess:.1} above it",
        simulator.requests().total()
    );
    // A request with a longer transfer time arrives closer to the next one.
    assert!(excess <= BURST as f64 + f64::from(rate) * 0.1, "{excess} requests above the rate");
}

/// Twelve intervals of two seconds each, with no longer interval of another collector: the simulator's count must equal
/// the metric.
#[test]
fn calls_are_those_of_the_plan() {
    const INTERVAL: Duration = Duration::from_secs(2);
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let simulator = Simulated::start(Settings::of_size(60, 5, today()));
    let folder = tempfile::tempdir().unwrap();
    let each = "{ interval: 2s, max_age: 8s }";
    let collectors = format!(
        "collectors:\n  services: {{ interval: 2s, max_age: 8s }}\n  tenant_seats: {each}\n  customer_seats: {each}\n  products_purchased: {each}\n  products_available: {each}\n"
    );
    let budget = "budget: { requests_per_second: 500, burst: 10, concurrency: 16 }";
    let exporter = Exporter::with_config(folder.path(), &config(&simulator, budget, &collectors));
    exporter.wait_for("a pass over everybody", everybody_was_asked);
    std::thread::sleep(INTERVAL);
    simulator.reset_requests();
    let start = Instant::now();
    std::thread::sleep(INTERVAL * 12);
    let (requests, lasted) = (simulator.requests(), start.elapsed().as_secs_f64());
    let samples = exporter.samples();
    for collector in Collector::ALL {
        let planned: f64 = crate::support::of(&samples, "avepoint_collector_planned_requests_per_second")
            .filter(|(series, _)| series.contains(collector.as_str()))
            .map(|(_, planned)| planned * lasted)
            .sum();
        let asked = requests.of(Operation::Api(collector)) as f64;
        println!("{}: {asked} of {planned:.1} planned", collector.as_str());
        assert!(asked <= planned * 1.02 + 1.0, "{asked} of {planned} planned");
        assert!(asked >= planned * 0.8, "{asked} of {planned} planned");
    }
}

/// Three runs of the process with one state file, and all requests that the simulator counted.
#[test]
fn restarts_cost_no_calls() {
    const INTERVAL: Duration = Duration::from_secs(4);
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let simulator = Simulated::start(Settings::of_size(60, 5, today()));
    let folder = tempfile::tempdir().unwrap();
    let each = "{ interval: 4s, max_age: 16s }";
    let rest = format!(
        "state: {{ file: state, interval: 1s }}\ncollectors:\n  services: {each}\n  tenant_seats: {each}\n  customer_seats: {each}\n  products_purchased: {each}\n  products_available: {each}\n"
    );
    let yaml = config(&simulator, "budget: { requests_per_second: 500, burst: 10, concurrency: 16 }", &rest);
    let mut exporter = Exporter::with_config(folder.path(), &yaml);
    exporter.wait_for("a pass over everybody", everybody_was_asked);
    std::thread::sleep(INTERVAL);
    simulator.reset_requests();
    let start = Instant::now();
    for _ in 0..2 {
        std::thread::sleep(INTERVAL * 5 / 2);
        assert_eq!(exporter.terminate().0, Some(0));
        exporter = Exporter::with_config(folder.path(), &yaml);
    }
    std::thread::sleep(INTERVAL * 5 / 2);
    let (requests, lasted) = (simulator.requests(), start.elapsed().as_secs_f64());
    let samples = exporter.samples();
    let planned =
        crate::support::of(&samples, "avepoint_collector_planned_requests_per_second").map(|(_, value)| value);
    let planned = planned.sum::<f64>() * lasted;
    let asked: u64 = Collector::ALL.into_iter().map(|collector| requests.of(Operation::Api(collector))).sum();
    println!("two restarts: {asked} of {planned:.1} planned");
    assert!(asked as f64 <= planned * 1.02, "{asked} of {planned} planned");
}

fn everybody_was_asked(samples: &crate::support::Samples) -> bool {
    let targets: Vec<_> = crate::support::of(samples, "avepoint_collector_targets").collect();
    let all: f64 = targets.iter().map(|&(_, count)| count).sum();
    all > 200.0 && targets.iter().all(|(series, count)| !series.contains("pending") || *count == 0.0)
}
