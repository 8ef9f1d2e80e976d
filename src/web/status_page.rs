//! The status page: partners with their targets, and customers with their issues.

use maud::{Markup, html};

use super::backups;
use super::format::{ago, bytes, count, countdown, date, moment, plural, quantity};
use super::issue::{Issue, Severity};
use super::layout::{self, badge, bar, columns, issue_badge, muted_badge, or_dash};
use super::query::{CustomerQuery, StateFilter, path_segment};
use super::snapshot::{CustomerList, MAX_UNUSED, PageSnapshot};
use super::status::{ExporterStatus, PartnerStatus};
use super::summary::{CustomerSummary, Expiry, is_muted};
use super::utilization::{Resource, Utilization};
use crate::inventory::TargetStatus;

#[must_use]
pub(super) fn render(snapshot: &PageSnapshot, query: &CustomerQuery, telemetry: &str) -> Markup {
    let status = &snapshot.status;
    let list = snapshot.list(query);
    let content = html! {
        section.partners aria-label="Partners" {
            @for partner in &status.partners { (partner_card(partner, snapshot)) }
        }
        section {
            div.heading {
                h1 { "Customers" }
                (range(query, list.total))
                a.download href={ "api/v1/customers.csv" (query.to_link()) } download="customers.csv" { "Download CSV" }
            }
            (chips(query, &list))
            (form(snapshot, query))
            @if list.rows.is_empty() {
                (empty_message(query, &list, status))
            } @else {
                (table(snapshot, &list.rows))
                (pager(query, list.total))
            }
        }
        @if !list.unused.is_empty() { (unused(snapshot, query, &list)) }
    };
    layout::page("avepoint_exporter", "./", telemetry, status, &content)
}

fn partner_card(partner: &PartnerStatus, snapshot: &PageSnapshot) -> Markup {
    html! {
        article.card {
            div.heading {
                h2 { (partner.partner) }
                @if partner.ready { (badge("good", "ready")) } @else { (badge("critical", "not ready")) }
            }
            p {
                (plural(partner.customers as u64, "customer"))
                @if let Some(listed) = partner.last_listing {
                    " · " span title=(moment(listed)) { "listed " (ago(listed, snapshot.now)) }
                } @else if !partner.lists {
                    " · not listed, as configured"
                }
            }
            @if partner.targets.total() > 0 { (layout::status_counts(&partner.targets)) }
            @if !partner.ready { p.problem { (partner.state) } }
            @else if let Some(reason) = partner.listing_failure { p.problem { "listing failed: " (reason) } }
            @for not_granted in &partner.not_granted {
                p.problem { (not_granted.collector) " reads nothing: the app registration lacks " (not_granted.permission) }
            }
            @if partner.left_out > 0 {
                p.problem {
                    (count(partner.left_out as f64)) " customers are left out, and none is removed: raise customers.max"
                }
            }
            @if !partner.failures.is_empty() {
                p.problem {
                    "last poll failed: "
                    @for (index, (reason, number)) in partner.failures.iter().enumerate() {
                        @if index > 0 { ", " }
                        (reason) " × " (count(*number as f64))
                    }
                }
            }
        }
    }
}

fn range(query: &CustomerQuery, total: usize) -> Markup {
    let shown = query.range(total);
    html! {
        @if !shown.is_empty() {
            span.muted {
                (count((shown.start + 1) as f64)) "–" (count(shown.end as f64)) " of " (count(total as f64))
            }
        }
    }
}

/// The number of customers in each state, as links that filter by it.
fn chips(query: &CustomerQuery, list: &CustomerList<'_>) -> Markup {
    let chip = |state: Option<StateFilter>, class: &str, label: &str, number: usize| {
        let is_chosen = query.state == state;
        html! {
            a class={ "chip " (class) } href=(query.with_state(state).to_link())
                aria-current=[is_chosen.then_some("true")] {
                b { (count(number as f64)) } " " (label)
            }
        }
    };
    html! {
        div.chips {
            (chip(None, "all", "all", list.any))
            @for &(issue, number, severity) in &list.issues {
                (chip(Some(StateFilter::Has(issue)), severity.as_str(), issue.label(), number))
            }
            @if list.ok > 0 { (chip(Some(StateFilter::Ok), "good", "ok", list.ok)) }
        }
    }
}

