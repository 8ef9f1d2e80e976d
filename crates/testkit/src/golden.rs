//! Golden files: committed files that hold what the code must give. One variable makes every test rewrite its own:
//! `UPDATE_GOLDENS=1 cargo test --workspace --lib --test e2e`. The change is then reviewed as a diff.

use std::fs;
use std::path::Path;
use std::thread;

const UPDATE: &str = "UPDATE_GOLDENS";

/// Whether golden files are to be rewritten.
#[must_use]
pub fn is_updating() -> bool {
    std::env::var_os(UPDATE).is_some()
}

/// Fails if the file does not hold this text, and says how to rewrite it; rewrites it if that is asked for.
///
/// # Panics
/// If the file differs, or cannot be written.
#[track_caller]
pub fn compare(file: &Path, actual: &str) {
    if is_updating() {
        fs::write(file, actual).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        return;
    }
    let golden = fs::read_to_string(file).unwrap_or_default();
    let differing = golden.lines().zip(actual.lines()).position(|(golden, actual)| golden != actual);
    let line = differing.unwrap_or_else(|| golden.lines().count().min(actual.lines().count()));
    assert!(
        golden == actual,
        "{}\nline {}\n   golden: {}\n   actual: {}",
        explained(file),
        line + 1,
        golden.lines().nth(line).unwrap_or("(end)"),
        actual.lines().nth(line).unwrap_or("(end)"),
    );
}

/// The same for a part of a document: the lines between two marks.
///
/// # Panics
/// If the part differs, if the document lacks a mark, or if it cannot be written.
#[track_caller]
pub fn compare_between(document: &Path, begin: &str, end: &str, actual: &str) {
    let text = fs::read_to_string(document).unwrap_or_else(|error| panic!("{}: {error}", document.display()));
    let missing = |mark: &str| panic!("{} has no line {mark}", document.display());
    let (before, rest) = text.split_once(begin).unwrap_or_else(|| missing(begin));
    let (_, after) = rest.split_once(end).unwrap_or_else(|| missing(end));
    compare(document, &[before, begin, actual, end, after].concat());
}

/// What is wrong with a golden file that differs, with the command that rewrites it.
#[must_use]
pub fn explained(file: &Path) -> String {
    let thread = thread::current();
    let test = thread.name().unwrap_or_default();
    format!("{} is not what the code gives; to rewrite it: {UPDATE}=1 cargo test --workspace {test}", file.display())
}
