//! The services of customers as CSV (RFC 4180), for spreadsheets and billing: one row for each service of each customer.
//!
//! The first line names the columns; each configured label has a column of its own, `label_` and its name. What is not known
//! is empty, what has no limit is `unlimited`, `expires` is a day in UTC: the next expiry, or the last one if the service
//! has expired. A text that a spreadsheet would take for a formula begins with an apostrophe.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write;

use elements::types::{CompactTimestamp, Quantity};
use jiff::Timestamp;

use super::format;
use super::headroom::Service;
use super::query::CustomerQuery;
use super::snapshot::PageSnapshot;
use super::summary::CustomerSummary;
use super::utilization::Utilization;

const COLUMNS: [&str; 8] = [
    "partner",
    "customer_id",
    "customer_name",
    "service_name",
    "seats_purchased",
    "licenses_assigned",
    "headroom",
    "expires",
];

/// The services of the customers that are asked for, whatever page of them.
#[must_use]
pub fn render(snapshot: &PageSnapshot, query: &CustomerQuery) -> String {
    let list = snapshot.list(&CustomerQuery { page: 1, per_page: usize::MAX, ..query.clone() });
    let labels: BTreeSet<&str> =
        list.rows.iter().flat_map(|row| row.customer.labels.iter()).map(|(name, _)| name.as_str()).collect();
    let mut text = String::new();
    let header =
        COLUMNS.into_iter().map(Cow::Borrowed).chain(labels.iter().map(|label| format!("label_{label}").into()));
    line(&mut text, header);
    for row in &list.rows {
        for service in &row.services {
            line(&mut text, cells(row, service, &labels, snapshot.now));
        }
    }
    text
}

fn cells<'a>(
    row: &CustomerSummary<'a>,
    service: &Service<'a>,
    labels: &BTreeSet<&str>,
    now: Timestamp,
) -> impl Iterator<Item = Cow<'a, str>> {
    let customer = row.customer;
    let number = |number: Option<f64>| Cow::Owned(number.map_or_else(String::new, |number| number.to_string()));
    let label = |name: &&str| {
        let found = customer.labels.iter().find(|(label, _)| label == name);
        found.map_or(Cow::Borrowed(""), |(_, value)| plain(value))
    };
    let labels: Vec<_> = labels.iter().map(label).collect();
    [
        plain(row.inventory.partner.as_str()),
        plain(customer.id.as_str()),
        plain(&customer.name),
        plain(service.name),
        quantity(service.purchased).into(),
        quantity(service.assigned).into(),
        number(service.seats.map(Utilization::headroom)),
        expires(service, now).map_or_else(String::new, format::date).into(),
    ]
    .into_iter()
    .chain(labels)
}

/// The next expiry of a row that runs, or when the service expired.
fn expires(service: &Service<'_>, now: Timestamp) -> Option<Timestamp> {
    // They are sorted by date.
    let dates = service.rows.iter().filter_map(|row| row.subscription.expires.map(CompactTimestamp::get));
    service.expired.or_else(|| dates.filter(|&date| date > now).min())
}

fn quantity(quantity: Option<Quantity>) -> String {
    match quantity {
        Some(quantity) if quantity.is_unlimited() => "unlimited".to_owned(),
        Some(quantity) => quantity.get().to_string(),
        None => String::new(),
    }
}

/// A text that stays a text in a spreadsheet.
fn plain(text: &str) -> Cow<'_, str> {
    if text.trim_start().starts_with(['=', '+', '-', '@']) { format!("'{text}").into() } else { text.into() }
}

fn line<'a>(out: &mut String, cells: impl Iterator<Item = Cow<'a, str>>) {
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            out.push(',');
        }
        // A row is a line.
        let cell = cell.replace(char::is_control, " ");
        if cell.contains([',', '"']) {
            let _ = write!(out, "\"{}\"", cell.replace('"', "\"\""));
        } else {
            out.push_str(&cell);
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::readiness::ReadyLatch;
    use crate::web::tests::samples::{at, day, listed, subscription};
    use elements::types::Subscription;

    #[test]
    fn a_service_is_a_row() {
        let backup = Subscription {
            seats_purchased: Some(20.into()),
            licenses_assigned: Some(23.into()),
            expires: Some(day(12).into()),
            ..subscription("Cloud Backup, \"Microsoft 365\"")
        };
        let fly = Subscription { seats_purchased: Some(Quantity::UNLIMITED), ..subscription("Fly") };
        let opus = Subscription { expires: Some(day(-3).into()), ..subscription("Opus") };
        let inventory = listed("main", vec![("c1", "=SUM(A1)\nx", vec![fly, backup, opus]), ("c2", "None", vec![])]);
        let snapshot = PageSnapshot::new(vec![inventory], 0, &ReadyLatch::default(), false, at(1));
        let expires = |days| format::date(day(days));
        assert_eq!(
            render(&snapshot, &CustomerQuery::default()),
            format!(
                "partner,customer_id,customer_name,service_name,seats_purchased,licenses_assigned,headroom,expires\n\
                 main,c1,'=SUM(A1) x,\"Cloud Backup, \"\"Microsoft 365\"\"\",20,23,-3,{}\n\
                 main,c1,'=SUM(A1) x,Fly,unlimited,,,\n\
                 main,c1,'=SUM(A1) x,Opus,,,,{}\n",
                expires(12),
                expires(-3)
            )
        );
        let nobody = render(&snapshot, &CustomerQuery { text: "nobody".to_owned(), ..CustomerQuery::default() });
        assert_eq!(nobody.lines().count(), 1);
    }
}
