//! Access tokens: OAuth 2.0 client credentials (RFC 6749 §4.4), with a client secret or a signed assertion.
//!
//! There is one token per scope of an app registration, shared by all partners of the configuration that use the
//! registration. A partner requests it with its own credential and through its own proxy, and the request counts in its
//! metrics. A token is renewed in the background before it expires; the old one is used until the API has accepted the
//! new one. Callers that need a missing token wait for the one request that fetches it, and share its failure. A token
//! request is a task of its own: it continues when its callers have given up. After a failure no request is sent for
//! some time; callers then get that failure at once.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request};
use serde_json::json;
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio::time::Instant;
use tracing::{debug, info, warn};
use url::Url;

use self::credential::ClientAuth;
use self::token_request::{form, read, wiped};
use self::token_state::TokenError;
pub(super) use self::token_state::{AccessToken, Retry, TokenState};
use super::app_registration::Registration;
use super::error::RequestError;
use super::health::Health;
use super::metrics::{ClientMetrics, Operation};
use super::redaction::Secrets;
use super::response;
use super::transport::Transport;
use crate::clock::Clock;
use crate::config::ClientConfig;
use crate::recording::Exchange;
use crate::types::Scope;
use crate::types::{FailureReason, PartnerName};

mod assertion;
mod credential;
mod token_request;
mod token_state;

pub(super) const PEER: &str = "the identity service";

/// Gets the tokens of a registration for one partner. Cheap to clone; clones share everything.
#[derive(Clone, Debug)]
pub(super) struct Auth(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    partner: PartnerName,
    transport: Transport,
    url: Url,
    client_id: String,
    timeout: Duration,
    registration: Registration,
    clock: Clock,
    metrics: Arc<ClientMetrics>,
    credential: Mutex<Arc<ClientAuth>>,
    proxy_secrets: Secrets,
    /// Whether token requests succeed.
    health: Health,
    /// Signalled when the credential was replaced.
    rotated: Notify,
    /// The last logged reason why the credential could not be read again.
    unreadable: Mutex<Option<String>>,
}

/// The state of the tokens, for the status page and scrapes.
#[derive(Debug)]
pub(super) struct AuthStatus {
    /// There is no token, and none will be requested before this time.
    pub(super) paused_until: Option<Timestamp>,
    /// Why the last token request failed or the API refused the token; `None` if neither happened.
    pub(super) failure: Option<RequestError>,
    /// The credential is refused and no earlier token is left.
    pub(super) refused: bool,
}

/// A token received from the identity service, as a header value.
struct NewToken {
    asked: Timestamp,
    header: HeaderValue,
    lifetime: Duration,
}

impl Auth {
    pub(super) fn new(
        config: &ClientConfig,
        transport: Transport,
        registration: Registration,
        clock: Clock,
        metrics: Arc<ClientMetrics>,
        proxy_secrets: Secrets,
    ) -> Self {
        Self(Arc::new(Inner {
            partner: config.partner.clone(),
            transport,
            url: config.token_url.clone(),
            client_id: config.client_id.clone(),
            timeout: config.budget.timeout,
            registration,
            clock,
            metrics,
            credential: Mutex::new(Arc::new(ClientAuth::new(
                config.credential.clone(),
                Arc::clone(&config.credential_source),
            ))),
            proxy_secrets,
            health: Health::default(),
            rotated: Notify::new(),
            unreadable: Mutex::default(),
        }))
    }

    /// Returns the token if a usable one exists. Renews it in the background when it is due.
    pub(super) fn cached(&self, scope: Scope) -> Option<AccessToken> {
        let (now, credential) = (self.now(), self.credential().id());
        let mut state = self.state(scope);
        if state.wants_renewal(now, credential)
            && let Ok(lock) = Arc::clone(&self.0.registration.token(scope).refresh_lock).try_lock_owned()
        {
            // No caller waits for it.
            drop(self.spawn_fetch(scope, lock, true));
        }
        state.usable(now)
    }

    /// The token for a request that is about to be sent; sometimes a new one, to test whether the API accepts it.
    pub(super) fn checkout(&self, scope: Scope) -> Option<AccessToken> {
        self.state(scope).checkout(self.now())
    }

