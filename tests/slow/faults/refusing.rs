//! Rows: the server does not respond, or refuses.

use std::time::Duration;

use simulator::{Fault, RetryAfter, Rule, When};

use super::rows::*;
use super::scene::INTERVAL;
use super::setup::customer;

pub fn throttling() -> Vec<Row> {
    let throttle = |form| [api(Fault::Throttle(form))];
    vec![
        row("429, seconds", "429 to everything, `Retry-After: 1`", throttle(RetryAfter::Seconds(1)))
            .throttles()
            .combines(),
        row("429, date", "429 to everything, `Retry-After` is an HTTP date 2 s ahead", throttle(RetryAfter::Date(2)))
            .throttles()
            .combines(),
        row("429, garbage", "429 to everything, `Retry-After: in a while`", throttle(RetryAfter::Text("in a while")))
            .throttles(),
        row("429, nothing", "429 to everything, no `Retry-After`", throttle(RetryAfter::Absent)).throttles().combines(),
        row("429, negative", "429 to everything, `Retry-After: -5`", throttle(RetryAfter::Text("-5"))).throttles(),
        row(
            "429, a date in the past",
            "429 to everything, `Retry-After: Thu, 01 Jan 1970 00:00:00 GMT`",
            throttle(RetryAfter::Text("Thu, 01 Jan 1970 00:00:00 GMT")),
        )
        .throttles(),
        row(
            "429, a year",
            "429 to everything, `Retry-After: 31536000`, of which an hour is believed: nothing is asked",
            throttle(RetryAfter::Text("31536000")),
        )
        .outlasts()
        .silences()
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

pub fn refusals() -> Vec<Row> {
    let victim = || customer(0).id;
    let of_victim = |fault| api(fault).of_customer(&victim());
    let gone = |mut row: Row, whose: &str| {
        row.allowed.gone = ["tenants", "seats", "purchased", "available"].map(|kind| format!("{kind} {whose}")).into();
        row
    };
    vec![
        row("401, tokens revoked", "all tokens are revoked every 0.3 s", [api(Fault::RevokeTokens(millis(300)))])
            .combines(),
        Row::new(
            "401, tokens revoked once",
            "the token in use is revoked, and never valid again",
            vec![Trouble::Revoke],
        ),
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

pub fn tokens() -> Vec<Row> {
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
        row("token endpoint drips", "token answers come a byte a second", [token(Fault::Drip(millis(1000)))]),
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
            [token(Fault::GzipBomb(2048))],
        ),
        row(
            "token, too large",
            "an `access_token` of 17 KiB",
            [token(values(&["access_token"], format!("\"{}\"", "a".repeat(17 * 1024)).leak()))],
        ),
        row("token, large", "an `access_token` of 16 KiB that the API does not know, and repeats in its 401", {
            let large = "a".repeat(16 * 1024);
            let said = format!(r#"{{"message":"{} {large}"}}"#, "a".repeat(40 * 1024));
            [token(values(&["access_token"], format!("\"{large}\"").leak())), api(answer(401, said))]
        }),
        Row {
            always: vec![listing(Fault::SmallPages(5)), api(Fault::TokensNotYetValid(millis(1500)))],
            ..Row::new(
                "token, not valid yet",
                "tokens are accepted only 1.5 s after they were issued, from the start on; then the one in use is revoked",
                vec![Trouble::Revoke],
            )
            .ends(Ends::Never)
        },
        Row {
            token_lifetime: Duration::from_secs(8),
            ..row(
                "token, not valid yet at renewals",
                "tokens live 8 s, and are accepted only 0.8 s after they were issued: the old one is used meanwhile",
                [api(Fault::TokensNotYetValid(millis(800)))],
            )
            .outlasts()
            .ends(Ends::Never)
        },
        row(
            "invalid_client",
            "401 `invalid_client` to token requests",
            [token(answer(401, r#"{"error":"invalid_client"}"#))],
        ),
    ]
}

pub fn server_errors() -> Vec<Row> {
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

pub fn connections() -> Vec<Row> {
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
            [api(Fault::ResetBody(true))],
        )
        .combines(),
        row(
            "reset, in a chunked body",
            "connections are reset in the middle of a chunked body",
            [api(Fault::ResetBody(false))],
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
        row("slow-loris, bodies", "bodies come a byte a second", [api(Fault::Drip(millis(1000)))]).combines(),
        Row::new("slow-loris, headers", "headers come a byte a second", vec![Trouble::Drip(Which::Api, millis(1000))]),
        row("hang", "no answer, ever", [api(Fault::Hang)]),
        row("hang", "no answer, ever", [api(Fault::Hang)]).outlasts(),
        row("hang, one request of ten", "no answer to a tenth of the requests", [api(Fault::Hang).share(0.1)])
            .combines(),
    ]
}
