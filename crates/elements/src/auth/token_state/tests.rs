use super::*;
use crate::types::FailureReason;

const CREDENTIAL: CredentialId = CredentialId::of_test(1);

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap() + Duration::from_secs_f64(seconds)
}

fn failure() -> RequestError {
    RequestError::new(FailureReason::Unauthorized, "no")
}

fn error(refused: bool, retry_after: Option<u64>) -> TokenError {
    TokenError { failure: failure(), refused, retry_after: retry_after.map(Duration::from_secs) }
}

fn grant(state: &mut TokenState, now: f64, seconds: u64) -> AccessToken {
    state.on_token(at(now), CREDENTIAL, HeaderValue::from_static("Bearer x"), Duration::from_secs(seconds))
}

fn number(token: Option<AccessToken>) -> Option<u64> {
    token.map(|token| token.number)
}

/// A 401 to a request that was sent just now, with the longest pauses: 1 s, 2 s, 4 s.
fn refuse(state: &mut TokenState, now: f64, token: &AccessToken, earlier: Option<Retry>) -> Option<Retry> {
    state.on_unauthorized((at(now), at(now)), token, earlier, &failure(), 1.0)
}

#[test]
fn a_token_is_renewed_ahead_of_its_end() {
    for (life, renewal, end) in [(3600, 3300.0, 3590.0), (100, 75.0, 90.0), (4, 3.0, 3.6)] {
        let mut state = TokenState::default();
        assert!(!state.wants_renewal(at(0.0), CREDENTIAL) && state.usable(at(0.0)).is_none());
        grant(&mut state, 0.0, life);
        assert_eq!(state.expires, Some(at(life as f64)));
        assert!(!state.wants_renewal(at(renewal - 0.01), CREDENTIAL));
        assert!(state.wants_renewal(at(renewal), CREDENTIAL) && state.usable(at(end - 0.01)).is_some());
        assert!(!state.wants_renewal(at(end), CREDENTIAL) && state.usable(at(end)).is_none());
        assert_eq!(state.expires, Some(at(life as f64)), "the time of its expiry stays");
    }
}

#[test]
fn pauses_after_failures_grow_until_a_token_is_received() {
    let mut state = TokenState::default();
    for wait in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
        state.on_error(at(0.0), CREDENTIAL, error(false, None), 1.0);
        assert_eq!(state.paused_until(at(0.0), CREDENTIAL), Some(at(wait)));
        assert!(state.paused_with(at(0.0), CREDENTIAL).is_some());
        assert!(state.paused_with(at(wait), CREDENTIAL).is_none());
    }
    grant(&mut state, 60.0, 3600);
    assert!(state.paused_until(at(60.0), CREDENTIAL).is_none() && state.failure(CREDENTIAL).is_none());
    state.on_error(at(3400.0), CREDENTIAL, error(false, Some(20)), 1.0);
    assert!(state.usable(at(3400.0)).is_some(), "the token from before goes on");
    assert!(!state.wants_renewal(at(3419.0), CREDENTIAL), "Retry-After is honoured");
    assert!(state.wants_renewal(at(3420.0), CREDENTIAL));
}

#[test]
fn a_refused_credential_does_not_pause_other_credentials() {
    let (mut state, other) = (TokenState::default(), CredentialId::of_test(2));
    for _ in 0..9 {
        state.on_error(at(0.0), CREDENTIAL, error(true, None), 1.0);
    }
    assert_eq!(state.paused_until(at(0.0), CREDENTIAL), Some(at(256.0)));
    assert!(state.is_refused(at(0.0), CREDENTIAL) && !state.is_refused(at(0.0), other));
    assert_eq!((state.paused_until(at(0.0), other), state.paused_with(at(0.0), other)), (None, None));
    state.on_token(at(1.0), other, HeaderValue::from_static("Bearer x"), Duration::from_secs(100));
    assert!(!state.is_refused(at(80.0), CREDENTIAL), "a token is for all");
    assert!(state.failure(CREDENTIAL).is_some(), "and yet it is to be seen");
    assert!(state.is_refused(at(95.0), CREDENTIAL), "no token is left");
    state.reset(CREDENTIAL);
    assert!(!state.is_refused(at(95.0), CREDENTIAL));
}

