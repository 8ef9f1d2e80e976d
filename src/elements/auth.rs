//! Access tokens: OAuth 2.0 client credentials (RFC 6749 §4.4), with a client secret or a signed assertion.
//!
//! One token is shared by all requests. It is renewed ahead of its end, in the background, while the old one goes on
//! being used. Whoever needs a token that is not there waits for the one request that fetches it, and shares its
//! failure. After a failure there is a pause in which nobody asks: its callers get that failure at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request};
use secrecy::ExposeSecret;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{info, warn};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use self::credential::Proof;
use self::tokens::Tokens;
pub(super) use self::tokens::{AccessToken, Renewal};
use super::budget::Gate;
use super::counters::{Counters, Operation};
use super::decode::{self, Token};
use super::error::Failure;
use super::health::Health;
use super::redaction::ProxySecrets;
use super::response::{self, Response};
use super::transport::Transport;
use crate::clock::Clock;
use crate::config::PartnerSettings;
use crate::domain::{FailureReason, PartnerName};

mod credential;
mod tokens;

/// The scope of all five endpoints.
const SCOPE: &str = "elements.license.read.all";
pub(super) const WHO: &str = "the identity service";

/// The tokens of one partner. Cheap to clone; every clone is the same.
#[derive(Clone, Debug)]
pub(super) struct Auth(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    partner: PartnerName,
    transport: Transport,
    url: Url,
    client_id: String,
    timeout: Duration,
    gate: Gate,
    clock: Clock,
    counters: Arc<Counters>,
    proof: Mutex<Arc<Proof>>,
    proxy_secrets: ProxySecrets,
    tokens: Mutex<Tokens>,
    /// Of the identity service.
    health: Health,
    /// Held by the one that fetches a token.
    flight: Arc<tokio::sync::Mutex<()>>,
    /// Told when there is another credential.
    rotated: Notify,
    /// Why the credential could not be read again, as it was last said.
    unreadable: Mutex<Option<String>>,
}

/// What the status page and a scrape read.
#[derive(Debug)]
pub(super) struct AuthStatus {
    /// When the last token expires or expired, as the wall clock has it.
    pub(super) token_expires: Option<Timestamp>,
    /// No token will be asked for before, and there is none.
    pub(super) paused_until: Option<Timestamp>,
    /// Why the last token could not be had, or was refused by the API; `None` while all is well.
    pub(super) failure: Option<Failure>,
    /// The credential is refused and no earlier token is left.
    pub(super) refused: bool,
}

/// A token request that failed.
struct Denied {
    failure: Failure,
    /// Because of the credential: nothing changes until somebody looks at it.
    refused: bool,
    retry_after: Option<Duration>,
}

impl From<Failure> for Denied {
    fn from(failure: Failure) -> Self {
        Self { failure, refused: false, retry_after: None }
    }
}

impl Auth {
    pub(super) fn new(
        settings: &PartnerSettings,
        transport: Transport,
        gate: Gate,
        clock: Clock,
        counters: Arc<Counters>,
        proxy_secrets: ProxySecrets,
    ) -> Self {
        Self(Arc::new(Inner {
            partner: settings.name.clone(),
            transport,
            url: settings.token_url.clone(),
            client_id: settings.client_id.clone(),
            timeout: settings.budget.timeout,
            gate,
            clock,
            counters,
            proof: Mutex::new(Arc::new(Proof::new(&settings.credential))),
            proxy_secrets,
            tokens: Mutex::default(),
            health: Health::default(),
            flight: Arc::default(),
            rotated: Notify::new(),
            unreadable: Mutex::default(),
        }))
    }

    /// The token, if there is one that can be used. Renews it in the background when it is time.
    pub(super) fn at_hand(&self) -> Option<AccessToken> {
        let now = self.now();
        let tokens = self.tokens();
        if tokens.wants_renewal(now)
            && let Ok(flight) = Arc::clone(&self.0.flight).try_lock_owned()
        {
            let auth = self.clone();
            tokio::spawn(async move {
                if let Err(failure) = auth.fetch().await {
                    let (partner, request_id) = (&auth.0.partner, failure.request_id.as_deref());
                    warn!(%partner, reason = %failure.reason, request_id, %failure, "the token could not be renewed yet");
                }
                drop(flight);
            });
        }
        tokens.usable(now).cloned()
    }

