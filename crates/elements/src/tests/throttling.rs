//! Rate limiting and pauses after 429.

use super::server::{say, say_with};
use super::*;
use crate::types::FailureReason;

#[tokio::test]
async fn a_429_pauses_all_requests_and_then_they_continue() {
    let server = server(|seen| match seen.before {
        0 => say_with(429, &[("retry-after", "1")], ""),
        _ => say(200, SEATS_BODY),
    })
    .await;
    let client = client(&settings(&server));
    let first = {
        let client = client.clone();
        tokio::spawn(async move { ask(&client, SEATS).await })
    };
    while client.0.rate_limiter.state().paused_for.is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(metric(&client, "avepoint_api_throttled", &[]), Some(1.0));
    let state = client.0.rate_limiter.state();
    assert!(state.rate < 510.0);
    let until = client.0.clock.now().saturating_add(state.paused_for.unwrap()).unwrap();
    assert!(ask(&client, SEATS).await.is_ok());
    assert!(client.0.clock.now().saturating_add(Duration::from_millis(5)).unwrap() >= until);
    assert!(first.await.unwrap().is_ok());
    assert_eq!(metric(&client, "avepoint_api_throttled", &[]), Some(0.0));
    assert!(metric(&client, "avepoint_api_throttled_seconds_total", &[]) >= Some(0.9));
    assert!(metric(&client, "avepoint_api_rate_limit_requests_per_second", &[]) >= Some(500.0));
    assert_eq!(failures(&client, "customer_seats", "throttled"), Some(1.0));
}

#[tokio::test]
async fn a_long_pause_fails_queries() {
    let server = server(|_| say_with(429, &[("retry-after", "3000")], "")).await;
    let client = client(&settings(&server));
    let held = client.acquire().await;
    assert_eq!(failure(ask(&client, SEATS).await).reason, FailureReason::Throttled);
    // Its permit is from before the pause: it is not sent, and does not wait for an hour either.
    assert_eq!(failure(client.query(&"c".into(), SEATS, held).await).reason, FailureReason::Throttled);
    assert_eq!(server.seen_on("overview").len(), 1);
}

#[tokio::test]
async fn the_concurrency_limits_requests_in_flight() {
    let server = server(|_| say(200, SEATS_BODY)).await;
    let mut settings = settings(&server);
    settings.budget.concurrency = 2;
    let client = client(&settings);
    let first = client.acquire().await;
    let second = client.acquire().await;
    let third = tokio::time::timeout(Duration::from_millis(20), client.acquire()).await;
    assert!(third.is_err());
    drop(first);
    assert!(ask(&client, SEATS).await.is_ok());
    drop(second);
}

#[tokio::test]
async fn a_query_that_waits_for_its_retry_holds_no_slot() {
    let server = server(|seen| match (seen.path().contains("type/0"), seen.before) {
        (true, 0) => say_with(503, &[("retry-after", "2")], ""),
        _ => say(200, SEATS_BODY),
    })
    .await;
    let mut settings = settings(&server);
    settings.budget.concurrency = 1;
    let client = client(&settings);
    let waiting = {
        let client = client.clone();
        tokio::spawn(async move { ask(&client, Query::CustomerSeats(TenantType::Microsoft365)).await })
    };
    while server.seen_on("type/0/overview").is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(ask(&client, SEATS).await.is_ok());
    assert!(!waiting.is_finished());
    assert!(waiting.await.unwrap().is_ok());
}