#[test]
fn a_new_token_that_is_refused_is_retried_before_another_is_requested() {
    let mut state = TokenState::default();
    let token = grant(&mut state, 0.0, 3600);
    let retry = refuse(&mut state, 0.0, &token, None).unwrap();
    assert_eq!((retry.at, number(state.usable(at(0.9)))), (at(1.0), None));
    assert_eq!(state.paused_until(at(0.5), CREDENTIAL), Some(at(1.0)));
    assert_eq!(state.paused_with(at(0.5), CREDENTIAL), None, "a pause that is worth waiting for");
    assert_eq!(number(state.usable(at(1.0))), Some(1), "the same");
    state.mark_accepted(at(1.0), &token);
    assert!(state.failure(CREDENTIAL).is_none() && !state.is_refused(at(1.0), CREDENTIAL));
    assert_eq!((state.issued, number(state.usable(at(9.0)))), (1, Some(1)));
}

/// However long the API takes to know a token, one of them is old enough at some point.
#[test]
fn a_token_that_the_api_does_not_know_yet_is_retried() {
    for late in [0.5, 3.0, 10.0, 45.0] {
        let (mut state, mut now, mut requests) = (TokenState::default(), 0.0, 0);
        let (mut granted, mut earlier) = (now, None);
        grant(&mut state, now, 3600);
        loop {
            let Some(token) = state.usable(at(now)) else {
                let until = state.paused_until(at(now), CREDENTIAL).map(|until| until.duration_since(at(0.0)));
                now = until.map_or(now, |until| until.as_secs_f64()).max(now + 0.001);
                if state.current.is_none() {
                    grant(&mut state, now, 3600);
                    granted = now;
                }
                continue;
            };
            requests += 1;
            if now - granted >= late {
                state.mark_accepted(at(now), &token);
                break;
            }
            earlier = refuse(&mut state, now, &token, earlier);
        }
        assert!(now < 4.0 * late + 4.0, "known after {late} s, used after {now} s");
        assert!(requests < 20 && state.issued < 10, "{requests} requests, {} tokens", state.issued);
    }
}

#[test]
fn pauses_grow_while_the_api_refuses_every_token() {
    let mut state = TokenState::default();
    let mut now = 0.0;
    for wait in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
        let token = grant(&mut state, now, 3600);
        let retry = refuse(&mut state, now, &token, None);
        assert_eq!(retry.map(|retry| retry.at), Some(at(now + wait)));
        assert_eq!(refuse(&mut state, now, &token, None).map(|retry| retry.at), Some(at(now + wait)), "in flight");
        assert_eq!(number(state.usable(at(now))), None);
        now += wait;
        let again = refuse(&mut state, now, &token, retry).unwrap();
        assert_eq!((again.at, number(state.usable(at(now)))), (at(now), None));
        assert!(state.is_refused(at(now), CREDENTIAL) && state.failure(CREDENTIAL).is_some());
    }
    let token = grant(&mut state, now, 3600);
    assert!(state.is_refused(at(now), CREDENTIAL), "a token alone proves nothing");
    refuse(&mut state, now, &token, None);
    assert!(state.paused_with(at(now), CREDENTIAL).is_some(), "not worth waiting for");
    state.mark_accepted(at(now + 60.0), &token);
    assert!(!state.is_refused(at(now + 60.0), CREDENTIAL) && state.failure(CREDENTIAL).is_none());
}

#[test]
fn at_a_renewal_the_old_token_is_used_until_the_new_one_was_accepted() {
    let mut state = TokenState::default();
    let old = grant(&mut state, 0.0, 3600);
    state.mark_accepted(at(0.0), &old);
    let new = grant(&mut state, 3300.0, 3600);
    assert_eq!(number(state.usable(at(3300.0))), Some(1));
    assert_eq!(number(state.checkout(at(3300.0))), Some(2), "one request tries it");
    assert_eq!(number(state.checkout(at(3300.0))), Some(1), "the others do not");
    let retry = refuse(&mut state, 3300.0, &new, None).unwrap();
    assert_eq!((retry.at, number(state.checkout(at(3300.5)))), (at(3300.0), Some(1)), "at once, with the old one");
    assert!(!state.wants_renewal(at(3300.5), CREDENTIAL));
    assert_eq!(number(state.checkout(at(3301.0))), Some(2));
    state.mark_accepted(at(3301.0), &new);
    assert_eq!(number(state.usable(at(3301.0))), Some(2));
    state.mark_accepted(at(3302.0), &old);
    assert_eq!((number(state.usable(at(3302.0))), state.failure(CREDENTIAL)), (Some(2), None));
}

