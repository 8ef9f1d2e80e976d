//! `once --format table`: one table of seats and one of subscriptions.

use std::collections::BTreeMap;
use std::fmt::Write;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use elements::types::{CompactTimestamp, Observation, Quantity, Query, Seats};
use elements::types::{CustomerJobStatus, ManagementMode, Profile};
use jiff::Timestamp;

use crate::inventory::{Customer, Inventory, TargetStatus};
use crate::terminal::escape;
use crate::web::format;

const AVAILABLE: &str = "* What AvePoint calls available is not documented: most likely licences of Microsoft (or Google, Salesforce) \
                         that are not assigned, not seats left.";

pub(super) fn render(inventories: &[Inventory], now: Timestamp) -> String {
    let mut seats = table(&["Customer", "What", "Licences assigned", "Licences available*", "Seats purchased"], 2);
    let mut subscriptions = table(&["Customer", "Service", "Seats purchased", "Licences assigned", "Expires", ""], 2);
    let mut profiles = table(&["Customer", "Backups", "Country", "Managed by"], 4);
    let mut jobs = table(&["Customer", "Plan", "Type", "Module", "Status", "Ended"], 2);
    let mut modules = table(&["Customer", "Service", "Module", "Protected", "Scanned"], 1);
    let mut failures = table(&["Customer", "What", "State", "Reason"], 4);
    for inventory in inventories {
        let of_partner = if inventories.len() > 1 { format!("{}: ", inventory.partner) } else { String::new() };
        let named = |name: &str| escape(&format!("{of_partner}{name}")).into_owned();
        for (collector, list) in inventory.lists() {
            if let Some(reason) = list.failure {
                failures.add_row([named("(all)"), collector.as_str().into(), "failing".into(), reason.as_str().into()]);
            }
        }
        let mut customers: Vec<_> = inventory.customers.values().collect();
        customers.sort_by_key(|customer| customer.display_name());
        for customer in customers {
            let named = named(customer.display_name());
            for (what, amounts) in seats_of(customer) {
                let [assigned, available, purchased] = amounts.map(number);
                seats.add_row([named.clone(), what, assigned, available, purchased]);
            }
            subscription_rows(&named, customer, now, &mut subscriptions);
            profiles.add_rows(customer.profile().iter().map(|profile| profile_row(&named, profile)));
            backup_rows(&named, customer, now, &mut jobs, &mut modules);
            for (query, known) in &customer.targets {
                let status = inventory.status(*query, known, now);
                if !matches!(status, TargetStatus::Fresh | TargetStatus::Absent) {
                    let reason = known.failure.map_or("", |reason| reason.as_str());
                    failures.add_row([named.clone(), what(*query), status.as_str().into(), reason.into()]);
                }
            }
        }
    }
    let mut text = format!("{seats}\n{AVAILABLE}\n\n{subscriptions}\n");
    for table in [profiles, jobs, modules].into_iter().filter(|table| !table.is_empty()) {
        let _ = writeln!(text, "\n{table}");
    }
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

/// One row of seats: assigned, available, purchased. Both queries about a product share one row.
fn seats_of(customer: &Customer) -> Vec<(String, [Option<Quantity>; 3])> {
    let observations: BTreeMap<_, _> =
        customer.targets.iter().filter_map(|(query, known)| Some((*query, &known.observation.as_ref()?.1))).collect();
    let mut rows = Vec::new();
    for (&query, observation) in &observations {
        match (query, observation) {
            (Query::TenantSeats(tenant_type), Observation::TenantSeats(tenants)) => {
                for tenant in tenants.iter() {
                    let Seats { assigned, available } = tenant.seats;
                    let label = if tenant.name.is_empty() { tenant.id.as_str() } else { &tenant.name };
                    rows.push((
                        format!("{} tenant {}", escape(&tenant_type.label()), escape(label)),
                        [assigned, available, None],
                    ));
                }
            }
            (_, Observation::CustomerSeats(Seats { assigned, available })) => {
                rows.push((what(query), [*assigned, *available, None]));
            }
            (Query::ProductPurchased(product), Observation::ProductPurchased(purchased)) => {
                let available = match observations.get(&Query::ProductAvailable(product)) {
                    Some(Observation::ProductAvailable(available)) => *available,
                    _ => None,
                };
                rows.push((what(query), [None, available, *purchased]));
            }
            (Query::ProductAvailable(product), Observation::ProductAvailable(available))
                if !observations.contains_key(&Query::ProductPurchased(product)) =>
            {
                rows.push((what(query), [None, *available, None]));
            }
            _ => {}
        }
    }
    rows
}

fn subscription_rows(named: &str, customer: &Customer, now: Timestamp, table: &mut Table) {
    for known in customer.services.iter().flat_map(|services| services.subscriptions.iter()) {
        let row = &known.subscription;
        let (date, left) = row
            .expires
            .map(CompactTimestamp::get)
            .map(|at| (format::date(at), format::countdown(at, now)))
            .unwrap_or_default();
        let cells = [
            named.to_owned(),
            escape(&row.key.service).into_owned(),
            number(row.seats_purchased),
            number(row.licenses_assigned),
            date,
            left,
        ];
        table.add_row(cells);
    }
}

fn profile_row(named: &str, profile: &Profile) -> [String; 4] {
    let status = profile.job_status.map_or("", CustomerJobStatus::as_str);
    let mode = profile.management_mode.map_or("", ManagementMode::as_str);
    [named.to_owned(), status.to_owned(), escape(&profile.country).into_owned(), mode.to_owned()]
}

fn backup_rows(named: &str, customer: &Customer, now: Timestamp, jobs: &mut Table, modules: &mut Table) {
    for (_, observation) in customer.targets.iter().filter_map(|(_, known)| known.observation.as_ref()) {
        match observation {
            Observation::BackupJobs(newest) => {
                for job in newest.iter() {
                    let plan = escape(&job.key.plan).into_owned();
                    let status = job.status.map_or_else(String::new, |status| status.as_str().to_owned());
                    let ended = job.ended.map_or_else(String::new, |at| format::ago(at.get(), now));
                    let (job_type, module) = (job.key.job_type.to_string(), job.key.job_module.to_string());
                    jobs.add_row([named.to_owned(), plan, job_type, module, status, ended]);
                }
            }
            Observation::BackupOverview(rows) => {
                for row in rows.iter() {
                    let (service, module) = (row.service_type.to_string(), row.service_module.to_string());
                    modules.add_row([named.to_owned(), service, module, number(row.protected), number(row.scanned)]);
                }
            }
            _ => {}
        }
    }
}

fn what(query: Query) -> String {
    match query {
        Query::TenantSeats(tenant_type) => format!("{} tenants", tenant_type.label()),
        Query::CustomerSeats(tenant_type) => format!("all {} tenants", tenant_type.label()),
        Query::ProductPurchased(_) | Query::ProductAvailable(_) => query.about(),
        other => other.collector().as_str().to_owned(),
    }
}

fn number(quantity: Option<Quantity>) -> String {
    quantity.map_or_else(String::new, |quantity| {
        if quantity.is_unlimited() { "unlimited".to_owned() } else { quantity.get().to_string() }
    })
}
