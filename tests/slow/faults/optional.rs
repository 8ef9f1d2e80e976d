//! Rows: faults of the optional collectors, while everything else works.

use elements::types::{Collector, Scope};
use simulator::{BodyMutation, Fault, Operation, RetryAfter, Rule, TotalCount};

use super::rows::*;
use super::setup::customer;

const CUSTOMERS: Operation = Operation::Api(Collector::Customers);
const JOBS: Operation = Operation::Api(Collector::BackupJobs);
const OVERVIEW: Operation = Operation::Api(Collector::BackupOverview);
const KINDS: [&str; 3] = ["profile", "jobs", "modules"];
const EMPTY: &str = "{\"data\":[],\"metadata\":{\"totalCount\":0}}";
const COUNTS: &[&str] = &[
    "totalCount",
    "successfulCount",
    "failedCount",
    "skippedCount",
    "warningCount",
    "totalScannedObjects",
    "totalProtectedObjects",
];

/// A row with all collectors, whose rules affect only requests of optional ones.
fn optional(name: &str, simulated: &str, rules: impl IntoIterator<Item = Rule>) -> Row {
    let mut row = Row { with_optional: true, ..row(&format!("optional, {name}"), simulated, rules) };
    row.always.push(Rule::new(Fault::SmallPages(5)).on(CUSTOMERS));
    row.allowed.only = KINDS.map(|kind| format!("{kind} ")).into();
    row
}

/// To all three.
fn each(fault: Fault) -> [Rule; 1] {
    [Rule::new(fault).on(CUSTOMERS).on(JOBS).on(OVERVIEW)]
}

/// To the endpoints of backups.
fn backups(fault: Fault) -> Rule {
    Rule::new(fault).on(JOBS).on(OVERVIEW)
}

fn list(fault: Fault) -> [Rule; 1] {
    [Rule::new(fault).on(CUSTOMERS)]
}

/// To the questions about the backups of one customer.
fn of_victim(fault: &Fault) -> [Rule; 2] {
    [JOBS, OVERVIEW].map(|operation| Rule::new(fault.clone()).on(operation).of_customer(&customer(0).id))
}

pub fn optional_collectors() -> Vec<Row> {
    [refusals(), scopes(), bodies(), values_of_backups(), lists()].concat()
}

fn refusals() -> Vec<Row> {
    let gone = |mut row: Row| {
        row.allowed.gone = ["jobs", "modules"].map(|kind| format!("{kind} {}", customer(0).id)).into();
        row
    };
    vec![
        optional("429", "429, `Retry-After: 1`", each(Fault::Throttle(RetryAfter::Seconds(1)))),
        optional("401", "401", each(Fault::Status(401))),
        optional("403", "403", each(Fault::Status(403))),
        optional("403", "403", each(Fault::Status(403))).outlasts(),
        optional(
            "404, one customer, once",
            "404, one time, to each question about the backups of a customer that has some",
            of_victim(&Fault::Status(404)).map(|rule| rule.first(1)),
        ),
        gone(
            optional(
                "404, one customer, for ever",
                "404 to the same questions, time and again: it has no backups any more",
                of_victim(&Fault::Status(404)),
            )
            .ends(Ends::Never),
        ),
        optional("404, the list of customers", "404 to the list of customers", list(Fault::Status(404))),
        optional("500", "500", each(Fault::Status(500))),
        optional("500", "500", each(Fault::Status(500))).outlasts(),
        optional("503", "503, `Retry-After: 1`", each(Fault::Unavailable(RetryAfter::Seconds(1)))),
        optional("reset", "connections are reset instead of an answer", each(Fault::Reset)),
        optional("hang", "no answer, ever", each(Fault::Hang)),
    ]
}

fn scopes() -> Vec<Row> {
    let lost = |name: &str, scope: Scope| {
        let simulated = format!("tokens of `{}` are refused with `invalid_scope`", scope.permission());
        optional(name, &simulated, [token(Fault::RefuseScope(scope))]).outlasts().ends(Ends::Reload)
    };
    vec![
        lost("scope of customers lost", Scope::Customers),
        lost("scope of jobs lost", Scope::Jobs),
        lost("scope of the overview lost", Scope::Protected),
    ]
}

