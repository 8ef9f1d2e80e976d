//! The token that is held, when it is renewed, and when not to ask for another one. Pure: time is passed in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderValue;

use crate::elements::Failure;
use crate::elements::budget::{LONGEST_RETRY_AFTER, pause};

/// A token is renewed when so much of its life is left, or a quarter of it if that is less.
const AHEAD: Duration = Duration::from_mins(5);
/// A token is not used in its last seconds, or the last tenth of its life if that is less: requests take a while.
const MARGIN: Duration = Duration::from_secs(10);
/// The longest pause after failures that pass, and after a refusal, which somebody has to look at.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
const LONGEST_PAUSE_REFUSED: Duration = Duration::from_mins(5);
/// While one question is refused with a token that works for others, its 401 renews nothing.
const NO_RENEWAL: Duration = Duration::from_mins(1);

/// A token, ready to stand in a header. `Debug` does not show it.
#[derive(Clone)]
pub(in crate::elements) struct AccessToken {
    number: u64,
    /// `Bearer ...`, marked as sensitive.
    pub(in crate::elements) header: Arc<HeaderValue>,
    usable_until: Timestamp,
    renew_from: Timestamp,
}

impl AccessToken {
    /// The token itself, to keep it out of messages.
    pub(in crate::elements) fn expose(&self) -> &str {
        self.header.to_str().unwrap_or_default().strip_prefix("Bearer ").unwrap_or_default()
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("number", &self.number).finish_non_exhaustive()
    }
}

/// A question that the API refused is worth repeating with a new token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::elements) struct Renewal {
    /// The token that was refused had worked before: if the new one is refused too, it is the question.
    worked: bool,
}

/// What became of the requests for a token.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    current: Option<AccessToken>,
    /// Tokens so far.
    granted: u64,
    /// Finished requests so far.
    pub(super) attempts: u64,
    /// When the last token expires or expired.
    pub(super) expires: Option<Timestamp>,
    /// Failures in a row.
    consecutive: u32,
    paused_until: Option<Timestamp>,
    /// The last failure, until something works again.
    pub(super) failure: Option<Failure>,
    /// The last failure was a refusal of the credential.
    refused: bool,
    /// Tokens in a row that the API refused, none of them used with success.
    refusals: u32,
    /// The last token that was used with success.
    proven: u64,
    no_renewal_until: Option<Timestamp>,
    /// A token that had worked was refused and dropped: a refusal of the one after it says nothing until then.
    doubted_until: Option<Timestamp>,
}

impl Tokens {
    /// The token, as long as it can be used.
    pub(super) fn usable(&self, now: Timestamp) -> Option<&AccessToken> {
        self.current.as_ref().filter(|token| now < token.usable_until)
    }

    /// Whether it is time to renew a token that can still be used.
    pub(super) fn wants_renewal(&self, now: Timestamp) -> bool {
        self.paused_until(now).is_none() && self.usable(now).is_some_and(|token| now >= token.renew_from)
    }

