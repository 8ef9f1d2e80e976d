//! The page of one customer: everything that is known of it.

use jiff::Timestamp;
use maud::{Markup, html};

use super::detail::{Detail, Number, ProductDetail, SeatsDetail, SubscriptionDetail, TargetDetail};
use super::finding::Finding;
use super::layout::{self, badge, bar, columns, condition_level, level};
use super::summary::Row;
use super::view::View;
use super::wording::{ago, bytes, count, countdown, date, moment, quantity};
use crate::inventory::Condition;

/// The page.
#[must_use]
pub(super) fn render(view: &View, row: &Row<'_>, telemetry: &str) -> Markup {
    let now = view.now;
    let detail = Detail::new(row, now);
    let name = detail.customer_name.as_deref().unwrap_or(&detail.customer_id);
    let content = html! {
        a.back href="../../" { "‹ All customers" }
        section.card.subject {
            div.heading {
                h1 { (name) }
                div { @for finding in row.findings.iter() { (badge(level(finding), finding.label())) " " } }
            }
            dl {
                (fact("Id", &html! { span.id { (detail.customer_id) } }))
                (fact("Partner", &html! { (detail.partner) }))
                @for (label, value) in &detail.labels { (fact(label, &html! { (value) })) }
                @if let Some(at) = detail.oldest_data {
                    (fact("Oldest data", &html! { span title=(moment(at)) { (ago(at, now)) } }))
                }
            }
        }
        @if !detail.seats.is_empty() { (seats(&detail.seats, now)) }
        (subscriptions(&detail, now))
        @if !detail.products.is_empty() { (products(&detail.products, now)) }
        (targets(&detail.targets, now))
    };
    let title = format!("{name} · avepoint_exporter");
    layout::page(&title, "../../", telemetry, &view.status, &content)
}

fn fact(term: &str, value: &Markup) -> Markup {
    html! { div { dt { (term) } dd { (value) } } }
}

fn number(value: Option<Number>) -> Markup {
    html! { @if let Some(Number(value)) = value { (quantity(value)) } @else { span.muted { "–" } } }
}

fn size(value: Option<Number>) -> Markup {
    html! { @if let Some(Number(value)) = value { (bytes(value)) } @else { span.muted { "–" } } }
}

fn ratio(value: Option<f64>) -> Markup {
    html! { @if let Some(value) = value { (bar(value)) } @else { span.muted { "–" } } }
}

fn seen(at: Timestamp, stale: bool, now: Timestamp) -> Markup {
    html! { span title=(moment(at)) { (ago(at, now)) } @if stale { " " (badge(level(Finding::Stale), "stale")) } }
}

fn seats(seats: &[SeatsDetail], now: Timestamp) -> Markup {
    html! {
        section {
            h2 { "Tenants" }
            div.scroll { table {
                (columns(&["Tenant", "In use", "Assigned", "Available", "Type", "Seen"], &["Assigned", "Available"]))
                tbody { @for row in seats { tr {
                    td {
                        @if let Some(id) = &row.tenant_id {
                            (row.tenant_name.as_deref().unwrap_or(id)) small.id { (id) }
                        } @else { span.muted { "all tenants of the type" } }
                    }
                    td { (ratio(row.utilization)) }
                    td.number { (number(row.assigned)) }
                    td.number { (number(row.available)) }
                    td { (row.tenant_type) }
                    td { (seen(row.seen, row.stale, now)) }
                } } }
            } }
        }
    }
}

fn products(products: &[ProductDetail], now: Timestamp) -> Markup {
    html! {
        section {
            h2 { "Products" }
            div.scroll { table {
                (columns(&["Product", "Type", "Purchased", "Available", "Seen"], &["Type", "Purchased", "Available"]))
                tbody { @for row in products { tr {
                    td { (row.product) }
                    td.number { (row.product_type) }
                    td.number { (number(row.purchased)) }
                    td.number { (number(row.available)) }
                    td { (seen(row.seen, row.stale, now)) }
                } } }
            } }
        }
    }
}

fn subscriptions(detail: &Detail, now: Timestamp) -> Markup {
    let first = detail.subscriptions.first();
    html! {
        section {
            div.heading {
                h2 { "Subscriptions" }
                @if let Some(first) = first { span.muted { "seen " (seen(first.seen, first.stale, now)) } }
            }
            @if first.is_none() { p.nothing { "The service list has not named any." } }
            div.subscriptions { @for row in &detail.subscriptions { (subscription(row, now)) } }
        }
    }
}

fn subscription(row: &SubscriptionDetail, now: Timestamp) -> Markup {
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
        ("Licences assigned", row.licenses_assigned),
        ("Licences available", row.licenses_available),
    ];
    let sizes = [
        ("Capacity purchased", row.capacity_purchased_bytes),
        ("Capacity used", row.capacity_used_bytes),
        ("Capacity protected", row.capacity_protected_bytes),
        ("Capacity per seat", row.capacity_per_seat_bytes),
        ("Storage consumed", row.storage_consumed_bytes),
    ];
    let usages = [("Seats in use", row.seats_utilization), ("Capacity in use", row.capacity_utilization)];
    html! {
        article.card {
            div.heading {
                h3 { (row.service_name) }
                @if let Some(expires) = row.expires { (expiration(expires, row.expiry, now)) }
            }
            dl {
                @for (term, value) in usages { @if value.is_some() { (fact(term, &ratio(value))) } }
                @for (term, value) in numbers { @if value.is_some() { (fact(term, &number(value))) } }
                @for (term, value) in sizes { @if value.is_some() { (fact(term, &size(value))) } }
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
}

fn expiration(at: Timestamp, expiry: Option<&str>, now: Timestamp) -> Markup {
    let text =
        if at <= now { format!("expired {}", countdown(at, now)) } else { format!("expires {}", countdown(at, now)) };
    match expiry {
        Some("expired") => badge(level(Finding::Expired), &text),
        Some(_) => badge(level(Finding::Expiring), &text),
        None => html! { span.muted { (text) } },
    }
}

fn targets(targets: &[TargetDetail], now: Timestamp) -> Markup {
    let class = |word: &str| {
        Condition::ALL.into_iter().find(|condition| condition.as_str() == word).map_or("quiet", condition_level)
    };
    let time = |at: Option<Timestamp>| {
        html! { @if let Some(at) = at { span title=(moment(at)) { (ago(at, now)) } } @else { span.muted { "never" } } }
    };
    html! {
        section {
            h2 { "Collection" }
            div.scroll { table {
                (columns(&["Collector", "About", "Condition", "Last success", "Last poll", "Failure"], &[]))
                tbody { @for target in targets { tr {
                    td { (target.collector) }
                    td { (target.about) }
                    td { (badge(class(target.condition), target.condition)) }
                    td { (time(target.last_success)) }
                    td { (time(target.last_poll)) }
                    td { @if let Some(reason) = target.failure { (reason) } @else { span.muted { "–" } } }
                } } }
            } }
        }
    }
}
