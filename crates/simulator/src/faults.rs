//! Fault injection: rules that can be changed while the simulator runs. Which requests they affect depends on the seed.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use elements::types::Scope;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::mutations::BodyMutation;
use super::path::Operation;
use super::rng::SeededRng;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Responses are delayed, by `fixed` plus up to `jitter`.
    Latency {
        /// The minimum delay.
        fixed: Duration,
        /// The maximum additional delay.
        jitter: Duration,
    },
    /// 429.
    Throttle(RetryAfter),
    /// Any other status with a body that contains a message: 500, 503, 403 of a customer, and so on.
    Status(u16),
    /// 503 with `Retry-After`.
    Unavailable(RetryAfter),
    /// 302 to this URL.
    Redirect(String),
    /// This status with this body, with the content type of JSON.
    Answer {
        /// The status of the response.
        status: u16,
        /// Any text.
        body: String,
    },
    /// The body ends before its Content-Length is reached, and the connection ends too.
    Truncated,
    /// A chunked body ends without its last chunk, and the connection ends too.
    CutChunked,
    /// The first half of the right JSON, as if it were complete.
    MalformedJson,
    /// JSON that matches no endpoint.
    WrongShape,
    /// 200 with an HTML page.
    Html,
    /// The right JSON with a mutation.
    Mutated(BodyMutation),
    /// The right body followed by this many spaces, not compressed.
    Oversized(usize),
    /// A small body that decompresses to this many MiB of spaces.
    GzipBomb(u32),
    /// The right body, declared as compressed although it is not.
    NotGzip,
    /// The right body, sent byte by byte with this delay between two bytes.
    Drip(Duration),
    /// The right body in chunks of one byte, without a delay.
    TinyChunks,
    /// The right body as gzip with two members.
    GzipMembers,
    /// Never responds.
    Hang,
    /// Never responds, and reads or writes nothing more on the connection, which stays open.
    Freeze,
    /// The connection is reset instead of a response.
    Reset,
    /// The connection is reset in the middle of the body, which has a Content-Length (`true`) or is chunked.
    ResetBody(bool),
    /// Revokes all tokens that are older than the last full multiple of this time since the start.
    RevokeTokens(Duration),
    /// Tokens are accepted only after this time since they were issued.
    TokensNotYetValid(Duration),
    /// The first customer is removed when the second page is requested: one customer is on no page.
    CustomerLeaves,
    /// A new customer is inserted first when the second page is requested: one customer is on two pages.
    CustomerJoins,
    /// Every page is the first page.
    RepeatPage,
    /// Pages of customers have at most this many rows, and say so.
    SmallPages(usize),
    /// The page with this number is empty.
    EmptyPage(usize),
    /// Every page is from another order of the same customers: some are on two pages and some on none.
    Reordered,
    /// Every page begins with the last row of the previous page, and ends with its own first.
    Duplicated,
    /// Every customer has two rows, one with the products of its first service and one with the others, and
    /// `totalCount` counts rows.
    Split,
    /// Requests of the service list for certain customers are refused with 403.
    RefuseIds,
    /// Requests of the service list for certain customers are refused with 403 if one of them does not exist.
    RefuseUnknownIds,
    /// Tokens of this scope are refused with `invalid_scope`; those that were issued stay valid.
    RefuseScope(Scope),
    /// `totalCount` is not the number of rows.
    WrongTotal(TotalCount),
}

/// The header `Retry-After` of a 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// No header.
    Absent,
    /// This many seconds, as a number.
    Seconds(u32),
    /// This many seconds from now, as an HTTP date.
    Date(u32),
    /// This text, valid or not.
    Text(&'static str),
}

/// The value of `totalCount`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TotalCount {
    /// It is omitted.
    Absent,
    /// This many rows more than there are.
    More(usize),
    /// This many rows fewer than there are.
    Fewer(usize),
}

