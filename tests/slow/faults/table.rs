//! The table, and its rows about the network and the clock.

use simulator::{Fault, RetryAfter, Rule};

use super::answering::{bodies, numbers, pages, totals};
use super::clock::{WALLS, Wall};
use super::optional::optional_collectors;
use super::refusing::{connections, refusals, server_errors, throttling, tokens};
use super::rows::*;

/// Every row except the combinations. Redirects point to `trap`.
pub fn all_rows(trap: &str) -> Vec<Row> {
    let other_side = [throttling(), refusals(), tokens(), server_errors(), connections()];
    let answers = [bodies(), numbers(), pages(), totals()];
    [other_side.concat(), answers.concat(), ways(trap), clocks(), optional_collectors()].concat()
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
        row("HTTP/2, frozen", "every fifth request freezes its connection for good", [api(Fault::Freeze).share(0.2)])
            .https(true),
        Row::new("1xx without end", "`100 Continue` and `103 Early Hints` without end", vec![Trouble::Flood]),
        Row::new(
            "header lines, odd",
            "200 headers, folded, without a colon, without a name, with spaces before it: everything is read",
            vec![Trouble::OddHeaders],
        )
        .harmless(),
    ]
}

/// The wall clock of a daemon in this process, because that of another process cannot be set.
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