    /// The token; fetched if need be, unless there is a pause.
    pub(super) async fn token(&self) -> Result<AccessToken, Failure> {
        loop {
            if let Some(token) = self.at_hand() {
                return Ok(token);
            }
            let seen = {
                let tokens = self.tokens();
                if let Some(failure) = tokens.paused_with(self.now()) {
                    return Err(failure.clone());
                }
                tokens.attempts
            };
            let _flight = self.0.flight.lock().await;
            if self.tokens().attempts == seen {
                let fetched = self.fetch().await;
                if let Err(failure) = &fetched {
                    self.0.health.failed(&self.0.partner, Operation::Token, failure);
                }
                return fetched;
            }
            // Somebody else asked in the meantime: what they got is for everybody.
        }
    }

    /// Waits until a token may be asked for, if there is none that can be used.
    pub(super) async fn rest(&self) {
        loop {
            // Made before the look, so that nothing is missed between the two.
            let rotated = self.0.rotated.notified();
            let until = {
                let (tokens, now) = (self.tokens(), self.now());
                if tokens.usable(now).is_some() { None } else { tokens.paused_until(now) }
            };
            match until {
                Some(until) => tokio::select! {
                    () = self.0.clock.sleep_until(until) => {}
                    () = rotated => {}
                },
                None => return,
            }
        }
    }

    /// Reads the credential again where it came from. Another one is used from the next token on, and ends a pause; one
    /// that cannot be read changes nothing and is told once. Blocks for as long as files take.
    pub(super) fn reread_credential(&self) {
        let proof = self.proof();
        if !proof.may_rotate() {
            return;
        }
        let reread = proof.reread();
        let partner = &self.0.partner;
        let mut unreadable = self.0.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        match reread {
            Ok(None) => *unreadable = None,
            Ok(Some(proof)) => {
                *unreadable = None;
                *self.0.proof.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(proof);
                self.tokens().credential_changed();
                self.0.rotated.notify_waiters();
                info!(%partner, "the credential was replaced: the next token is asked for with the new one");
            }
            Err(mistake) => {
                let mistake = mistake.to_string();
                if unreadable.as_ref() != Some(&mistake) {
                    warn!(%partner, "the credential cannot be read again, the one from before stays: {mistake}");
                    *unreadable = Some(mistake);
                }
            }
        }
    }

    /// The API took this token.
    pub(super) fn proven(&self, token: &AccessToken) {
        self.tokens().proven(token);
    }

    /// The API refused this token; `earlier`: after it refused an older one for the same request. `Some` if the request
    /// is worth repeating with a new one.
    pub(super) fn refused(&self, token: &AccessToken, earlier: Option<Renewal>, failure: &Failure) -> Option<Renewal> {
        self.tokens().refused_by_api(self.now(), token, earlier, failure.clone(), fastrand::f64())
    }

    /// What the status page and a scrape read.
    pub(super) fn status(&self) -> AuthStatus {
        let (tokens, now) = (self.tokens(), self.now());
        AuthStatus {
            token_expires: tokens.expires.map(|at| self.0.clock.wall(at)),
            paused_until: tokens.paused_until(now).filter(|_| tokens.usable(now).is_none()),
            failure: tokens.failure.clone(),
            refused: tokens.is_refused(now),
        }
    }

    /// The label `credential` and when it expires, where that is known.
    pub(super) fn credential_expiration(&self) -> (&'static str, Option<Timestamp>) {
        self.proof().expiration()
    }

    /// Asks for a token, once, and notes what came of it.
    async fn fetch(&self) -> Result<AccessToken, Failure> {
        match self.request().await {
            Ok((asked, header, lifetime)) => {
                self.0.health.succeeded();
                Ok(self.tokens().granted(asked, header, lifetime))
            }
            Err(Denied { failure, refused, retry_after }) => {
                self.tokens().denied(self.now(), failure.clone(), refused, retry_after, fastrand::f64());
                Err(failure)
            }
        }
    }