/// A rule: a fault, the requests that it affects, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The fault.
    pub fault: Fault,
    /// The affected operations; if empty, the five endpoints but not the token.
    pub operations: Vec<Operation>,
    /// Only requests with this customer in their path.
    pub customer: Option<String>,
    /// When the rule applies.
    pub when: When,
    /// The share of the matching requests that are affected, 0 to 1.
    pub share: f64,
}

/// When a rule applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// For these of the matching requests, counted from 0 since the rule was set.
    Requests(Range<u64>),
    /// For the first part of every period since the rule was set.
    FirstOfEvery {
        /// The length of that part.
        first: Duration,
        /// The period.
        every: Duration,
    },
}

impl Rule {
    /// A rule for every request to the five endpoints.
    #[must_use]
    pub const fn new(fault: Fault) -> Self {
        Self { fault, operations: Vec::new(), customer: None, when: When::Always, share: 1.0 }
    }

    /// Only this operation (and those named before).
    #[must_use]
    pub fn on(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// Only requests about this customer.
    #[must_use]
    pub fn of_customer(mut self, id: &str) -> Self {
        self.customer = Some(id.to_owned());
        self
    }

    /// Only the first requests.
    #[must_use]
    pub fn first(mut self, requests: u64) -> Self {
        self.when = When::Requests(0..requests);
        self
    }

    /// Only a share of the requests, 0 to 1.
    #[must_use]
    pub const fn share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    fn is_about(&self, operation: Operation, customer: &str) -> bool {
        let named = match self.operations.as_slice() {
            [] => matches!(operation, Operation::Api(_)),
            operations => operations.contains(&operation),
        };
        named && self.customer.as_deref().is_none_or(|only| only == customer)
    }
}

/// The rules of a running simulator; clones share them.
#[derive(Clone, Debug)]
pub struct Faults(Arc<Mutex<Rules>>);

#[derive(Debug)]
struct Rules {
    seed: u64,
    rules: Vec<Active>,
}

#[derive(Debug)]
struct Active {
    rule: Rule,
    since: Instant,
    /// The number of matching requests so far, and the number of affected ones.
    seen: u64,
    matched: u64,
}

impl Faults {
    pub(super) fn new(seed: u64, rules: Vec<Rule>) -> Self {
        let faults = Self(Arc::new(Mutex::new(Rules { seed, rules: Vec::new() })));
        faults.set(rules);
        faults
    }

    /// Replaces all rules.
    pub fn set(&self, rules: Vec<Rule>) {
        let rules = rules.into_iter().map(Active::from).collect();
        self.0.lock().rules = rules;
    }

    /// Adds a rule.
    pub fn add(&self, rule: Rule) {
        self.0.lock().rules.push(rule.into());
    }

    /// Removes all rules.
    pub fn clear(&self) {
        self.0.lock().rules.clear();
    }

    /// The number of affected requests of each current rule, in order.
    #[must_use]
    pub fn matched(&self) -> Vec<u64> {
        self.0.lock().rules.iter().map(|active| active.matched).collect()
    }

