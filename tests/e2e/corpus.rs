//! Replays the corpus of the fuzz targets: their properties must hold for every stored file.

#[path = "../../fuzz/properties.rs"]
mod properties;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

type Target = fn(&[u8]);

/// Every target of `fuzz/fuzz_targets`.
const TARGETS: [(&str, Target); 17] = [
    ("accept", properties::accept),
    ("accept_encoding", properties::accept_encoding),
    ("backup_jobs", properties::backup_jobs),
    ("backup_overview", properties::backup_overview),
    ("config", properties::config),
    ("customer_seats", properties::customer_seats),
    ("customers", properties::customers),
    ("products_available", properties::products_available),
    ("products_purchased", properties::products_purchased),
    ("query", properties::query),
    ("retry_after", properties::retry_after),
    ("scalars", properties::scalars),
    ("services", properties::services),
    ("state_file", properties::state_file),
    ("tenant_seats", properties::tenant_seats),
    ("token", properties::token),
    ("web_config", properties::web_config),
];

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_the_fuzzer_found_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut failed = Vec::new();
    for (name, target) in TARGETS {
        for file in names(&folder.join(name)) {
            let data = fs::read(folder.join(name).join(&file)).unwrap();
            if catch_unwind(AssertUnwindSafe(|| target(&data))).is_err() {
                failed.push(format!("{name}/{file}"));
            }
        }
    }
    assert!(failed.is_empty(), "these do not hold: {failed:#?}");
}

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let targets = TARGETS.map(|(name, _)| name.to_owned());
    assert_eq!(names(&root.join("corpus")), targets);
    assert_eq!(names(&root.join("fuzz_targets")), targets.map(|name| format!("{name}.rs")));
}
