//! Families of customers, and of the seats of their tenants and products.

use std::collections::BTreeMap;

use super::lines::Lines;
use super::subject::Subject;
use crate::catalog;
use crate::domain::{Answer, Quantity, Question};

/// The families from `customer_info` to the product seats.
pub(super) fn render(subjects: &[Subject<'_>]) -> Vec<Lines> {
    let mut families = vec![customers(subjects)];
    families.extend(customer_seats(subjects));
    families.extend(tenants(subjects));
    families.extend(products(subjects));
    families
}

fn customers(subjects: &[Subject<'_>]) -> Lines {
    let mut info = Lines::new(&catalog::CUSTOMER_INFO);
    for subject in subjects {
        info.push_of(subject, &info.labels(&[&subject.customer.name]), Some(1.0));
    }
    info
}

fn customer_seats(subjects: &[Subject<'_>]) -> [Lines; 2] {
    let mut assigned = Lines::new(&catalog::CUSTOMER_SEATS_ASSIGNED);
    let mut available = Lines::new(&catalog::CUSTOMER_SEATS_AVAILABLE);
    for (subject, question, answer) in answers(subjects) {
        if let (Question::CustomerSeats(tenant_type), Answer::CustomerSeats(seats)) = (question, answer) {
            let labels = assigned.labels(&[&tenant_type.label()]);
            assigned.push_of(subject, &labels, seats.assigned.map(Quantity::get));
            available.push_of(subject, &labels, seats.available.map(Quantity::get));
        }
    }
    [assigned, available]
}

fn tenants(subjects: &[Subject<'_>]) -> [Lines; 3] {
    let mut info = Lines::new(&catalog::TENANT_INFO);
    let mut assigned = Lines::new(&catalog::TENANT_SEATS_ASSIGNED);
    let mut available = Lines::new(&catalog::TENANT_SEATS_AVAILABLE);
    for (subject, question, answer) in answers(subjects) {
        if let (Question::TenantSeats(tenant_type), Answer::TenantSeats(tenants)) = (question, answer) {
            let tenant_type = tenant_type.label();
            // Deduplicated by the identifying labels, so that no two rows give the same series.
            let rows = tenants.iter().rev().map(|row| (assigned.labels(&[&tenant_type, row.id.as_str()]), row));
            for (labels, row) in rows.collect::<BTreeMap<_, _>>() {
                let name = info.labels(&[&row.name]);
                info.push_of(subject, &format!("{labels},{name}"), Some(1.0));
                assigned.push_of(subject, &labels, row.seats.assigned.map(Quantity::get));
                available.push_of(subject, &labels, row.seats.available.map(Quantity::get));
            }
        }
    }
    [info, assigned, available]
}

fn products(subjects: &[Subject<'_>]) -> [Lines; 2] {
    let mut purchased = Lines::new(&catalog::PRODUCT_SEATS_PURCHASED);
    let mut available = Lines::new(&catalog::PRODUCT_SEATS_AVAILABLE);
    for (subject, question, answer) in answers(subjects) {
        let (lines, product, seats) = match (question, answer) {
            (Question::ProductPurchased(product), Answer::ProductPurchased(seats)) => (&mut purchased, product, seats),
            (Question::ProductAvailable(product), Answer::ProductAvailable(seats)) => (&mut available, product, seats),
            _ => continue,
        };
        let labels = lines.labels(&[&product.0.to_string(), product.name()]);
        lines.push_of(subject, &labels, seats.map(Quantity::get));
    }
    [purchased, available]
}

fn answers<'a>(subjects: &'a [Subject<'a>]) -> impl Iterator<Item = (&'a Subject<'a>, Question, &'a Answer)> {
    subjects
        .iter()
        .flat_map(|subject| subject.answers.iter().map(move |&(question, answer)| (subject, question, answer)))
}
