//! State machine for the token of one scope: which token requests use, when it is renewed, and when no token may be
//! requested. Pure: time is passed in.
//!
//! The API may refuse a fresh token for a short time after it was issued. So a refused token that has not expired is
//! tried once more after a pause, and only if it is refused again is another one requested. When a working token is
//! renewed, one request at a time tries the new token; the others use the old one until the API has accepted the new
//! one.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderValue;

use super::credential::CredentialId;
use crate::RequestError;
use crate::rate_limit::{MAX_RETRY_AFTER, backoff};
use crate::redaction::Secret;

#[cfg(test)]
mod tests;

/// A token is renewed when this much of its lifetime is left, or a quarter of it if that is less.
const RENEW_AHEAD: Duration = Duration::from_mins(5);
/// A token is not used in its last seconds, or in the last tenth of its lifetime if that is less, because a request
/// takes time.
const MARGIN: Duration = Duration::from_secs(10);
/// The longest pause after transient failures, and after a refused credential, which an operator has to fix.
const MAX_PAUSE: Duration = Duration::from_mins(1);
const MAX_PAUSE_REFUSED: Duration = Duration::from_mins(5);
/// A request that tries a new token must report its result within this time.
const TRIAL: Duration = Duration::from_secs(10);
/// The maximum number of times that one request may be refused: with a token, with the same token after a pause, and
/// with another token.
const MAX_REFUSALS: u32 = 3;
/// If one request was refused repeatedly and its working token was replaced, refusals of the new token are ignored for
/// this time: the request itself may be the cause.
const SUSPECT_PERIOD: Duration = Duration::from_secs(15);

/// A token as a header value. `Debug` does not show it.
#[derive(Clone)]
pub(crate) struct AccessToken {
    number: u64,
    /// `Bearer ...`, marked as sensitive.
    pub(crate) header: Arc<HeaderValue>,
    /// The token itself, for redaction in messages.
    pub(crate) secret: Secret,
    usable_until: Timestamp,
    renew_from: Timestamp,
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("number", &self.number).finish_non_exhaustive()
    }
}

/// A request that the API refused should be retried, with the token that is current at that time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retry {
    /// The earliest time of the retry.
    pub(crate) at: Timestamp,
    /// The token that was refused, and when.
    number: u64,
    refused_at: Timestamp,
    /// How often this request was refused.
    refusals: u32,
}

/// A failed token request.
#[derive(Debug)]
pub(super) struct TokenError {
    pub(super) failure: RequestError,
    /// The credential or its permissions were refused: retrying does not help until an operator fixes it.
    pub(super) refused: bool,
    pub(super) retry_after: Option<Duration>,
}

impl From<RequestError> for TokenError {
    fn from(failure: RequestError) -> Self {
        Self { failure, refused: false, retry_after: None }
    }
}

/// The state of the token of one scope, shared by all users of the app registration.
#[derive(Debug, Default)]
pub(crate) struct TokenState {
    /// The token that requests use.
    current: Option<CachedToken>,
    /// Will replace the current token, which still works; the API has not accepted it yet.
    candidate: Option<CachedToken>,
    /// The number of tokens so far.
    issued: u64,
    /// The number of finished token requests so far.
    pub(super) attempts: u64,
    /// When the last token expires or expired.
    pub(super) expires: Option<Timestamp>,
    /// Failed token requests by credential.
    backoffs: HashMap<CredentialId, Backoff>,
    /// The number of fresh tokens in a row that the API refused twice, and its last message.
    rejections: u32,
    rejection: Option<RequestError>,
    /// The number of renewals in a row that the API refused while the old token worked, and when the next may be
    /// requested.
    rejected_renewals: u32,
    renew_after: Option<Timestamp>,
    suspect_until: Option<Timestamp>,
}

#[derive(Debug)]
struct CachedToken {
    token: AccessToken,
    /// When the API last accepted it.
    accepted: Option<Timestamp>,
    /// If it was refused since: when it is tried again.
    retry_at: Option<Timestamp>,
    /// For a candidate: no request tries it before this time.
    try_at: Timestamp,
}

/// The number of failed token requests with one credential since its last success.
#[derive(Debug)]
struct Backoff {
    consecutive: u32,
    paused_until: Timestamp,
    failure: RequestError,
    refused: bool,
}

impl CachedToken {
    fn is(&self, token: &AccessToken) -> bool {
        self.token.number == token.number
    }

    /// Until when it must not be used: it was refused and has never worked.
    fn held_back(&self, now: Timestamp) -> Option<Timestamp> {
        self.retry_at.filter(|&at| self.accepted.is_none() && now < at)
    }
}

