//! The shared state of an app registration: its rate limiter, and one token per scope.
//!
//! An app registration is a client id at a token URL. All partners of the configuration that use it share it, and it
//! survives a reload that renames or changes them.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::auth::TokenState;
use super::rate_limit::RateLimiter;
use crate::config::{Budget, RegistrationKey};
use crate::recording::Recorder;
use crate::types::Scope;

/// The registrations of a configuration, while its clients are built.
#[derive(Debug, Default)]
pub struct Registrations {
    registrations: HashMap<RegistrationKey, Registration>,
    recorder: Option<Recorder>,
}

/// Cheap to clone; clones share everything.
#[derive(Clone, Debug)]
pub struct Registration {
    budget: Budget,
    pub(super) rate_limiter: RateLimiter,
    tokens: Arc<Tokens>,
    /// Writes down every exchange of its clients.
    pub(super) recorder: Option<Recorder>,
}

#[derive(Debug, Default)]
struct Tokens {
    license: ScopedToken,
    customers: ScopedToken,
    jobs: ScopedToken,
    protected: ScopedToken,
}

/// The token of one scope.
#[derive(Debug, Default)]
pub(super) struct ScopedToken {
    pub(super) state: Mutex<TokenState>,
    /// Held by the task that requests a token.
    pub(super) refresh_lock: Arc<tokio::sync::Mutex<()>>,
}

impl Registrations {
    /// No registrations yet; the exchanges of those to come are recorded.
    #[must_use]
    pub fn recorded_by(recorder: Option<Recorder>) -> Self {
        Self { registrations: HashMap::new(), recorder }
    }

    /// The registration with this key. With a changed budget it starts with a full bucket; its tokens stay.
    #[must_use]
    pub fn get(&mut self, key: RegistrationKey, budget: Budget) -> Registration {
        let existing = self.registrations.get(&key);
        let registration = match existing {
            Some(existing) if existing.budget == budget => existing.clone(),
            _ => Registration {
                budget,
                rate_limiter: RateLimiter::new(budget),
                tokens: existing.map(|existing| Arc::clone(&existing.tokens)).unwrap_or_default(),
                recorder: self.recorder.clone(),
            },
        };
        self.add(key, &registration);
        registration
    }

    /// Adds a registration that is in use.
    pub fn add(&mut self, key: RegistrationKey, registration: &Registration) {
        self.registrations.insert(key, registration.clone());
    }
}

impl Registration {
    pub(super) fn token(&self, scope: Scope) -> &ScopedToken {
        match scope {
            Scope::License => &self.tokens.license,
            Scope::Customers => &self.tokens.customers,
            Scope::Jobs => &self.tokens.jobs,
            Scope::Protected => &self.tokens.protected,
        }
    }
}
