//! The table in docs/ha.md.

use std::fmt::Write as _;
use std::path::Path;

use testkit::golden;

use super::rows::Row;

const BEGIN: &str = "<!-- faults: written by tests/slow/ha.rs -->\n";
const END: &str = "<!-- faults: end -->\n";

/// Fails if the document lists other faults or outcomes than those that were played; times vary.
pub fn compare(rows: &[Row]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ha.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (_, rest) = document.split_once(BEGIN).expect("docs/ha.md has a place for the table");
    let (table, _) = rest.split_once(END).expect("docs/ha.md has an end of the table");
    if golden::is_updating() {
        return golden::compare_between(&path, BEGIN, END, &written(rows));
    }
    let facts = |table: &str| {
        let cells = |line: &str| {
            let cells = line.split('|').enumerate().filter(|(column, _)| matches!(column, 1 | 2 | 3 | 6));
            cells.map(|(_, cell)| cell.trim().to_owned()).collect::<Vec<_>>()
        };
        table.lines().map(cells).collect::<Vec<_>>()
    };
    assert_eq!(facts(table), facts(&written(rows)), "{}", golden::explained(&path));
}

fn written(rows: &[Row]) -> String {
    let mut text = "| fault | engine | times | without a leader | calls (again before their time) | outcome |\n| --- | --- | --- | --- | --- | --- |\n".to_owned();
    let mut rows: Vec<_> = rows.iter().collect();
    rows.sort_by_key(|row| (row.fault, row.engine, row.times.lease_duration));
    for Row { fault, engine, times, without_leader, calls, early, outcome } in rows {
        let gap = without_leader.as_secs_f64();
        let _ = writeln!(text, "| {fault} | {engine} | {times} | {gap:.1} s | {calls} ({early}) | {outcome} |");
    }
    text
}
