//! Golden test: a scrape against a known simulated data set has every value of all five endpoints, and nothing else.

use std::collections::BTreeMap;

use serde_json::Value;
use simulator::{AbsentTenants, Dialect, Settings};

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
    let world = simulator.with_world(Settings::CLIENT.0, |world| world.clone()).unwrap();
    let samples = scrape(&exporter, world.customers.len());
    let expected = expected::api_series(PARTNER, &world, 0);
    assert!(expected.len() > 400, "the world is too small to say much: {}", expected.len());
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
    let settings = Settings {
        dialect: Dialect::Older,
        absent_tenants: AbsentTenants::NotFound,
        ..Settings::of_size(40, 9, today())
    };
    check("older", settings);
}

/// Converts the document of `once --format json` to the equivalent series.
fn series_of(document: &Value) -> BTreeMap<String, Vec<f64>> {
    let mut series: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for customer in document["partners"][0]["customers"].as_array().unwrap() {
        let mut add = |name: &str, labels: &[(&str, &Value)], value: &Value| {
            let number = match value {
                Value::Null => return,
                Value::String(text) if text == "unlimited" => f64::INFINITY,
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
        for row in customer["customer_seats"].as_array().unwrap() {
            for seats in ["seats_assigned", "seats_available"] {
                add(&format!("customer_{seats}"), &[("tenant_type", &row["tenant_type"])], &row[seats]);
            }
        }
        for row in customer["tenants"].as_array().unwrap() {
            let labels = [("tenant_type", &row["tenant_type"]), ("tenant_id", &row["tenant_id"])];
            add("tenant_info", &[labels[0], labels[1], ("tenant_name", &row["tenant_name"])], &one);
            for seats in ["seats_assigned", "seats_available"] {
                add(&format!("tenant_{seats}"), &labels, &row[seats]);
            }
        }
        for row in customer["products"].as_array().unwrap() {
            let number = Value::from(row["product_type"].to_string());
            let labels = [("product_type", &number), ("product", &row["product"])];
            for seats in ["seats_purchased", "seats_available"] {
                add(&format!("product_{seats}"), &labels, &row[seats]);
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
            for (name, value) in row.as_object().unwrap() {
                if !texts.contains(&name.as_str()) && name != "subscription_id" {
                    add(&format!("subscription_{name}"), &labels[..1], value);
                }
            }
        }
    }
    for values in series.values_mut() {
        values.sort_by(f64::total_cmp);
    }
    series
}

fn quoted(value: &Value) -> String {
    let text = value.as_str().unwrap();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
