//! A row of the table: the fault, its duration, and what it may affect.

use std::time::Duration;

use elements::types::Collector;
use simulator::{BodyMutation, Fault, Operation, Rule};

use super::clock::Wall;
use super::truth::Allowed;

pub const SERVICES: Operation = Operation::Api(Collector::Services);
pub const TOKEN: Operation = Operation::Token;

/// One row.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    /// The text for the document.
    pub simulated: String,
    pub troubles: Vec<Trouble>,
    pub lasts: Lasts,
    pub ends: Ends,
    pub allowed: Allowed,
    pub transport: Transport,
    /// The daemon's own wall clock.
    pub wall: Option<&'static Wall>,
    pub token_lifetime: Duration,
    /// Settings of the simulator before, during and after the fault.
    pub always: Vec<Rule>,
    pub requests: Requests,
    /// Whether it may be part of a combination.
    pub combines: bool,
    /// Whether the optional collectors are enabled too.
    pub with_optional: bool,
}

/// A change that begins and ends.
#[derive(Clone, Debug)]
pub enum Trouble {
    Rule(Rule),
    /// Connections are refused.
    Shut(Which),
    /// Byte by byte, with this delay.
    Drip(Which, Duration),
    /// Header lines of the API that violate the grammar.
    OddHeaders,
    /// 1xx responses without end.
    Flood,
    /// A certificate of an unknown CA.
    Foreign,
    /// An expired certificate.
    Expired,
    /// The issued tokens are revoked.
    Revoke,
    /// Another configuration instead of the right one, by a reload.
    Config(fn(&str) -> String),
    /// The wall clock is this many seconds ahead.
    Clock(&'static Wall, i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Api,
    Token,
}

/// The duration of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// A few intervals: no value may reach `max_age`.
    Short,
    /// Longer than `max_age`: values that cannot be renewed must disappear.
    Outlasts,
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    Itself,
    Reload,
    /// It has no effect: everything else is normal.
    Never,
}

/// The expected requests during the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requests {
    Free,
    /// None after the fault took effect.
    Silent,
    /// Hardly any.
    Few,
    /// Every response is read as if there were no fault.
    Succeed,
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
        // Where tokens matter, they are requested all the time.
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
            requests: Requests::Free,
            combines: false,
            with_optional: false,
        }
    }

    /// Several faults at once.
    pub fn is_combined(&self) -> bool {
        self.name.contains(" + ")
    }

    pub fn outlasts(mut self) -> Self {
        self.name += ", for long";
        self.lasts = Lasts::Outlasts;
        self
    }

    pub fn ends(self, ends: Ends) -> Self {
        Self { ends, ..self }
    }

    pub fn gaps(mut self) -> Self {
        self.allowed.gaps = true;
        self
    }

    pub fn https(self, http2: bool) -> Self {
        Self { transport: Transport::Https { http2 }, ..self }
    }

    pub fn silences(self) -> Self {
        Self { requests: Requests::Silent, ..self }
    }

    pub fn throttles(self) -> Self {
        Self { requests: Requests::Few, ..self }
    }

    pub fn harmless(self) -> Self {
        Self { requests: Requests::Succeed, ..self }
    }

    pub fn combines(self) -> Self {
        Self { combines: true, ..self }
    }
}

pub fn row(name: &str, simulated: &str, rules: impl IntoIterator<Item = Rule>) -> Row {
    Row::new(name, simulated, rules.into_iter().map(Trouble::Rule).collect())
}

pub fn api(fault: Fault) -> Rule {
    Rule::new(fault)
}

/// For the API and the identity service.
pub fn all(fault: Fault) -> Rule {
    let api = Collector::ALL.into_iter().map(Operation::Api);
    Rule { operations: api.chain([TOKEN]).collect(), ..Rule::new(fault) }
}

pub fn listing(fault: Fault) -> Rule {
    Rule::new(fault).on(SERVICES)
}

pub fn token(fault: Fault) -> Rule {
    Rule::new(fault).on(TOKEN)
}

pub fn values(fields: &'static [&'static str], json: &'static str) -> Fault {
    Fault::Mutated(BodyMutation::Values { fields, json })
}

pub fn answer(status: u16, body: impl Into<String>) -> Fault {
    Fault::Answer { status, body: body.into() }
}

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