impl TokenState {
    /// The token that can be used now.
    pub(super) fn usable(&mut self, now: Timestamp) -> Option<AccessToken> {
        self.expire(now);
        self.current.as_ref().filter(|held| held.held_back(now).is_none()).map(|held| held.token.clone())
    }

    /// The token for a request that is about to be sent: sometimes a new one, to test whether the API accepts it.
    pub(super) fn checkout(&mut self, now: Timestamp) -> Option<AccessToken> {
        self.expire(now);
        match &mut self.candidate {
            Some(candidate) if now >= candidate.try_at => {
                candidate.try_at = later(now, TRIAL);
                Some(candidate.token.clone())
            }
            _ => self.usable(now),
        }
    }

    /// Whether a token that can still be used must be renewed.
    pub(super) fn wants_renewal(&mut self, now: Timestamp, credential: CredentialId) -> bool {
        let is_due = self.usable(now).is_some_and(|token| now >= token.renew_from);
        let paused = self.backoff(now, credential).is_some() || self.renew_after.is_some_and(|after| now < after);
        is_due && self.candidate.is_none() && !paused
    }

    /// Until when there is no token and none may be requested.
    pub(super) fn paused_until(&mut self, now: Timestamp, credential: CredentialId) -> Option<Timestamp> {
        self.expire(now);
        match &self.current {
            Some(held) => held.held_back(now),
            None => self.backoff(now, credential).map(|backoff| backoff.paused_until),
        }
    }

    /// The error that callers get during a pause; `None` if they should wait for its end.
    pub(super) fn paused_with(&mut self, now: Timestamp, credential: CredentialId) -> Option<RequestError> {
        self.expire(now);
        match &self.current {
            Some(held) => held.held_back(now).filter(|_| self.rejections > 0).and_then(|_| self.rejection.clone()),
            None => self.backoff(now, credential).map(|backoff| backoff.failure.clone()),
        }
    }

    /// The last failure of a token request with this credential, or of a fresh token; `None` if there is none.
    pub(super) fn failure(&self, credential: CredentialId) -> Option<&RequestError> {
        self.backoffs.get(&credential).map(|backoff| &backoff.failure).or(self.rejection.as_ref())
    }

    /// Whether the credential was refused, or the API refuses its tokens, and no working token is left.
    pub(super) fn is_refused(&mut self, now: Timestamp, credential: CredentialId) -> bool {
        self.expire(now);
        match &self.current {
            Some(held) => self.rejections > 0 && held.accepted.is_none(),
            None => self.rejections > 0 || self.backoffs.get(&credential).is_some_and(|backoff| backoff.refused),
        }
    }

    /// A token that was requested at `asked` was received.
    pub(super) fn on_token(
        &mut self,
        asked: Timestamp,
        credential: CredentialId,
        header: HeaderValue,
        lifetime: Duration,
    ) -> AccessToken {
        self.expire(asked);
        self.attempts += 1;
        self.issued += 1;
        self.backoffs.remove(&credential);
        let before_end = |margin: Duration| later(asked, lifetime.saturating_sub(margin));
        let secret = Secret::new(header.to_str().unwrap_or_default().trim_start_matches("Bearer "));
        let token = AccessToken {
            number: self.issued,
            header: Arc::new(header),
            secret,
            usable_until: before_end(MARGIN.min(lifetime / 10)),
            renew_from: before_end(RENEW_AHEAD.min(lifetime / 4)),
        };
        self.expires = Some(later(asked, lifetime));
        let held = CachedToken { token: token.clone(), accepted: None, retry_at: None, try_at: asked };
        if self.current.as_ref().is_some_and(|current| current.accepted.is_some()) {
            self.candidate = Some(held);
        } else {
            self.current = Some(held);
        }
        token
    }

    /// The token request failed. `jitter` is 0 to 1.
    pub(super) fn on_error(&mut self, now: Timestamp, credential: CredentialId, error: TokenError, jitter: f64) {
        let TokenError { failure, refused, retry_after } = error;
        self.attempts += 1;
        let consecutive = self.backoffs.get(&credential).map_or(0, |backoff| backoff.consecutive).saturating_add(1);
        let longest = if refused { MAX_PAUSE_REFUSED } else { MAX_PAUSE };
        let wait = backoff(consecutive, longest, jitter).max(retry_after.unwrap_or_default()).min(MAX_RETRY_AFTER);
        self.backoffs.insert(credential, Backoff { consecutive, paused_until: later(now, wait), failure, refused });
    }

