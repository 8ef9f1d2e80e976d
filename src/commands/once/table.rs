//! `once --format table`: what was read, for people: one table of seats, one of subscriptions.

use std::fmt::Write;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use jiff::Timestamp;

use crate::domain::{Answer, Moment, Quantity, Question};
use crate::inventory::{Condition, Customer, Inventory};

pub(super) fn render(inventories: &[Inventory], now: Timestamp) -> String {
    let mut seats = table(&["Customer", "What", "Assigned", "Available", "Purchased"], 2);
    let mut subscriptions = table(&["Customer", "Service", "Purchased", "Assigned", "Expires", ""], 2);
    let mut failures = table(&["Customer", "What", "State", "Reason"], 4);
    for inventory in inventories {
        if let Some(reason) = inventory.listing.failure {
            failures.add_row(["(all)", "services", "failing", reason.as_str()].map(clean));
        }
        let mut customers: Vec<_> = inventory.customers.values().collect();
        customers.sort_by_key(|customer| name(customer));
        for customer in customers {
            seat_rows(customer, &mut seats);
            subscription_rows(customer, now, &mut subscriptions);
            for (question, known) in &customer.targets {
                let condition = known.condition(now, inventory.max_age(question.collector()));
                if !matches!(condition, Condition::Fresh | Condition::Absent) {
                    let reason = known.failure.map_or("", |reason| reason.as_str());
                    failures.add_row([name(customer), what(*question), condition.as_str().into(), reason.into()]);
                }
            }
        }
    }
    let mut text = format!("{seats}\n\n{subscriptions}\n");
    if !failures.is_empty() {
        let _ = writeln!(text, "\nNot read:\n{failures}");
    }
    text
}

fn table(header: &[&str], first_number: usize) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    for column in table.column_iter_mut().skip(first_number) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn seat_rows(customer: &Customer, table: &mut Table) {
    for (question, known) in &customer.targets {
        let Some((_, answer)) = &known.answer else { continue };
        match answer {
            Answer::CustomerSeats(seats) => {
                table.add_row([
                    name(customer),
                    what(*question),
                    number(seats.assigned),
                    number(seats.available),
                    String::new(),
                ]);
            }
            Answer::TenantSeats(tenants) => {
                for tenant in tenants.iter() {
                    let label = if tenant.name.is_empty() { tenant.id.as_str() } else { &tenant.name };
                    let what = format!("tenant {}", clean(label));
                    let seats = tenant.seats;
                    table.add_row([
                        name(customer),
                        what,
                        number(seats.assigned),
                        number(seats.available),
                        String::new(),
                    ]);
                }
            }
            Answer::ProductPurchased(seats) => {
                table.add_row([name(customer), what(*question), String::new(), String::new(), number(*seats)]);
            }
            Answer::ProductAvailable(seats) => {
                table.add_row([name(customer), what(*question), String::new(), number(*seats), String::new()]);
            }
        }
    }
}

fn subscription_rows(customer: &Customer, now: Timestamp, table: &mut Table) {
    for known in customer.services.iter().flat_map(|services| services.subscriptions.iter()) {
        let row = &known.subscription;
        let (date, left) = row
            .expires
            .map(Moment::get)
            .map(|at| (at.strftime("%Y-%m-%d").to_string(), countdown(at, now)))
            .unwrap_or_default();
        let cells = [
            name(customer),
            clean(&row.kind.service),
            number(row.seats_purchased),
            number(row.licenses_assigned),
            date,
            left,
        ];
        table.add_row(cells);
    }
}

fn name(customer: &Customer) -> String {
    clean(if customer.name.is_empty() { customer.id.as_str() } else { &customer.name })
}

fn what(question: Question) -> String {
    match question {
        Question::TenantSeats(tenant_type) => format!("{} tenants", tenant_type.label()),
        Question::CustomerSeats(tenant_type) => format!("all {} tenants", tenant_type.label()),
        Question::ProductPurchased(product) | Question::ProductAvailable(product) => {
            format!("{} ({})", product.name(), product.0)
        }
    }
}

fn number(quantity: Option<Quantity>) -> String {
    quantity.map_or_else(String::new, |quantity| {
        if quantity.is_unlimited() { "unlimited".to_owned() } else { quantity.get().to_string() }
    })
}

fn countdown(at: Timestamp, now: Timestamp) -> String {
    match at.duration_since(now).as_hours().div_euclid(24) {
        days @ 0.. => format!("in {days} days"),
        days => format!("{} days ago", -days),
    }
}

/// What comes from the API must not steer a terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