    /// The delay of a response, and the other faults in the order of the rules.
    pub(super) fn apply(&self, operation: Operation, customer: &str) -> (Duration, Vec<Fault>) {
        let (mut delay, mut faults) = (Duration::ZERO, Vec::new());
        let mut rules = self.0.lock();
        let seed = rules.seed;
        for (place, active) in rules.rules.iter_mut().enumerate() {
            if !active.rule.is_about(operation, customer) {
                continue;
            }
            let number = active.seen;
            active.seen += 1;
            let mut rng = SeededRng::of(&[seed, 0x4641, place as u64, number]);
            if !active.rule.when.holds(number, active.since.elapsed()) || !rng.chance(active.rule.share) {
                continue;
            }
            active.matched += 1;
            match &active.rule.fault {
                Fault::Latency { fixed, jitter } => {
                    let jitter = jitter.saturating_mul(rng.between(0, 1000)) / 1000;
                    delay = delay.saturating_add(*fixed).saturating_add(jitter);
                }
                fault => faults.push(fault.clone()),
            }
        }
        (delay, faults)
    }
}

impl From<Rule> for Active {
    fn from(rule: Rule) -> Self {
        Self { rule, since: Instant::now(), seen: 0, matched: 0 }
    }
}

impl When {
    /// Whether the rule applies to the request with this number, this long after the rule was set.
    fn holds(&self, number: u64, after: Duration) -> bool {
        match self {
            Self::Always => true,
            Self::Requests(range) => range.contains(&number),
            Self::FirstOfEvery { first, every } => {
                let into = after.as_nanos().checked_rem(every.as_nanos());
                into.is_some_and(|into| into < first.as_nanos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elements::types::Collector;

    const SERVICES: Operation = Operation::Api(Collector::Services);
    const TENANTS: Operation = Operation::Api(Collector::TenantSeats);

    fn matches(faults: &Faults, times: usize) -> Vec<bool> {
        (0..times).map(|_| !faults.apply(SERVICES, "").1.is_empty()).collect()
    }

    #[tokio::test]
    async fn a_share_follows_from_the_seed() {
        let rule = || vec![Rule::new(Fault::Reset).share(0.25)];
        let matched = matches(&Faults::new(1, rule()), 1000);
        assert_eq!(matched, matches(&Faults::new(1, rule()), 1000));
        assert_ne!(matched, matches(&Faults::new(2, rule()), 1000));
        let count = matched.iter().filter(|&&matched| matched).count();
        assert!((200..300).contains(&count), "{count}");
    }

    #[tokio::test]
    async fn rules_are_about_operations_and_customers() {
        let none = (Duration::ZERO, Vec::new());
        let faults = Faults::new(1, vec![Rule::new(Fault::Status(500))]);
        assert_eq!(faults.apply(Operation::Token, ""), none);
        assert_eq!(faults.apply(TENANTS, "a").1, [Fault::Status(500)]);
        faults.set(vec![Rule::new(Fault::Hang).on(Operation::Token).on(TENANTS).of_customer("a")]);
        assert_eq!(faults.apply(TENANTS, "a").1, [Fault::Hang]);
        assert_eq!(faults.apply(TENANTS, "b"), none);
        assert_eq!(faults.apply(SERVICES, "a"), none);
        faults.clear();
        assert_eq!(faults.apply(TENANTS, "a"), none);
    }

    #[tokio::test]
    async fn the_first_requests_can_fail_and_the_next_succeed() {
        let faults = Faults::new(1, vec![Rule::new(Fault::Reset).first(2)]);
        assert_eq!(matches(&faults, 4), [true, true, false, false]);
        assert_eq!(faults.matched(), [2]);
        faults.set(vec![Rule { when: When::Requests(1..2), ..Rule::new(Fault::Reset) }]);
        assert_eq!(matches(&faults, 4), [false, true, false, false]);
    }

    #[test]
    fn a_window_opens_and_closes() {
        let when = When::FirstOfEvery { first: Duration::from_secs(10), every: Duration::from_mins(1) };
        for (seconds, open) in [(0, true), (9, true), (10, false), (59, false), (60, true), (70, false)] {
            assert_eq!(when.holds(3, Duration::from_secs(seconds)), open, "{seconds}");
        }
        let never = When::FirstOfEvery { first: Duration::from_secs(10), every: Duration::ZERO };
        assert!(!never.holds(0, Duration::ZERO));
    }

    #[tokio::test]
    async fn latencies_add_up() {
        let second = Duration::from_secs(1);
        let slow = || Rule::new(Fault::Latency { fixed: second, jitter: second });
        let faults = Faults::new(1, vec![slow(), slow()]);
        for _ in 0..100 {
            assert!((second * 2..=second * 4).contains(&faults.apply(SERVICES, "").0));
        }
    }
}
