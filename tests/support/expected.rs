//! The expected series of a simulated data set, computed from the simulator's values without any code of the exporter
//! except its list of names.

use std::collections::{BTreeMap, HashSet};

use elements::types::{ProductType, Quantity, Seats, Subscription};
use simulator::{Dataset, Expected, SimCustomer};

use super::Samples;

/// All series "From the API" of a partner, with the default configuration. `subscription_id` is omitted from the
/// labels, because the API has no such id; rows with equal labels are then listed by their values.
pub fn api_series(partner: &str, dataset: &Dataset, minutes: u64) -> BTreeMap<String, Vec<f64>> {
    let mut series = BTreeMap::new();
    for customer in &dataset.customers {
        customer_series(partner, &customer.at(minutes), &mut series);
    }
    sorted(series)
}

/// The served series of the same families, in the same form.
pub fn served(samples: &Samples, partner: &str) -> BTreeMap<String, Vec<f64>> {
    let mut series: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mine = format!("{{partner=\"{partner}\",");
    for (name, &value) in samples {
        let family = name.split('{').next().unwrap();
        let from_the_api = ["avepoint_customer_", "avepoint_tenant_", "avepoint_product_", "avepoint_subscription_"];
        if from_the_api.iter().any(|prefix| family.starts_with(prefix)) && name.contains(&mine) {
            series.entry(without_subscription_id(name)).or_default().push(value);
        }
    }
    sorted(series)
}

fn sorted(mut series: BTreeMap<String, Vec<f64>>) -> BTreeMap<String, Vec<f64>> {
    for values in series.values_mut() {
        values.sort_by(f64::total_cmp);
    }
    series
}

fn without_subscription_id(series: &str) -> String {
    match series.split_once("subscription_id=\"") {
        Some((before, rest)) => format!("{before}{}", rest.split_once("\",").unwrap().1),
        None => series.to_owned(),
    }
}

fn customer_series(partner: &str, customer: &SimCustomer, series: &mut BTreeMap<String, Vec<f64>>) {
    let Expected { listed, customer_seats, tenant_seats, purchased, available, .. } = customer.expected();
    let rows = listed.subscriptions.unwrap();
    let mut add = |name: &str, labels: &[(&str, &str)], value: Option<f64>| {
        let Some(value) = value else { return };
        let labels: Vec<_> = labels.iter().map(|(label, value)| format!(",{label}=\"{}\"", escaped(value))).collect();
        let labels = labels.concat();
        let series_name =
            format!("avepoint_{name}{{partner=\"{partner}\",customer_id=\"{}\"{labels}}}", escaped(&customer.id));
        series.entry(series_name).or_default().push(value);
    };
    // Only what the service list implies is polled and served.
    let (products, tenant_types) = implied(&rows);
    add("customer_info", &[("customer_name", listed.name.as_deref().unwrap_or_default())], Some(1.0));
    for (tenant_type, Seats { assigned, available }) in customer_seats {
        if tenant_types.contains(&tenant_type) {
            let labels = [("tenant_type", &*tenant_type.label())];
            add("customer_seats_assigned", &labels, assigned.map(Quantity::get));
            add("customer_seats_available", &labels, available.map(Quantity::get));
        }
    }
    for (tenant_type, tenants) in tenant_seats {
        for tenant in tenants.iter().filter(|_| tenant_types.contains(&tenant_type)) {
            let label = tenant_type.label();
            let labels = [("tenant_type", &*label), ("tenant_id", tenant.id.as_str())];
            add("tenant_info", &[labels[0], labels[1], ("tenant_name", &tenant.name)], Some(1.0));
            add("tenant_seats_assigned", &labels, tenant.seats.assigned.map(Quantity::get));
            add("tenant_seats_available", &labels, tenant.seats.available.map(Quantity::get));
        }
    }
    for (product, seats) in purchased.iter().filter(|(product, _)| products.contains(product)) {
        let labels = [("product_type", &*product.0.to_string()), ("product", product.name())];
        add("product_seats_purchased", &labels, Some(seats.get()));
    }
    let unknown = rows.iter().any(|row| service(row).product.is_none());
    for (product, seats) in available {
        let held = products.contains(&product);
        if product == ProductType::CLOUD_BACKUP_M365 && (held || unknown && !seats.is_zero()) {
            let labels = [("product_type", &*product.0.to_string()), ("product", product.name())];
            add("product_seats_available", &labels, Some(seats.get()));
        }
    }
    for row in &rows {
        let key = &row.key;
        let service = ("service_name", &*key.service);
        let info = [
            service,
            ("subscription_model", &*key.model),
            ("storage", &*key.storage),
            ("retention", &*row.retention),
            ("source", &*key.source),
            ("payment_type", &*key.payment_type),
            ("subscription_name", &*key.name),
            ("package", &*key.package),
        ];
        add("subscription_info", &info, Some(1.0));
        let quantities = [
            ("seats_purchased", row.seats_purchased),
            ("units_purchased", row.units_purchased),
            ("microsoft_licenses_assigned", row.licenses_assigned),
            ("microsoft_licenses_available", row.licenses_available),
            ("capacity_purchased_bytes", row.capacity_purchased),
            ("capacity_used_bytes", row.capacity_used),
            ("capacity_protected_bytes", row.capacity_protected),
            ("capacity_per_seat_bytes", row.key.capacity_per_seat()),
            ("storage_consumed_bytes", row.storage_consumed),
        ];
        for (name, quantity) in quantities {
            add(&format!("subscription_{name}"), &[service], quantity.map(Quantity::get));
        }
        for (name, number) in [
            ("seats_change", row.seats_change),
            ("expiration_timestamp_seconds", row.expires.map(|at| at.get().as_second())),
            ("contract_end_timestamp_seconds", row.contract_ends.map(|at| at.get().as_second())),
        ] {
            add(&format!("subscription_{name}"), &[service], number.map(|number| number as f64));
        }
    }
}

fn service(row: &Subscription) -> elements::types::ServiceInfo {
    elements::types::ServiceInfo::parse(&row.key.service)
}

fn implied(rows: &[Subscription]) -> (HashSet<ProductType>, HashSet<elements::types::TenantType>) {
    (
        rows.iter().filter_map(|row| service(row).product).collect(),
        rows.iter().filter_map(|row| service(row).tenant_type).collect(),
    )
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
