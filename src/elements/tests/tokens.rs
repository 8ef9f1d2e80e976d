//! Tokens over the wire.

use secrecy::ExposeSecret;

use super::server::{say, say_with};
use super::*;
use crate::domain::FailureReason;

/// An API that takes only these tokens.
fn guarded(seen: &Seen, good: &[&str]) -> Say {
    if good.contains(&seen.token()) { say(200, SEATS_BODY) } else { say(401, "") }
}

#[tokio::test]
async fn one_request_fetches_the_token_for_everybody() {
    let server = server(|seen| guarded(seen, &["token-1"])).await;
    let client = client(&settings(&server));
    assert_eq!(metric(&client, "avepoint_auth_token_expiration_timestamp_seconds", &[]), None);
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { ask(&client, SEATS).await.is_ok() })
        })
        .collect();
    for asked in asking {
        assert!(asked.await.unwrap());
    }
    let requests = server.seen_on("/connect/token");
    assert_eq!(requests.len(), 1);
    let form: Vec<_> = url::form_urlencoded::parse(requests[0].body.as_bytes()).into_owned().collect();
    let pairs = [
        ("grant_type", "client_credentials"),
        ("client_id", "the-app"),
        ("scope", "elements.license.read.all"),
        ("client_secret", SECRET),
    ];
    assert_eq!(form, pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(requests[0].headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(metric(&client, "avepoint_auth_token_requests_total", &[]), Some(1.0));
    assert!(metric(&client, "avepoint_auth_token_expiration_timestamp_seconds", &[]) > Some(1e9));
    let labels = [("credential", "client_secret")];
    assert_eq!(
        metric(&client, "avepoint_auth_credential_expiration_timestamp_seconds", &labels),
        Some(1_803_859_200.0)
    );
}

#[tokio::test]
async fn a_revoked_token_is_renewed_once_for_everybody() {
    let server = server(|seen| guarded(seen, if seen.before == 0 { &["token-1"] } else { &["token-2"] })).await;
    let client = client(&settings(&server));
    assert!(ask(&client, SEATS).await.is_ok());
    let asking: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { ask(&client, SEATS).await })
        })
        .collect();
    for asked in asking {
        asked.await.unwrap().unwrap();
    }
    assert_eq!(server.seen_on("/connect/token").len(), 2);
    assert_eq!(client.0.auth.status().failure, None);
}

#[tokio::test]
async fn an_api_that_refuses_every_token_does_not_storm_the_identity_service() {
    let server = server(|seen| guarded(seen, &[])).await;
    let client = client(&settings(&server));
    let first = failure(ask(&client, SEATS).await);
    assert_eq!(first.reason, FailureReason::Unauthorized);
    assert_eq!((server.seen_on("/connect/token").len(), server.seen_on("overview").len()), (2, 2));
    let status = client.0.auth.status();
    assert!(status.refused && status.paused_until.is_some() && status.failure.is_some());
    // During the pause there is the same failure at once, and no request.
    let admission = client.0.gate.admit().await;
    assert_eq!(failure(client.ask(&"c".into(), SEATS, admission).await), first);
    assert_eq!(server.seen().len(), 4);
    assert_eq!(failures(&client, "customer_seats", "unauthorized"), Some(2.0));
}

#[tokio::test]
async fn a_customer_that_is_always_refused_costs_the_others_nothing() {
    let server = server(|seen| if seen.path().contains("/c2/") { say(401, "") } else { say(200, SEATS_BODY) }).await;
    let mut settings = settings(&server);
    settings.budget.concurrency = 4;
    let client = client(&settings);
    assert!(ask(&client, SEATS).await.is_ok());
    let asking: Vec<_> = (0..60)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move {
                let customer = format!("c{}", n % 4);
                let admission = client.admit().await;
                (customer.clone(), client.ask(&customer.as_str().into(), SEATS, admission).await)
            })
        })
        .collect();
    for asked in asking {
        match asked.await.unwrap() {
            (customer, outcome) if customer == "c2" => {
                assert_eq!(failure(outcome).reason, FailureReason::Unauthorized);
            }
            (customer, outcome) => assert!(outcome.is_ok(), "{customer}: {outcome:?}"),
        }
        let status = client.0.auth.status();
        assert_eq!((status.failure, status.paused_until, status.refused), (None, None, false));
    }
    // At most one for each question that began before the first one was refused for good.
    let tokens = server.seen_on("/connect/token").len();
    assert!((2..=16).contains(&tokens), "{tokens}");
}

#[tokio::test]
async fn a_refused_credential_is_said_to_all_who_wait_and_not_sent_again() {
    let server = Server::start(|_| {
        say_with(
            400,
            &[("request-id", "r-1")],
            format!(r#"{{"error": "invalid_client", "error_description": "bad {SECRET}"}}"#),
        )
    })
    .await;
    let client = client(&settings(&server));
    let asking: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let admission = client.0.gate.admit().await;
                client.ask(&"c".into(), SEATS, admission).await
            })
        })
        .collect();
    for asked in asking {
        let failure = failure(asked.await.unwrap());
        assert_eq!((failure.reason, failure.request_id.as_deref()), (FailureReason::Unauthorized, Some("r-1")));
        assert_eq!(failure.message, "the identity service answered 400: invalid_client: bad <secret>");
    }
    assert_eq!(server.seen().len(), 1);
    assert!(client.status().refused);
    let reason = [("reason", "unauthorized")];
    assert_eq!(metric(&client, "avepoint_auth_token_request_failures_total", &reason), Some(1.0));
    assert_eq!(failures(&client, "token", "unauthorized"), Some(1.0));
    assert!(!format!("{:?}", settings(&server)).contains(SECRET));
}