fn form(snapshot: &PageSnapshot, query: &CustomerQuery) -> Markup {
    let label = |state: StateFilter| match state {
        StateFilter::Has(issue) => issue.label(),
        StateFilter::Ok => "ok",
    };
    html! {
        form method="get" role="search" {
            input type="search" name="q" value=(query.text) placeholder="Name or id" aria-label="Name or id";
            @if snapshot.inventories.len() > 1 {
                select name="partner" aria-label="Partner" {
                    option value="" { "All partners" }
                    @for inventory in &snapshot.inventories {
                        @let partner = inventory.partner.as_str();
                        option value=(partner) selected[partner == query.partner] { (partner) }
                    }
                }
            }
            select name="state" aria-label="State" {
                option value="" { "Any state" }
                @for state in StateFilter::all() {
                    option value=(state.as_str()) selected[query.state == Some(state)] { (label(state)) }
                }
            }
            button { "Show" }
            @if *query != CustomerQuery::default() { a.clear href="./" { "Clear" } }
        }
    }
}

fn empty_message(query: &CustomerQuery, list: &CustomerList<'_>, status: &ExporterStatus) -> Markup {
    html! {
        p.nothing {
            @if list.total > 0 {
                "There is no page " (query.page) ". " a href=(query.with_page(1).to_link()) { "First page" }
            } @else if status.customers == 0 {
                "No customer is known yet."
            } @else {
                "No customer matches. " a href="./" { "Show all" }
            }
        }
    }
}

