//! The page and the alerts say the same: over generated customers, [`service_summary`] gives what the shipped rules give.
//!
//! The customers are rendered as the exporter does; `promtool` evaluates the recording rules and alerts on that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use elements::types::{
    CustomerId, ListedCustomer, Observation, Quantity, Seats, Subscription, SubscriptionKey, TenantSeats,
};
use exposition::Format;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::samples::{SEATS, settings, subscription};
use crate::config::CustomerEntry;
use crate::inventory::Inventory;
use crate::metrics;
use crate::web::issue::{Issue, Issues, Severity};
use crate::web::summary::{is_muted, row};
use crate::web::utilization::Utilization;

/// Minutes after the epoch, where promtool's time begins; the rules are evaluated every minute until then.
const MINUTES: u8 = 3;
const CUSTOMERS: usize = 120;

fn now() -> Timestamp {
    Timestamp::from_second(60 * i64::from(MINUTES)).unwrap()
}

fn pick<T: Copy>(random: &mut fastrand::Rng, from: &[T]) -> T {
    from[random.usize(..from.len())]
}

/// On, just before and just after every threshold.
fn date(random: &mut fastrand::Rng) -> Option<Timestamp> {
    const DAYS: [i64; 20] = [-900, -90, -31, -30, -29, -16, -15, -14, -2, 0, 2, 3, 4, 14, 15, 30, 31, 45, 60, 400];
    let seconds = 86_400 * pick(random, &DAYS) + pick(random, &[0, 0, -1, 1, 40_000]);
    (!random.bool() || !random.bool()).then(|| now() + SignedDuration::from_secs(seconds))
}

fn subscription_of(random: &mut fastrand::Rng) -> Subscription {
    const MODELS: [&str; 8] =
        ["", "", "", "Standard", "Unlimited organizations", "Unlimited Users", "10 GB/User/Year", "1.5 gb/user/year"];
    const SEATS: [Option<f64>; 8] =
        [None, Some(0.0), Some(5.0), Some(20.0), Some(20.0), Some(100.0), Some(242.0), Some(f64::INFINITY)];
    const ASSIGNED: [Option<f64>; 13] = [
        None,
        Some(0.0),
        Some(3.0),
        Some(13.0),
        Some(14.0),
        Some(18.0),
        Some(20.0),
        Some(22.0),
        Some(23.0),
        Some(90.0),
        Some(100.0),
        Some(111.0),
        Some(f64::INFINITY),
    ];
    const GB: f64 = 1_073_741_824.0;
    let used = [None, None, Some(0.0), Some(89.0 * GB), Some(90.0 * GB), Some(100.0 * GB), Some(180.0 * GB)];
    let capacity = [None, None, Some(0.0), Some(100.0 * GB), Some(200.0 * GB), Some(f64::INFINITY)];
    let number = |value: Option<f64>| value.and_then(Quantity::new);
    // Half of them are simple, so that what is rare does not hide all else.
    let is_simple = random.bool();
    let model = if is_simple { "" } else { pick(random, &MODELS) };
    let service = pick(random, &["Cloud Backup for Microsoft 365", "Opus"]);
    let key = SubscriptionKey { service: service.into(), model: model.into(), ..SubscriptionKey::default() };
    Subscription {
        key: key.into(),
        seats_purchased: number(if is_simple { Some(20.0) } else { pick(random, &SEATS) }),
        licenses_assigned: number(pick(random, &ASSIGNED)),
        capacity_purchased: number(pick(random, &capacity)),
        capacity_used: number(pick(random, &used)),
        capacity_protected: number(pick(random, &used)),
        expires: date(random).map(Into::into),
        contract_ends: date(random).filter(|_| random.u8(..) < 40).map(Into::into),
        ..subscription("")
    }
}

fn tenant(random: &mut fastrand::Rng) -> TenantSeats {
    let number = |value: Option<f64>| value.and_then(Quantity::new);
    let seats = Seats {
        assigned: number(pick(random, &[None, Some(0.0), Some(9.0), Some(14.0), Some(f64::INFINITY)])),
        available: number(pick(random, &[None, Some(0.0), Some(1.0), Some(5.0), Some(f64::INFINITY)])),
    };
    TenantSeats { id: "t1".into(), name: "contoso.onmicrosoft.com".into(), seats }
}