    /// Returns the token; fetches it if necessary, except during a pause.
    pub(super) async fn token(&self, scope: Scope) -> Result<AccessToken, RequestError> {
        loop {
            if let Some(token) = self.cached(scope) {
                return Ok(token);
            }
            let (now, credential) = (self.now(), self.credential().id());
            let (paused_until, attempts) = {
                let mut state = self.state(scope);
                if let Some(failure) = state.paused_with(now, credential) {
                    return Err(failure);
                }
                (state.paused_until(now, credential), state.attempts)
            };
            if let Some(until) = paused_until {
                self.0.clock.sleep_until(until).await;
                continue;
            }
            let lock = Arc::clone(&self.0.registration.token(scope).refresh_lock).lock_owned().await;
            if self.state(scope).attempts == attempts {
                return self.spawn_fetch(scope, lock, false).await.unwrap_or_else(|error| {
                    Err(RequestError::new(
                        FailureReason::Malformed,
                        format!("the token request ended abnormally: {error}"),
                    ))
                });
            }
            // Another caller has requested it meanwhile: all waiting callers get its result.
        }
    }

    /// Waits until a token may be requested, if there is no usable one.
    pub(super) async fn wait_ready(&self, scope: Scope) {
        loop {
            // Created before the state is read, so that no notification between the two is missed.
            let rotated = self.0.rotated.notified();
            let credential = self.credential().id();
            let until = self.state(scope).paused_until(self.now(), credential);
            match until {
                Some(until) => tokio::select! {
                    () = self.0.clock.sleep_until(until) => {}
                    () = rotated => {}
                },
                None => return,
            }
        }
    }

    /// Reads the credential again from its source. A changed credential is used from the next token request on, and
    /// ends a pause. If it cannot be read, the previous one stays, and the reason is logged once. Blocks while files
    /// are read.
    pub(super) fn reread_credential(&self) {
        let before = self.credential();
        if !before.may_rotate() {
            return;
        }
        let reread = before.reread();
        let partner = &self.0.partner;
        let mut unreadable = self.0.unreadable.lock();
        match reread {
            Ok(None) => *unreadable = None,
            Ok(Some(credential)) => {
                *unreadable = None;
                *self.0.credential.lock() = Arc::new(credential);
                for scope in Scope::ALL {
                    self.state(scope).reset(before.id());
                }
                self.0.rotated.notify_waiters();
                info!(%partner, "the credential was replaced: the next token request uses the new one");
            }
            Err(mistake) => {
                let mistake = mistake.to_string();
                if unreadable.as_ref() != Some(&mistake) {
                    warn!(%partner, "the credential cannot be read again; keeping the previous one: {mistake}");
                    *unreadable = Some(mistake);
                }
            }
        }
    }

    /// Records that the API accepted this token.
    pub(super) fn mark_accepted(&self, scope: Scope, token: &AccessToken) {
        self.state(scope).mark_accepted(self.now(), token);
    }

    /// Records that the API refused this token in a request sent at `sent`. `earlier`: the previous result for the same
    /// request. Returns `Some` if the request should be retried.
    pub(super) fn on_unauthorized(
        &self,
        scope: Scope,
        sent: Timestamp,
        token: &AccessToken,
        earlier: Option<Retry>,
        failure: &RequestError,
    ) -> Option<Retry> {
        self.state(scope).on_unauthorized((sent, self.now()), token, earlier, failure, fastrand::f64())
    }

    /// The host of the identity service.
    pub(super) fn host(&self) -> Option<&str> {
        self.0.url.host_str()
    }

    /// The state of the tokens, for the status page and scrapes.
    pub(super) fn status(&self, scope: Scope) -> AuthStatus {
        let (now, credential) = (self.now(), self.credential().id());
        let mut state = self.state(scope);
        AuthStatus {
            paused_until: state.paused_until(now, credential),
            failure: state.failure(credential).cloned(),
            refused: state.is_refused(now, credential),
        }
    }

    /// When the last token expires or expired, in wall-clock time; `None` before the first.
    pub(super) fn token_expires(&self, scope: Scope) -> Option<Timestamp> {
        let expires = self.state(scope).expires;
        expires.map(|at| self.0.clock.wall(at))
    }