    /// This credential is no longer used.
    pub(super) fn reset(&mut self, credential: CredentialId) {
        self.backoffs.remove(&credential);
    }

    /// The API accepted a request with this token.
    pub(super) fn mark_accepted(&mut self, now: Timestamp, token: &AccessToken) {
        if self.candidate.as_ref().is_some_and(|candidate| candidate.is(token)) {
            self.current = self.candidate.take();
        }
        if let Some(current) = self.current.as_mut().filter(|current| current.is(token)) {
            if current.accepted.is_none() {
                (self.rejected_renewals, self.renew_after) = (0, None);
            }
            (current.accepted, current.retry_at) = (Some(now), None);
            (self.rejections, self.rejection) = (0, None);
        }
    }

    /// The API answered 401 to a request with this token that was sent at `sent`. `earlier`: the previous result for
    /// the same request. `None`: a retry does not help.
    pub(super) fn on_unauthorized(
        &mut self,
        (sent, now): (Timestamp, Timestamp),
        token: &AccessToken,
        earlier: Option<Retry>,
        failure: &RequestError,
        jitter: f64,
    ) -> Option<Retry> {
        let refusals = earlier.map_or(0, |earlier| earlier.refusals).saturating_add(1);
        let pause = backoff(self.rejections.saturating_add(1), MAX_PAUSE, jitter);
        let at = if self.candidate.as_ref().is_some_and(|candidate| candidate.is(token)) {
            self.candidate_refused(sent, now, jitter);
            now
        } else if let Some(current) = self.current.as_mut().filter(|current| current.is(token)) {
            let before = earlier.filter(|earlier| earlier.number == token.number);
            if before.is_some_and(|before| current.accepted.is_some_and(|accepted| accepted >= before.refused_at)) {
                // Other requests succeed with it, so this request itself is refused.
                return None;
            }
            if current.accepted.is_none() && self.suspect_until.is_some_and(|until| now < until) {
                return (refusals == 1).then_some(Retry {
                    at: later(now, pause),
                    number: token.number,
                    refused_at: now,
                    refusals,
                });
            }
            match current.retry_at {
                // There is another token to try.
                None if self.candidate.is_some() => {
                    self.current = self.candidate.take();
                    now
                }
                None => {
                    let at = later(now, pause);
                    current.retry_at = Some(at);
                    if current.accepted.is_none() {
                        self.rejection = Some(failure.clone());
                    }
                    at
                }
                Some(retry_at) if sent < retry_at => retry_at,
                Some(_) => {
                    if current.accepted.is_some() {
                        self.suspect_until = Some(later(now, SUSPECT_PERIOD));
                    } else {
                        self.rejections = self.rejections.saturating_add(1);
                        self.rejection = Some(failure.clone());
                    }
                    self.current = self.candidate.take();
                    now
                }
            }
        } else {
            // Another request was refused too, and the token was dropped.
            now
        };
        (refusals < MAX_REFUSALS).then_some(Retry { at, number: token.number, refused_at: now, refusals })
    }

    /// A refused renewal of a working token is dropped: the working one stays.
    fn candidate_refused(&mut self, sent: Timestamp, now: Timestamp, jitter: f64) {
        let Some(candidate) = &mut self.candidate else { return };
        let pause = backoff(self.rejected_renewals.saturating_add(1), MAX_PAUSE, jitter);
        match candidate.retry_at {
            None => {
                candidate.retry_at = Some(later(now, pause));
                candidate.try_at = later(now, pause);
            }
            Some(retry_at) if sent < retry_at => {}
            Some(_) => {
                self.candidate = None;
                self.rejected_renewals = self.rejected_renewals.saturating_add(1);
                self.renew_after = Some(later(now, pause));
            }
        }
    }

    /// Drops an expired token; its renewal takes its place.
    fn expire(&mut self, now: Timestamp) {
        let is_over = |held: &Option<CachedToken>| held.as_ref().is_none_or(|held| now >= held.token.usable_until);
        if is_over(&self.candidate) {
            self.candidate = None;
        }
        if is_over(&self.current) {
            self.current = self.candidate.take();
        }
    }

    fn backoff(&self, now: Timestamp, credential: CredentialId) -> Option<&Backoff> {
        self.backoffs.get(&credential).filter(|backoff| now < backoff.paused_until)
    }
}

fn later(from: Timestamp, by: Duration) -> Timestamp {
    from.saturating_add(by).unwrap_or(Timestamp::MAX)
}