fn bodies() -> Vec<Row> {
    vec![
        optional("cut", "connections end in the middle of a body, with Content-Length", each(Fault::Truncated)),
        optional("half a body", "half of the right JSON as if it were all", each(Fault::MalformedJson)),
        optional("HTML", "200 with a page for people", each(Fault::Html)).outlasts(),
        optional("wrong shape", "JSON that no endpoint answers", each(Fault::WrongShape)),
        optional("null", "200 with `null`", each(answer(200, "null"))),
        optional("no content", "204", each(Fault::Status(204))),
        optional("gzip bomb", "2 MB that decompress to 2 GiB", each(Fault::GzipBomb(2048))),
        optional("oversized body", "20 MiB after the right answer", each(Fault::Oversized(20 << 20))),
    ]
}

fn values_of_backups() -> Vec<Row> {
    let counts = |json| [backups(values(COUNTS, json))];
    vec![
        optional("numbers, text", "`\"many\"` in place of every number of objects", counts("\"many\"")).gaps(),
        optional("numbers, object", "`{\"value\": 1}` in place of them", counts("{\"value\":1}")).gaps(),
        optional("numbers, negative", "`-5` in place of them", counts("-5")).gaps(),
        optional("numbers, null", "null in place of them", counts("null")).gaps(),
        optional(
            "dates, nonsense",
            "`2026-13-45T25:61:61Z` as the end of every job",
            [backups(values(&["endTime"], "\"2026-13-45T25:61:61Z\""))],
        )
        .gaps(),
        optional(
            "sizes, nonsense",
            "`-1 GB` and `9e400 PB` as sizes, `soon` as a duration",
            [
                backups(values(&["backupSize", "dataSizeStoredInAvePoint"], "\"-1 GB\"")),
                Rule::new(values(&["dataSizeStoredInBYOS"], "\"9e400 PB\"")).on(OVERVIEW),
                Rule::new(values(&["jobDuration"], "\"soon\"")).on(JOBS),
            ],
        )
        .gaps(),
        optional("lists for objects", "rows are lists of their values", each(Fault::Mutated(BodyMutation::Lists))),
        optional(
            "empty once",
            "200 without a row, one time, to each question about the backups of a customer that has some",
            of_victim(&answer(200, EMPTY)).map(|rule| rule.first(1)),
        ),
    ]
}

fn lists() -> Vec<Row> {
    let without_id = |every| Fault::Mutated(BodyMutation::Without { field: "id", every });
    let one = format!("{{\"data\":[{{\"id\":\"{}\"}}],\"metadata\":{{\"totalCount\":1}}}}", customer(0).id);
    let [empty] = list(answer(200, EMPTY));
    // Everything else of that customer is denied.
    let unjudged = |mut row: Row| {
        row.allowed.unjudged = vec![format!("profile {}", customer(0).id)];
        row
    };
    let [of_one] = list(answer(200, one));
    vec![
        optional("list, empty once", "one answer to the list of customers is empty", [empty.first(1)]),
        unjudged(optional(
            "list, of one customer, once",
            "one answer to the list of customers has one, and of that one only the id",
            [of_one.first(1)],
        )),
        optional("list, duplicated", "every page repeats a row of the page before", list(Fault::Duplicated)),
        optional("list, reordered", "every page is of another order", list(Fault::Reordered)),
        optional("list, vanishing", "a row slips from the second page to the first", list(Fault::CustomerLeaves)),
        optional("list, total, more", "`totalCount` is 3 too high", list(Fault::WrongTotal(TotalCount::More(3)))),
        optional("list, total, missing", "there is no `totalCount`", list(Fault::WrongTotal(TotalCount::Absent))),
        optional("list, pages, repeated", "every page is the first page, for ever", list(Fault::RepeatPage)),
        optional("list, rows without id", "every third row has no `id`", list(without_id(3))),
        optional("list, no row has an id", "no row has an `id`", list(without_id(1))),
    ]
}
