//! An API that is unavailable, from the start or later.

use simulator::Settings;

use crate::support::{Exporter, Simulated, config, of, today, value};

/// Short intervals, because the test waits for them.
const COLLECTORS: &str = "collectors:\n  services: { interval: 2s, max_age: 8s }\n  tenant_seats: { interval: 2s, max_age: 8s }\n  customer_seats: { interval: 2s, max_age: 8s }\n  products_purchased: { interval: 2s, max_age: 8s }\n  products_available: { interval: 2s, max_age: 8s }\n";

#[test]
fn an_api_that_is_not_there_from_the_start() {
    let mut simulator = Simulated::start(Settings::of_size(5, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let yaml = config(&simulator, "", "");
    simulator.stop();
    let exporter = Exporter::with_config(folder.path(), &yaml);
    assert_eq!(exporter.get("/-/healthy").0, 200);
    let (status, reason) = exporter.get("/-/ready");
    assert_eq!(status, 503);
    assert!(reason.contains("main"), "{reason}");
    exporter.wait_for("the failure is counted", |samples| {
        of(samples, "avepoint_collector_poll_failures_total")
            .filter(|(series, _)| series.contains("\"services\"") && series.contains("\"connect\""))
            .any(|(_, failures)| failures > 0.0)
    });
    let (status, reason) = exporter.get("/-/ready");
    assert_eq!(status, 503);
    assert!(reason.contains("main") && reason.contains("connect"), "{reason}");
    let samples = exporter.samples();
    assert_eq!(value(&samples, "avepoint_customers{partner=\"main\"}"), Some(0.0));
    assert_eq!(of(&samples, "avepoint_discovery_last_success").count(), 0);
}

#[test]
fn an_api_that_goes_away() {
    let mut simulator = Simulated::start(Settings::of_size(5, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let more = "budget: { requests_per_second: 500, burst: 100, concurrency: 4, timeout: 2s }";
    let mut exporter = Exporter::with_config(folder.path(), &config(&simulator, more, COLLECTORS));
    let seats = |samples: &crate::support::Samples| of(samples, "avepoint_tenant_seats_assigned").count();
    let pending = |samples: &crate::support::Samples| {
        of(samples, "avepoint_collector_targets").filter(|(s, _)| s.contains("pending")).map(|(_, n)| n).sum::<f64>()
    };
    let before = exporter.wait_for("seats", |samples| seats(samples) > 0 && pending(samples) == 0.0);
    assert_eq!(exporter.get("/-/ready").0, 200);

    simulator.stop();
    let failing = |samples: &crate::support::Samples| {
        of(samples, "avepoint_collector_targets")
            .filter(|(series, _)| series.contains("tenant_seats") && series.contains("failing"))
            .any(|(_, count)| count > 0.0)
    };
    let during = exporter.wait_for("the failure is seen", failing);
    assert_eq!(exporter.get("/-/ready").0, 200, "once ready, ready for good");
    assert_eq!(seats(&during), seats(&before), "the last values are kept");
    let log = exporter.log();
    let failed = |line: &&str| line.contains("msg=\"poll failed: ") && line.contains(" collector=tenant_seats ");
    let line = log.lines().find(failed).unwrap_or_else(|| panic!("no failed poll in\n{log}"));
    for key in [" partner=main ", " collector=", " customer_id=", " reason="] {
        assert_eq!(line.matches(key).count(), 1, "{key} in {line}");
    }

    let after = exporter.wait_for("the values are too old", |samples| {
        seats(samples) == 0 && of(samples, "avepoint_subscription_").count() == 0
    });
    let successes = of(&after, "avepoint_collector_last_success_timestamp_seconds");
    assert_eq!(successes.count(), of(&before, "avepoint_collector_last_success_timestamp_seconds").count());
    assert_eq!(of(&after, "avepoint_customer_info").count(), 5, "a customer stays known");
    let stale =
        of(&after, "avepoint_collector_targets").filter(|(series, _)| series.contains("stale")).map(|(_, count)| count);
    assert!(stale.sum::<f64>() > 0.0);
    assert_eq!(exporter.get("/-/healthy").0, 200);
    assert_eq!(exporter.get("/-/ready").0, 200);
}