    async fn request(&self) -> Result<(Timestamp, HeaderValue, Duration), Denied> {
        // The assertion's times are compared with the other side's clock, so they come from the wall clock itself.
        let fields = self.proof().fields(&self.0.client_id, self.0.url.as_str(), Timestamp::now());
        let fields = fields.map_err(|problem| Failure::new(FailureReason::BadRequest, problem))?;
        let mut request = Request::new(Method::POST, self.0.url.clone());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(wiped(form(&self.0.client_id, &fields)).into());

        while !self.0.gate.admit_token_request().await.send() {}
        let (asked, started) = (self.now(), Instant::now());
        self.0.counters.sent(Operation::Token);
        let deadline = started + self.0.timeout;
        let reply = self.0.transport.send(request, deadline, response::USUAL_BODY, asked).await;
        // The last field is the secret; the one before it is a constant.
        let secrets = self.0.proxy_secrets.and(fields.last().map_or("", |(_, value)| value.as_str()));
        let outcome = reply.map_err(Denied::from).and_then(|reply| read(reply, &secrets));
        let failed = outcome.as_ref().err().map(|denied| denied.failure.reason);
        self.0.counters.answered(Operation::Token, started.elapsed(), failed);
        match outcome {
            Ok((header, lifetime)) => Ok((asked, header, lifetime)),
            Err(denied) => Err(Denied { failure: denied.failure.without(&secrets), ..denied }),
        }
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.0.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn proof(&self) -> Arc<Proof> {
        Arc::clone(&self.0.proof.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The body of a token request.
fn form(client_id: &str, credential: &[(&str, Zeroizing<String>)]) -> String {
    // Percent-encoded, a byte takes three. A buffer that grows would leave copies behind.
    let length = credential.iter().map(|(name, value)| name.len() + 3 * value.len()).sum::<usize>();
    form_urlencoded::Serializer::new(String::with_capacity(256 + 3 * client_id.len() + length))
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", client_id)
        .append_pair("scope", SCOPE)
        .extend_pairs(credential)
        .finish()
}

/// Bytes that are wiped when the last one who shares them drops them.
fn wiped(text: String) -> Bytes {
    Bytes::from_owner(Zeroizing::new(text.into_bytes()))
}

/// The header and the life of the token in an answer to these secrets.
fn read(reply: Response, secrets: &[&str]) -> Result<(HeaderValue, Duration), Denied> {
    let Response { status, retry_after, request_id, redirect, body } = reply;
    let body = Zeroizing::new(body);
    let malformed = |problem: String| {
        Failure::new(FailureReason::Malformed, format!("{WHO} answered {}: {problem}", status.as_u16()))
    };
    if status.is_success() {
        let token = decode::token(&body).map_err(|problem| malformed(problem.to_string())).and_then(|token| {
            let Token { access_token, expires_in } = token;
            let mut header = HeaderValue::from_maybe_shared(wiped(["Bearer ", access_token.expose_secret()].concat()))
                .map_err(|_| malformed("the token cannot stand in a header".to_owned()))?;
            header.set_sensitive(true);
            Ok((header, expires_in))
        });
        return token.map_err(|failure| Failure { request_id, ..failure }.into());
    }
    let failure = Failure::from_status(WHO, status, redirect.as_deref(), &body, secrets);
    let mut failure = Failure { request_id, ..failure };
    match oauth_error(&body).as_deref() {
        Some("invalid_client" | "unauthorized_client") => failure.reason = FailureReason::Unauthorized,
        // The registration lacks the permission that the scope stands for.
        Some("invalid_scope") => failure.reason = FailureReason::Forbidden,
        _ => {}
    }
    let refused = matches!(failure.reason, FailureReason::Unauthorized | FailureReason::Forbidden);
    Err(Denied { failure, refused, retry_after })
}

/// The code of an OAuth error (RFC 6749 §5.2).
fn oauth_error(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(body.get("error")?.as_str()?.trim().to_ascii_lowercase())
}
