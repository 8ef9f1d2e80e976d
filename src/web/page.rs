//! The status page: how the exporter is doing, how its partners are, and what is about to run out.

use std::borrow::Cow;

use maud::{Markup, html};

use super::finding::Finding;
use super::layout::{self, badge, bar, columns, level};
use super::query::{Query, State, path_segment};
use super::status::{PartnerStatus, Status};
use super::summary::{Expiry, Row};
use super::usage::{Usage, What};
use super::view::{List, View};
use super::wording::{ago, bytes, count, countdown, date, moment, plural, quantity};
use crate::inventory::Condition;

/// The page.
#[must_use]
pub(super) fn render(view: &View, query: &Query, telemetry: &str) -> Markup {
    let status = &view.status;
    let list = view.list(query);
    let content = html! {
        section.partners aria-label="Partners" {
            @for partner in &status.partners { (partner_card(partner, view)) }
        }
        section {
            div.heading {
                h1 { "Customers" }
                (range(query, list.total))
            }
            (chips(query, &list))
            (form(view, query))
            @if list.rows.is_empty() {
                (nothing(query, &list, status))
            } @else {
                (table(view, &list.rows))
                (pager(query, list.total))
            }
        }
    };
    layout::page("avepoint_exporter", "./", telemetry, status, &content)
}

fn partner_card(partner: &PartnerStatus, view: &View) -> Markup {
    html! {
        article.card {
            div.heading {
                h2 { (partner.partner) }
                @if partner.ready { (badge("good", "ready")) } @else { (badge("critical", "not ready")) }
            }
            p {
                (plural(partner.customers as u64, "customer"))
                @if let Some(listed) = partner.last_listing {
                    " · " span title=(moment(listed)) { "listed " (ago(listed, view.now)) }
                } @else if !partner.lists {
                    " · not listed, as configured"
                }
            }
            @if partner.targets.0.total() > 0 { (layout::tally(&partner.targets.0)) }
            @if !partner.ready { p.trouble { (partner.state) } }
            @else if let Some(reason) = partner.listing_failure { p.trouble { "listing failed: " (reason) } }
            @if partner.left_out > 0 {
                p.trouble {
                    (count(partner.left_out as f64)) " customers are left out, and none is removed: raise customers.max"
                }
            }
            @if !partner.failures.is_empty() {
                p.trouble {
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

fn range(query: &Query, total: usize) -> Markup {
    let shown = query.range(total);
    html! {
        @if !shown.is_empty() {
            span.muted {
                (count((shown.start + 1) as f64)) "–" (count(shown.end as f64)) " of " (count(total as f64))
            }
        }
    }
}

/// How many customers are in each state; each leads to them.
fn chips(query: &Query, list: &List<'_>) -> Markup {
    let chip = |state: Option<State>, class: &str, label: &str, number: usize| {
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
            @for &(finding, number) in list.findings.iter().filter(|&&(_, number)| number > 0) {
                (chip(Some(State::Has(finding)), level(finding), finding.label(), number))
            }
            @if list.ok > 0 { (chip(Some(State::Ok), "good", "ok", list.ok)) }
        }
    }
}

fn form(view: &View, query: &Query) -> Markup {
    let label = |state: State| match state {
        State::Has(finding) => finding.label(),
        State::Ok => "ok",
    };
    html! {
        form method="get" role="search" {
            input type="search" name="q" value=(query.text) placeholder="Name or id" aria-label="Name or id";
            @if view.inventories.len() > 1 {
                select name="partner" aria-label="Partner" {
                    option value="" { "All partners" }
                    @for inventory in &view.inventories {
                        @let partner = inventory.partner.as_str();
                        option value=(partner) selected[partner == query.partner] { (partner) }
                    }
                }
            }
            select name="state" aria-label="State" {
                option value="" { "Any state" }
                @for state in State::all() {
                    option value=(state.as_str()) selected[query.state == Some(state)] { (label(state)) }
                }
            }
            button { "Show" }
            @if *query != Query::default() { a.clear href="./" { "Clear" } }
        }
    }
}

fn nothing(query: &Query, list: &List<'_>, status: &Status) -> Markup {
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

fn table(view: &View, rows: &[Row<'_>]) -> Markup {
    let several = view.inventories.len() > 1;
    html! {
        table.customers {
            (columns(&["Customer", "State", "Most used", "Expires", "Oldest data"], &[]))
            tbody { @for row in rows { (customer(view, row, several)) } }
        }
    }
}

fn customer(view: &View, row: &Row<'_>, several: bool) -> Markup {
    let id = row.customer.id.as_str();
    let link = format!("customers/{}/{}", path_segment(row.inventory.partner.as_str()), path_segment(id));
    html! {
        tr {
            td.who {
                a href=(link) { (if row.customer.name.is_empty() { id } else { &row.customer.name }) }
                small { @if several { (row.inventory.partner) " · " } span.id title=(id) { (id) } }
            }
            td.state { (badges(row)) }
            td.used { @if let Some(usage) = row.tightest { (used(usage)) } @else { span.muted { "–" } } }
            td.expires { @if let Some(expiry) = row.expiry { (expires(row, expiry, view)) } @else { span.muted { "–" } } }
            td.data { (freshness(row, view)) }
        }
    }
}

/// What is about to run out.
#[must_use]
pub(super) fn badges(row: &Row<'_>) -> Markup {
    let mut findings = row.findings.iter().filter(|finding| !finding.is_about_data()).peekable();
    html! {
        @if findings.peek().is_none() { span.muted { (if row.oldest.is_some() { "ok" } else { "unknown" }) } }
        @for finding in findings { (badge(level(finding), finding.label())) " " }
    }
}

fn used(usage: Usage<'_>) -> Markup {
    let amounts = match usage.what {
        What::Capacity(_) => format!("{} of {}", bytes(usage.used), bytes(usage.total)),
        _ => format!("{} of {} seats", quantity(usage.used), quantity(usage.total)),
    };
    let of = match usage.what {
        What::Tenant(name) | What::SubscriptionSeats(name) | What::Capacity(name) => Cow::Borrowed(name),
        What::TenantType(tenant_type) => tenant_type.label(),
    };
    html! { (bar(usage.ratio())) small title=(of) { (amounts) " · " (of) } }
}

fn expires(row: &Row<'_>, expiry: Expiry<'_>, view: &View) -> Markup {
    let is_past = expiry.at <= view.now;
    let class = if is_past {
        level(Finding::Expired)
    } else if row.findings.contains(Finding::Expiring) {
        level(Finding::Expiring)
    } else {
        ""
    };
    html! {
        span class=(class) title=(date(expiry.at)) { @if is_past { "expired " } @else { span.narrow { "expires " } } (countdown(expiry.at, view.now)) }
        small title=(expiry.service) { (expiry.service) }
    }
}

fn freshness(row: &Row<'_>, view: &View) -> Markup {
    let trouble = [Condition::Stale, Condition::Failing, Condition::Pending].map(|at| (at, row.targets.get(at)));
    html! {
        @if let Some(oldest) = row.oldest { span title=(moment(oldest)) { span.narrow { "data: " } (ago(oldest, view.now)) } }
        @else { span.muted { "–" } }
        @if trouble.iter().any(|&(_, number)| number > 0) {
            small {
                @for (condition, number) in trouble.into_iter().filter(|&(_, number)| number > 0) {
                    span class=(layout::condition_level(condition)) { (number) " " (condition.as_str()) } " "
                }
            }
        }
    }
}

fn pager(query: &Query, total: usize) -> Markup {
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