    /// Until when no token may be asked for.
    pub(super) fn paused_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.paused_until.filter(|&until| now < until)
    }

    /// What those get who ask during a pause.
    pub(super) fn paused_with(&self, now: Timestamp) -> Option<&Failure> {
        self.paused_until(now).and(self.failure.as_ref())
    }

    /// Whether the credential was refused, and there is no token left from before.
    pub(super) fn is_refused(&self, now: Timestamp) -> bool {
        self.refused && self.usable(now).is_none()
    }

    /// A token that was asked for at `asked` came.
    pub(super) fn granted(&mut self, asked: Timestamp, header: HeaderValue, lifetime: Duration) -> AccessToken {
        self.attempts += 1;
        self.granted += 1;
        let before_end = |margin: Duration| later(asked, lifetime.saturating_sub(margin));
        let token = AccessToken {
            number: self.granted,
            header: Arc::new(header),
            usable_until: before_end(MARGIN.min(lifetime / 10)),
            renew_from: before_end(AHEAD.min(lifetime / 4)),
        };
        self.expires = Some(later(asked, lifetime));
        self.current = Some(token.clone());
        self.paused_until = None;
        if self.refusals == 0 {
            self.recover();
        }
        token
    }

    /// No token came. `refused`: because of the credential. `jitter` is 0 to 1.
    pub(super) fn denied(
        &mut self,
        now: Timestamp,
        failure: Failure,
        refused: bool,
        retry_after: Option<Duration>,
        jitter: f64,
    ) {
        self.attempts += 1;
        self.hold_off(now, failure, refused, retry_after, jitter);
    }

    /// The API answered a request with this token and did not refuse it.
    pub(super) fn proven(&mut self, token: &AccessToken) {
        self.proven = self.proven.max(token.number);
        if self.refusals > 0 && self.is_current(token) {
            self.refusals = 0;
            self.recover();
        }
    }

    /// The API answered 401 to a request with this token; `earlier`: what its first refusal, with an older one, said.
    ///
    /// The first refusal drops the token. If a fresh one is refused too, renewing does not help: then there is a pause,
    /// so that permanent refusals do not storm the identity service. If either token works for others, it is the
    /// question that is refused: the fresh token stays, and nobody pauses.
    pub(super) fn refused_by_api(
        &mut self,
        now: Timestamp,
        token: &AccessToken,
        earlier: Option<Renewal>,
        failure: Failure,
        jitter: f64,
    ) -> Option<Renewal> {
        let worked = self.proven >= token.number;
        let again = earlier.is_some();
        // Whether or not somebody dropped the token in the meantime.
        if again && (worked || earlier.is_some_and(|first| first.worked)) {
            self.no_renewal_until = Some(later(now, NO_RENEWAL));
            return None;
        }
        if !self.is_current(token) {
            let obtainable = self.usable(now).is_some() || self.paused_until(now).is_none();
            return (!again && obtainable).then_some(Renewal { worked });
        }
        let ahead = |until: Option<Timestamp>| until.is_some_and(|until| now < until);
        if !again && (ahead(self.no_renewal_until) || (!worked && ahead(self.doubted_until))) {
            return None;
        }
        self.current = None;
        self.refusals += 1;
        if worked {
            self.doubted_until = Some(later(now, NO_RENEWAL));
        }
        if again || self.refusals > 1 {
            self.hold_off(now, failure, true, None, jitter);
            return None;
        }
        Some(Renewal { worked })
    }

    fn is_current(&self, token: &AccessToken) -> bool {
        self.current.as_ref().is_some_and(|current| current.number == token.number)
    }

    /// There is another credential: what was held against the old one is forgotten, so that nobody waits.
    pub(super) fn credential_changed(&mut self) {
        self.recover();
        self.paused_until = None;
    }

    fn recover(&mut self) {
        self.consecutive = 0;
        self.failure = None;
        self.refused = false;
    }

    fn hold_off(
        &mut self,
        now: Timestamp,
        failure: Failure,
        refused: bool,
        retry_after: Option<Duration>,
        jitter: f64,
    ) {
        self.consecutive = self.consecutive.saturating_add(1);
        let longest = if refused { LONGEST_PAUSE_REFUSED } else { LONGEST_PAUSE };
        let wait = pause(self.consecutive, longest, jitter).max(retry_after.unwrap_or_default());
        self.paused_until = Some(later(now, wait.min(LONGEST_RETRY_AFTER)));
        self.failure = Some(failure);
        self.refused = refused;
    }
}