fn table(snapshot: &PageSnapshot, rows: &[CustomerSummary<'_>]) -> Markup {
    let several = snapshot.inventories.len() > 1;
    let backups = snapshot.inventories.iter().any(|inventory| !inventory.collectors.optional.is_empty());
    let mut names = vec!["Customer", "State", "Seats or capacity, most used", "Expires", "Oldest data"];
    if backups {
        names.insert(4, "Backups");
    }
    html! {
        table.customers.with_backups[backups] {
            (columns(&names, &[]))
            tbody { @for row in rows { (customer(snapshot, row, several, backups)) } }
        }
    }
}

fn link(row: &CustomerSummary<'_>) -> String {
    let (partner, id) = (row.inventory.partner.as_str(), row.customer.id.as_str());
    format!("customers/{}/{}", path_segment(partner), path_segment(id))
}

fn customer(snapshot: &PageSnapshot, row: &CustomerSummary<'_>, several: bool, with_backups: bool) -> Markup {
    let id = row.customer.id.as_str();
    html! {
        tr {
            td.who {
                a href=(link(row)) { (row.customer.display_name()) }
                small { @if several { (row.inventory.partner) " · " } span.id title=(id) { (id) } }
            }
            td.state { (badges(row)) }
            td.used { (or_dash(row.most_utilized.map(|most| used(row, most)))) }
            td.expires { (or_dash(row.expiry.map(|expiry| expires(&expiry, snapshot)))) }
            @if with_backups { td.backups { (backups::cell(row)) } }
            td.data { (freshness(row, snapshot)) }
        }
    }
}

/// The issues, the most severe first.
fn badges(row: &CustomerSummary<'_>) -> Markup {
    let issues = row.issues.by_severity();
    let mut issues = issues.into_iter().filter(|(issue, _)| !issue.is_about_data()).peekable();
    html! {
        @if issues.peek().is_none() { span.muted { (if row.oldest.is_some() { "ok" } else { "unknown" }) } " " }
        @for (issue, severity) in issues { (issue_badge(issue, severity)) " " }
        @if is_muted(row.customer) { (muted_badge()) }
    }
}

/// The seats or the capacity of the service that is used most.
fn used(row: &CustomerSummary<'_>, most: Utilization<'_>) -> Markup {
    let (Resource::Seats(name) | Resource::Capacity(name)) = most.resource;
    let service = row.services.iter().find(|service| service.name == name);
    let amounts = match most.resource {
        Resource::Seats(_) => {
            format!("{} of {} seats · {}", quantity(most.used), quantity(most.total), headroom(most))
        }
        Resource::Capacity(_) => format!("{} of {}", bytes(most.used), bytes(most.total)),
    };
    let severity = service.and_then(|service| service.severity(most.resource));
    html! { (bar(most.ratio(), severity)) small title=(name) { (amounts) " · " (name) } }
}

/// "3 left", "2 over"
#[must_use]
pub(super) fn headroom(seats: Utilization<'_>) -> String {
    let headroom = seats.headroom();
    if headroom < 0.0 { format!("{} over", count(-headroom)) } else { format!("{} left", count(headroom)) }
}

fn expires(expiry: &Expiry<'_>, snapshot: &PageSnapshot) -> Markup {
    let class = match expiry.issue {
        Some((_, severity @ (Severity::Critical | Severity::Warning))) => severity.as_str(),
        _ => "",
    };
    let is_past = expiry.at <= snapshot.now;
    html! {
        span class=(class) title=(date(expiry.at)) { @if is_past { "expired " } @else { span.narrow { "expires " } } (countdown(expiry.at, snapshot.now)) }
        small title=(expiry.service) { (expiry.service) }
    }
}

/// Services with many unused seats that are renewed soon.
fn unused(snapshot: &PageSnapshot, query: &CustomerQuery, list: &CustomerList<'_>) -> Markup {
    let all = list.issues.iter().find(|(issue, ..)| *issue == Issue::Unused).map_or(0, |&(_, number, _)| number);
    let state = Some(StateFilter::Has(Issue::Unused));
    html! {
        section {
            h2 { "Bought and unused before renewal" }
            div.scroll { table.unused {
                (columns(&["Customer", "Service", "Unused", "Purchased", "Assigned", "Renewal"], &["Unused", "Purchased", "Assigned"]))
                tbody {
                    @for row in &list.unused {
                        @for (service, renewal) in row.services.iter().filter_map(|service| Some((service, service.unused_until?))) {
                            @if let Some(seats) = service.seats { tr {
                                td { a href=(link(row)) { (row.customer.display_name()) } }
                                td { (service.name) }
                                td.number { (count(seats.headroom())) }
                                td.number { (quantity(seats.total)) }
                                td.number { (quantity(seats.used)) }
                                td { span title=(date(renewal)) { (countdown(renewal, snapshot.now)) } }
                            } }
                        }
                    }
                }
            } }
            @if all > MAX_UNUSED {
                p.muted {
                    "These are the first " (MAX_UNUSED) " customers of " (count(all as f64)) ". "
                    a href=(query.with_state(state).to_link()) { "Show all" }
                }
            }
        }
    }
}

fn freshness(row: &CustomerSummary<'_>, snapshot: &PageSnapshot) -> Markup {
    let not_fresh =
        [TargetStatus::Stale, TargetStatus::Failing, TargetStatus::Pending].map(|at| (at, row.targets.get(at)));
    html! {
        @if let Some(oldest) = row.oldest { span title=(moment(oldest)) { span.narrow { "data: " } (ago(oldest, snapshot.now)) } }
        @else { span.muted { "–" } }
        @if not_fresh.iter().any(|&(_, number)| number > 0) {
            small {
                @for (status, number) in not_fresh.into_iter().filter(|&(_, number)| number > 0) {
                    span class=(layout::status_class(status)) { (number) " " (status.as_str()) } " "
                }
            }
        }
    }
}

fn pager(query: &CustomerQuery, total: usize) -> Markup {
    let pages = query.pages(total);
    let link = |page: usize, text: &str, is_possible: bool| {
        html! {
            @if is_possible { a href=(query.with_page(page).to_link()) { (text) } } @else { span.muted { (text) } }
        }
    };
    html! {
        @if pages > 1 {
            nav.pager aria-label="Pages" {
                (link(1, "« First", query.page > 1))
                (link(query.page.saturating_sub(1), "‹ Previous", query.page > 1))
                span { "Page " (count(query.page as f64)) " of " (count(pages as f64)) }
                (link(query.page.saturating_add(1), "Next ›", query.page < pages))
                (link(pages, "Last »", query.page < pages))
            }
        }
    }
}
