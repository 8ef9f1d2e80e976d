//! Families of customers, and of the seats of their tenants and products.

use std::collections::BTreeMap;

use elements::types::{Observation, Quantity, Query};
use exposition::FamilyWriter;

use super::customer_view::CustomerView;
use crate::catalog;

/// The families from `customer_info` to the product seats.
pub(super) fn render(views: &[CustomerView<'_>]) -> Vec<FamilyWriter> {
    let mut families = vec![customers(views)];
    families.extend(customer_seats(views));
    families.extend(tenants(views));
    families.extend(products(views));
    families
}

fn customers(views: &[CustomerView<'_>]) -> FamilyWriter {
    let mut info = FamilyWriter::new(&catalog::CUSTOMER_INFO);
    for view in views {
        let labels = info.labels(&[&view.customer.name]);
        view.push(&mut info, &labels, Some(1.0));
    }
    info
}

fn customer_seats(views: &[CustomerView<'_>]) -> [FamilyWriter; 2] {
    let mut assigned = FamilyWriter::new(&catalog::CUSTOMER_SEATS_ASSIGNED);
    let mut available = FamilyWriter::new(&catalog::CUSTOMER_SEATS_AVAILABLE);
    for (view, query, observation) in observations(views) {
        if let (Query::CustomerSeats(tenant_type), Observation::CustomerSeats(seats)) = (query, observation) {
            let labels = assigned.labels(&[&tenant_type.label()]);
            view.push(&mut assigned, &labels, seats.assigned.map(Quantity::get));
            view.push(&mut available, &labels, seats.available.map(Quantity::get));
        }
    }
    [assigned, available]
}

fn tenants(views: &[CustomerView<'_>]) -> [FamilyWriter; 3] {
    let mut info = FamilyWriter::new(&catalog::TENANT_INFO);
    let mut assigned = FamilyWriter::new(&catalog::TENANT_SEATS_ASSIGNED);
    let mut available = FamilyWriter::new(&catalog::TENANT_SEATS_AVAILABLE);
    for (view, query, observation) in observations(views) {
        if let (Query::TenantSeats(tenant_type), Observation::TenantSeats(tenants)) = (query, observation) {
            let tenant_type = tenant_type.label();
            // Deduplicated by the identifying labels, so that no two rows give the same series.
            let rows = tenants.iter().rev().map(|row| (assigned.labels(&[&tenant_type, row.id.as_str()]), row));
            for (labels, row) in rows.collect::<BTreeMap<_, _>>() {
                // The list of customers also has the names of tenants.
                let other_name = || view.profile().map_or("", |profile| profile.tenant_name(&row.id));
                let name = info.labels(&[if row.name.is_empty() { other_name() } else { &row.name }]);
                view.push(&mut info, &format!("{labels},{name}"), Some(1.0));
                view.push(&mut assigned, &labels, row.seats.assigned.map(Quantity::get));
                view.push(&mut available, &labels, row.seats.available.map(Quantity::get));
            }
        }
    }
    [info, assigned, available]
}

fn products(views: &[CustomerView<'_>]) -> [FamilyWriter; 2] {
    let mut purchased = FamilyWriter::new(&catalog::PRODUCT_SEATS_PURCHASED);
    let mut available = FamilyWriter::new(&catalog::PRODUCT_SEATS_AVAILABLE);
    for (view, query, observation) in observations(views) {
        let (lines, product, seats) = match (query, observation) {
            (Query::ProductPurchased(product), Observation::ProductPurchased(seats)) => {
                (&mut purchased, product, seats)
            }
            (Query::ProductAvailable(product), Observation::ProductAvailable(seats)) => {
                (&mut available, product, seats)
            }
            _ => continue,
        };
        let labels = lines.labels(&[&product.0.to_string(), product.name()]);
        view.push(lines, &labels, seats.map(Quantity::get));
    }
    [purchased, available]
}

fn observations<'a>(
    views: &'a [CustomerView<'a>],
) -> impl Iterator<Item = (&'a CustomerView<'a>, Query, &'a Observation)> {
    views.iter().flat_map(|view| view.observations.iter().map(move |&(query, observation)| (view, query, observation)))
}
