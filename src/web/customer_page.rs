//! The page of one customer with all its values and targets.

use jiff::Timestamp;
use maud::{Markup, html};

use super::backups;
use super::customer_json::{CustomerJson, ProductJson, SeatsJson, SubscriptionJson, TargetJson};
use super::format::{bytes, count, countdown, date, quantity};
use super::layout::{self, Table, age, badge, bar, issue_badge, muted_badge, number, or_dash, seen, status_class};
use super::service_summary::Service;
use super::snapshot::PageSnapshot;
use super::status_page::headroom;
use super::summary::{CustomerSummary, is_muted};
use super::utilization::Utilization;
use crate::inventory::TargetStatus;

#[must_use]
pub(super) fn render(snapshot: &PageSnapshot, row: &CustomerSummary<'_>, telemetry: &str) -> Markup {
    let now = snapshot.now;
    let detail = CustomerJson::new(row, now);
    let name = detail.customer_name.as_deref().unwrap_or(&detail.customer_id);
    let content = html! {
        a.back href="../../" { "‹ All customers" }
        section.card.subject {
            div.heading {
                h1 { (name) }
                div {
                    @for (issue, severity) in row.issues.by_severity() { (issue_badge(issue, severity)) " " }
                    @if is_muted(row.customer) { (muted_badge()) }
                }
            }
            dl {
                (fact("Id", &html! { span.id { (detail.customer_id) } }))
                (fact("Partner", &html! { (detail.partner) }))
                @for (label, value) in &detail.labels { (fact(label, &html! { (value) })) }
                @for (term, value) in detail.profile.iter().flat_map(backups::facts) { (fact(term, &value)) }
                @if let Some(at) = detail.oldest_data {
                    (fact("Oldest data", &age(at, now)))
                }
            }
        }
        (services(row, &detail, now))
        @if !detail.seats.is_empty() { (seats(&detail.seats, now)) }
        @if !detail.products.is_empty() { (products(&detail.products, now)) }
        @if let Some(jobs) = &detail.backup_jobs { @if !jobs.is_empty() { (backups::jobs_section(jobs, now)) } }
        @if let Some(modules) = &detail.backup_overview {
            @if !modules.is_empty() { (backups::modules_section(modules, now)) }
        }
        (targets(&detail.targets, now))
    };
    let title = format!("{name} · avepoint_exporter");
    layout::page(&title, "../../", telemetry, &snapshot.status, &content)
}

fn fact(term: &str, value: &Markup) -> Markup {
    html! { div { dt { (term) } dd { (value) } } }
}

fn seats(seats: &[SeatsJson], now: Timestamp) -> Markup {
    let tenant = |row: &SeatsJson| {
        html! {
            @if let Some(id) = &row.tenant_id {
                (row.tenant_name.as_deref().unwrap_or(id)) small.id { (id) }
            } @else { span.muted { "all tenants of the type" } }
        }
    };
    let table = Table::of(seats)
        .text("Tenant", tenant)
        .text("Share assigned", |row| or_dash(row.utilization.map(|share| bar(share, None))))
        .number("Licences assigned", |row| number(row.assigned, quantity))
        .number("Licences available", |row| number(row.available, quantity))
        .text("Type", |row| html! { (row.tenant_type) })
        .text("Seen", |row| seen(row.seen, row.stale, now));
    html! {
        section {
            h2 { "Tenants" }
            p.muted {
                "Licences of Microsoft, Google, Salesforce or Dynamics, not AvePoint seats. What AvePoint calls available is not \
                 documented: most likely licences that the customer owns and has not assigned."
            }
            (table)
        }
    }
}

fn products(products: &[ProductJson], now: Timestamp) -> Markup {
    let table = Table::of(products)
        .text("Product", |row| html! { (row.product) })
        .number("Type", |row| html! { (row.product_type) })
        .number("Seats purchased", |row| number(row.purchased, quantity))
        .number("Licences available", |row| number(row.available, quantity))
        .text("Seen", |row| seen(row.seen, row.stale, now));
    html! { section { h2 { "Products" } (table) } }
}

fn services(row: &CustomerSummary<'_>, detail: &CustomerJson, now: Timestamp) -> Markup {
    let first = detail.subscriptions.first();
    html! {
        section {
            div.heading {
                h2 { "Services" }
                @if let Some(first) = first { span.muted { "seen " (seen(first.seen, first.stale, now)) } }
            }
            @if first.is_none() { p.nothing { "The service list has not named any." } }
            div.subscriptions {
                @for known in &detail.services {
                    @if let Some(service) = row.services.iter().find(|service| service.name == &*known.service_name) {
                        (service_card(service, detail, now))
                    }
                }
            }
        }
    }
}

