//! Names what differs between two configurations, for the log of a reload.

use std::collections::BTreeSet;

use serde_yaml::Value;

/// Levels of keys that are named: `collectors.services.interval`, `partners.main.budget`.
const DEPTH: usize = 3;

/// The keys that differ between two documents of [`Config::to_redacted_yaml`](super::Config::to_redacted_yaml), without
/// their values. A partner is named by its name.
#[must_use]
pub fn changed_keys(before: &str, after: &str) -> Vec<String> {
    let parse = |yaml: &str| serde_yaml::from_str(yaml).unwrap_or(Value::Null);
    let mut changed = Vec::new();
    compare(&named(parse(before)), &named(parse(after)), &mut Vec::new(), &mut changed);
    changed
}

/// Makes a mapping of the list of partners.
fn named(mut document: Value) -> Value {
    if let Some(partners) = document.get_mut("partners") {
        let list = partners.as_sequence().cloned().unwrap_or_default();
        let named = list.into_iter().map(|partner| (partner.get("name").cloned().unwrap_or_default(), partner));
        *partners = Value::Mapping(named.collect());
    }
    document
}

fn compare(before: &Value, after: &Value, path: &mut Vec<String>, changed: &mut Vec<String>) {
    if before == after {
        return;
    }
    let (Value::Mapping(old), Value::Mapping(new)) = (before, after) else {
        return changed.push(path.join("."));
    };
    if path.len() == DEPTH {
        return changed.push(path.join("."));
    }
    let keys: BTreeSet<&str> = old.keys().chain(new.keys()).filter_map(Value::as_str).collect();
    for key in keys {
        path.push(key.to_owned());
        compare(old.get(key).unwrap_or(&Value::Null), new.get(key).unwrap_or(&Value::Null), path, changed);
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn redacted(partner: &str, rest: &str) -> String {
        let yaml = format!("partners: [{{ name: main, auth: {{ client_id: x, client_secret: s }}{partner} }}]\n{rest}");
        Config::parse(&yaml, Path::new("")).unwrap().to_redacted_yaml()
    }

    #[test]
    fn what_changed_is_named_by_its_key() {
        let before = redacted("", "");
        assert!(changed_keys(&before, &before).is_empty());
        let changed = |partner, rest| changed_keys(&before, &redacted(partner, rest));
        assert_eq!(
            changed("", "collectors: { services: { interval: 20m } }"),
            ["collectors.services.interval", "collectors.services.max_age"]
        );
        assert_eq!(changed(", customers: { exclude: [\"*test*\"] }", ""), ["partners.main.customers"]);
        assert_eq!(changed("", "metrics: { customer_name_label: true }"), ["metrics.customer_name_label"]);
        assert_eq!(changed("", "state: { file: state }"), ["state"]);
        let two = before.replace("name: main", "name: other");
        assert_eq!(changed_keys(&before, &two), ["partners.main", "partners.other"]);
    }
}
