//! Tokens over HTTP.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use secrecy::ExposeSecret;

use super::server::{say, say_with};
use super::*;
use crate::types::FailureReason;

/// An API that accepts only these tokens.
fn guarded(seen: &Seen, good: &[&str]) -> Say {
    if good.contains(&seen.token()) { say(200, SEATS_BODY) } else { say(401, "") }
}

#[tokio::test]
async fn one_token_request_serves_all_waiting_queries() {
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
    assert_eq!(metric(&client, "avepoint_auth_token_requests_total", &[("scope", "license")]), Some(1.0));
    assert!(metric(&client, "avepoint_auth_token_expiration_timestamp_seconds", &[("scope", "license")]) > Some(1e9));
    let labels = [("credential", "client_secret")];
    assert_eq!(
        metric(&client, "avepoint_auth_credential_expiration_timestamp_seconds", &labels),
        Some(1_803_859_200.0)
    );
}

#[tokio::test]
async fn a_revoked_token_is_renewed_once_for_all_queries() {
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
    assert_eq!(client.0.auth.status(Scope::License).failure, None);
}

#[tokio::test]
async fn an_api_that_refuses_every_token_does_not_flood_the_identity_service() {
    let server = server(|seen| guarded(seen, &[])).await;
    let client = client(&settings(&server));
    let first = failure(ask(&client, SEATS).await);
    assert_eq!(first.reason, FailureReason::Unauthorized);
    // The first token is refused twice, then another one is requested.
    assert_eq!((server.seen_on("/connect/token").len(), server.seen_on("overview").len()), (2, 3));
    let status = client.0.auth.status(Scope::License);
    assert!(status.refused && status.paused_until.is_some() && status.failure.is_some());
    // During the pause the same failure is returned at once, without a request.
    let permit = client.0.rate_limiter.acquire().await;
    assert_eq!(failure(client.query(&"c".into(), SEATS, permit).await), first);
    assert_eq!(server.seen().len(), 5);
    assert_eq!(failures(&client, "customer_seats", "unauthorized"), Some(3.0));
}

#[tokio::test]
async fn a_customer_that_is_always_refused_does_not_affect_the_others() {
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
                let permit = client.acquire().await;
                (customer.clone(), client.query(&customer.as_str().into(), SEATS, permit).await)
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
        let status = client.0.auth.status(Scope::License);
        assert_eq!((status.failure, status.paused_until, status.refused), (None, None, false));
    }
    // Another token is requested only while no other request succeeds with this one.
    let tokens = server.seen_on("/connect/token").len();
    assert!((1..=2).contains(&tokens), "{tokens}");
}

#[tokio::test]
async fn a_refused_credential_fails_all_waiting_queries_and_is_not_sent_again() {
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
                let permit = client.0.rate_limiter.acquire().await;
                client.query(&"c".into(), SEATS, permit).await
            })
        })
        .collect();
    for asked in asking {
        let failure = failure(asked.await.unwrap());
        assert_eq!((failure.reason, failure.request_id.as_deref()), (FailureReason::Unauthorized, Some("r-1")));
        assert_eq!(failure.message, "the identity service answered 400: invalid_client");
    }
    assert_eq!(server.seen().len(), 1);
    assert!(client.status().refused);
    let reason = [("scope", "license"), ("reason", "unauthorized")];
    assert_eq!(metric(&client, "avepoint_auth_token_request_failures_total", &reason), Some(1.0));
    assert_eq!(failures(&client, "token", "unauthorized"), Some(1.0));
    assert!(!format!("{:?}", settings(&server)).contains(SECRET));
}

