//! Faults on demand: rules that can be changed while the simulator runs, and that strike by seed, not by chance.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::dice::Dice;
use super::edits::Edit;
use super::path::Operation;

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answers come late, by `fixed` and up to `jitter` more.
    Latency {
        /// At least this late.
        fixed: Duration,
        /// At most so much later than that.
        jitter: Duration,
    },
    /// 429.
    Throttle(RetryAfter),
    /// Any other status with a body that gives a message: 500, 503, 403 of a customer, and so on.
    Status(u16),
    /// 503, saying when to come back.
    Unavailable(RetryAfter),
    /// 302 to this URL.
    Redirect(String),
    /// This status with this body, which is said to be JSON.
    Answer {
        /// Of the answer.
        status: u16,
        /// Whatever it is.
        body: String,
    },
    /// The body ends before its Content-Length is reached, and the connection with it.
    Truncated,
    /// A chunked body ends without its last chunk, and the connection with it.
    CutChunked,
    /// Half of the right JSON, as if it were all.
    MalformedJson,
    /// JSON that no endpoint answers.
    WrongShape,
    /// 200 with a page for people.
    Html,
    /// The right JSON with something changed.
    Edit(Edit),
    /// The right body and this many blanks after it, not compressed.
    Oversized(usize),
    /// A small body that decompresses to so many MiB of blanks.
    GzipBomb {
        /// What it decompresses to.
        mebibytes: u32,
    },
    /// The right body, said to be compressed, which it is not.
    NotGzip,
    /// The right body, a byte at a time.
    Drip {
        /// Between two bytes.
        every: Duration,
    },
    /// The right body in chunks of one byte, without a pause.
    TinyChunks,
    /// The right body as gzip of two members.
    GzipMembers,
    /// No answer, ever.
    Hang,
    /// No answer, and nothing more is read from or written to the connection, which stays open.
    Freeze,
    /// The connection is reset instead of an answer.
    Reset,
    /// The connection is reset in the middle of the body.
    ResetBody {
        /// Whether the answer has a Content-Length; it is chunked otherwise.
        announced: bool,
    },
    /// All tokens that are older than the last full multiple of `every` since the start are revoked.
    RevokeTokens {
        /// Between two revocations.
        every: Duration,
    },
    /// Tokens are accepted only so long after they were issued.
    TokensNotYetValid {
        /// The age from which on a token is accepted.
        after: Duration,
    },
    /// The first customer is gone when the second page is asked for: one customer is on no page.
    CustomerLeaves,
    /// A new customer stands first when the second page is asked for: one customer is on two pages.
    CustomerJoins,
    /// Every page is the first page.
    RepeatPage,
    /// Pages of customers hold no more than so many, and say so.
    SmallPages(usize),
    /// The page of this number holds nobody.
    EmptyPage(usize),
    /// Every page is of another order of the same customers: some are on two pages and some on none.
    Reordered,
    /// Every page begins with the last row of the one before it, and ends with its own first.
    Duplicated,
    /// Every customer is in two rows, one with the products of its first service and one with the others, and
    /// `totalCount` counts rows.
    Split,
    /// Who asks the service list for certain customers is refused, 403.
    RefuseIds,
    /// 403 to whoever asks the service list for certain customers, if it does not have one of them.
    RefuseUnknownIds,
    /// `totalCount` is not the number of rows.
    WrongTotal(TotalCount),
}

/// What a 429 says about when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// Nothing.
    Absent,
    /// In so many seconds, as a number.
    Seconds(u32),
    /// In so many seconds, as an HTTP date.
    Date(u32),
    /// Nothing that can be read.
    Garbage,
    /// This.
    Text(&'static str),
}

/// What `totalCount` says instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TotalCount {
    /// It is left out.
    Absent,
    /// So many rows more than there are.
    More(usize),
    /// So many rows fewer than there are.
    Fewer(usize),
}

/// A fault, whom it strikes, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What goes wrong.
    pub fault: Fault,
    /// With which operations; with none named, the five endpoints and not the token.
    pub operations: Vec<Operation>,
    /// Only with requests that have this customer in their path.
    pub customer: Option<String>,
    /// When.
    pub when: When,
    /// The share of the requests that all of the above is true of, 0 to 1.
    pub share: f64,
}

/// When a rule holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// For these of the requests that it is about, counted from 0 since the rule was set.
    Requests(Range<u64>),
    /// For the first part of every period since the rule was set.
    FirstOfEvery {
        /// How long it holds.
        first: Duration,
        /// The period.
        every: Duration,
    },
}

impl Rule {
    /// A fault that strikes every request to the five endpoints.
    #[must_use]
    pub const fn new(fault: Fault) -> Self {
        Self { fault, operations: Vec::new(), customer: None, when: When::Always, share: 1.0 }
    }

