//! The identity service: OAuth 2.0 client credentials, and the issued tokens.
//!
//! A wrong secret gets a 401 and a wrong assertion a 400, both with `invalid_client`, because both occur in practice.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use hyper::StatusCode;
use jiff::Timestamp;
use parking_lot::Mutex;
use secrecy::ExposeSecret as _;
use serde_json::json;
use url::form_urlencoded;

use super::assertion;
use super::rng::SeededRng;
use super::settings::{Registration, SimCredential};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Longer scope strings were observed to fail.
const MAX_SCOPE_CHARS: usize = 300;
/// With more tokens than this, expired ones are removed.
const TOKENS: usize = 10_000;

/// A refusal: status, `error`, `error_description`.
#[derive(Debug)]
pub(super) struct TokenError(pub(super) StatusCode, pub(super) &'static str, pub(super) &'static str);

/// The owner of a token, and its validity.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) client_id: String,
    pub(super) issued: Duration,
    pub(super) scopes: Vec<String>,
    pub(super) revoked: bool,
}

pub(super) struct Identity {
    seed: u64,
    lifetime: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    issued: u64,
    tokens: HashMap<String, Token>,
    used_assertions: HashSet<String>,
}

impl State {
    /// Records an assertion; returns whether it is new. When [`TOKENS`] are stored, all are removed.
    fn is_new(&mut self, jti: String) -> bool {
        if self.used_assertions.len() >= TOKENS {
            self.used_assertions.clear();
        }
        self.used_assertions.insert(jti)
    }
}

impl Identity {
    pub(super) fn new(seed: u64, lifetime: Duration) -> Self {
        Self { seed, lifetime, state: Mutex::default() }
    }

    /// Responds to a form with a token or an error. `audiences` are the accepted `aud` values of an assertion, `now` is
    /// wall-clock time.
    pub(super) fn grant<'a>(
        &self,
        form: &[u8],
        mut clients: impl Iterator<Item = &'a Registration>,
        audiences: &[String],
        now: Timestamp,
        since_start: Duration,
    ) -> Result<serde_json::Value, TokenError> {
        let bad = |error, description| TokenError(StatusCode::BAD_REQUEST, error, description);
        let mut fields = HashMap::new();
        for (name, value) in form_urlencoded::parse(form) {
            if fields.insert(name, value).is_some() {
                return Err(bad("invalid_request", "a parameter is repeated"));
            }
        }
        let field = |name: &str| fields.get(name).map(AsRef::<str>::as_ref).filter(|value| !value.is_empty());
        match field("grant_type") {
            None => return Err(bad("invalid_request", "grant_type is missing")),
            Some("client_credentials") => {}
            Some(_) => return Err(bad("unsupported_grant_type", "grant_type must be client_credentials")),
        }
        let unauthorized = |description| TokenError(StatusCode::UNAUTHORIZED, "invalid_client", description);
        let client_id = field("client_id").ok_or_else(|| bad("invalid_request", "client_id is missing"))?;
        let client = clients
            .find(|client| client.client_id == client_id)
            .ok_or_else(|| unauthorized("no app registration has this client id"))?;
        match (&client.credential, field("client_secret"), field("client_assertion")) {
            (_, Some(_), Some(_)) => return Err(bad("invalid_request", "a secret or an assertion, not both")),
            (SimCredential::Secret(secret), Some(given), None) if secret.expose_secret() == given => {}
            (SimCredential::Secret(_), ..) => return Err(unauthorized("the client secret is missing or wrong")),
            (SimCredential::Certificate(certificate), None, Some(given)) => {
                if field("client_assertion_type") != Some(ASSERTION_TYPE) {
                    return Err(bad("invalid_client", "client_assertion_type must be that of a JWT bearer"));
                }
                let jti = assertion::verify(given, certificate, client_id, audiences, now)
                    .map_err(|description| bad("invalid_client", description))?;
                if !self.state.lock().is_new(jti) {
                    return Err(bad("invalid_client", "jti was used before"));
                }
            }
            (SimCredential::Certificate(_), ..) => {
                return Err(bad("invalid_client", "the client assertion is missing"));
            }
        }
        let scope = field("scope").unwrap_or_default();
        let scopes: Vec<_> = scope.split(' ').map(ToOwned::to_owned).collect();
        if scope.len() > MAX_SCOPE_CHARS || !scopes.iter().all(|scope| client.scopes.contains(scope)) {
            return Err(bad("invalid_scope", "the app registration does not have this scope"));
        }
        let token = self.issue(client_id, scopes, since_start);
        let lifetime = self.lifetime.as_secs();
        Ok(json!({"access_token": token, "expires_in": lifetime, "token_type": "Bearer", "scope": scope}))
    }

    /// The owner of a token, also if it is expired or revoked; `None` if it was never issued.
    pub(super) fn token(&self, token: &str) -> Option<Token> {
        self.state.lock().tokens.get(token).cloned()
    }

    /// Whether a token's age is within its validity.
    pub(super) fn is_fresh(&self, token: &Token, since_start: Duration) -> bool {
        !token.revoked && since_start.saturating_sub(token.issued) < self.lifetime
    }

    /// Revokes the tokens of one client.
    pub(super) fn revoke(&self, client_id: &str) {
        for token in self.state.lock().tokens.values_mut() {
            token.revoked |= token.client_id == client_id;
        }
    }

    fn issue(&self, client_id: &str, scopes: Vec<String>, issued: Duration) -> String {
        let mut state = self.state.lock();
        state.issued += 1;
        let mut rng = SeededRng::of(&[self.seed, 0x544B, state.issued]);
        let bytes: Vec<u8> = (0..6).flat_map(|_| rng.next_u64().to_le_bytes()).collect();
        let text = BASE64URL.encode(bytes);
        if state.tokens.len() >= TOKENS {
            state.tokens.retain(|_, token| self.is_fresh(token, issued));
        }
        state.tokens.insert(text.clone(), Token { client_id: client_id.to_owned(), issued, scopes, revoked: false });
        text
    }
}

/// A field of a form; empty if it is missing.
pub(super) fn form_field(form: &[u8], field: &str) -> String {
    form_urlencoded::parse(form)
        .find(|(name, _)| name == field)
        .map_or_else(String::new, |(_, value)| value.into_owned())
}
