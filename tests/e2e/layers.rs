//! Module layers of the daemon: a module depends only on the modules that the table in ARCHITECTURE.md allows. What the
//! crates depend on, the compiler checks.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules and their allowed dependencies. `app`, `commands`, `cli`, `logging` and the binary wire everything and may
/// use all modules.
const MODULES: &[(&str, &[&str])] = &[
    ("catalog", &[]),
    ("health", &[]),
    ("panics", &[]),
    ("config", &["catalog"]),
    ("inventory", &["config"]),
    ("metrics", &["inventory", "catalog"]),
    ("polling", &["inventory", "config", "catalog", "health", "panics"]),
    ("web", &["metrics", "inventory", "config", "catalog", "panics"]),
    ("remote", &["config"]),
    ("ha", &["remote", "config"]),
];
const WIRING: &[&str] = &["app", "commands", "cli", "logging", "terminal", "lib", "main"];

#[test]
fn every_dependency_between_modules_is_in_the_table() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut found = BTreeSet::new();
    for file in rust_files(&source) {
        let relative = file.strip_prefix(&source).unwrap();
        let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
        let module = first.trim_end_matches(".rs");
        found.insert(module.to_owned());
        if WIRING.contains(&module) {
            continue;
        }
        let Some((_, allowed)) = MODULES.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{}: a module that is not in the table", relative.display()));
            continue;
        };
        let text = fs::read_to_string(&file).unwrap();
        // Unit tests may use any module; they are not part of it.
        let text = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
        if relative.ends_with("tests.rs") || relative.components().any(|part| part.as_os_str() == "tests") {
            continue;
        }
        for used in used_modules(text) {
            if used != module && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: {module} may not use {used}", relative.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (module, _) in MODULES {
        assert!(found.contains(*module), "the table has a module that does not exist: {module}");
    }
}

/// The `x` of every `crate::x`, including grouped imports (`crate::{x, y::z}`).
fn used_modules(text: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for line in text.split("crate::").skip(1) {
        if let Some(group) = line.strip_prefix('{') {
            let group = group.split("};").next().unwrap();
            let mut depth = 0;
            let mut item = String::new();
            for c in group.chars().chain([',']) {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 0 => used.extend(first_word(&std::mem::take(&mut item))),
                    _ => item.push(c),
                }
            }
        } else {
            used.extend(first_word(line));
        }
    }
    used.retain(|word| word.chars().next().is_some_and(char::is_lowercase));
    used
}

fn first_word(text: &str) -> Option<String> {
    let word: String = text.trim_start().chars().take_while(|&c| c.is_alphanumeric() || c == '_').collect();
    (!word.is_empty()).then_some(word)
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
