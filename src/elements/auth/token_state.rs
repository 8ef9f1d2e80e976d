//! The token of one scope: which one requests use, when it is renewed, and when nobody may ask for another. Pure: time is
//! passed in.
//!
//! A fresh token may be refused for a while, until the API knows it. So a token that is refused and has not expired is
//! tried once more after a pause, and only if it is refused again is another one asked for. A token that renews one that
//! works is tried by one request at a time; the others use the old one until the API has accepted the new one.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderValue;

use super::credential::CredentialId;
use crate::elements::Failure;
use crate::elements::rate_limit::{MAX_RETRY_AFTER, backoff};
use crate::elements::redaction::Secret;

#[cfg(test)]
mod tests;

/// A token is renewed when so much of its life is left, or a quarter of it if that is less.
const RENEW_AHEAD: Duration = Duration::from_mins(5);
/// A token is not used in its last seconds, or the last tenth of its life if that is less: requests take a while.
const MARGIN: Duration = Duration::from_secs(10);
/// The longest pause after failures that pass, and after a refused credential, which somebody has to look at.
const MAX_PAUSE: Duration = Duration::from_mins(1);
const MAX_PAUSE_REFUSED: Duration = Duration::from_mins(5);
/// A request that tries a new token has so long to say whether it was accepted.
const TRIAL: Duration = Duration::from_secs(10);
/// So often may one request be refused: by a token, by the same token after a pause, by another token.
const MAX_REFUSALS: u32 = 3;
/// After a token that had worked was replaced because one request was refused time and again, refusals of its successor
/// say nothing for so long: it may be that request.
const SUSPECT_PERIOD: Duration = Duration::from_secs(15);

/// A token, ready to stand in a header. `Debug` does not show it.
#[derive(Clone)]
pub(in crate::elements) struct AccessToken {
    number: u64,
    /// `Bearer ...`, marked as sensitive.
    pub(in crate::elements) header: Arc<HeaderValue>,
    /// The token itself, to keep it out of messages.
    pub(in crate::elements) secret: Secret,
    usable_until: Timestamp,
    renew_from: Timestamp,
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("number", &self.number).finish_non_exhaustive()
    }
}

/// A request that the API refused is worth repeating, with whatever token is to be used then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::elements) struct Retry {
    /// Not before.
    pub(in crate::elements) at: Timestamp,
    /// The token that was refused, and when.
    number: u64,
    refused_at: Timestamp,
    /// How often this request was refused.
    refusals: u32,
}

/// A token request that failed.
#[derive(Debug)]
pub(super) struct TokenError {
    pub(super) failure: Failure,
    /// Because of the credential or its permissions: nothing changes until somebody looks at it.
    pub(super) refused: bool,
    pub(super) retry_after: Option<Duration>,
}

impl From<Failure> for TokenError {
    fn from(failure: Failure) -> Self {
        Self { failure, refused: false, retry_after: None }
    }
}

/// What is known of the token of one scope, shared by all who use the app registration.
#[derive(Debug, Default)]
pub(in crate::elements) struct TokenState {
    /// What requests use.
    current: Option<Held>,
    /// Renews the current one, which works; the API has not accepted it yet.
    candidate: Option<Held>,
    /// Tokens so far.
    granted: u64,
    /// Finished token requests so far.
    pub(super) attempts: u64,
    /// When the last token expires or expired.
    pub(super) expires: Option<Timestamp>,
    /// By the credential that was sent.
    backoffs: HashMap<CredentialId, Backoff>,
    /// Fresh tokens in a row that the API refused twice, and what it said last.
    rejections: u32,
    rejection: Option<Failure>,
    /// Renewals in a row that the API refused while the old token worked, and when the next may be asked for.
    rejected_renewals: u32,
    renew_after: Option<Timestamp>,
    suspect_until: Option<Timestamp>,
}

#[derive(Debug)]
struct Held {
    token: AccessToken,
    /// When the API last accepted it.
    accepted: Option<Timestamp>,
    /// It was refused since: when it is tried again.
    retry_at: Option<Timestamp>,
    /// Of a candidate: no request tries it before.
    try_at: Timestamp,
}

/// Token requests with one credential that failed, since the last that did not.
#[derive(Debug)]
struct Backoff {
    consecutive: u32,
    paused_until: Timestamp,
    failure: Failure,
    refused: bool,
}

impl Held {
    fn is(&self, token: &AccessToken) -> bool {
        self.token.number == token.number
    }

    /// Until when nobody may use it: it was refused and has never worked.
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

    /// The token for a request that is about to be sent: once in a while a new one, to see whether the API accepts it.
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

