//! Golden test: a scrape against a known simulated data set has every value of all five endpoints, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use simulator::{Dialect, Settings};

use crate::support::{Exporter, Samples, Simulated, config, expected, run, today};

const PARTNER: &str = "main";

/// Waits until everything was polled once.
fn scrape(exporter: &Exporter, customers: usize) -> Samples {
    exporter.wait_for("everything polled", |samples| {
        let count = samples.get("avepoint_customers{partner=\"main\"}").copied().unwrap_or_default();
        let pending =
            crate::support::of(samples, "avepoint_collector_targets").filter(|(s, _)| s.contains("state=\"pending\""));
        (count - customers as f64).abs() < 0.5 && pending.map(|(_, count)| count).sum::<f64>() == 0.0
    })
}

fn compare(what: &str, served: &BTreeMap<String, Vec<f64>>, expected: &BTreeMap<String, Vec<f64>>) {
    let mut wrong = Vec::new();
    for (series, values) in expected {
        match served.get(series) {
            Some(found) if found == values => {}
            found => wrong.push(format!("{series}: expected {values:?}, served {found:?}")),
        }
    }
    wrong.extend(
        served.keys().filter(|series| !expected.contains_key(*series)).map(|series| format!("not there: {series}")),
    );
    assert!(wrong.is_empty(), "{what}: {} of {} series are wrong:\n{}", wrong.len(), expected.len(), wrong.join("\n"));
}

fn check(what: &str, settings: Settings) {
    let simulator = Simulated::start(settings);
    let folder = tempfile::tempdir().unwrap();
    let yaml = config(&simulator, "budget: { requests_per_second: 1000, burst: 100, concurrency: 8 }", "");
    let exporter = Exporter::with_config(folder.path(), &yaml);
    let dataset = simulator.with_dataset(Settings::CLIENT.0, |dataset| dataset.clone()).unwrap();
    let samples = scrape(&exporter, dataset.customers.len());
    let expected = expected::api_series(PARTNER, &dataset, 0);
    assert!(expected.len() > 400, "the dataset is too small to say much: {}", expected.len());
    compare(what, &expected::served(&samples, PARTNER), &expected);
    let targets = |state| {
        crate::support::of(&samples, "avepoint_collector_targets")
            .filter(|(series, _)| series.contains(state))
            .map(|(_, count)| count)
            .sum::<f64>()
    };
    assert!(targets("fresh") > 0.0);
    assert!(targets("failing") + targets("stale") == 0.0, "{what}");

    let file = folder.path().join("config.yaml");
    let (code, printed, said) = run(&["once", "--format=json", "--config.file", file.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    let document: Value = serde_json::from_str(&printed).unwrap();
    compare(&format!("{what}, as JSON"), &series_of(&document), &expected);

    let (status, served) = exporter.get("/api/v1/customers?per_page=1000");
    assert_eq!(status, 200);
    let served: Value = serde_json::from_str(&served).unwrap();
    let timeless = |value: &Value| {
        let mut value = value.clone();
        forget_times(&mut value);
        value
    };
    assert_eq!(timeless(&document["customers"]), timeless(&served["customers"]), "{what}: once and /api/v1 differ");
    let (_, status) = exporter.get("/api/v1/status");
    let status: Value = serde_json::from_str(&status).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&document["status"]), keys(&status));
    assert_eq!(keys(&document["status"]["partners"][0]), keys(&status["partners"][0]));
    documented(&document);
}

/// When things were seen differs between two pollers.
fn forget_times(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(forget_times),
        Value::Object(map) => map.iter_mut().for_each(|(key, value)| {
            if ["seen", "oldest_data", "last_success", "last_poll"].contains(&key.as_str()) {
                assert!(value.is_string() || value.is_null(), "{key}: {value}");
                *value = Value::Null;
            }
            forget_times(value);
        }),
        _ => {}
    }
}

