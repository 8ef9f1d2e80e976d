//! Builds the inventory after a full pass over a simulated partner, without sending requests.

#![allow(dead_code, unreachable_pub, reason = "each benchmark is a crate of its own and uses a part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark may panic")]

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use avepoint_exporter::config::{CollectorSettings, Schedule, Selection};
use avepoint_exporter::inventory::Inventory;
use avepoint_exporter::polling::plan;
use elements::types::{CustomerId, Observation, ProductType, Quantity, Query, Subscription, TenantType};
use jiff::Timestamp;
use simulator::{Generator, Mix};

/// The observation time of all values.
pub fn noon() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

/// The number of customers that give about this many series.
pub const fn customers_for(series: u32) -> u32 {
    series / 35
}

fn collectors() -> CollectorSettings {
    let schedule = |minutes| Schedule {
        enabled: true,
        interval: Duration::from_mins(minutes),
        max_age: Duration::from_mins(4 * minutes),
    };
    CollectorSettings {
        services: schedule(60),
        tenant_seats: (schedule(15), Selection::Auto),
        customer_seats: (schedule(15), Selection::Auto),
        products_purchased: (schedule(60), Selection::Auto),
        products_available: (schedule(15), Selection::Only(vec![ProductType::CLOUD_BACKUP_M365])),
        optional: [].into(),
    }
}

/// A partner with this many customers and all their values, received at [`noon`].
pub fn inventory(customers: u32) -> Inventory {
    inventory_with_names(customers, 0)
}

/// The same; names of customers, tenants and rows have this many characters of four bytes, and differ.
pub fn inventory_with_names(customers: u32, characters: usize) -> Inventory {
    let today = "2027-01-15".parse().unwrap();
    let generator = Generator {
        seed: 1,
        customers,
        today,
        mix: Mix::Exact {
            tenant_types: customers * 5 / 4,
            products: customers * 7 / 2,
            cloud_backup_m365: customers * 4 / 5,
        },
        hostile_names: false,
    };
    let collectors = Arc::new(collectors());
    let mut inventory = Inventory::new("main".into(), collectors.clone(), true, &[]);
    let mut known = HashSet::new();
    for index in 0..customers {
        if index % 100 == 0 {
            // Texts are shared within a page of the service list.
            known.clear();
        }
        let expected = generator.customer(index).expected();
        let mut listed = expected.listed;
        let id = listed.id.clone();
        let mut truth_tenants = expected.tenant_seats;
        if characters > 0 {
            let long = |what: String| format!("{what:\u{1f600}<characters$}");
            listed.name = Some(long(format!("customer {index}")).into());
            for (number, row) in listed.subscriptions.iter_mut().flatten().enumerate() {
                let key = Arc::make_mut(&mut row.key);
                for text in [&mut key.service, &mut key.model, &mut key.storage, &mut key.name] {
                    *text = long(format!("{text} {index} {number}")).into();
                }
            }
            for tenants in truth_tenants.values_mut() {
                for tenant in tenants {
                    tenant.name = long(format!("{} {index}", tenant.name)).into();
                }
            }
        }
        for row in listed.subscriptions.iter_mut().flatten() {
            share(row, &mut known);
        }
        inventory.upsert_listed(listed, noon());
        let queries = plan::queries(&inventory.customers[&id], &collectors);
        inventory.plan(&id, &queries);
        let (tenants, purchased): (HashMap<TenantType, _>, HashMap<ProductType, _>) =
            (truth_tenants.into_iter().collect(), expected.purchased.into_iter().collect());
        for query in queries {
            let observation = match query {
                Query::TenantSeats(kind) => {
                    Observation::TenantSeats(tenants.get(&kind).cloned().unwrap_or_default().into())
                }
                Query::CustomerSeats(kind) => {
                    Observation::CustomerSeats(expected.customer_seats.get(&kind).copied().unwrap_or_default())
                }
                Query::ProductPurchased(product) => Observation::ProductPurchased(purchased.get(&product).copied()),
                Query::ProductAvailable(product) => {
                    Observation::ProductAvailable(expected.available.get(&product).copied())
                }
                Query::BackupJobs => Observation::BackupJobs(expected.backup_jobs.clone()),
                Query::BackupOverview => Observation::BackupOverview(expected.backup_overview.clone()),
            };
            inventory.record_success(&id, query, observation, noon());
        }
    }
    let all = inventory.customers.keys().cloned().collect();
    inventory.complete_listing(&all, noon());
    inventory
}

fn share(row: &mut Subscription, known: &mut HashSet<Arc<str>>) {
    let key = Arc::make_mut(&mut row.key);
    let texts = [
        &mut key.service,
        &mut key.model,
        &mut key.source,
        &mut key.payment_type,
        &mut key.storage,
        &mut key.name,
        &mut key.package,
        &mut row.retention,
    ];
    for text in texts {
        match known.get(&**text) {
            Some(same) => *text = same.clone(),
            None => {
                known.insert(text.clone());
            }
        }
    }
}

/// A customer's ids, spread over the inventory.
pub fn some_ids(inventory: &Inventory, count: usize) -> Vec<CustomerId> {
    let step = (inventory.customers.len() / count).max(1);
    inventory.customers.keys().step_by(step).cloned().collect()
}

/// Polls the seats of a customer's first tenant type again, with another number if `changed`.
pub fn poll(inventory: &mut Inventory, id: &CustomerId, seconds: i64, changed: bool) {
    let customer = &inventory.customers[id];
    let known = customer.targets.iter().find_map(|(query, known)| match (query, &known.observation) {
        (Query::TenantSeats(_), Some((_, Observation::TenantSeats(tenants)))) => Some((*query, tenants.clone())),
        _ => None,
    });
    let Some((query, tenants)) = known else { return };
    let mut tenants = tenants.to_vec();
    if changed && let Some(tenant) = tenants.first_mut() {
        tenant.seats.assigned = Quantity::new((seconds % 1000) as f64);
        tenant.seats.available = Quantity::new((seconds % 1000) as f64 + 1.0);
    }
    let now = noon() + Duration::from_secs(u64::try_from(seconds).unwrap());
    inventory.record_success(id, query, Observation::TenantSeats(tenants.into()), now);
}

/// Resident memory of this process, in bytes.
pub fn resident() -> u64 {
    status("VmRSS:")
}

/// The peak of the resident memory in bytes.
pub fn peak() -> u64 {
    status("VmHWM:")
}

fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
}

/// The CPU time that this thread has used.
pub fn cpu_time() -> Duration {
    Duration::try_from(rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime)).unwrap()
}
