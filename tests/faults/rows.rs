//! The table: what goes wrong, for how long, and what that may cost.

use std::time::Duration;

use avepoint_exporter::domain::Collector;
use avepoint_exporter::simulator::{Edit, Fault, Operation, RetryAfter, Rule, TotalCount, When};

use super::clock::{WALLS, Wall};
use super::scene::{INTERVAL, customer, newcomer};
use super::truth::Allowed;

pub const SERVICES: Operation = Operation::Api(Collector::Services);
const TOKEN: Operation = Operation::Token;

/// One row.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    /// For the document.
    pub simulated: String,
    pub troubles: Vec<Trouble>,
    pub lasts: Lasts,
    pub ends: Ends,
    pub allowed: Allowed,
    pub transport: Transport,
    /// The daemon's own wall clock.
    pub wall: Option<&'static Wall>,
    pub token_lifetime: Duration,
    /// Of the simulator, before, during and after.
    pub always: Vec<Rule>,
    /// Whether it may be drawn for a combination.
    pub combines: bool,
}

/// Something that begins, and that ends.
#[derive(Clone, Debug)]
pub enum Trouble {
    Rule(Rule),
    /// Connections are refused.
    Shut(Which),
    /// A byte at a time, so long between two.
    Drip(Which, Duration),
    /// A certificate of a CA that is not known.
    Foreign,
    /// A certificate that has expired.
    Expired,
    /// Another configuration, from the right one, by a reload.
    Config(fn(&str) -> String),
    /// The wall clock is so many seconds ahead.
    Clock(&'static Wall, i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Api,
    Token,
}

/// How long a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// A few intervals: nothing may get too old.
    Short,
    /// Longer than `max_age`: what cannot be renewed must go.
    Outlasts,
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    Itself,
    Reload,
    /// Not at all: everything else is as it should be.
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Http,
    Https { http2: bool },
}

impl Row {
    pub fn new(name: impl Into<String>, simulated: impl Into<String>, troubles: Vec<Trouble>) -> Self {
        let about_tokens = |trouble: &Trouble| match trouble {
            Trouble::Rule(rule) => rule.operations.contains(&TOKEN),
            Trouble::Shut(which) | Trouble::Drip(which, _) => *which == Which::Token,
            Trouble::Clock(..) => true,
            _ => false,
        };
        // Where tokens matter, they are asked for all the time.
        let token_lifetime = if troubles.iter().any(about_tokens) { 3 } else { 3600 };
        Self {
            name: name.into(),
            simulated: simulated.into(),
            troubles,
            lasts: Lasts::Short,
            ends: Ends::Itself,
            allowed: Allowed::default(),
            transport: Transport::Http,
            wall: None,
            token_lifetime: Duration::from_secs(token_lifetime),
            always: vec![Rule::new(Fault::SmallPages(5)).on(SERVICES)],
            combines: false,
        }
    }

    /// Several faults at once.
    pub fn is_combined(&self) -> bool {
        self.name.contains(" + ")
    }

    fn outlasts(mut self) -> Self {
        self.name += ", for long";
        self.lasts = Lasts::Outlasts;
        self
    }

    fn ends(self, ends: Ends) -> Self {
        Self { ends, ..self }
    }

    fn gaps(mut self) -> Self {
        self.allowed.gaps = true;
        self
    }

    fn https(self, http2: bool) -> Self {
        Self { transport: Transport::Https { http2 }, ..self }
    }

    fn combines(self) -> Self {
        Self { combines: true, ..self }
    }
}

fn row(name: &str, simulated: &str, rules: impl IntoIterator<Item = Rule>) -> Row {
    Row::new(name, simulated, rules.into_iter().map(Trouble::Rule).collect())
}

fn api(fault: Fault) -> Rule {
    Rule::new(fault)
}

/// To the API and the identity service alike.
fn all(fault: Fault) -> Rule {
    let api = Collector::ALL.into_iter().map(Operation::Api);
    Rule { operations: api.chain([TOKEN]).collect(), ..Rule::new(fault) }
}