/// Every word of the document is explained.
fn documented(document: &Value) {
    fn words(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Array(list) => list.iter().for_each(|item| words(item, found)),
            Value::Object(map) => map.iter().for_each(|(key, value)| {
                found.insert(key.clone());
                // Their keys are words of a closed list, or the user's own.
                if !["labels", "targets", "collectors", "failures"].contains(&key.as_str()) || value.is_array() {
                    words(value, found);
                }
            }),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    words(document, &mut found);
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md")).unwrap();
    let explained: BTreeSet<&str> =
        page.split('`').map(|word| word.trim_end_matches("[]").rsplit('.').next().unwrap()).collect();
    let missing: Vec<_> = found.iter().filter(|word| !explained.contains(word.as_str())).collect();
    assert!(missing.is_empty(), "docs/api.md does not explain {missing:?}");
}

#[test]
fn every_value_of_the_live_api_is_served() {
    check("live", Settings::of_size(40, 7, today()));
}

#[test]
fn every_value_of_the_documented_api_is_served() {
    check("documented", Settings { dialect: Dialect::Documented, ..Settings::of_size(40, 8, today()) });
}

#[test]
fn every_value_of_older_revisions_is_served() {
    let settings =
        Settings { dialect: Dialect::Older, absent_tenants_are_404: true, ..Settings::of_size(40, 9, today()) };
    check("older", settings);
}

/// Converts the document of `once --format json` to the equivalent series.
fn series_of(document: &Value) -> BTreeMap<String, Vec<f64>> {
    let mut series: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for customer in document["customers"].as_array().unwrap() {
        let mut add = |name: &str, labels: &[(&str, &Value)], value: &Value| {
            let number = match value {
                Value::Null => return,
                Value::String(text) if text == "unlimited" => f64::INFINITY,
                Value::String(time) => time.parse::<jiff::Timestamp>().unwrap().as_second() as f64,
                other => other.as_f64().unwrap(),
            };
            let labels: Vec<_> = labels.iter().map(|(label, value)| format!(",{label}={}", quoted(value))).collect();
            let labels = labels.concat();
            let id = quoted(&customer["customer_id"]);
            let series_name = format!("avepoint_{name}{{partner=\"{PARTNER}\",customer_id={id}{labels}}}");
            series.entry(series_name).or_default().push(number);
        };
        let one = Value::from(1);
        add("customer_info", &[("customer_name", &customer["customer_name"])], &one);
        for row in customer["seats"].as_array().unwrap() {
            let mut labels = vec![("tenant_type", &row["tenant_type"])];
            let whose = if row["tenant_id"].is_null() { "customer" } else { "tenant" };
            if whose == "tenant" {
                labels.push(("tenant_id", &row["tenant_id"]));
                add("tenant_info", &[labels[0], labels[1], ("tenant_name", &row["tenant_name"])], &one);
            }
            for seats in ["assigned", "available"] {
                add(&format!("{whose}_seats_{seats}"), &labels, &row[seats]);
            }
        }
        for row in customer["products"].as_array().unwrap() {
            let number = Value::from(row["product_type"].to_string());
            let labels = [("product_type", &number), ("product", &row["product"])];
            for seats in ["purchased", "available"] {
                add(&format!("product_seats_{seats}"), &labels, &row[seats]);
            }
        }
        for row in customer["subscriptions"].as_array().unwrap() {
            let texts = [
                "service_name",
                "subscription_model",
                "storage",
                "retention",
                "source",
                "payment_type",
                "subscription_name",
                "package",
            ];
            let labels: Vec<_> = texts.iter().map(|&text| (text, &row[text])).collect();
            add("subscription_info", &labels, &one);
            for (field, metric) in [
                ("seats_purchased", "seats_purchased"),
                ("units_purchased", "units_purchased"),
                ("licenses_assigned", "microsoft_licenses_assigned"),
                ("licenses_available", "microsoft_licenses_available"),
                ("capacity_purchased_bytes", "capacity_purchased_bytes"),
                ("capacity_used_bytes", "capacity_used_bytes"),
                ("capacity_protected_bytes", "capacity_protected_bytes"),
                ("capacity_per_seat_bytes", "capacity_per_seat_bytes"),
                ("storage_consumed_bytes", "storage_consumed_bytes"),
                ("seats_change", "seats_change"),
                ("expires", "expiration_timestamp_seconds"),
                ("contract_ends", "contract_end_timestamp_seconds"),
            ] {
                add(&format!("subscription_{metric}"), &labels[..1], &row[field]);
            }
        }
    }
    for values in series.values_mut() {
        values.sort_by(f64::total_cmp);
    }
    series
}

fn quoted(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