#[tokio::test]
async fn a_token_request_is_retried_after_a_pause() {
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
async fn acquire_waits_for_the_end_of_the_pause() {
    let server = Server::start(|seen| match seen.before {
        0 => say_with(429, &[("retry-after", "1")], ""),
        _ => token(1),
    })
    .await;
    let client = client(&settings(&server));
    drop(client.acquire().await);
    let until = client.0.auth.status(Scope::License).paused_until.unwrap();
    assert_eq!(client.status().failure, Some(FailureReason::Throttled));
    assert_eq!(client.0.rate_limiter.state().paused_for, None, "requests to the API are not paused");
    drop(client.acquire().await);
    assert!(client.0.clock.now() >= until);
    assert_eq!((client.0.auth.status(Scope::License).paused_until, client.status().failure), (None, None));
}

#[tokio::test]
async fn a_token_is_renewed_in_the_background_before_it_expires() {
    let server = Server::start(|seen| match (seen.path(), seen.before) {
        // A quarter of its lifetime is left from the first second on.
        ("/connect/token", 0) => say(200, r#"{"access_token": "token-1", "expires_in": 4}"#),
        ("/connect/token", n) => token(n + 1),
        _ => say(200, SEATS_BODY),
    })
    .await;
    let client = client(&settings(&server));
    while server.seen_on("/connect/token").len() < 2 {
        assert!(ask(&client, SEATS).await.is_ok());
    }
    while client.0.auth.token_expires(Scope::License).unwrap()
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
async fn a_token_can_be_renewed_with_a_concurrency_of_one() {
    let server = server(|seen| guarded(seen, if seen.before == 0 { &["token-1"] } else { &["token-2"] })).await;
    let mut settings = settings(&server);
    settings.budget = Budget { concurrency: 1, burst: 1, ..settings.budget };
    let client = client(&settings);
    for _ in 0..3 {
        assert!(ask(&client, SEATS).await.is_ok());
    }
    assert_eq!(server.seen_on("/connect/token").len(), 2);
}

#[tokio::test]
async fn debug_and_metrics_show_no_secret() {
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
    let source = Arc::new(Rotating(Mutex::new(Some("old"))));
    let client =
        client(&ClientConfig { credential: secret("old"), credential_source: source.clone(), ..settings(&server) });
    assert_eq!(failure(ask(&client, SEATS).await).reason, FailureReason::Unauthorized);
    assert!(client.status().refused);

    let waiting = tokio::spawn({
        let client = client.clone();
        async move { ask(&client, SEATS).await }
    });
    client.reread_credential();
    *source.0.lock().unwrap() = None;
    client.reread_credential();
    assert!(client.status().refused, "nothing new was there to read");
    *source.0.lock().unwrap() = Some("new");
    client.reread_credential();
    waiting.await.unwrap().unwrap();
    assert!(!client.status().refused);
    assert_eq!(server.seen_on("/connect/token").len(), 2);
}

#[tokio::test]
async fn a_token_that_is_not_valid_yet_is_retried_before_another_is_requested() {
    // Refused while the API does not know it, whatever its number is.
    let server = server(|seen| if seen.before < 1 { say(401, "") } else { guarded(seen, &["token-1"]) }).await;
    let client = client(&settings(&server));
    assert!(ask(&client, SEATS).await.is_ok());
    assert_eq!((server.seen_on("/connect/token").len(), server.seen_on("overview").len()), (1, 2));
    assert!(!client.status().refused);
}

#[tokio::test]
async fn at_a_renewal_the_old_token_is_used_until_the_new_one_was_accepted() {
    let unknown = AtomicBool::new(true);
    let server = Server::start(move |seen| match (seen.path(), seen.before) {
        // A quarter of its lifetime is left after three seconds.
        ("/connect/token", 0) => say(200, r#"{"access_token": "token-1", "expires_in": 4}"#),
        ("/connect/token", n) => token(n + 1),
        _ if seen.token() == "token-2" && unknown.swap(false, Ordering::Relaxed) => say(401, ""),
        _ => say(200, SEATS_BODY),
    })
    .await;
    let mut settings = settings(&server);
    settings.budget = Budget { requests_per_second: 50.0, burst: 5, ..settings.budget };
    let client = client(&settings);
    let used = |token: &str| server.seen_on("overview").iter().filter(|seen| seen.token() == token).count();
    while used("token-2") < 3 {
        assert!(ask(&client, SEATS).await.is_ok());
    }
    let tokens: Vec<String> = server.seen_on("overview").iter().map(|seen| seen.token().to_owned()).collect();
    let refused = tokens.iter().position(|token| token == "token-2").unwrap();
    assert_eq!(tokens[refused + 1], "token-1", "repeated at once with the one that works");
    assert_eq!(server.seen_on("/connect/token").len(), 2);
    assert_eq!(client.0.auth.status(Scope::License).failure, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_request_continues_when_its_caller_is_dropped() {
    let (asked, respond) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let server = Server::start({
        let (asked, respond) = (Arc::clone(&asked), Arc::clone(&respond));
        move |seen| match seen.path() {
            "/connect/token" => {
                asked.store(true, Ordering::Relaxed);
                tokio::task::block_in_place(|| {
                    while !respond.load(Ordering::Relaxed) {
                        std::thread::yield_now();
                    }
                });
                token(seen.before + 1)
            }
            _ => guarded(seen, &["token-1"]),
        }
    })
    .await;
    let client = client(&settings(&server));
    {
        let mut waiting = std::pin::pin!(client.acquire());
        while !asked.load(Ordering::Relaxed) {
            tokio::select! {
                biased;
                _ = &mut waiting => panic!("there is no token yet"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    // As in the poller's loop, when another branch was taken.
    respond.store(true, Ordering::Relaxed);
    assert!(ask(&client, SEATS).await.is_ok());
    assert_eq!(server.seen_on("/connect/token").len(), 1);
}

fn secret(secret: &str) -> Credential {
    Credential::ClientSecret { secret: secret.into(), expires: None }
}

/// The source of a secret that the test replaces; it cannot be read while there is none.
#[derive(Debug)]
struct Rotating(Mutex<Option<&'static str>>);

impl CredentialSource for Rotating {
    fn may_rotate(&self) -> bool {
        true
    }

    fn read(&self) -> Result<Credential, Box<dyn Error + Send + Sync>> {
        Ok(secret(self.0.lock().unwrap().ok_or("it does not exist")?))
    }
}

/// Two clients of one app registration, with these names.
fn two(settings: &ClientConfig) -> [Client; 2] {
    let mut registrations = Registrations::default();
    ["main", "other"].map(|name| {
        let settings = ClientConfig { partner: name.into(), ..copy(settings) };
        let registration = registrations.get(settings.registration_key(), settings.budget);
        Client::sharing(&settings, registration, Clock::start()).unwrap()
    })
}

#[tokio::test]
async fn partners_of_one_registration_share_one_token_and_one_budget() {
    let server = server(|seen| match seen.path() {
        path if path.contains("type/0") => say_with(429, &[("retry-after", "2")], ""),
        _ => guarded(seen, &["token-1"]),
    })
    .await;
    let [main, other] = two(&settings(&server));
    assert!(ask(&main, SEATS).await.is_ok() && ask(&other, SEATS).await.is_ok());
    assert_eq!(server.seen_on("/connect/token").len(), 1);
    // Requests count for the partner that caused them; shared state is shown for both.
    let value = |client: &Client, name: &str| {
        let families = client.gather();
        let family = families.into_iter().find(|family| family.name() == name)?;
        Some(family.get_metric().iter().map(|m| m.get_gauge().get_value() + m.get_counter().get_value()).sum::<f64>())
    };
    let both = |name: &str| [&main, &other].map(|client| value(client, name));
    assert_eq!(both("avepoint_auth_token_requests_total"), [Some(1.0), Some(0.0)]);
    assert_eq!(both("avepoint_api_requests_total"), [Some(2.0), Some(1.0)]);
    let [expires, same] = both("avepoint_auth_token_expiration_timestamp_seconds");
    assert!(expires > Some(1e9) && (expires.unwrap() - same.unwrap()).abs() < 1.0, "{expires:?} {same:?}");

    let throttled = tokio::spawn({
        let main = main.clone();
        async move { ask(&main, Query::CustomerSeats(TenantType::Microsoft365)).await }
    });
    while main.0.rate_limiter.state().paused_for.is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(both("avepoint_api_throttled"), [Some(1.0), Some(1.0)]);
    let [rate, same] = both("avepoint_api_rate_limit_requests_per_second");
    assert!(rate < Some(510.0) && same < Some(510.0), "{rate:?} {same:?}");
    throttled.abort();
}

#[tokio::test]
async fn a_registration_survives_a_renamed_partner() {
    let server = server(|seen| guarded(seen, &["token-1"])).await;
    let mut settings = settings(&server);
    settings.budget = Budget { requests_per_second: 0.001, burst: 3, ..settings.budget };
    let before = client(&settings);
    assert!(ask(&before, SEATS).await.is_ok());
    // As in a reload.
    let after = |settings: &ClientConfig| {
        let mut registrations = Registrations::default();
        registrations.add(settings.registration_key(), before.registration());
        let settings = ClientConfig { partner: "renamed".into(), ..copy(settings) };
        Client::sharing(&settings, registrations.get(settings.registration_key(), settings.budget), Clock::start())
            .unwrap()
    };
    let renamed = after(&settings);
    drop(renamed.acquire().await);
    let spent = renamed.acquire().await.redeem();
    let empty = tokio::time::timeout(Duration::from_millis(20), renamed.acquire()).await;
    assert!(spent && empty.is_err(), "the bucket is as it was");
    assert_eq!(server.seen_on("/connect/token").len(), 1);

    settings.budget.burst = 4;
    let larger = after(&settings);
    assert!(ask(&larger, SEATS).await.is_ok(), "another budget begins with a full bucket");
    assert_eq!(server.seen_on("/connect/token").len(), 1, "tokens stay");
}

#[tokio::test]
async fn a_refused_credential_of_one_partner_does_not_delay_the_other() {
    let server = Server::start(|seen| match seen.path() {
        "/connect/token" if seen.body.contains("client_secret=right") => token(1),
        "/connect/token" => say(401, r#"{"error":"invalid_client"}"#),
        _ => guarded(seen, &["token-1"]),
    })
    .await;
    let mut registrations = Registrations::default();
    let mut with = |secret: &str| {
        let settings = ClientConfig { credential: self::secret(secret), ..settings(&server) };
        Client::sharing(&settings, registrations.get(settings.registration_key(), settings.budget), Clock::start())
            .unwrap()
    };
    let (wrong, right) = (with("wrong"), with("right"));
    assert_eq!(failure(ask(&wrong, SEATS).await).reason, FailureReason::Unauthorized);
    assert!(wrong.status().refused && !right.status().refused);
    assert!(ask(&right, SEATS).await.is_ok());
    assert!(ask(&wrong, SEATS).await.is_ok(), "a token is for all who use the registration");
    assert_eq!(server.seen_on("/connect/token").len(), 2);
}

#[tokio::test]
async fn only_the_error_code_of_the_identity_service_is_quoted() {
    for (status, body, message) in [
        (400, r#"{"error":"invalid_scope","error_description":"of hunter2"}"#, "400: invalid_scope"),
        (401, r#"{"error":"hunter2_secret","error_description":"x"}"#, "401: hunter2_secret"),
        (401, r#"{"error":"<b>no</b>","message":"somebody"}"#, "401"),
        (400, r#"{"error":"xhunter2secretx"}"#, "400: xhunter2secretx"),
        (500, r#"{"message":"at line 12 of a.cs","title":"t"}"#, "500"),
        (503, "<html>maintenance</html>", "503"),
        (302, "", "302, a redirect, which is not followed"),
    ] {
        let headers = [("location", "https://elsewhere.example.com/"), ("x-request-id", "r-1")];
        let server = Server::start(move |_| say_with(status, &headers, body)).await;
        let client = client(&settings(&server));
        drop(client.acquire().await);
        let failure = client.0.auth.status(Scope::License).failure.unwrap();
        assert_eq!(failure.message, format!("the identity service answered {message}"));
        assert_eq!(failure.request_id.as_deref(), Some("r-1"));
    }
    // A code that equals the secret is not a valid code.
    let secret = "onlylettersofasecret";
    let body = format!(r#"{{"error":"no_{secret}"}}"#);
    let server = Server::start(move |_| say(401, &body)).await;
    let client = client(&ClientConfig { credential: self::secret(secret), ..settings(&server) });
    drop(client.acquire().await);
    assert_eq!(client.0.auth.status(Scope::License).failure.unwrap().message, "the identity service answered 401");
}