    /// Only this operation (and those that were named before).
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
    /// Requests that it was about so far, and those that it struck.
    seen: u64,
    struck: u64,
}

/// What strikes one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Struck {
    /// How late the answer is.
    pub(super) late: Duration,
    /// The other faults, in the order of the rules.
    pub(super) faults: Vec<Fault>,
}

impl Faults {
    pub(super) fn new(seed: u64, rules: Vec<Rule>) -> Self {
        let faults = Self(Arc::new(Mutex::new(Rules { seed, rules: Vec::new() })));
        faults.set(rules);
        faults
    }

    /// These rules from now on, and no others.
    pub fn set(&self, rules: Vec<Rule>) {
        let rules = rules.into_iter().map(Active::from).collect();
        self.lock().rules = rules;
    }

    /// One rule more.
    pub fn add(&self, rule: Rule) {
        self.lock().rules.push(rule.into());
    }

    /// No rules any more.
    pub fn clear(&self) {
        self.lock().rules.clear();
    }

    /// How often each of the present rules has struck, in their order.
    #[must_use]
    pub fn strikes(&self) -> Vec<u64> {
        self.lock().rules.iter().map(|active| active.struck).collect()
    }

    pub(super) fn strike(&self, operation: Operation, customer: &str) -> Struck {
        let mut struck = Struck::default();
        let mut rules = self.lock();
        let seed = rules.seed;
        for (place, active) in rules.rules.iter_mut().enumerate() {
            if !active.rule.is_about(operation, customer) {
                continue;
            }
            let number = active.seen;
            active.seen += 1;
            let mut dice = Dice::of(&[seed, 0x4641, place as u64, number]);
            if !active.rule.when.holds(number, active.since.elapsed()) || !dice.chance(active.rule.share) {
                continue;
            }
            active.struck += 1;
            match &active.rule.fault {
                Fault::Latency { fixed, jitter } => {
                    let jitter = jitter.saturating_mul(dice.between(0, 1000)) / 1000;
                    struck.late = struck.late.saturating_add(*fixed).saturating_add(jitter);
                }
                fault => struck.faults.push(fault.clone()),
            }
        }
        struck
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Rules> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Rule> for Active {
    fn from(rule: Rule) -> Self {
        Self { rule, since: Instant::now(), seen: 0, struck: 0 }
    }
}

impl When {
    /// For the request of this number, so long after the rule was set.
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
    use crate::domain::Collector;

    const SERVICES: Operation = Operation::Api(Collector::Services);
    const TENANTS: Operation = Operation::Api(Collector::TenantSeats);

    fn strikes(faults: &Faults, times: usize) -> Vec<bool> {
        (0..times).map(|_| !faults.strike(SERVICES, "").faults.is_empty()).collect()
    }

    #[tokio::test]
    async fn a_share_follows_from_the_seed() {
        let rule = || vec![Rule::new(Fault::Reset).share(0.25)];
        let struck = strikes(&Faults::new(1, rule()), 1000);
        assert_eq!(struck, strikes(&Faults::new(1, rule()), 1000));
        assert_ne!(struck, strikes(&Faults::new(2, rule()), 1000));
        let count = struck.iter().filter(|&&struck| struck).count();
        assert!((200..300).contains(&count), "{count}");
    }

    #[tokio::test]
    async fn rules_are_about_operations_and_customers() {
        let faults = Faults::new(1, vec![Rule::new(Fault::Status(500))]);
        assert_eq!(faults.strike(Operation::Token, ""), Struck::default());
        assert_eq!(faults.strike(TENANTS, "a").faults, [Fault::Status(500)]);
        faults.set(vec![Rule::new(Fault::Hang).on(Operation::Token).on(TENANTS).of_customer("a")]);
        assert_eq!(faults.strike(TENANTS, "a").faults, [Fault::Hang]);
        assert_eq!(faults.strike(TENANTS, "b"), Struck::default());
        assert_eq!(faults.strike(SERVICES, "a"), Struck::default());
        faults.clear();
        assert_eq!(faults.strike(TENANTS, "a"), Struck::default());
    }

    #[tokio::test]
    async fn the_first_requests_can_fail_and_the_next_succeed() {
        let faults = Faults::new(1, vec![Rule::new(Fault::Reset).first(2)]);
        assert_eq!(strikes(&faults, 4), [true, true, false, false]);
        assert_eq!(faults.strikes(), [2]);
        faults.set(vec![Rule { when: When::Requests(1..2), ..Rule::new(Fault::Reset) }]);
        assert_eq!(strikes(&faults, 4), [false, true, false, false]);
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
            assert!((second * 2..=second * 4).contains(&faults.strike(SERVICES, "").late));
        }
    }
}