#[tokio::test]
async fn a_failing_identity_service_is_asked_again_after_a_pause() {
    let server = Server::start(|seen| match (seen.path(), seen.before) {
        ("/connect/token", 0) => say(503, ""),
        ("/connect/token", 1) => say(200, r#"{"access_token": 7}"#),
        ("/connect/token", n) => token(n),
        _ => say(200, SEATS_BODY),
    })
    .await;
    let client = client(&settings(&server));
    assert!(ask(&client, SEATS).await.is_ok());
    let seen = server.seen();
    assert_eq!(seen.len(), 4);
    assert_eq!(failures(&client, "token", "server_error"), Some(1.0));
    assert_eq!(failures(&client, "token", "malformed"), Some(1.0));
    let labels = [("operation", "customer_seats")];
    assert_eq!(metric(&client, "avepoint_api_retries_total", &labels), Some(0.0), "nothing was sent before");
    assert!(!client.status().refused);
}

#[tokio::test]
async fn admitting_waits_for_the_pause_to_end() {
    let server = Server::start(|seen| match seen.before {
        0 => say_with(429, &[("retry-after", "1")], ""),
        _ => token(1),
    })
    .await;
    let client = client(&settings(&server));
    drop(client.admit().await);
    let until = client.0.auth.status().paused_until.unwrap();
    assert_eq!(client.status().trouble, Some(FailureReason::Throttled));
    assert_eq!(client.0.gate.state().closed_for, None, "the API's gate has nothing to do with it");
    drop(client.admit().await);
    assert!(client.0.clock.now() >= until);
    assert_eq!((client.0.auth.status().paused_until, client.status().trouble), (None, None));
}

#[tokio::test]
async fn a_token_is_renewed_in_the_background_ahead_of_its_end() {
    let server = Server::start(|seen| match (seen.path(), seen.before) {
        // A quarter of its life is left from the first second on.
        ("/connect/token", 0) => say(200, r#"{"access_token": "token-1", "expires_in": 4}"#),
        ("/connect/token", n) => token(n + 1),
        _ => say(200, SEATS_BODY),
    })
    .await;
    let client = client(&settings(&server));
    while server.seen_on("/connect/token").len() < 2 {
        assert!(ask(&client, SEATS).await.is_ok());
    }
    while client.0.auth.status().token_expires.unwrap()
        < client.0.clock.now().saturating_add(Duration::from_mins(1)).unwrap()
    {
        tokio::task::yield_now().await;
    }
    assert!(ask(&client, SEATS).await.is_ok());
    let tokens: Vec<String> = server.seen_on("overview").iter().map(|seen| seen.token().to_owned()).collect();
    assert_eq!((&*tokens[0], &**tokens.last().unwrap()), ("token-1", "token-2"));
    assert_eq!(server.seen_on("/connect/token").len(), 2);
}

#[tokio::test]
async fn one_slot_is_enough_to_renew_a_token() {
    let server = server(|seen| guarded(seen, if seen.before == 0 { &["token-1"] } else { &["token-2"] })).await;
    let mut settings = settings(&server);
    settings.budget = BudgetSettings { concurrency: 1, burst: 1, ..settings.budget };
    let client = client(&settings);
    for _ in 0..3 {
        assert!(ask(&client, SEATS).await.is_ok());
    }
    assert_eq!(server.seen_on("/connect/token").len(), 2);
}

#[tokio::test]
async fn nothing_that_can_be_printed_shows_a_secret() {
    let server = server(|_| say(200, SEATS_BODY)).await;
    let settings = settings(&server);
    let client = client(&settings);
    assert!(ask(&client, SEATS).await.is_ok());
    let Credential::ClientSecret { secret, .. } = &settings.credential else { panic!() };
    assert_eq!(secret.expose_secret(), SECRET);
    let shown = format!("{client:?} {:?} {:?} {:?}", client.0.auth, client.status(), client.gather());
    assert!(!shown.contains(SECRET) && !shown.contains("token-1"), "{shown}");
}

#[tokio::test]
async fn a_replaced_secret_ends_the_pause_after_a_refusal() {
    let server = Server::start(|seen| match seen.path() {
        "/connect/token" if seen.body.contains("client_secret=new") => token(1),
        "/connect/token" => say(401, r#"{"error":"invalid_client"}"#),
        _ => guarded(seen, &["token-1"]),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "old\n").unwrap();
    let source = SecretSource::File(file.clone());
    let credential = Credential::ClientSecret { secret: source.read().unwrap(), source, expires: None };
    let client = client(&PartnerSettings { credential, ..settings(&server) });
    assert_eq!(failure(ask(&client, SEATS).await).reason, FailureReason::Unauthorized);
    assert!(client.status().refused);

    let waiting = tokio::spawn({
        let client = client.clone();
        async move { ask(&client, SEATS).await }
    });
    client.reread_credential();
    std::fs::remove_file(&file).unwrap();
    client.reread_credential();
    assert!(client.status().refused, "nothing new was there to read");
    std::fs::write(&file, "new\n").unwrap();
    client.reread_credential();
    waiting.await.unwrap().unwrap();
    assert!(!client.status().refused);
    assert_eq!(server.seen_on("/connect/token").len(), 2);
}
