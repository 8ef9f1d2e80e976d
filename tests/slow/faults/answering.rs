//! Rows: wrong responses.

use std::time::Duration;

use elements::types::Collector;
use simulator::{BodyMutation, Fault, Operation, Rule, TotalCount, When};

use super::rows::*;
use super::scene::INTERVAL;
use super::setup::{customer, newcomer};

const SEATS: &[&str] = &[
    "assignedUserSeat",
    "availableUserSeat",
    "purchasedUserSeat",
    "purchasedUserSeats",
    "purchasedUnits",
    "microsoftLicenseAssigned",
    "microsoftLicenseAvailable",
    "change",
];

pub fn bodies() -> Vec<Row> {
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let many = |unit: &str, times: usize| format!("{{\"data\":[{}0]}}", unit.repeat(times));
    vec![
        row("gzip bomb", "2 MB that decompress to 2 GiB, to everything at once", [api(Fault::GzipBomb(2048))])
            .combines(),
        row("gzip, members", "gzip of two members: everything is read", [api(Fault::GzipMembers)]).harmless(),
        row("tiny chunks", "chunks of one byte: everything is read", [api(Fault::TinyChunks)]).harmless(),
        row("no gzip", "`Content-Encoding: gzip` and a body that is none", [api(Fault::NotGzip)]).combines(),
        row("oversized body", "20 MiB after the right answer", [api(Fault::Oversized(20 << 20))]),
        row(
            "many values",
            "12 MiB of `[],` and of `0,`: as many values as fit",
            [api(answer(200, many("[],", 4 << 20))).share(0.5), api(answer(200, many("0,", 6 << 20)))],
        ),
        row("deep JSON", "100,000 lists in one another instead of an answer", [api(answer(200, deep(100_000)))]),
        row(
            "deep field",
            "the right answer with a field more, 100,000 lists deep",
            [api(Fault::Mutated(BodyMutation::Deep(100_000)))],
        ),
        row("HTML", "200 with a page for people", [api(Fault::Html)]).combines(),
        row("HTML", "200 with a page for people", [api(Fault::Html)]).outlasts(),
        row("no content", "204", [api(Fault::Status(204))]),
        row("empty body", "200 without a body", [api(answer(200, ""))]).combines(),
        row("half a body", "half of the right JSON as if it were all", [api(Fault::MalformedJson)]).combines(),
        row("wrong shape", "JSON that no endpoint answers", [api(Fault::WrongShape)]),
        row("no UTF-8", "bytes that are no UTF-8 in every email address", [api(Fault::Mutated(BodyMutation::NoUtf8))]),
        row("null", "200 with `null`", [api(answer(200, "null"))]),
    ]
}

pub fn numbers() -> Vec<Row> {
    let seats = |json| [api(values(SEATS, json))];
    let nameless = |mut row: Row| {
        // No response has ever contained its name.
        row.allowed.unjudged = vec![format!("info {}", newcomer().id)];
        row
    };
    vec![
        row("numbers, text", "`\"many\"` in place of every number of seats", seats("\"many\"")).gaps(),
        row("numbers, list", "`[1]` in place of every number of seats", seats("[1]")).gaps(),
        row("numbers, object", "`{\"value\": 1}` in place of every number of seats", seats("{\"value\":1}")).gaps(),
        row("numbers, boolean", "`true` in place of every number of seats", seats("true")).gaps(),
        row("numbers, negative", "`-5` seats everywhere but in `change`", [api(values(&SEATS[..7], "-5"))]).gaps(),
        row(
            "numbers, negative text",
            "`\"-5\"` seats everywhere but in `change`",
            [api(values(&SEATS[..7], "\"-5\""))],
        )
        .gaps(),
        row("numbers, NaN", "`NaN` as JSON has no word for it", seats("NaN")),
        row("numbers, NaN as text", "`\"NaN\"` in place of every number of seats", seats("\"NaN\"")).gaps(),
        row("numbers, infinity as text", "`\"Infinity\"` in place of every number", seats("\"Infinity\"")).gaps(),
        row("numbers, out of range", "`1e999` in place of every number of seats", seats("1e999")),
        row("numbers, out of range as text", "`\"1e999\"` in place of every number", seats("\"1e999\"")).gaps(),
        row("numbers, comma", "`\"1,5\"`, which could be 15 or 1.5", seats("\"1,5\"")).gaps(),
        row(
            "numbers, plus sign",
            "`\"+5\"` in place of 5: everything is read",
            [api(Fault::Mutated(BodyMutation::PlusSign(SEATS)))],
        )
        .harmless(),
        row(
            "dates, spaced offset",
            "`2027-06-30T00:00:00 +00:00`: everything is read",
            [listing(Fault::Mutated(BodyMutation::SpacedOffset(&["expirationDate", "contractEndDate"])))],
        )
        .harmless(),
        row("numbers, null", "null in place of every number of seats", seats("null")).gaps(),
        nameless(row(
            "names, null",
            "null in place of every customer's name: the known one stays",
            [listing(values(&["organization"], "null"))],
        )),
        row("lists for objects", "rows are lists of their values", [api(Fault::Mutated(BodyMutation::Lists))]),
        row(
            "dates, nonsense",
            "`31-02-2026` and `2026-13-45T25:61:61Z`",
            [
                listing(values(&["expirationDate"], "\"02-31-2026\"")),
                listing(values(&["contractEndDate"], "\"2026-13-45T25:61:61Z\"")),
            ],
        )
        .gaps(),
        row(
            "dates, numbers",
            "`0` and `253402300800000` as dates",
            [listing(values(&["expirationDate"], "0")), listing(values(&["contractEndDate"], "253402300800000"))],
        )
        .gaps(),
        row(
            "sizes, nonsense",
            "`-1 GB`, `1/2/3 GB` and `9e400 PB` as sizes",
            [
                listing(values(&["protectedCapacity"], "\"-1 GB\"")),
                listing(values(&["purchasedCapacity"], "\"1/2/3 GB\"")),
                listing(values(&["consumedStorage"], "\"9e400 PB\"")),
            ],
        )
        .gaps(),
        row("services, no list", "`products` is an object", [listing(values(&["products"], "{\"service\":\"x\"}"))]),
    ]
}

