//! Builds an exporter's state for a simulated data set, with the library and without a request.

use std::sync::Arc;

use avepoint_exporter::config::Config;
use avepoint_exporter::inventory::Inventory;
use avepoint_exporter::inventory::state_file::{KnownPartner, State};
use avepoint_exporter::metrics;
use avepoint_exporter::polling::plan;
use elements::types::{CustomerId, Observation, Query};
use exposition::Format;
use jiff::Timestamp;
use simulator::{Dataset, SimCustomer};

use super::{Samples, samples};

/// The state of a configuration's first partner after a full pass over a data set.
pub fn state_of(config: &Config, dataset: &Dataset, now: Timestamp) -> State {
    let mut inventory = empty(config);
    let collectors = inventory.collectors.clone();
    for customer in &dataset.customers {
        let id = CustomerId::from(customer.id.as_str());
        inventory.upsert_listed(customer.expected().listed, now);
        let queries = plan::queries(&inventory.customers[&id], &collectors);
        inventory.plan(&id, &queries);
        for query in queries {
            match observation(customer, query) {
                Some(observation) => {
                    inventory.record_success(&id, query, observation, now);
                }
                None => drop(inventory.record_absent(&id, query, now)),
            }
        }
    }
    inventory.complete_listing(&inventory.customers.keys().cloned().collect(), now);
    let known = KnownPartner::of(&config.partners[0].client_id, inventory);
    State { saved: now, partners: vec![known], ..State::default() }
}

fn observation(customer: &SimCustomer, query: Query) -> Option<Observation> {
    let expected = customer.expected();
    match query {
        Query::TenantSeats(of) => {
            expected.tenant_seats.get(&of).map(|rows| Observation::TenantSeats(rows.clone().into()))
        }
        Query::CustomerSeats(of) => expected.customer_seats.get(&of).map(|&seats| Observation::CustomerSeats(seats)),
        Query::ProductPurchased(of) => {
            expected.purchased.get(&of).map(|&seats| Observation::ProductPurchased(Some(seats)))
        }
        Query::BackupJobs => Some(Observation::BackupJobs(expected.backup_jobs)),
        Query::BackupOverview => Some(Observation::BackupOverview(expected.backup_overview)),
        Query::ProductAvailable(of) => {
            expected.available.get(&of).map(|&seats| Observation::ProductAvailable(Some(seats)))
        }
    }
}

fn empty(config: &Config) -> Inventory {
    let partner = &config.partners[0];
    let collectors = Arc::new(config.collectors.clone());
    Inventory::new(partner.name.clone(), collectors, partner.customers.discover, &partner.customers.list)
}

/// The series that a daemon serves from a restored state; [`kept`] selects them.
pub fn served_of(config: &Config, state: &State) -> Samples {
    served_at(config, state, Timestamp::now())
}

/// The same at a given time.
pub fn served_at(config: &Config, state: &State, now: Timestamp) -> Samples {
    let partner = &config.partners[0];
    let mut inventory = empty(config);
    inventory.restore(state.prior_state(&partner.name, &partner.client_id).unwrap(), |_, _| true, now);
    let scrape = metrics::render(&[inventory], config.customer_name_label, now).scrape(Format::Text, false, &[]);
    let text: String = scrape.chunks.iter().map(|chunk| String::from_utf8_lossy(chunk)).collect();
    kept(samples(&text))
}

/// The samples that survive a restart: the API's values and their observation times.
pub fn kept(mut samples: Samples) -> Samples {
    const FAMILIES: [&str; 7] = [
        "avepoint_backup_",
        "avepoint_customer_",
        "avepoint_tenant_",
        "avepoint_product_",
        "avepoint_subscription_",
        "avepoint_collector_last_success_",
        "avepoint_discovery_last_success_",
    ];
    samples.retain(|series, _| FAMILIES.iter().any(|family| series.starts_with(family)));
    samples
}
