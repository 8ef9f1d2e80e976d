//! Generates `docs/faults.md` from the table.

use std::fmt::Write as _;
use std::path::Path;

use super::rows::{Ends, Lasts, Row};
use super::scene::{MOST_FILES, MOST_MEMORY_KIB};

/// Compares the committed document with this one, or replaces it with `WRITE_FAULTS`.
pub fn compare(single: &[Row], mixed: &[Row]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
    let document = document(single, mixed);
    if std::env::var_os("WRITE_FAULTS").is_some() {
        std::fs::write(&path, &document).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == document,
        "docs/faults.md is not what the table says: WRITE_FAULTS=1 cargo test --test slow faults"
    );
}

fn document(single: &[Row], mixed: &[Row]) -> String {
    let mut text = format!(
        "# Faults\n\n\
         Written by `tests/slow/faults.rs`, which plays every row: the daemon polls the simulated API of a partner whose\n\
         numbers change four times a second, the fault begins, a customer leaves and another one comes, the fault ends.\n\
         \"Held\" means, of every scrape before, during and after:\n\n\
         - it parses, and no series is there twice;\n\
         - what it says of a customer's tenants of a kind, of a product, of all subscriptions of a customer, was true as\n\
         \x20 a whole at one moment, not longer ago than `max_age` and the time that an answer and an exposition take;\n\
         - nothing that the API still has disappears, unless it is older than `max_age` because of the fault: then it must;\n\
         - a customer leaves only after a complete listing without it, and only one that did not fail is told of as such;\n\
         - where 429 is the answer to everything, at most 20 requests a second are made, of the 400 that are configured;\n\
         - the process has at most {MOST_FILES} open files and never had more than {} MiB of memory, and logs no secret;\n\
         - one interval after the first request that follows the fault (which the pauses of tokens and of throttling\n\
         \x20 decide), and the time that a poll with its repetitions takes, everything is true as of then, and no target is\n\
         \x20 failing, stale or pending.\n\n\
         A fault lasts two intervals, so that nothing may disappear at all; \"for long\" is longer than `max_age`.\n\
         Where the answer itself has no readable number, that series is absent (\"gaps\"), never 0 and never a guess.\n\
         What the API denies (404, or an empty answer) two times, an interval apart, is gone until it has it again. Where the clock is set, the\n\
         daemon runs inside of the test, and its files and memory are not counted. On a busy machine times are longer.\n\n",
        MOST_MEMORY_KIB / 1024
    );
    for (title, rows) in [("One at a time", single), ("Several at once", mixed)] {
        let _ = write!(
            text,
            "## {title}\n\n| fault | what is simulated | ends by | verdict |\n| --- | --- | --- | --- |\n"
        );
        for row in rows {
            let ends = match row.ends {
                Ends::Itself => "itself",
                Ends::Reload => "a reload",
                Ends::Never => "never",
            };
            let verdict = match row.lasts {
                _ if row.allowed.gaps => "held, with gaps",
                _ if !row.allowed.gone.is_empty() => "held, gone the second time",
                Lasts::Outlasts => "held, too old is gone",
                Lasts::Short => "held",
            };
            let _ = writeln!(text, "| {} | {} | {ends} | {verdict} |", row.name, row.simulated);
        }
        text.push('\n');
    }
    text.pop();
    text
}
