//! The exposition of decoded values.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use avepoint_exporter::catalog;
use avepoint_exporter::config::{Config, CustomerEntry};
use avepoint_exporter::inventory::Inventory;
use avepoint_exporter::metrics;
use elements::types::{CustomerId, ListedCustomer, Observation, Quantity, Query, Seats, TenantType};
use exposition::Format;
use testkit::checker::{self, Sample};

use super::now;

pub(super) fn inventory() -> Inventory {
    let yaml = "partners: [{ auth: { client_id: a, client_secret: b } }]\n\
                collectors: { customers: { enabled: true }, backup_jobs: { enabled: true }, backup_overview: { enabled: true } }";
    let settings = Config::parse(yaml, Path::new("")).unwrap();
    Inventory::new("main".into(), Arc::new(settings.collectors), true, &[])
}

/// The samples of a family for one customer with one result.
pub(super) fn answered(query: Query, observation: Observation, family: &str) -> Vec<Sample> {
    let mut inventory = inventory();
    let id = CustomerId::from("a customer");
    inventory.upsert_listed(ListedCustomer { id: id.clone(), name: None, subscriptions: None }, now());
    inventory.plan(&id, &[query]);
    inventory.record_success(&id, query, observation, now());
    served(inventory, family)
}

/// The samples of a family; the whole exposition is well-formed, and equal in both formats.
pub(super) fn served(inventory: Inventory, family: &str) -> Vec<Sample> {
    let exposition = metrics::render(&[inventory], true, now());
    let read = |format: Format| -> Vec<Sample> {
        let scrape = exposition.scrape(format, false, &[]);
        let text = String::from_utf8(scrape.chunks.concat()).expect("UTF-8");
        let families = checker::parse(&text, format == Format::OpenMetrics);
        let families = families.unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
        families.into_iter().flat_map(|family| family.samples).collect()
    };
    let samples = read(Format::Text);
    assert_eq!(samples, read(Format::OpenMetrics));
    assert_eq!(samples.len() as u64, exposition.series());
    samples.into_iter().filter(|sample| sample.name == family).collect()
}

/// Labels of the configuration are served as they were written.
pub(super) fn customer_with_labels_is_served(list: &[CustomerEntry]) {
    const QUERY: Query = Query::CustomerSeats(TenantType::Google);
    let mut inventory = Inventory::new("main".into(), Arc::clone(&inventory().collectors), true, list);
    for listed in list {
        inventory.plan(&listed.id, &[QUERY]);
        let seats = Seats { assigned: Some(Quantity::ZERO), available: None };
        inventory.record_success(&listed.id, QUERY, Observation::CustomerSeats(seats), now());
    }
    let samples = served(inventory, catalog::CUSTOMER_SEATS_ASSIGNED.name);
    let ids: HashSet<String> = samples.iter().map(|sample| label(sample, "customer_id")).collect();
    assert_eq!(ids.len(), list.len());
    for listed in list {
        let sample = samples.iter().find(|sample| label(sample, "customer_id") == listed.id.as_str()).unwrap();
        for (name, value) in &listed.labels {
            assert_eq!(&label(sample, name), value);
        }
        if let Some(name) = &listed.name {
            assert_eq!(&label(sample, "customer_name"), name);
        }
    }
}

pub(super) fn label(sample: &Sample, name: &str) -> String {
    sample.labels.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

pub(super) fn values(samples: &[Sample]) -> Vec<f64> {
    samples.iter().map(|sample| sample.value).collect()
}
