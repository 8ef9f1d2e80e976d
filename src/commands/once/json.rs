//! `once --format json`: all values as one JSON document.
//!
//! Missing values are omitted; unlimited values are the text `unlimited`; times are Unix seconds.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::domain::{
    Answer, BackupJob, CustomerJobStatus, JobStatus, ManagementMode, ProtectedObjects, Quantity, Question, RESULTS,
    STORAGES, Seats,
};
use crate::inventory::{Absence, Customer, Inventory, Known, KnownSubscription};

pub(super) fn render(inventories: &[Inventory]) -> serde_json::Result<String> {
    let document = Document { partners: inventories.iter().map(Partner::of).collect() };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

#[derive(Serialize)]
struct Document<'a> {
    partners: Vec<Partner<'a>>,
}

#[derive(Serialize)]
struct Partner<'a> {
    partner: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    listing_failure: Option<&'static str>,
    customers: Vec<JsonCustomer<'a>>,
}

#[derive(Serialize)]
struct JsonCustomer<'a> {
    customer_id: &'a str,
    customer_name: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    management_mode: Option<&'static str>,
    customer_seats: Vec<JsonSeats>,
    tenants: Vec<Tenant<'a>>,
    products: Vec<Product>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    backup_jobs: Vec<JsonJob<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    backup_modules: Vec<JsonModule>,
    subscriptions: Vec<JsonSubscription<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<JsonFailure>,
}

#[derive(Serialize)]
struct JsonSeats {
    tenant_type: String,
    #[serde(flatten)]
    seats: SeatNumbers,
}

#[derive(Serialize)]
struct SeatNumbers {
    #[serde(skip_serializing_if = "Option::is_none")]
    seats_assigned: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seats_available: Option<Number>,
}

#[derive(Serialize)]
struct Tenant<'a> {
    tenant_type: String,
    tenant_id: &'a str,
    tenant_name: &'a str,
    #[serde(flatten)]
    seats: SeatNumbers,
}

#[derive(Serialize)]
struct Product {
    product_type: u64,
    product: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seats_purchased: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seats_available: Option<Number>,
}

#[derive(Serialize)]
struct JsonJob<'a> {
    job_type: u64,
    job_module: u64,
    plan: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    objects: BTreeMap<&'static str, Number>,
    #[serde(flatten)]
    numbers: BTreeMap<&'static str, Number>,
}

#[derive(Serialize)]
struct JsonModule {
    service_type: u64,
    service_module: u64,
    stored_bytes: BTreeMap<&'static str, Number>,
    #[serde(flatten)]
    numbers: BTreeMap<&'static str, Number>,
}

#[derive(Serialize)]
struct JsonSubscription<'a> {
    subscription_id: String,
    service_name: &'a str,
    subscription_model: &'a str,
    storage: &'a str,
    retention: &'a str,
    source: &'a str,
    payment_type: &'a str,
    subscription_name: &'a str,
    package: &'a str,
    #[serde(flatten)]
    numbers: BTreeMap<&'static str, Number>,
}

#[derive(Serialize)]
struct JsonFailure {
    collector: &'static str,
    reason: &'static str,
}

