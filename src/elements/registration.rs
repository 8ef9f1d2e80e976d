//! The shared state of an app registration: its rate limiter, and one token per scope.
//!
//! An app registration is a client id at a token URL. All partners of the configuration that use it share it, and it
//! survives a reload that renames or changes them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use url::Url;

use super::auth::TokenState;
use super::rate_limit::RateLimiter;
use crate::config::{BudgetSettings, PartnerSettings};
use crate::domain::Scope;

/// The registrations of a configuration, while its clients are built.
#[derive(Debug, Default)]
pub struct Registrations(HashMap<(String, Url), Registration>);

/// Cheap to clone; clones share everything.
#[derive(Clone, Debug)]
pub struct Registration {
    budget: BudgetSettings,
    pub(super) rate_limiter: RateLimiter,
    tokens: Arc<Tokens>,
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
    /// The registration of these settings. With a changed budget it starts with a full bucket; its tokens stay.
    #[must_use]
    pub fn get(&mut self, settings: &PartnerSettings) -> Registration {
        let known = self.0.get(&settings.registration_key());
        let registration = match known {
            Some(known) if known.budget == settings.budget => known.clone(),
            _ => Registration {
                budget: settings.budget,
                rate_limiter: RateLimiter::new(settings.budget),
                tokens: known.map(|known| Arc::clone(&known.tokens)).unwrap_or_default(),
            },
        };
        self.add(settings, &registration);
        registration
    }

    /// Adds a registration that is in use.
    pub fn add(&mut self, settings: &PartnerSettings, registration: &Registration) {
        self.0.insert(settings.registration_key(), registration.clone());
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