/// A service: totals, then its rows.
fn service_card(service: &Service<'_>, detail: &CustomerJson, now: Timestamp) -> Markup {
    let rows = detail.subscriptions.iter().filter(|row| *row.service_name == *service.name);
    let used = |what: Utilization<'_>| bar(what.ratio(), service.severity(what.resource));
    html! {
        article.card {
            div.heading {
                h3 { (service.name) }
                div { @for (issue, severity) in service.issues().by_severity() { (issue_badge(issue, severity)) " " } }
            }
            dl {
                @if let Some(seats) = service.seats {
                    (fact("Seats in use", &html! { (used(seats)) }))
                    (fact("Assigned of purchased", &html! {
                        (quantity(seats.used)) " of " (quantity(seats.total)) ", " b { (headroom(seats)) }
                    }))
                }
                @if let Some(capacity) = service.capacity {
                    (fact("Capacity in use", &html! { (used(capacity)) }))
                    (fact("Protected of purchased", &html! { (bytes(capacity.used)) " of " (bytes(capacity.total)) }))
                }
                @if service.rows.len() > 1 {
                    (fact("Rows", &html! {
                        (count(service.rows.len() as f64)) ", of which " (count(service.running as f64)) " run"
                    }))
                }
                @if let Some(renewal) = service.unused_until {
                    (fact("Unused before renewal", &html! { (date(renewal)) " " span.muted { (countdown(renewal, now)) } }))
                }
            }
            @for row in rows { div.row { (subscription(row, now)) } }
        }
    }
}

fn subscription(row: &SubscriptionJson, now: Timestamp) -> Markup {
    let texts = [
        ("Model", &row.subscription_model),
        ("Name", &row.subscription_name),
        ("Package", &row.package),
        ("Source", &row.source),
        ("Payment", &row.payment_type),
        ("Storage", &row.storage),
        ("Retention", &row.retention),
    ];
    let numbers = [
        ("Seats purchased", row.seats_purchased),
        ("Units purchased", row.units_purchased),
        ("Microsoft licences assigned", row.licenses_assigned),
        ("Microsoft licences available", row.licenses_available),
    ];
    let sizes = [
        ("Capacity purchased", row.capacity_purchased_bytes),
        ("Capacity used", row.capacity_used_bytes),
        ("Capacity protected", row.capacity_protected_bytes),
        ("Capacity per seat", row.capacity_per_seat_bytes),
        ("Storage consumed", row.storage_consumed_bytes),
    ];
    html! {
            @if let Some(expires) = row.expires { (expiration(expires, row, now)) }
            dl {
                @for (term, value) in numbers { @if value.is_some() { (fact(term, &number(value, quantity))) } }
                @for (term, value) in sizes { @if value.is_some() { (fact(term, &number(value, bytes))) } }
                @if let Some(change) = row.seats_change {
                    (fact("Change this month", &html! { @if change > 0 { "+" } (count(change as f64)) }))
                }
                @if let Some(expires) = row.expires { (fact("Expires", &html! { (date(expires)) })) }
                @if let Some(ends) = row.contract_ends {
                    (fact("Contract ends", &html! { (date(ends)) " " span.muted { (countdown(ends, now)) } }))
                }
                @for (term, value) in texts { @if !value.is_empty() { (fact(term, &html! { (value) })) } }
                (fact("Id", &html! { span.id { (row.subscription_id) } }))
            }
    }
}

fn expiration(at: Timestamp, row: &SubscriptionJson, now: Timestamp) -> Markup {
    let text =
        if at <= now { format!("expired {}", countdown(at, now)) } else { format!("expires {}", countdown(at, now)) };
    html! {
        @if let Some(severity) = row.expiry_severity { (badge(severity, &text)) } @else { span.muted { (text) } }
    }
}

fn targets(targets: &[TargetJson], now: Timestamp) -> Markup {
    let class =
        |word: &str| TargetStatus::ALL.into_iter().find(|status| status.as_str() == word).map_or("quiet", status_class);
    let time = |at: Option<Timestamp>| at.map_or_else(|| html! { span.muted { "never" } }, |at| age(at, now));
    let table = Table::of(targets)
        .text("Collector", |target| html! { (target.collector) })
        .text("About", |target| html! { (target.about) })
        .text("State", |target| badge(class(target.condition), target.condition))
        .text("Last success", |target| time(target.last_success))
        .text("Last poll", |target| time(target.last_poll))
        .text("Failure", |target| or_dash(target.failure));
    html! { section { h2 { "Collection" } (table) } }
}