/// A number that may be unlimited.
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_infinite() {
            serializer.serialize_str("unlimited")
        } else if self.0.fract() == 0.0 && self.0.abs() < 9e15 {
            #[expect(clippy::cast_possible_truncation, reason = "integral and within the range just checked")]
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

impl From<Quantity> for Number {
    fn from(quantity: Quantity) -> Self {
        Self(quantity.get())
    }
}

impl From<Seats> for SeatNumbers {
    fn from(seats: Seats) -> Self {
        Self { seats_assigned: seats.assigned.map(Into::into), seats_available: seats.available.map(Into::into) }
    }
}

impl<'a> Partner<'a> {
    fn of(inventory: &'a Inventory) -> Self {
        Self {
            partner: inventory.partner.as_str(),
            listing_failure: inventory.listing.failure.map(crate::domain::FailureReason::as_str),
            customers: inventory.customers.values().map(|customer| JsonCustomer::of(customer)).collect(),
        }
    }
}

impl<'a> JsonCustomer<'a> {
    fn of(customer: &'a Customer) -> Self {
        let (mut customer_seats, mut tenants, mut failures) = (Vec::new(), Vec::new(), Vec::new());
        let (mut backup_jobs, mut backup_modules) = (Vec::new(), Vec::new());
        let mut products: BTreeMap<_, Product> = BTreeMap::new();
        for (question, known) in &customer.targets {
            if let Known { failure: Some(reason), absence: Absence::None, .. } = known {
                failures.push(JsonFailure { collector: question.collector().as_str(), reason: reason.as_str() });
            }
            let Some((_, answer)) = &known.answer else { continue };
            match (*question, answer) {
                (Question::CustomerSeats(tenant_type), &Answer::CustomerSeats(seats)) => {
                    customer_seats.push(JsonSeats { tenant_type: tenant_type.label().into(), seats: seats.into() });
                }
                (Question::TenantSeats(tenant_type), Answer::TenantSeats(rows)) => {
                    tenants.extend(rows.iter().map(|row| Tenant {
                        tenant_type: tenant_type.label().into(),
                        tenant_id: row.id.as_str(),
                        tenant_name: &row.name,
                        seats: row.seats.into(),
                    }));
                }
                (Question::ProductPurchased(product), &Answer::ProductPurchased(seats)) => {
                    products.entry(product).or_insert_with(|| Product::new(product)).seats_purchased =
                        seats.map(Into::into);
                }
                (Question::ProductAvailable(product), &Answer::ProductAvailable(seats)) => {
                    products.entry(product).or_insert_with(|| Product::new(product)).seats_available =
                        seats.map(Into::into);
                }
                (_, Answer::BackupJobs(jobs)) => backup_jobs.extend(jobs.iter().map(JsonJob::of)),
                (_, Answer::BackupOverview(modules)) => backup_modules.extend(modules.iter().map(JsonModule::of)),
                // The result always matches its query; other combinations cannot be stored.
                _ => {}
            }
        }
        let profile = customer.profile.as_ref().map(|known| &known.profile);
        let subscriptions = customer.services.iter().flat_map(|services| services.subscriptions.iter());
        Self {
            customer_id: customer.id.as_str(),
            customer_name: &customer.name,
            labels: customer.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            job_status: profile.and_then(|profile| profile.job_status).map(CustomerJobStatus::as_str),
            country: profile.map(|profile| &*profile.country).filter(|country| !country.is_empty()),
            management_mode: profile.and_then(|profile| profile.management_mode).map(ManagementMode::as_str),
            customer_seats,
            tenants,
            products: products.into_values().collect(),
            backup_jobs,
            backup_modules,
            subscriptions: subscriptions.map(JsonSubscription::of).collect(),
            failures,
        }
    }
}

impl Product {
    fn new(product: crate::domain::ProductType) -> Self {
        Self { product_type: product.0, product: product.name(), seats_purchased: None, seats_available: None }
    }
}

/// Those of the numbers that are known.
fn known<const N: usize>(names: [&'static str; N], numbers: [Option<Quantity>; N]) -> BTreeMap<&'static str, Number> {
    names.into_iter().zip(numbers).filter_map(|(name, number)| Some((name, number?.into()))).collect()
}

impl<'a> JsonJob<'a> {
    fn of(job: &'a BackupJob) -> Self {
        let mut numbers = known(["duration_seconds", "size_bytes"], [job.duration, job.size]);
        numbers.extend(job.ended.map(|at| ("end_timestamp_seconds", Number(at.get().as_second() as f64))));
        Self {
            job_type: job.key.job_type,
            job_module: job.key.job_module,
            plan: &job.key.plan,
            status: job.status.map(JobStatus::as_str),
            objects: known(RESULTS, job.objects),
            numbers,
        }
    }
}

impl JsonModule {
    fn of(module: &ProtectedObjects) -> Self {
        Self {
            service_type: module.service_type,
            service_module: module.service_module,
            stored_bytes: known(STORAGES, module.stored),
            numbers: known(["scanned", "protected"], [module.scanned, module.protected]),
        }
    }
}

impl<'a> JsonSubscription<'a> {
    fn of(known: &'a KnownSubscription) -> Self {
        let row = &known.subscription;
        let quantities = [
            ("seats_purchased", row.seats_purchased),
            ("units_purchased", row.units_purchased),
            ("microsoft_licenses_assigned", row.licenses_assigned),
            ("microsoft_licenses_available", row.licenses_available),
            ("capacity_purchased_bytes", row.capacity_purchased),
            ("capacity_used_bytes", row.capacity_used),
            ("capacity_protected_bytes", row.capacity_protected),
            ("capacity_per_seat_bytes", row.kind.capacity_per_seat()),
            ("storage_consumed_bytes", row.storage_consumed),
        ];
        let quantities = quantities.into_iter().filter_map(|(name, value)| Some((name, value?.into())));
        let change = row.seats_change.map(|change| ("seats_change", Number(change as f64)));
        let times =
            [("expiration_timestamp_seconds", row.expires), ("contract_end_timestamp_seconds", row.contract_ends)];
        let times = times.into_iter().filter_map(|(name, time)| Some((name, Number(time?.get().as_second() as f64))));
        Self {
            subscription_id: known.id.to_string(),
            service_name: &row.kind.service,
            subscription_model: &row.kind.model,
            storage: &row.kind.storage,
            retention: &row.retention,
            source: &row.kind.source,
            payment_type: &row.kind.payment_type,
            subscription_name: &row.kind.name,
            package: &row.kind.package,
            numbers: quantities.chain(change).chain(times).collect(),
        }
    }
}