    /// Whether it is time to renew a token that can still be used.
    pub(super) fn wants_renewal(&mut self, now: Timestamp, credential: CredentialId) -> bool {
        let is_due = self.usable(now).is_some_and(|token| now >= token.renew_from);
        let paused = self.backoff(now, credential).is_some() || self.renew_after.is_some_and(|after| now < after);
        is_due && self.candidate.is_none() && !paused
    }

    /// Until when there is no token and none may be asked for.
    pub(super) fn paused_until(&mut self, now: Timestamp, credential: CredentialId) -> Option<Timestamp> {
        self.expire(now);
        match &self.current {
            Some(held) => held.held_back(now),
            None => self.backoff(now, credential).map(|backoff| backoff.paused_until),
        }
    }

    /// What those get who ask during a pause; `None` if the pause is worth waiting for.
    pub(super) fn paused_with(&mut self, now: Timestamp, credential: CredentialId) -> Option<Failure> {
        self.expire(now);
        match &self.current {
            Some(held) => held.held_back(now).filter(|_| self.rejections > 0).and_then(|_| self.rejection.clone()),
            None => self.backoff(now, credential).map(|backoff| backoff.failure.clone()),
        }
    }

    /// The last failure of a token request with this credential, or of a fresh token; `None` while all is well.
    pub(super) fn failure(&self, credential: CredentialId) -> Option<&Failure> {
        self.backoffs.get(&credential).map(|backoff| &backoff.failure).or(self.rejection.as_ref())
    }

    /// Whether the credential was refused, or the API refuses what it gets for it, and no token is left that works.
    pub(super) fn is_refused(&mut self, now: Timestamp, credential: CredentialId) -> bool {
        self.expire(now);
        match &self.current {
            Some(held) => self.rejections > 0 && held.accepted.is_none(),
            None => self.rejections > 0 || self.backoffs.get(&credential).is_some_and(|backoff| backoff.refused),
        }
    }

    /// A token that was asked for at `asked` came.
    pub(super) fn on_token(
        &mut self,
        asked: Timestamp,
        credential: CredentialId,
        header: HeaderValue,
        lifetime: Duration,
    ) -> AccessToken {
        self.expire(asked);
        self.attempts += 1;
        self.granted += 1;
        self.backoffs.remove(&credential);
        let before_end = |margin: Duration| later(asked, lifetime.saturating_sub(margin));
        let secret = Secret::new(header.to_str().unwrap_or_default().trim_start_matches("Bearer "));
        let token = AccessToken {
            number: self.granted,
            header: Arc::new(header),
            secret,
            usable_until: before_end(MARGIN.min(lifetime / 10)),
            renew_from: before_end(RENEW_AHEAD.min(lifetime / 4)),
        };
        self.expires = Some(later(asked, lifetime));
        let held = Held { token: token.clone(), accepted: None, retry_at: None, try_at: asked };
        if self.current.as_ref().is_some_and(|current| current.accepted.is_some()) {
            self.candidate = Some(held);
        } else {
            self.current = Some(held);
        }
        token
    }

    /// No token came. `jitter` is 0 to 1.
    pub(super) fn on_error(&mut self, now: Timestamp, credential: CredentialId, error: TokenError, jitter: f64) {
        let TokenError { failure, refused, retry_after } = error;
        self.attempts += 1;
        let consecutive = self.backoffs.get(&credential).map_or(0, |backoff| backoff.consecutive).saturating_add(1);
        let longest = if refused { MAX_PAUSE_REFUSED } else { MAX_PAUSE };
        let wait = backoff(consecutive, longest, jitter).max(retry_after.unwrap_or_default()).min(MAX_RETRY_AFTER);
        self.backoffs.insert(credential, Backoff { consecutive, paused_until: later(now, wait), failure, refused });
    }

    /// This credential is no longer sent.
    pub(super) fn reset(&mut self, credential: CredentialId) {
        self.backoffs.remove(&credential);
    }

    /// The API answered a request with this token and did not refuse it.
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

    /// The API answered 401 to a request with this token that was sent at `sent`; `earlier`: what this said to the same
    /// request before. `None`: repeating it does not help.
    pub(super) fn on_unauthorized(
        &mut self,
        (sent, now): (Timestamp, Timestamp),
        token: &AccessToken,
        earlier: Option<Retry>,
        failure: &Failure,
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
                // It works for others: it is this request that is refused.
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
                // There is another one to try.
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
            // Another request was refused as well, and it was dropped.
            now
        };
        (refusals < MAX_REFUSALS).then_some(Retry { at, number: token.number, refused_at: now, refusals })
    }

    /// The token that was to renew a working one was refused: the working one stays.
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

    /// Drops a token whose life is over; the one that renews it takes its place.
    fn expire(&mut self, now: Timestamp) {
        let is_over = |held: &Option<Held>| held.as_ref().is_none_or(|held| now >= held.token.usable_until);
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