    /// The label `credential` and its expiry, where that is known.
    pub(super) fn credential_expiration(&self) -> (&'static str, Option<Timestamp>) {
        self.credential().expiration()
    }

    /// Requests a token in its own task, which holds the lock and records the result.
    fn spawn_fetch(
        &self,
        scope: Scope,
        lock: OwnedMutexGuard<()>,
        is_renewal: bool,
    ) -> tokio::task::JoinHandle<Result<AccessToken, RequestError>> {
        let auth = self.clone();
        tokio::spawn(async move {
            let credential = auth.credential();
            let outcome = match auth.request(scope, &credential).await {
                Ok(NewToken { asked, header, lifetime }) => {
                    auth.0.health.succeeded();
                    Ok(auth.state(scope).on_token(asked, credential.id(), header, lifetime))
                }
                Err(error) => {
                    let failure = error.failure.clone();
                    auth.state(scope).on_error(auth.now(), credential.id(), error, fastrand::f64());
                    auth.log(scope, &failure, is_renewal);
                    Err(failure)
                }
            };
            drop(lock);
            outcome
        })
    }

    fn log(&self, scope: Scope, failure: &RequestError, is_renewal: bool) {
        if failure.not_granted {
            // It concerns one collector, whose poller reports it.
            debug!(partner = %self.0.partner, scope = scope.as_str(), %failure, "the scope is not granted");
        } else if is_renewal {
            let (partner, request_id) = (&self.0.partner, failure.request_id.as_deref());
            let scope = scope.as_str();
            warn!(%partner, scope, reason = %failure.reason, request_id, %failure, "the token could not be renewed yet");
        } else {
            self.0.health.failed(&self.0.partner, Operation::Token, failure);
        }
    }

    async fn request(&self, scope: Scope, credential: &ClientAuth) -> Result<NewToken, TokenError> {
        // The identity service compares the assertion's times with its own clock, so they are wall-clock times.
        let fields = credential.fields(&self.0.client_id, self.0.url.as_str(), Timestamp::now());
        let fields = fields.map_err(|error| RequestError::new(FailureReason::BadRequest, error.to_string()))?;
        let mut request = Request::new(Method::POST, self.0.url.clone());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(wiped(form(&self.0.client_id, scope, &fields)).into());

        while !self.0.registration.rate_limiter.acquire_for_token_request().await.redeem() {}
        let (asked, started) = (self.now(), Instant::now());
        self.0.metrics.token_request_sent(scope);
        let deadline = started + self.0.timeout;
        let response = self.0.transport.send(request, deadline, response::USUAL_BODY, asked).await;
        if let Some(recorder) = &self.0.registration.recorder {
            recorder.record(&Exchange {
                partner: self.0.partner.as_str(),
                operation: Operation::Token.as_str(),
                method: "POST",
                url: &self.0.url,
                request: Some(&json!({"grant_type": "client_credentials", "scope": scope.permission()}).to_string()),
                outcome: response::recorded_outcome(&response),
                took: started.elapsed(),
            });
        }
        // The last field is the secret; the one before it is a constant.
        let secret = Secrets::new(fields.last().map(|(_, value)| value.as_str()));
        let mut outcome = response.map_err(TokenError::from).and_then(|response| read(response, &secret));
        if let Err(error) = &mut outcome {
            // A missing licence scope is a failure: every other collector depends on the service list.
            error.failure.not_granted &= scope != Scope::License;
        }
        let failed = outcome.as_ref().err().map(|error| error.failure.reason);
        self.0.metrics.observe_token_request(scope, started.elapsed(), failed);
        match outcome {
            Ok((header, lifetime)) => Ok(NewToken { asked, header, lifetime }),
            Err(error) => {
                let failure = error.failure.without(&secret).without(&self.0.proxy_secrets);
                Err(TokenError { failure, ..error })
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn state(&self, scope: Scope) -> MutexGuard<'_, TokenState> {
        self.0.registration.token(scope).state.lock()
    }

    fn credential(&self) -> Arc<ClientAuth> {
        Arc::clone(&self.0.credential.lock())
    }
}
