//! Validates `partners[].customers`: which customers are polled, and extra labels for their series.

use elements::types::Collector;
use elements::types::{CustomerId, MAX_ID_CHARS};
use exporter_toolkit::{ConfigPath, Pairs, quoted};

use super::scalars::ParseScalar as _;
use crate::catalog;
use crate::config::raw::{RawCustomers, RawListed};
use crate::config::settings::{CustomerEntry, CustomerSettings, MAX_CUSTOMERS};

/// Returns the settings, which are complete only if no error was recorded.
/// `optional`: the optional collectors that are enabled, whose labels are taken.
pub(super) fn settings(at: &ConfigPath<'_>, raw: RawCustomers, optional: &[Collector]) -> CustomerSettings {
    let discover = at.key("discover").parse_bool(raw.discover.as_ref(), true);
    let include = raw.include.unwrap_or_else(|| vec!["*".to_owned()]);
    let exclude = raw.exclude.unwrap_or_default();
    if discover && include.is_empty() {
        at.key("include")
            .error("an empty list matches no customer", "write `[\"*\"]` for every customer, or discover: false");
    }
    globs(&at.key("include"), &include);
    globs(&at.key("exclude"), &exclude);
    let raw_max = raw.max;
    let raw = raw.list.unwrap_or_default();
    let list_at = at.key("list");
    if !discover && raw.is_empty() {
        list_at.error("discover is false and no customer is listed", "list customers, or write discover: true");
    }
    let mut list: Vec<CustomerEntry> = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let at = list_at.item(index);
        let customer = listed(&at, raw, optional);
        let id = customer.id.as_str();
        let first = list.iter().position(|known| !id.is_empty() && known.id.as_str().eq_ignore_ascii_case(id));
        if let Some(first) = first {
            at.key("id").error(format!("{} is already list[{first}]", quoted(id)), "list each customer once");
        }
        list.push(customer);
    }
    let max = at.key("max").parse_u32(raw_max.as_ref(), MAX_CUSTOMERS, 10_000_000);
    if list.len() > max as usize {
        at.key("max")
            .error(format!("{max} is below the {} customers of list", list.len()), "raise it, or shorten the list");
    }
    CustomerSettings { discover, include, exclude, only: Vec::new(), list, max }
}

fn globs(at: &ConfigPath<'_>, globs: &[String]) {
    for (index, glob) in globs.iter().enumerate() {
        if glob.trim().is_empty() {
            at.item(index)
                .error("an empty pattern matches nothing", "write an id or a name, in which `*` stands for any text");
        }
    }
}

fn listed(at: &ConfigPath<'_>, raw: RawListed, optional: &[Collector]) -> CustomerEntry {
    let id = raw.id.unwrap_or_default().trim().to_owned();
    if id.is_empty() || id.contains(|c: char| c.is_whitespace() || c.is_control()) {
        let what = if id.is_empty() { "the id is missing" } else { "the id contains a space" };
        at.key("id").error(what, "write the customer's id; `avepoint_exporter discover` lists them");
    } else if id.chars().nth(MAX_ID_CHARS).is_some() {
        at.key("id").error(
            format!("the id is longer than {MAX_ID_CHARS} characters"),
            "write the customer's id; `avepoint_exporter discover` lists them",
        );
    }
    let name = raw.name.map(|name| name.trim().to_owned());
    if name.as_deref() == Some("") {
        at.key("name").error("the name is empty", "write one, or remove the key: the API's name is used then");
    }
    let labels = labels(&at.key("labels"), raw.labels.unwrap_or_default(), optional);
    CustomerEntry { id: CustomerId::from(id), name, labels }
}

fn labels(at: &ConfigPath<'_>, Pairs(raw): Pairs, optional: &[Collector]) -> Vec<(String, String)> {
    let is_enabled = |name: &str| optional.iter().any(|collector| collector.as_str() == name);
    let mut labels: Vec<(String, String)> = Vec::new();
    for (name, value) in raw {
        let labels_at = at;
        let at = at.key(&name);
        let value = value.unwrap_or_default();
        if !is_label_name(&name) {
            labels_at.error(
                format!("{} is not a label name", quoted(&name)),
                "start with a letter or `_` and go on with letters, digits and `_`",
            );
        } else if name.starts_with("__") {
            at.error("names that start with `__` are Prometheus' own", "write another name");
        } else if catalog::is_taken(&name, is_enabled) {
            at.error("the label is set by the exporter or by Prometheus", "write another name");
        } else if labels.iter().any(|(known, _)| *known == name) {
            at.error("the label stands twice", "keep one of them");
        } else if value.is_empty() {
            at.error("the value is empty, which to Prometheus is no label", "write a value, or remove the label");
        }
        labels.push((name, value));
    }
    labels.sort();
    labels
}

fn is_label_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
