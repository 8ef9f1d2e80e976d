//! The table in docs/ha.md.

use std::fmt::Write as _;
use std::path::Path;

use super::rows::Row;

const BEGIN: &str = "<!-- faults: written by tests/slow/ha.rs -->\n";
const END: &str = "<!-- faults: end -->\n";

/// Fails if the document lists other faults or outcomes than those that were played; times vary. Rewrites the table with
/// `WRITE_HA`.
pub fn compare(rows: &[Row]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ha.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).expect("docs/ha.md has a place for the table");
    let (table, after) = rest.split_once(END).expect("docs/ha.md has an end of the table");
    if std::env::var_os("WRITE_HA").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", written(rows))).unwrap();
    } else {
        let facts = |table: &str| {
            table
                .lines()
                .map(|line| {
                    line.split('|')
                        .enumerate()
                        .filter(|(column, _)| matches!(column, 1 | 2 | 3 | 6))
                        .map(|(_, cell)| cell.trim().to_owned())
                        .collect::<Vec<_>>()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(
            facts(table),
            facts(&written(rows)),
            "docs/ha.md is not what was played: WRITE_HA=1 cargo test --test slow ha"
        );
    }
}

fn written(rows: &[Row]) -> String {
    let mut text = "| fault | engine | times | without a leader | calls (again before their time) | outcome |\n| --- | --- | --- | --- | --- | --- |\n".to_owned();
    let mut rows: Vec<_> = rows.iter().collect();
    rows.sort_by_key(|row| (row.fault, row.engine));
    for Row { fault, engine, times, without_leader, calls, early, outcome } in rows {
        let gap = without_leader.as_secs_f64();
        let _ = writeln!(text, "| {fault} | {engine} | {times} | {gap:.1} s | {calls} ({early}) | {outcome} |");
    }
    text
}