/// Every twentieth customer is muted.
fn partner() -> Inventory {
    let mut random = fastrand::Rng::with_seed(12);
    let ids: Vec<_> = (0..CUSTOMERS).map(|number| format!("c{number:03}")).collect();
    let muted = ids.iter().step_by(20).map(|id| CustomerEntry {
        id: id.as_str().into(),
        name: None,
        labels: vec![("alerting".to_owned(), "off".to_owned())],
    });
    let mut inventory = Inventory::new("main".into(), Arc::new(settings()), true, &muted.collect::<Vec<_>>());
    let seen = Timestamp::UNIX_EPOCH;
    for id in &ids {
        let id = CustomerId::from(id.as_str());
        let rows = (0..random.usize(1..4)).map(|_| subscription_of(&mut random)).collect();
        inventory.upsert_listed(ListedCustomer { id: id.clone(), name: None, subscriptions: Some(rows) }, seen);
        inventory.plan(&id, &[SEATS]);
        inventory.record_success(&id, SEATS, Observation::TenantSeats([tenant(&mut random)].into()), seen);
    }
    inventory.complete_listing(&ids.iter().map(|id| id.as_str().into()).collect(), seen);
    inventory
}

/// The exposition as the series of a promtool test.
fn series(inventory: &Inventory) -> Vec<Value> {
    let scrape = metrics::render(std::slice::from_ref(inventory), false, now()).scrape(Format::Text, false, &[]);
    let text = String::from_utf8(scrape.chunks.concat()).unwrap();
    let mut series: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let value = value.trim_start_matches('+');
            let name = name.replacen('{', "{job=\"avepoint\",instance=\"one\",", 1);
            json!({"series": name, "values": vec![value; usize::from(MINUTES) + 1].join(" ")})
        })
        .collect();
    for name in ["up", "avepoint_exporter_leading"] {
        let name = format!("{name}{{job=\"avepoint\",instance=\"one\"}}");
        series.push(json!({"series": name, "values": format!("1x{MINUTES}")}));
    }
    series
}

/// The alerts that are true where the page says this, by their severities: bands are cumulative.
fn alerts(issues: &Issues) -> BTreeSet<(&'static str, &'static str)> {
    use Severity::{Critical, Info, Warning};
    let mut alerts = BTreeSet::new();
    for (issue, severity) in issues.iter() {
        let mut cumulative: Vec<(Issue, Severity)> = match issue {
            Issue::OverAssigned => {
                vec![(Issue::OverAssigned, Warning), (Issue::Exhausted, Warning), (Issue::Low, Warning)]
            }
            Issue::Exhausted => vec![(Issue::Low, Warning)],
            Issue::CapacityLow => vec![(issue, Warning)],
            Issue::Expiring if severity == Critical => vec![(issue, Warning), (issue, Info)],
            Issue::Expiring if severity == Warning => vec![(issue, Info)],
            // The page goes on when the alert has ended.
            Issue::Expired if severity == Info => continue,
            Issue::Expired => {
                vec![(issue, Warning), (Issue::Expiring, Critical), (Issue::Expiring, Warning), (Issue::Expiring, Info)]
            }
            Issue::TenantExhausted => vec![(Issue::TenantLow, Info)],
            _ => vec![],
        };
        cumulative.push((issue, severity));
        alerts.extend(cumulative.iter().filter_map(|(issue, severity)| Some((issue.alert()?, severity.as_str()))));
    }
    alerts
}

#[derive(Default)]
struct Expected {
    headroom: Vec<Value>,
    utilization: Vec<Value>,
    capacity: Vec<Value>,
    alerts: Vec<Value>,
    severities: BTreeMap<&'static str, BTreeSet<&'static str>>,
}

