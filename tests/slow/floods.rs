//! Flooding: four partners send endless responses, and every scrape and every `/-/healthy` is still answered.
//!
//! `benches/floods.rs` measures the latency.

#[path = "../support/floods.rs"]
mod kinds;

use std::time::{Duration, Instant};

use simulator::Settings;

use crate::support::{Exporter, Simulated, config, of, today};
use kinds::Flood;

/// Partners with a flooding API; each lists its customers at the same time.
const PARTNERS: u32 = 4;
/// The minimum duration of each flood, and of scrapes during it.
const LASTS: Duration = Duration::from_secs(4);
const SCRAPES: usize = 10;
/// Prometheus' default `scrape_timeout`.
const TIMEOUT: Duration = Duration::from_secs(10);

const COLLECTORS: &str = "collectors:\n  services: { interval: 10s, max_age: 10m }\n  tenant_seats: { interval: 10s, max_age: 10m }\n  customer_seats: { interval: 10s, max_age: 10m }\n  products_purchased: { interval: 10s, max_age: 10m }\n  products_available: { interval: 10s, max_age: 10m }\n";

#[test]
fn scrapes_are_answered_while_the_api_floods() {
    let simulator = Simulated::start(Settings::of_size(50, 3, today()));
    for flood in Flood::ALL {
        let address = kinds::serve(flood);
        let budget = "budget: { requests_per_second: 100, burst: 100, concurrency: 8, timeout: 5s }";
        let honest = config(&simulator, budget, "");
        let flooded = |number| {
            format!(
                "  - name: flooded-{number}\n    api_url: http://{address}\n    token_url: http://{address}/connect/token\n    auth: {{ client_id: app-{number}, client_secret: secret }}\n    {budget}\n"
            )
        };
        let flooded = (0..PARTNERS).map(flooded).collect::<Vec<_>>().concat();
        let folder = tempfile::tempdir().unwrap();
        let exporter = Exporter::with_config(folder.path(), &format!("{honest}{flooded}{COLLECTORS}"));
        let start = Instant::now();
        let mut scrapes = 0;
        while scrapes < SCRAPES || start.elapsed() < LASTS {
            for path in ["/metrics", "/-/healthy"] {
                let asked = Instant::now();
                assert_eq!(exporter.get(path).0, 200, "{}: {path}", flood.name());
                assert!(asked.elapsed() < TIMEOUT, "{}: {path} took {:?}", flood.name(), asked.elapsed());
            }
            scrapes += 1;
        }
        // The flood took place, and the normal partner's values arrived.
        let samples = exporter
            .wait_for("the other partner's tenants", |samples| of(samples, "avepoint_tenant_info").count() > 20);
        let requests: u32 = of(&samples, "avepoint_api_requests_total")
            .filter(|(series, _)| series.contains("flooded") && !series.contains("token"))
            .filter(|(_, requests)| *requests > 0.0)
            .map(|_| 1)
            .sum();
        assert_eq!(requests, PARTNERS, "{}: every partner asked", flood.name());
    }
}