fn later(from: Timestamp, by: Duration) -> Timestamp {
    from.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::FailureReason;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn grant(tokens: &mut Tokens, now: i64, lifetime: u64) -> AccessToken {
        tokens.granted(at(now), HeaderValue::from_static("Bearer t"), Duration::from_secs(lifetime))
    }

    fn failure() -> Failure {
        Failure::new(FailureReason::Unauthorized, "no")
    }

    #[test]
    fn a_token_is_renewed_ahead_of_its_end() {
        for (lifetime, renewed, ended) in [(3600, 3300, 3590), (100, 75, 90), (86_400, 86_100, 86_390)] {
            let mut tokens = Tokens::default();
            grant(&mut tokens, 0, lifetime);
            assert!(!tokens.wants_renewal(at(renewed - 1)) && tokens.wants_renewal(at(renewed)));
            assert!(tokens.usable(at(ended - 1)).is_some() && tokens.usable(at(ended)).is_none());
            assert_eq!(tokens.expires, Some(at(i64::try_from(lifetime).unwrap())));
        }
    }

    #[test]
    fn failures_pause_longer_and_longer_until_a_token_comes() {
        let mut tokens = Tokens::default();
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            tokens.denied(at(0), failure(), false, None, 1.0);
            assert_eq!(tokens.paused_until(at(0)), Some(at(wait)));
            assert!(tokens.paused_with(at(0)).is_some() && tokens.paused_with(at(wait)).is_none());
        }
        grant(&mut tokens, 60, 3600);
        assert_eq!((tokens.paused_until(at(60)), &tokens.failure), (None, &None));
        tokens.denied(at(61), failure(), false, Some(Duration::from_secs(20)), 1.0);
        assert_eq!(tokens.paused_until(at(61)), Some(at(81)), "Retry-After is honoured");
        assert!(tokens.usable(at(61)).is_some(), "the token from before goes on");
        assert!(!tokens.wants_renewal(at(80)));
    }

    #[test]
    fn a_refusal_is_visible_once_no_token_is_left() {
        let mut tokens = Tokens::default();
        grant(&mut tokens, 0, 100);
        tokens.denied(at(80), failure(), true, None, 1.0);
        assert!(!tokens.is_refused(at(80)) && tokens.is_refused(at(95)));
        grant(&mut tokens, 96, 100);
        assert!(!tokens.is_refused(at(300)));
    }

    /// A 401 to the first request of a question.
    fn refuse(tokens: &mut Tokens, now: i64, token: &AccessToken) -> Option<Renewal> {
        tokens.refused_by_api(at(now), token, None, failure(), 1.0)
    }

    /// A 401 to its second.
    fn refuse_again(tokens: &mut Tokens, now: i64, token: &AccessToken, first: Option<Renewal>) {
        assert!(first.is_some());
        assert_eq!(tokens.refused_by_api(at(now), token, first, failure(), 1.0), None);
    }

    #[test]
    fn an_api_that_refuses_fresh_tokens_pauses_the_renewal() {
        let mut tokens = Tokens::default();
        let first = grant(&mut tokens, 0, 3600);
        let renewal = refuse(&mut tokens, 1, &first);
        assert_eq!(refuse(&mut tokens, 1, &first), renewal, "another one, with the same token");
        let second = grant(&mut tokens, 2, 3600);
        refuse_again(&mut tokens, 3, &second, renewal);
        assert!(tokens.paused_until(at(3)).is_some() && tokens.is_refused(at(3)));
        let third = grant(&mut tokens, 10, 3600);
        assert!(tokens.failure.is_some(), "a token alone proves nothing");
        assert_eq!(refuse(&mut tokens, 11, &third), None);
        assert_eq!(tokens.paused_until(at(11)), Some(at(13)));
        let fourth = grant(&mut tokens, 20, 3600);
        tokens.proven(&fourth);
        assert_eq!((tokens.failure.as_ref(), tokens.is_refused(at(21))), (None, false));
        assert!(refuse(&mut tokens, 30, &fourth).is_some(), "revoked: renew");
    }

    #[test]
    fn one_question_that_is_refused_does_not_cost_the_others_their_token() {
        let mut tokens = Tokens::default();
        let first = grant(&mut tokens, 0, 3600);
        let renewal = refuse(&mut tokens, 1, &first);
        let second = grant(&mut tokens, 1, 3600);
        tokens.proven(&second);
        refuse_again(&mut tokens, 2, &second, renewal);
        assert!(tokens.usable(at(2)).is_some() && tokens.paused_until(at(2)).is_none());
        assert_eq!(refuse(&mut tokens, 3, &second), None, "it does not renew again at once");
        assert!(tokens.usable(at(3)).is_some());
        assert!(refuse(&mut tokens, 63, &second).is_some());
    }

    #[test]
    fn a_token_that_worked_says_that_it_is_the_question() {
        let mut tokens = Tokens::default();
        let first = grant(&mut tokens, 0, 3600);
        tokens.proven(&first);
        let renewal = refuse(&mut tokens, 1, &first);
        assert_eq!(refuse(&mut tokens, 1, &first), renewal, "another one of the same kind");
        let second = grant(&mut tokens, 1, 3600);
        assert_eq!(refuse(&mut tokens, 2, &second), None, "one that began with the fresh token");
        assert!(tokens.usable(at(2)).is_some());
        refuse_again(&mut tokens, 2, &second, renewal);
        refuse_again(&mut tokens, 2, &second, renewal);
        assert!(tokens.usable(at(2)).is_some() && tokens.paused_until(at(2)).is_none());
        assert_eq!(refuse(&mut tokens, 3, &second), None);
        assert_eq!(tokens.failure, None);
        // Nothing worked in the minute after: it was not the question.
        assert_eq!(refuse(&mut tokens, 63, &second), None);
        assert!(tokens.paused_until(at(63)).is_some() && tokens.is_refused(at(63)));
    }

    #[test]
    fn a_token_is_not_shown() {
        let mut header = HeaderValue::from_static("Bearer verysecret");
        header.set_sensitive(true);
        let mut tokens = Tokens::default();
        let token = tokens.granted(at(0), header, Duration::from_secs(9));
        assert!(!format!("{token:?} {tokens:?}").contains("verysecret"));
        assert_eq!(token.expose(), "verysecret");
    }
}
