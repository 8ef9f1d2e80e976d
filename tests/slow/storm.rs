//! Polling under throttling, errors and revoked tokens: no value is lost or wrong, and the rate is never exceeded.
//!
//! One minute by default; `STORM_MINUTES=5` for the full length.

use std::time::{Duration, Instant};

use elements::types::Collector;
use simulator::{Fault, Operation, RetryAfter, Rule, Settings, When};

use crate::support::{Exporter, Simulated, config, expected, today, value};

const RATE: f64 = 60.0;
const BURST: f64 = 20.0;
const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn nothing_is_lost_in_a_storm() {
    let minutes: u32 = std::env::var("STORM_MINUTES").map_or(1, |minutes| minutes.parse().unwrap());
    let simulator = Simulated::start(Settings::of_size(200, 5, today()));
    let folder = tempfile::tempdir().unwrap();
    // All customers several times a minute, so that every kind of fault affects every kind of query.
    let collectors = "collectors:\n  services: { interval: 20s, max_age: 10m }\n  tenant_seats: { interval: 20s, max_age: 10m }\n  customer_seats: { interval: 20s, max_age: 10m }\n  products_purchased: { interval: 20s, max_age: 10m }\n  products_available: { interval: 20s, max_age: 10m }\n";
    let budget = format!("budget: {{ requests_per_second: {RATE}, burst: {BURST}, concurrency: 8, timeout: 5s }}");
    let exporter = Exporter::with_config(folder.path(), &config(&simulator, &budget, collectors));
    let world = simulator.with_dataset(Settings::CLIENT.0, |world| world.clone()).unwrap();
    let expected = expected::api_series("main", &world, 0);
    let complete = |samples: &crate::support::Samples| expected::served(samples, "main") == expected;
    exporter.wait_for("the first pass", complete);

    simulator.reset_requests();
    simulator.faults().set(vec![
        Rule {
            when: When::FirstOfEvery { first: MINUTE / 6, every: MINUTE },
            ..Rule::new(Fault::Throttle(RetryAfter::Seconds(2)))
        },
        Rule { share: 0.05, ..Rule::new(Fault::Status(500)) },
        Rule::new(Fault::RevokeTokens(MINUTE)),
    ]);
    let (start, mut scrapes) = (Instant::now(), 0);
    while start.elapsed() < MINUTE * minutes {
        let samples = exporter.samples();
        assert!(complete(&samples), "after {:?}: a value was lost, wrong, or new", start.elapsed());
        scrapes += 1;
        std::thread::sleep(Duration::from_millis(500));
    }
    let requests = simulator.requests();
    simulator.faults().clear();

    let (throttled, failed, refused) =
        (requests.with_status(429), requests.with_status(500), requests.with_status(401));
    let tokens = requests.of(Operation::Token);
    let asked: u64 = Collector::ALL.into_iter().map(|collector| requests.of(Operation::Api(collector))).sum();
    println!(
        "{minutes} min: {asked} requests, {throttled} times 429, {failed} times 500, {refused} times 401, {tokens} tokens, {scrapes} scrapes"
    );
    assert!(throttled > 0 && failed > 0, "the storm was none");
    assert!(throttled < 40 * u64::from(minutes), "{throttled} requests were sent into closed doors");
    for seconds in [1, 5, 20] {
        let busiest = requests.busiest(Settings::CLIENT.0, Duration::from_secs(seconds)) as f64;
        // A request with a longer transfer time arrives closer to the next one.
        let bound = RATE * (seconds as f64 + 0.2) + BURST;
        println!("busiest {seconds} s: {busiest} requests, at most {bound}");
        assert!(busiest <= bound, "{busiest} requests in {seconds} s");
    }
    let samples = exporter.wait_for("the lag is back to 0", |samples| {
        value(samples, "avepoint_poll_lag_seconds{partner=\"main\"}").is_some_and(|lag| lag < 0.5)
            && value(samples, "avepoint_api_throttled{partner=\"main\"}") == Some(0.0)
            && crate::support::of(samples, "avepoint_collector_targets")
                .all(|(s, count)| !s.contains("failing") || count == 0.0)
    });
    assert!(complete(&samples));
    assert!(value(&samples, "avepoint_api_throttled_seconds_total{partner=\"main\"}").unwrap() > 0.0);
}
