//! The wall clock is set while the daemon runs: in this process, because no other one's clock can be set.

/// Names and descriptions, for the document.
pub const ROWS: [(&str, &str); 2] = [
    (
        "clock, forward",
        "the wall clock is set forward by an hour: exported times follow it, nothing ages, nothing is polled early",
    ),
    ("clock, back", "the wall clock is set back by an hour: exported times follow it, nothing vanishes, nothing waits"),
];
