//! Combined faults: a few chosen ones, the others drawn from the table by a seed.

use std::collections::BTreeSet;
use std::time::Duration;

use simulator::{Fault, Rule};

use super::rows::{Row, SERVICES, Trouble};

/// Determines which rows are drawn.
const SEED: u64 = 4;
const DRAWN: usize = 16;

/// By the names of their parts.
const CHOSEN: [&[&str]; 7] = [
    &["429, seconds", "token endpoint down"],
    &["reset, before the answer", "rows, reordered"],
    &["500, every other request", "rows, vanishing", "slow"],
    &["401, tokens revoked", "token endpoint slow", "429, nothing"],
    &["gzip bomb", "oversized body", "many values"],
    &["total, missing", "pages, empty in the middle", "rows, duplicated"],
    &["hang", "invalid_client", "rows without id"],
];

/// Combinations of two or three of these rows.
pub fn combinations(rows: &[Row]) -> Vec<Row> {
    let by_name = |name: &str| rows.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no row {name}"));
    let chosen = CHOSEN.iter().map(|names| combined(&names.iter().map(|name| by_name(name)).collect::<Vec<_>>()));
    let candidates: Vec<&Row> = rows.iter().filter(|row| row.combines).collect();
    let mut state = SEED;
    let mut draw = |below: usize| {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % below as u64).unwrap()
    };
    let mut drawn = BTreeSet::new();
    while drawn.len() < DRAWN {
        let parts = 2 + draw(2);
        let places: BTreeSet<usize> = (0..parts).map(|_| draw(candidates.len())).collect();
        if places.len() == parts {
            drawn.insert(places);
        }
    }
    let drawn = drawn.iter().map(|places| combined(&places.iter().map(|&place| candidates[place]).collect::<Vec<_>>()));
    chosen.chain(drawn).collect()
}

/// All their faults at once. A fault that affects all requests affects half of them here, so that the others take
/// effect too.
fn combined(parts: &[&Row]) -> Row {
    let names: Vec<_> = parts.iter().map(|row| row.name.as_str()).collect();
    let mut troubles = Vec::new();
    for trouble in parts.iter().flat_map(|row| &row.troubles) {
        troubles.push(match trouble {
            Trouble::Rule(rule) => Trouble::Rule(halved(rule)),
            other => other.clone(),
        });
    }
    let mut row = Row::new(names.join(" + "), "all of these at once, each to a part of the requests", troubles);
    row.allowed.gaps = parts.iter().any(|part| part.allowed.gaps);
    row.token_lifetime = parts.iter().map(|part| part.token_lifetime).min().unwrap_or(Duration::from_hours(1));
    row
}

/// There are few requests for the service list, and fewer when others fail.
fn halved(rule: &Rule) -> Rule {
    let whole =
        matches!(rule.fault, Fault::Latency { .. } | Fault::RevokeTokens { .. }) || rule.operations == [SERVICES];
    Rule { share: if whole { rule.share } else { rule.share.min(0.5) }, ..rule.clone() }
}
