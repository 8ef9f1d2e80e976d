//! Generates `docs/faults.md` from the table.

use std::fmt::Write as _;
use std::path::Path;

use testkit::golden;

use super::rows::{Ends, Lasts, Row};
use super::scene::{MOST_FILES, MOST_MEMORY_KIB};

/// Compares the committed document with this one.
pub fn compare(single: &[Row], mixed: &[Row]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
    golden::compare(&path, &document(single, mixed));
}

fn document(single: &[Row], mixed: &[Row]) -> String {
    let mut text = format!(
        "# Faults\n\n\
         Written by `tests/slow/faults.rs`, which plays every row: the daemon polls the simulated API of a partner whose numbers\n\
         change four times a second. Then the fault begins, one customer leaves, another one joins, and the fault ends.\n\
         \"Held\" means, for every scrape before, during and after the fault:\n\n\
         - it is valid, and has no series twice;\n\
         - the values of all tenants of a type, of a product, and of all subscriptions of a customer were true at one and the\n\
         \x20 same moment, at most `max_age` plus the time for a response and a rendering ago;\n\
         - nothing that the API still reports disappears, unless the fault makes it older than `max_age`: then it must;\n\
         - a customer is removed only after a complete listing without it, and no other removal is logged;\n\
         - if every response is 429, at most 20 requests a second are sent, although 400 are configured;\n\
         - the process has at most {MOST_FILES} open files, never used more than {} MiB of memory, and logs no secret;\n\
         - an interval and the duration of a poll with its retries after the first request that follows the fault (pauses of\n\
         \x20 tokens and after 429 come before it), all values are current, and no target is failing, stale or pending.\n\n\
         A fault lasts two intervals, so that nothing may disappear; \"for long\" is longer than `max_age`.\n\
         Where the response itself has no readable number, the series is absent (\"gaps\"), never 0 and never a guess.\n\
         What the API denies twice (404, or an empty response), an interval apart, is removed until the API reports it again.\n\
         In the rows that begin with \"optional\", the optional collectors are enabled too: the fault is only about requests of\n\
         `customers`, `backup_jobs` and `backup_overview`, and no value of the other collectors may be missing or too old.\n\
         Where the clock is set, the daemon runs inside the test, and its files and memory are not counted. Times are longer\n\
         on a busy machine.\n\n",
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
