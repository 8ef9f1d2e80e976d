//! Holds the reference documents to the code: `docs/metrics.md` to the catalogue, `docs/configuration.md` to the keys
//! that the parser declares. `UPDATE_GOLDENS=1 cargo test --test e2e reference` writes them.

use std::fmt::Write as _;
use std::path::Path;

use avepoint_exporter::catalog;
use avepoint_exporter::config::{Config, Key, keys};
use exposition::{Family, Kind};
use serde_yaml::Value;
use testkit::golden;

/// Compares what stands between the two marks of a document with `expected`, or writes it there.
fn hold(document: &str, mark: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let [begin, end] = ["written by tests/e2e/reference.rs", "end"].map(|what| format!("<!-- {mark}: {what} -->\n"));
    golden::compare_between(&path, &begin, &end, expected);
}

/// The table of docs/metrics.md that a family belongs to.
fn table_of(family: &Family) -> &'static str {
    if family.name.starts_with("avepoint_exporter_") {
        "exporter"
    } else if family.labels.contains(&"customer_id") {
        "customers"
    } else {
        "collection"
    }
}

#[test]
fn every_metric_is_documented() {
    for table in ["customers", "collection", "exporter"] {
        let mut text = "| metric | type | labels | |\n| --- | --- | --- | --- |\n".to_owned();
        for family in catalog::ALL.iter().filter(|family| table_of(family) == table) {
            let kind = match family.kind {
                Kind::Gauge => "gauge",
                Kind::Counter => "counter",
                Kind::Histogram => "histogram",
                Kind::Info => "info",
            };
            let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
            let _ = writeln!(text, "| `{}` | {kind} | {} | {} |", family.name, labels.join(", "), family.help);
        }
        hold("docs/metrics.md", table, &text);
    }
}

/// Configurations whose running form shows the defaults. What the second one writes is needed for the defaults beside it.
const SMALLEST: &str = "partners: [{ auth: { client_id: a, client_secret: s } }]";
const WITH_OPTIONAL: &str = "{ partners: [{ auth: { client_id: a, client_secret: s }, customers: { list: [{ id: c }] } }], \
                             state: { file: state } }";
const WRITTEN: [&str; 4] =
    ["partners[].auth.client_id", "partners[].auth.client_secret", "partners[].customers.list[].id", "state.file"];

fn running(yaml: &str) -> Value {
    let config = Config::parse(yaml, Path::new("/nowhere")).unwrap();
    serde_yaml::from_str(&config.to_redacted_yaml()).unwrap()
}

/// The value at a path such as `partners[].budget.burst`; of a list, the first item.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, step| match step.strip_suffix("[]") {
        Some(name) => value.get(name)?.get(0),
        None => value.get(step),
    })
}

/// The default as one writes it in YAML on one line.
fn default(path: &str, running: &[Value]) -> String {
    let value = running.iter().find_map(|running| at(running, path)).filter(|_| !WRITTEN.contains(&path));
    value.map_or_else(String::new, |value| match value {
        Value::String(text) => format!("`{text}`"),
        // JSON is YAML on one line.
        value => format!("`{}`", serde_json::to_string(value).unwrap()),
    })
}

/// A heading, a text and a table for this mapping, then those of the mappings in it.
fn describe(path: &str, heading: &Key, running: &[Value], text: &mut String) {
    let _ = writeln!(text, "### `{path}`\n\n{}\n\n| key | default | |\n| --- | --- | --- |", heading.text.trim());
    for key in heading.keys {
        let inner = join(path, key);
        let meaning = key.text.trim();
        assert!(meaning.ends_with('.') && !meaning.contains('|'), "src/config/raw.rs: {inner} needs a comment");
        let (default, more) = if key.keys.is_empty() {
            (default(&inner, running), String::new())
        } else {
            let anchor: String = inner.chars().filter(|c| c.is_ascii_lowercase() || *c == '_').collect();
            (String::new(), format!(" [Keys](#{anchor})"))
        };
        let _ = writeln!(text, "| `{}` | {default} | {meaning}{more} |", key.name);
    }
    text.push('\n');
    for key in heading.keys.iter().filter(|key| !key.keys.is_empty()) {
        describe(&join(path, key), key, running, text);
    }
}

fn join(path: &str, key: &Key) -> String {
    let name = format!("{}{}", key.name, if key.is_list && !key.keys.is_empty() { "[]" } else { "" });
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

#[test]
fn every_configuration_key_is_documented() {
    let running = [running(SMALLEST), running(WITH_OPTIONAL)];
    let mut text = "\n".to_owned();
    for key in keys() {
        assert!(!key.keys.is_empty(), "{} is not a mapping", key.name);
        describe(&join("", key), key, &running, &mut text);
    }
    hold("docs/configuration.md", "keys", &text);
}

/// Every key that has no keys in it, with its path.
fn leaves(path: &str, keys: &'static [Key]) -> Vec<(String, &'static Key)> {
    let inner = |key: &'static Key| {
        let path = join(path, key);
        if key.keys.is_empty() { vec![(path, key)] } else { leaves(&path, key.keys) }
    };
    keys.iter().flat_map(inner).collect()
}

/// The smallest configuration with 0 at this path; `None` where it would need more than that.
fn with_zero(path: &str) -> Option<String> {
    let nested = |path: &str| path.rsplit('.').fold("0".to_owned(), |value, step| format!("{{ {step}: {value} }}"));
    match path.strip_prefix("partners[].") {
        None => Some(format!("{SMALLEST}\n{}", nested(path).strip_prefix("{ ")?.strip_suffix(" }")?)),
        Some(path) if path.contains("[]") || path.starts_with("auth.") => None,
        Some(path) => Some(SMALLEST.replace(" }]", &format!(", {}]", nested(path).strip_prefix("{ ")?))),
    }
}

#[test]
fn documented_ranges_are_those_of_the_parser() {
    let mut ranges = 0;
    for (path, key) in leaves("", keys()) {
        let Some(errors) = with_zero(&path).and_then(|yaml| Config::parse(&yaml, Path::new("/nowhere")).err()) else {
            continue;
        };
        let errors = errors.to_string();
        let start = format!("{}: ", path.replace("[]", "[0]"));
        let error = errors.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_default();
        let Some((_, range)) = error.split_once(" from ") else { continue };
        let range: Vec<_> = range.split([' ', ';']).take(3).collect();
        let range = format!("from {}", range.join(" "));
        assert!(key.text.replace(',', "").contains(&range), "src/config/raw.rs: {path}: {range}");
        ranges += 1;
    }
    assert!(ranges >= 15, "{ranges} ranges were found");
}