impl Expected {
    fn of(inventory: &Inventory) -> Self {
        let mut expected = Self::default();
        for customer in inventory.customers.values() {
            let row = row(inventory, customer, now());
            let of_customer = format!("customer_id=\"{}\"", customer.id);
            for service in &row.services {
                let labels = format!("{of_customer},service_name=\"{}\"", service.name);
                let sample = |value: f64| json!({"labels": format!("{{{labels}}}"), "value": value});
                expected.headroom.extend(service.seats.map(|seats| sample(seats.headroom())));
                expected.utilization.extend(service.seats.map(|seats| sample(seats.ratio())));
                expected.capacity.extend(service.capacity.map(Utilization::ratio).map(sample));
                expected.fire(is_muted(customer), &labels, &service.issues());
            }
            let mut tenants = Issues::default();
            for issue in [Issue::TenantExhausted, Issue::TenantLow] {
                tenants.insert_some(issue, row.issues.get(issue));
            }
            expected.fire(is_muted(customer), &of_customer, &tenants);
        }
        expected
    }

    fn fire(&mut self, is_muted: bool, labels: &str, issues: &Issues) {
        for (alert, severity) in alerts(issues).into_iter().filter(|_| !is_muted) {
            self.severities.entry(alert).or_default().insert(severity);
            let labels = format!("{{alertname=\"{alert}\",severity=\"{severity}\",{labels}}}");
            self.alerts.push(json!({"labels": labels, "value": 1}));
        }
    }
}

#[test]
fn the_page_says_what_the_alerts_say() {
    let inventory = partner();
    let expected = Expected::of(&inventory);
    let severities: Vec<_> = Issue::ALL
        .into_iter()
        .filter_map(|issue| {
            Some(expected.severities.get(issue.alert()?)?.iter().copied().collect::<Vec<_>>().join(" "))
        })
        .collect();
    let all = [
        "critical warning",
        "warning",
        "critical warning",
        "critical info warning",
        "critical warning",
        "warning",
        "info",
        "info",
        "info",
        "info",
    ];
    assert_eq!(severities, all, "the customers do not have everything");

    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus");
    let files = ["facts", "settings", "alerts"].map(|name| rules.join(format!("{name}.rules.yml")));
    let by_service = |record: &str| format!("max by (customer_id, service_name) ({record})");
    let about_customers: Vec<_> = Issue::ALL.into_iter().filter_map(Issue::alert).collect();
    let firing = format!(
        "group by (customer_id, service_name, alertname, severity) (ALERTS{{alertname=~\"{}\"}})",
        about_customers.join("|")
    );
    let test = |expr: String, samples: Vec<Value>| json!({"expr": expr, "eval_time": format!("{MINUTES}m"), "exp_samples": samples});
    let document = json!({
        "rule_files": files,
        "evaluation_interval": "1m",
        "group_eval_order": ["avepoint_facts", "avepoint_settings", "avepoint_forecast", "avepoint_alerts"],
        "tests": [{
            "interval": "1m",
            "input_series": series(&inventory),
            "promql_expr_test": [
                test(by_service("avepoint:seats_headroom"), expected.headroom),
                test(by_service("avepoint:seats_utilization:ratio"), expected.utilization),
                test(by_service("avepoint:capacity_utilization:ratio"), expected.capacity),
                test(firing, expected.alerts),
            ],
        }],
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.test.yml");
    fs::write(&file, document.to_string()).unwrap();
    let done = Command::new("promtool").args(["test", "rules"]).arg(&file).output().expect("promtool is missing");
    let report = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{}", differences(&report));
}

/// Of promtool's lists only the samples that are in one of them.
fn differences(text: &str) -> String {
    let mut report = String::new();
    let mut expected = BTreeSet::new();
    for line in text.lines() {
        let samples = |list: &str| -> BTreeSet<String> {
            list.split(", {").map(|sample| sample.trim_start_matches('{').to_owned()).collect()
        };
        if let Some(list) = line.trim().strip_prefix("exp: ").or_else(|| line.trim().strip_prefix("exp:")) {
            expected = samples(list);
        } else if let Some(list) = line.trim().strip_prefix("got: ").or_else(|| line.trim().strip_prefix("got:")) {
            let got = samples(list);
            let difference = expected.difference(&got).map(|sample| format!("page only:  {sample}\n"));
            report.extend(difference.chain(got.difference(&expected).map(|sample| format!("rules only: {sample}\n"))));
        } else {
            report += &(line.chars().take(300).collect::<String>() + "\n");
        }
    }
    report
}