pub fn pages() -> Vec<Row> {
    let without = |field, every| Fault::Mutated(BodyMutation::Without { field, every });
    let empty = "{\"data\":[],\"metadata\":{\"totalCount\":0}}";
    // Each target is polled once in that time: a second result would be accepted.
    let once = |rule| Rule {
        when: When::FirstOfEvery { first: INTERVAL.mul_f64(0.94), every: Duration::from_hours(1) },
        ..rule
    };
    vec![
        row(
            "rows, duplicated",
            "every page repeats a row of its own and one of the page before",
            [listing(Fault::Duplicated)],
        )
        .combines(),
        row(
            "rows, reordered",
            "every page is of another order: rows are on two pages and on none",
            [listing(Fault::Reordered)],
        )
        .combines(),
        row(
            "rows, reordered, no total",
            "the same, and `totalCount` is missing",
            [listing(Fault::Reordered), listing(Fault::WrongTotal(TotalCount::Absent))],
        ),
        row(
            "rows, vanishing",
            "a row slips from the second page to the first, between the two",
            [listing(Fault::CustomerLeaves)],
        )
        .combines(),
        row(
            "rows, vanishing, and refused",
            "the same, one time, and 403 to whoever asks the service list for certain customers",
            [once(listing(Fault::CustomerLeaves)), listing(Fault::RefuseIds)],
        ),
        Row {
            // Also after halving the page size, no customer is on two pages read at two times.
            always: vec![Rule::new(Fault::SmallPages(8)).on(SERVICES)],
            ..row(
                "rows, split",
                "every customer is in two rows, each with a part of its products, and `totalCount` counts rows",
                [listing(Fault::Split)],
            )
        },
        row(
            "list, empty once",
            "200 with no customer and a `totalCount` of 0, to one listing",
            [once(listing(answer(200, empty)))],
        ),
        row(
            "list, of one customer, once",
            "200 with one customer and a `totalCount` of 1, to one listing",
            [once(listing(answer(
                200,
                format!("{{\"data\":[{{\"customerId\":\"{}\"}}],\"metadata\":{{\"totalCount\":1}}}}", customer(0).id),
            )))],
        ),
        row(
            "products, empty once",
            "`products: []` for everybody, in one listing",
            [once(listing(values(&["products"], "[]")))],
        ),
        row(
            "products, nonsense",
            "`products: [1, \"x\"]` for everybody",
            [listing(values(&["products"], "[1,\"x\"]"))],
        ),
        row(
            "tenants, empty once",
            "200 without a tenant, one time to each question",
            [once(api(answer(200, empty)).on(Operation::Api(Collector::TenantSeats)))],
        ),
        row("rows, appearing", "a row is inserted in front between two pages", [listing(Fault::CustomerJoins)]),
        row("rows without id", "every third row has no `customerId`", [listing(without("customerId", 3))]).combines(),
        row("no row has an id", "no row has a `customerId`", [listing(without("customerId", 1))]),
        row(
            "tenants without id",
            "no tenant has a `tenantId`",
            [api(without("tenantId", 1)).on(Operation::Api(Collector::TenantSeats))],
        ),
    ]
}

pub fn totals() -> Vec<Row> {
    let total = |json| [listing(values(&["totalCount"], json))];
    let count = |count| [listing(Fault::WrongTotal(count))];
    let without = |field, every| Fault::Mutated(BodyMutation::Without { field, every });
    vec![
        row("total, more", "`totalCount` is 3 too high", count(TotalCount::More(3))).combines(),
        row("total, fewer", "`totalCount` is 3 too low", count(TotalCount::Fewer(3))).combines(),
        row("total, missing", "there is no `totalCount`", count(TotalCount::Absent)).combines(),
        row("total, text", "`totalCount: \"many\"`", total("\"many\"")),
        row("total, negative", "`totalCount: -1`", total("-1")),
        row("total, object", "`totalCount: {}`", total("{}")),
        row(
            "no metadata",
            "there is no `metadata`, and pages are smaller than asked for",
            [listing(without("metadata", 1))],
        ),
        row(
            "page size, nonsense",
            "`pageSize` is 0, and pages are smaller than asked for",
            [listing(values(&["pageSize"], "0"))],
        ),
        row("pages, repeated", "every page is the first page, for ever", [listing(Fault::RepeatPage)]).combines(),
        row("pages, empty in the middle", "the second page is empty", [listing(Fault::EmptyPage(2))]).combines(),
        row(
            "pages, empty, no total",
            "the second page is empty, and `totalCount` is missing",
            [listing(Fault::EmptyPage(2)), listing(Fault::WrongTotal(TotalCount::Absent))],
        ),
        row("pages, all empty", "every page is empty, `totalCount` is not", [listing(Fault::EmptyPage(1))]),
    ]
}