#[test]
fn a_renewed_token_that_is_refused_twice_is_requested_again_while_the_old_one_works() {
    let mut state = TokenState::default();
    let old = grant(&mut state, 0.0, 3600);
    state.mark_accepted(at(0.0), &old);
    let new = grant(&mut state, 3300.0, 3600);
    refuse(&mut state, 3300.0, &new, None);
    refuse(&mut state, 3301.0, &new, None);
    state.mark_accepted(at(3301.0), &old);
    assert_eq!((number(state.usable(at(3301.0))), state.wants_renewal(at(3301.9), CREDENTIAL)), (Some(1), false));
    assert!(state.wants_renewal(at(3302.0), CREDENTIAL) && !state.is_refused(at(3302.0), CREDENTIAL));
    let third = grant(&mut state, 3302.0, 3600);
    assert_eq!(number(state.checkout(at(3302.0))), Some(3));
    // No result was reported: another request tries it.
    assert_eq!(number(state.checkout(at(3311.0))), Some(1));
    assert_eq!(number(state.checkout(at(3312.0))), Some(3));
    // The old one expires or is refused: only the new one is left.
    assert_eq!(number(state.usable(at(3590.0))), Some(3));
    state.mark_accepted(at(3590.0), &third);
    let fourth = grant(&mut state, 6700.0, 3600);
    let retry = refuse(&mut state, 6700.0, &third, None).unwrap();
    assert_eq!((retry.at, number(state.usable(at(6700.0)))), (at(6700.0), Some(fourth.number)));
}

#[test]
fn a_revoked_token_is_replaced_after_it_was_refused_twice() {
    let mut state = TokenState::default();
    let token = grant(&mut state, 0.0, 3600);
    state.mark_accepted(at(0.0), &token);
    let retry = refuse(&mut state, 10.0, &token, None);
    assert_eq!(number(state.usable(at(10.0))), Some(1), "it may be the request");
    let slow = state.on_unauthorized((at(10.5), at(11.5)), &token, None, &failure(), 1.0);
    assert_eq!(slow.map(|retry| retry.at), Some(at(11.0)), "sent before the second try");
    let retry = refuse(&mut state, 11.0, &token, retry);
    assert_eq!(retry.map(|retry| retry.at), Some(at(11.0)));
    assert_eq!((number(state.usable(at(11.0))), state.paused_until(at(11.0), CREDENTIAL)), (None, None));
    assert!(refuse(&mut state, 11.0, &token, slow).is_some(), "another one, with the same token");
    let second = grant(&mut state, 11.0, 3600);
    state.mark_accepted(at(11.0), &second);
    assert!(!state.is_refused(at(11.0), CREDENTIAL) && state.failure(CREDENTIAL).is_none());
}

#[test]
fn one_request_that_is_always_refused_does_not_invalidate_the_token() {
    let mut state = TokenState::default();
    let token = grant(&mut state, 0.0, 3600);
    state.mark_accepted(at(0.0), &token);
    let retry = refuse(&mut state, 1.0, &token, None);
    state.mark_accepted(at(1.5), &token);
    assert_eq!(refuse(&mut state, 2.0, &token, retry), None, "it worked for others in between");
    // No other request was sent in between.
    let retry = refuse(&mut state, 10.0, &token, None);
    let retry = refuse(&mut state, 11.0, &token, retry);
    let second = grant(&mut state, 11.0, 3600);
    assert_eq!(refuse(&mut state, 11.0, &second, retry), None);
    let other = refuse(&mut state, 12.0, &second, None);
    assert!(other.is_some() && refuse(&mut state, 13.0, &second, other).is_none());
    assert_eq!(number(state.usable(at(13.0))), Some(2));
    assert!(state.failure(CREDENTIAL).is_none() && !state.is_refused(at(13.0), CREDENTIAL));
    // Still nothing worked: the request was not the cause.
    let other = refuse(&mut state, 27.0, &second, None);
    assert_eq!((other.map(|retry| retry.at), number(state.usable(at(27.0)))), (Some(at(28.0)), None));
}

#[test]
fn debug_does_not_show_the_token() {
    let mut header = HeaderValue::from_static("Bearer verysecret");
    header.set_sensitive(true);
    let mut state = TokenState::default();
    let token = state.on_token(at(0.0), CREDENTIAL, header, Duration::from_secs(9));
    assert!(!format!("{token:?} {state:?}").contains("verysecret"));
}