fn listing(fault: Fault) -> Rule {
    Rule::new(fault).on(SERVICES)
}

fn token(fault: Fault) -> Rule {
    Rule::new(fault).on(TOKEN)
}

fn values(fields: &'static [&'static str], json: &'static str) -> Fault {
    Fault::Edit(Edit::Values { fields, json })
}

fn answer(status: u16, body: impl Into<String>) -> Fault {
    Fault::Answer { status, body: body.into() }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

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

/// Every row but the combinations. Redirects point to `trap`.
pub fn all_rows(trap: &str) -> Vec<Row> {
    let other_side = [throttling(), refusals(), tokens(), server_errors(), connections()];
    let answers = [bodies(), numbers(), pages()];
    [other_side.concat(), answers.concat(), ways(trap), clocks()].concat()
}

fn throttling() -> Vec<Row> {
    let throttle = |form| [api(Fault::Throttle(form))];
    vec![
        row("429, seconds", "429 to everything, `Retry-After: 1`", throttle(RetryAfter::Seconds(1))).combines(),
        row("429, date", "429 to everything, `Retry-After` is an HTTP date 2 s ahead", throttle(RetryAfter::Date(2)))
            .combines(),
        row("429, garbage", "429 to everything, `Retry-After: in a while`", throttle(RetryAfter::Garbage)),
        row("429, nothing", "429 to everything, no `Retry-After`", throttle(RetryAfter::Absent)).combines(),
        row("429, negative", "429 to everything, `Retry-After: -5`", throttle(RetryAfter::Text("-5"))),
        row(
            "429, a date in the past",
            "429 to everything, `Retry-After: Thu, 01 Jan 1970 00:00:00 GMT`",
            throttle(RetryAfter::Text("Thu, 01 Jan 1970 00:00:00 GMT")),
        ),
        row(
            "429, a year",
            "429 to everything, `Retry-After: 31536000`, of which an hour is believed",
            throttle(RetryAfter::Text("31536000")),
        )
        .outlasts()
        .ends(Ends::Reload),
        row(
            "429, now and then",
            "every fifth answer is 429 without `Retry-After`",
            [api(Fault::Throttle(RetryAfter::Absent)).share(0.2)],
        ),
        row(
            "429, of tokens",
            "429 to token requests, `Retry-After: 1`",
            [token(Fault::Throttle(RetryAfter::Seconds(1)))],
        ),
    ]
}

fn refusals() -> Vec<Row> {
    let victim = || customer(0).id;
    let of_victim = |fault| api(fault).of_customer(&victim());
    let gone = |mut row: Row, whose: &str| {
        row.allowed.gone = ["tenants", "seats", "purchased", "available"].map(|kind| format!("{kind} {whose}")).into();
        row
    };
    vec![
        row(
            "401, tokens revoked",
            "all tokens are revoked every 0.3 s",
            [api(Fault::RevokeTokens { every: millis(300) })],
        )
        .combines(),
        row("401, every request", "401 to everything", [api(Fault::Status(401))]),
        row("401, every request", "401 to everything", [api(Fault::Status(401))]).outlasts(),
        row(
            "401, every third request",
            "401 to every third request, whatever its token",
            [api(Fault::Status(401)).share(0.33)],
        ),
        row("403, one customer", "403 to everything about one customer", [of_victim(Fault::Status(403))]),
        row("403, one customer", "403 to everything about one customer", [of_victim(Fault::Status(403))]).outlasts(),
        row("403, all", "403 to everything", [api(Fault::Status(403))]),
        row("403, all", "403 to everything", [api(Fault::Status(403))]).outlasts(),
        row(
            "404, one customer, once",
            "404, one time, to every question about a customer that has values",
            [Rule {
                when: When::FirstOfEvery { first: INTERVAL.mul_f64(0.9), every: Duration::from_hours(1) },
                ..of_victim(Fault::Status(404))
            }],
        ),
        gone(
            row(
                "404, one customer, for ever",
                "404 to every question about a customer that has values, time and again: it has none of it any more",
                [of_victim(Fault::Status(404))],
            )
            .ends(Ends::Never),
            &victim(),
        ),
        row(
            "404, all, once",
            "404, one time, to every question",
            [Rule {
                when: When::FirstOfEvery { first: INTERVAL.mul_f64(0.9), every: Duration::from_hours(1) },
                ..api(Fault::Status(404))
            }],
        ),
        gone(
            row(
                "404, all",
                "404 to everything, time and again: nobody has anything any more",
                [api(Fault::Status(404))],
            ),
            "",
        ),
        row("404, the service list", "404 to the service list", [listing(Fault::Status(404))]).combines(),
        row("400, all", "400 to everything", [api(Fault::Status(400))]),
    ]
}

fn tokens() -> Vec<Row> {
    let life = |json| [token(values(&["expires_in"], json))];
    vec![
        Row::new(
            "token endpoint down",
            "connections to the identity service are refused",
            vec![Trouble::Shut(Which::Token)],
        )
        .combines(),
        Row::new(
            "token endpoint down",
            "connections to the identity service are refused",
            vec![Trouble::Shut(Which::Token)],
        )
        .outlasts(),
        row(
            "token endpoint slow",
            "tokens take 0.6 to 0.9 s",
            [token(Fault::Latency { fixed: millis(600), jitter: millis(300) })],
        )
        .combines(),
        row("token endpoint hangs", "token requests are never answered", [token(Fault::Hang)]),
        row("token endpoint drips", "token answers come a byte a second", [token(Fault::Drip { every: millis(1000) })]),
        row("token endpoint, 500", "500 to token requests", [token(Fault::Status(500))]).combines(),
        row("token endpoint, reset", "token requests are reset", [token(Fault::Reset)]),
        row("token, garbage", "200 with bytes that are no JSON for a token", [token(answer(200, "token=\u{1}abc"))]),
        row("token, HTML", "200 with a page for people for a token", [token(Fault::Html)]).combines(),
        row("token, empty", "an empty `access_token`", [token(values(&["access_token"], "\"\""))]),
        row(
            "token, line break",
            "an `access_token` with a line break",
            [token(values(&["access_token"], "\"a\\r\\nx: y\""))],
        ),
        row(
            "token, wrong",
            "an `access_token` that the API does not know",
            [token(values(&["access_token"], "\"nobodys\""))],
        ),
        row("token, life 0", "`expires_in: 0`; tokens live 3 s", life("0")),
        row("token, life negative", "`expires_in: -3600`; tokens live 3 s", life("-3600")),
        row("token, life huge", "`expires_in: 1e300`; tokens live 3 s", life("1e300")),
        row("token, life text", "`expires_in: \"soon\"`; tokens live 3 s", life("\"soon\"")).combines(),
        row(
            "token, bomb",
            "a token answer of 2 MB that decompresses to 2 GiB",
            [token(Fault::GzipBomb { mebibytes: 2048 })],
        ),
        row(
            "invalid_client",
            "401 `invalid_client` to token requests",
            [token(answer(401, r#"{"error":"invalid_client"}"#))],
        ),
    ]
}

fn server_errors() -> Vec<Row> {
    vec![
        row("500", "500 to everything, tokens included", [all(Fault::Status(500))]),
        row("500", "500 to everything, tokens included", [all(Fault::Status(500))]).outlasts(),
        row("500, every other request", "500 to half of the requests", [api(Fault::Status(500)).share(0.5)]).combines(),
        row("502", "502 to everything, with a page for people", [api(answer(502, "<html>Bad gateway</html>"))])
            .combines(),
        row(
            "503, with Retry-After",
            "503 to everything, `Retry-After: 1`",
            [api(Fault::Unavailable(RetryAfter::Seconds(1)))],
        )
        .combines(),
        row(
            "503, Retry-After a year",
            "503 to everything, `Retry-After: 31536000`",
            [api(Fault::Unavailable(RetryAfter::Text("31536000")))],
        ),
        row("504", "504 to everything", [api(Fault::Status(504))]).combines(),
        row("599", "a status that nobody knows", [api(answer(599, ""))]),
    ]
}

fn connections() -> Vec<Row> {
    vec![
        Row::new("connection refused", "nobody listens at the API's address", vec![Trouble::Shut(Which::Api)]),
        Row::new("connection refused", "nobody listens at the API's address", vec![Trouble::Shut(Which::Api)])
            .outlasts(),
        Row::new(
            "connection refused, both",
            "nobody listens at either address",
            vec![Trouble::Shut(Which::Api), Trouble::Shut(Which::Token)],
        ),
        row("reset, before the answer", "connections are reset instead of an answer", [api(Fault::Reset)]).combines(),
        row(
            "reset, in a body with a length",
            "connections are reset in the middle of a body, with Content-Length",
            [api(Fault::ResetBody { announced: true })],
        )
        .combines(),
        row(
            "reset, in a chunked body",
            "connections are reset in the middle of a chunked body",
            [api(Fault::ResetBody { announced: false })],
        ),
        row(
            "cut, a body with a length",
            "connections end in the middle of a body, with Content-Length",
            [api(Fault::Truncated)],
        )
        .combines(),
        row("cut, a chunked body", "connections end in the middle of a chunked body", [api(Fault::CutChunked)]),
        row(
            "slow",
            "answers take 0.3 to 0.8 s, of the second that they may",
            [all(Fault::Latency { fixed: millis(300), jitter: millis(500) })],
        )
        .combines(),
        row("slow-loris, bodies", "bodies come a byte a second", [api(Fault::Drip { every: millis(1000) })]).combines(),
        Row::new("slow-loris, headers", "headers come a byte a second", vec![Trouble::Drip(Which::Api, millis(1000))]),
        row("hang", "no answer, ever", [api(Fault::Hang)]),
        row("hang", "no answer, ever", [api(Fault::Hang)]).outlasts(),
        row("hang, one request of ten", "no answer to a tenth of the requests", [api(Fault::Hang).share(0.1)])
            .combines(),
    ]
}

fn bodies() -> Vec<Row> {
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let many = |unit: &str, times: usize| format!("{{\"data\":[{}0]}}", unit.repeat(times));
    vec![
        row(
            "gzip bomb",
            "2 MB that decompress to 2 GiB, to everything at once",
            [api(Fault::GzipBomb { mebibytes: 2048 })],
        )
        .combines(),
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
            [api(Fault::Edit(Edit::Deep(100_000)))],
        ),
        row("HTML", "200 with a page for people", [api(Fault::Html)]).combines(),
        row("HTML", "200 with a page for people", [api(Fault::Html)]).outlasts(),
        row("no content", "204", [api(Fault::Status(204))]),
        row("empty body", "200 without a body", [api(answer(200, ""))]).combines(),
        row("half a body", "half of the right JSON as if it were all", [api(Fault::MalformedJson)]).combines(),
        row("wrong shape", "JSON that no endpoint answers", [api(Fault::WrongShape)]),
        row("no UTF-8", "bytes that are no UTF-8 in every email address", [api(Fault::Edit(Edit::NoUtf8))]),
        row("null", "200 with `null`", [api(answer(200, "null"))]),
    ]
}

fn numbers() -> Vec<Row> {
    let seats = |json| [api(values(SEATS, json))];
    let nameless = |mut row: Row| {
        // Nobody has ever told its name.
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
        row("numbers, null", "null in place of every number of seats", seats("null")).gaps(),
        nameless(row(
            "names, null",
            "null in place of every customer's name: the known one stays",
            [listing(values(&["organization"], "null"))],
        )),
        row("lists for objects", "rows are lists of their values", [api(Fault::Edit(Edit::Lists))]),
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

fn pages() -> Vec<Row> {
    let total = |json| [listing(values(&["totalCount"], json))];
    let count = |count| [listing(Fault::WrongTotal(count))];
    let without = |field, every| Fault::Edit(Edit::Without { field, every });
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
        row("rows, appearing", "a row is inserted in front between two pages", [listing(Fault::CustomerJoins)]),
        row("rows without id", "every third row has no `customerId`", [listing(without("customerId", 3))]).combines(),
        row("no row has an id", "no row has a `customerId`", [listing(without("customerId", 1))]),
        row(
            "tenants without id",
            "no tenant has a `tenantId`",
            [api(without("tenantId", 1)).on(Operation::Api(Collector::TenantSeats))],
        ),
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

fn ways(trap: &str) -> Vec<Row> {
    let redirect = |rule: fn(Fault) -> Rule| [rule(Fault::Redirect(trap.to_owned()))];
    let nowhere = |yaml: &str| {
        let (before, rest) = yaml.split_once("api_url: http://").unwrap();
        format!("{before}api_url: https://nowhere.invalid{}", &rest[rest.find('\n').unwrap()..])
    };
    let no_identity = |yaml: &str| {
        let (before, rest) = yaml.split_once("token_url: http://").unwrap();
        format!("{before}token_url: https://nowhere.invalid{}", &rest[rest.find('\n').unwrap()..])
    };
    vec![
        row("redirect", "302 to another host, where no request and no credential may arrive", redirect(api)).combines(),
        row("redirect of tokens", "302 of the token request to another host", redirect(token)),
        Row::new("DNS, API", "the host of `api_url` does not resolve", vec![Trouble::Config(nowhere)])
            .ends(Ends::Reload),
        Row::new("DNS, API", "the host of `api_url` does not resolve", vec![Trouble::Config(nowhere)])
            .outlasts()
            .ends(Ends::Reload),
        Row::new(
            "DNS, identity service",
            "the host of `token_url` does not resolve",
            vec![Trouble::Config(no_identity)],
        )
        .ends(Ends::Reload),
        Row::new("TLS, unknown CA", "the API shows a certificate of a CA that is not known", vec![Trouble::Foreign])
            .https(false),
        Row::new("TLS, unknown CA", "the API shows a certificate of a CA that is not known", vec![Trouble::Foreign])
            .https(false)
            .outlasts(),
        Row::new(
            "TLS, no ca_file",
            "`ca_file` is not configured",
            vec![Trouble::Config(|yaml| yaml.replace("    ca_file: ca.pem\n", ""))],
        )
        .https(false)
        .ends(Ends::Reload),
        Row::new("TLS, expired", "the API shows a certificate that has expired", vec![Trouble::Expired]).https(false),
        row("HTTP/2, reset", "streams are reset, and the connection ends with GOAWAY", [api(Fault::Reset).share(0.5)])
            .https(true),
        row("HTTP/2, hang", "streams are never answered", [api(Fault::Hang)]).https(true),
    ]
}

/// The wall clock, in a daemon in this process: that of another one cannot be set.
fn clocks() -> Vec<Row> {
    let set = |wall: &'static Wall, name: &str, simulated: &str, seconds, rules: Vec<Rule>| {
        let rules = rules.into_iter().map(Trouble::Rule);
        let troubles = std::iter::once(Trouble::Clock(wall, seconds)).chain(rules).collect();
        Row { wall: Some(wall), ..Row::new(name, simulated, troubles) }
    };
    let (hour, day) = (3600, 86_400);
    vec![
        set(
            &WALLS[0],
            "clock, forward",
            "the wall clock is set forward by an hour, then back: exported times follow, nothing ages or is polled early",
            hour,
            vec![],
        ),
        set(
            &WALLS[1],
            "clock, back",
            "the wall clock is set back by an hour, then forward: exported times follow, nothing vanishes or is polled late",
            -hour,
            vec![],
        ),
        set(
            &WALLS[2],
            "clock, a day back, and 429 with dates",
            "both at once",
            -day,
            vec![api(Fault::Throttle(RetryAfter::Date(2))).share(0.2)],
        ),
    ]
}
