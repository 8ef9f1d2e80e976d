//! Which requests are sent, how responses are interpreted, and what is retried.

use std::io::Write;

use super::server::{say, say_with};
use super::*;
use crate::types::{FailureReason, ProductType, Quantity, Seats};

fn quantity(number: u32) -> Quantity {
    number.into()
}

#[tokio::test]
async fn every_query_has_its_path() {
    let server = server(|seen| match seen.path().rsplit('/').next().unwrap() {
        "batch" => say(200, r#"{"data": [{"tenantId": "t", "assignedUserSeat": 1}]}"#),
        "2048" => say(200, r#"{"productType": 2048, "availableUserSeat": 3}"#),
        _ if seen.path().contains("avpt") => say(200, r#"{"productType": "2048", "purchasedUserSeat": "1,024"}"#),
        _ => say(200, SEATS_BODY),
    })
    .await;
    let client = client(&ClientConfig { api_url: server.url.join("/base/").unwrap(), ..settings(&server) });
    let seats = Seats { assigned: Some(quantity(14)), available: Some(quantity(6)) };
    assert_eq!(ask(&client, SEATS).await, Ok(Observation::CustomerSeats(seats)));
    let product = ProductType(2048);
    assert_eq!(
        ask(&client, Query::ProductPurchased(product)).await,
        Ok(Observation::ProductPurchased(Some(quantity(1024))))
    );
    assert_eq!(
        ask(&client, Query::ProductAvailable(product)).await,
        Ok(Observation::ProductAvailable(Some(quantity(3))))
    );
    assert!(matches!(
        ask(&client, Query::TenantSeats(TenantType::Google)).await,
        Ok(Observation::TenantSeats(tenants)) if tenants.len() == 1
    ));
    let seen = server.seen();
    let lines: Vec<String> = seen.iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect();
    let base = "/base/partner/external/v3/general/customers/some%20customer%2F1";
    assert_eq!(
        lines,
        [
            "POST /connect/token".to_owned(),
            format!("GET {base}/3rd-party-products/type/1/overview"),
            format!("GET {base}/avpt-products/type/2048/overview"),
            format!("GET {base}/avpt-products/overview/type/2048"),
            format!("POST {base}/3rd-party-products/type/2/tenants/batch?pageIndex=1&pageSize=100"),
        ]
    );
    let last = seen.last().unwrap();
    assert_eq!((last.body.as_str(), last.token()), ("{}", "token-1"));
    assert_eq!((&*last.headers["content-type"], &*last.headers["accept"]), ("application/json", "application/json"));
    assert!(last.headers["user-agent"].starts_with("avepoint_exporter/"));
    for operation in ["token", "customer_seats", "products_purchased", "products_available", "tenant_seats"] {
        assert_eq!(requests(&client, operation), Some(1.0), "{operation}");
        let labels = [("operation", operation)];
        assert_eq!(metric(&client, "avepoint_api_request_duration_seconds", &labels), Some(1.0));
        assert_eq!(metric(&client, "avepoint_api_retries_total", &labels), Some(0.0));
    }
    assert_eq!(requests(&client, "services"), Some(0.0));
}

#[tokio::test]
async fn no_request_is_sent_for_an_id_that_does_not_fit_into_a_path() {
    let server = server(|_| say(200, SEATS_BODY)).await;
    let client = client(&settings(&server));
    for id in ["", ".", "..", "a\tb"] {
        let permit = client.acquire().await;
        let failure = failure(client.query(&id.into(), SEATS, permit).await);
        assert_eq!(failure.reason, FailureReason::BadRequest, "{id:?}");
    }
    assert!(server.seen_on("overview").is_empty());
}

#[tokio::test]
async fn absence_is_neither_a_failure_nor_retried() {
    let server = server(|_| say(404, r#"{"message": "no"}"#)).await;
    let client = client(&settings(&server));
    for query in [SEATS, Query::TenantSeats(TenantType::Google)] {
        assert_eq!(ask(&client, query).await, Err(QueryError::Absent));
    }
    assert_eq!(server.seen().len(), 3);
    assert_eq!(failures(&client, "customer_seats", "not_found"), Some(0.0));
}

#[tokio::test]
async fn permanent_failures_are_not_retried() {
    for (status, reason) in [(400, FailureReason::BadRequest), (403, FailureReason::Forbidden)] {
        let server =
            server(move |_| say_with(status, &[("x-request-id", "r-7")], r#"{"message": "out of scope"}"#)).await;
        let client = client(&settings(&server));
        let failure = failure(ask(&client, SEATS).await);
        assert_eq!((failure.reason, failure.request_id.as_deref()), (reason, Some("r-7")));
        assert_eq!(failure.message, format!("the API answered {status}: out of scope"));
        assert_eq!(server.seen_on("overview").len(), 1);
        assert_eq!(failures(&client, "customer_seats", reason.as_str()), Some(1.0));
    }
}

#[tokio::test]
async fn transient_failures_are_retried() {
    let bad: [fn() -> Say; 4] = [
        || say(500, "<html>"),
        || say(200, "<html>"),
        || Say::Bytes(b"HTTP/1.1 200 x\r\ncontent-length: 100\r\n\r\n{\"assigned".to_vec()),
        || say(204, ""),
    ];
    for (bad, reason) in bad.into_iter().zip(["server_error", "malformed", "malformed", "malformed"]) {
        let server = server(move |seen| if seen.before == 0 { bad() } else { say(200, SEATS_BODY) }).await;
        let client = client(&settings(&server));
        assert!(ask(&client, SEATS).await.is_ok(), "{reason}");
        assert_eq!(server.seen_on("overview").len(), 2);
        assert_eq!(failures(&client, "customer_seats", reason), Some(1.0));
        let labels = [("operation", "customer_seats")];
        assert_eq!(metric(&client, "avepoint_api_retries_total", &labels), Some(1.0));
    }
}

#[tokio::test]
async fn a_query_is_retried_three_times_at_most() {
    let server = server(|_| say(503, r#"{"message": "maintenance"}"#)).await;
    let client = client(&settings(&server));
    let failure = failure(ask(&client, SEATS).await);
    assert_eq!((failure.reason, &*failure.message), (FailureReason::ServerError, "the API answered 503: maintenance"));
    assert_eq!(server.seen_on("overview").len(), 4);
}

#[tokio::test]
async fn retry_after_beyond_the_remaining_time_fails_the_query_at_once() {
    let server = server(|_| say_with(503, &[("retry-after", "3600")], "")).await;
    let client = client(&settings(&server));
    assert_eq!(failure(ask(&client, SEATS).await).reason, FailureReason::ServerError);
    assert_eq!(server.seen_on("overview").len(), 1);
}

#[tokio::test]
async fn a_silent_server_is_a_timeout() {
    let server = server(|_| Say::Nothing).await;
    let mut settings = settings(&server);
    settings.budget.timeout = Duration::from_millis(100);
    let client = client(&settings);
    assert_eq!(failure(ask(&client, SEATS).await).reason, FailureReason::Timeout);
    assert!(failures(&client, "customer_seats", "timeout") >= Some(1.0));
}

#[tokio::test]
async fn a_failure_is_counted_before_a_query_is_given_up() {
    let server = server(|seen| match seen.before {
        0 => say_with(503, &[("retry-after", "2")], ""),
        _ => say(200, SEATS_BODY),
    })
    .await;
    let client = client(&settings(&server));
    assert_eq!(client.status().failure, None);
    let asking = {
        let client = client.clone();
        tokio::spawn(async move { ask(&client, SEATS).await })
    };
    while client.status().failure.is_none() {
        tokio::task::yield_now().await;
    }
    assert!(!asking.is_finished());
    assert_eq!(client.status().failure, Some(FailureReason::ServerError));
    assert!(asking.await.unwrap().is_ok());
    assert_eq!(client.status().failure, None);
}

#[tokio::test]
async fn garbage_and_lost_connections_have_different_reasons() {
    let server =
        server(|seen| Say::Bytes(if seen.before == 0 { b"SMTP ready\r\n\r\n".to_vec() } else { vec![] })).await;
    let client = client(&settings(&server));
    assert_eq!(failure(ask(&client, SEATS).await).reason, FailureReason::Connect);
    assert_eq!(failures(&client, "customer_seats", "malformed"), Some(1.0));
}

#[tokio::test]
async fn a_closed_port_is_a_connect_failure() {
    let server = server(|_| say(200, SEATS_BODY)).await;
    let mut settings = settings(&server);
    let closed = Server::start(|_| Say::Nothing).await;
    settings.api_url = closed.url.clone();
    drop(closed);
    let client = client(&settings);
    let failure = failure(ask(&client, SEATS).await);
    assert_eq!(failure.reason, FailureReason::Connect, "{failure}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn compressed_responses_are_limited_by_their_decompressed_size() {
    let server = server(|seen| {
        assert!(seen.headers["accept-encoding"].contains("gzip"));
        let large = seen.path().contains("type/0");
        let body = if large { gzip(&vec![b' '; 2 << 20]) } else { gzip(SEATS_BODY.as_bytes()) };
        assert!(body.len() < 1 << 16);
        say_with(200, &[("content-encoding", "gzip")], body)
    })
    .await;
    let client = client(&settings(&server));
    assert!(ask(&client, SEATS).await.is_ok());
    let failure = failure(ask(&client, Query::CustomerSeats(TenantType::Microsoft365)).await);
    assert_eq!(failure.reason, FailureReason::TooLarge, "{failure}");
    assert_eq!(server.seen_on("type/0/overview").len(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Server::start(|_| say(200, SEATS_BODY)).await;
    let location = other.url.join("/elsewhere").unwrap().to_string();
    let server = server(move |_| say_with(302, &[("location", &location)], "")).await;
    let client = client(&settings(&server));
    let failure = failure(ask(&client, SEATS).await);
    assert_eq!(failure.reason, FailureReason::BadRequest);
    assert!(failure.message.contains("redirect to localhost"), "{failure}");
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn unreadable_values_are_counted_by_field() {
    let server = server(|_| say(200, r#"{"availableUserSeat": "many", "assignedUserSeat": 14}"#)).await;
    let client = client(&settings(&server));
    assert!(ask(&client, SEATS).await.is_ok());
    let unreadable = |field| metric(&client, "avepoint_unreadable_values_total", &[("field", field)]);
    assert_eq!((unreadable("availableUserSeat"), unreadable("assignedUserSeat")), (Some(1.0), Some(0.0)));
}

#[tokio::test]
async fn a_response_without_any_readable_value_is_not_retried() {
    let server = server(|_| say(200, r#"{"productType": 1, "purchasedUserSeat": "many"}"#)).await;
    let client = client(&settings(&server));
    assert_eq!(ask(&client, Query::ProductPurchased(ProductType(1))).await, Ok(Observation::ProductPurchased(None)));
    assert_eq!(server.seen_on("overview").len(), 1);
    assert_eq!(metric(&client, "avepoint_unreadable_values_total", &[("field", "purchasedUserSeat")]), Some(1.0));
}

#[tokio::test]
async fn an_echoed_token_is_redacted_from_the_message() {
    let server = server(|seen| say(400, format!(r#"{{"message": "bad {}"}}"#, seen.token()))).await;
    let failure = failure(ask(&client(&settings(&server)), SEATS).await);
    assert_eq!(failure.message, "the API answered 400: bad <secret>");
}

fn tenants(ids: std::ops::Range<u32>, total: u32) -> Say {
    let rows: Vec<String> = ids.map(|id| format!(r#"{{"tenantId": "t{id:03}", "assignedUserSeat": {id}}}"#)).collect();
    say(200, format!(r#"{{"data": [{}], "metadata": {{"totalCount": {total}}}}}"#, rows.join(",")))
}

#[tokio::test]
async fn tenants_are_requested_page_by_page() {
    let pages: fn(&Seen) -> Say = |seen| match seen.query("pageIndex") {
        1 => tenants(0..100, 130),
        // The last row of an id wins.
        2 => say(200, format!(r#"{{"data": [{}]}}"#, r#"{"tenantId": "t005", "assignedUserSeat": 999}"#)),
        _ => unreachable!(),
    };
    let server = server(move |seen| if seen.path().contains("type/0") { pages(seen) } else { tenants(0..3, 3) }).await;
    let client = client(&settings(&server));
    let failure = failure(ask(&client, Query::TenantSeats(TenantType::Microsoft365)).await);
    assert_eq!(failure.reason, FailureReason::Malformed);
    assert!(failure.message.contains("101 of 130"), "{failure}");
    let Ok(Observation::TenantSeats(rows)) = ask(&client, Query::TenantSeats(TenantType::Google)).await else {
        panic!()
    };
    assert_eq!(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["t000", "t001", "t002"]);
}

#[tokio::test]
async fn tenants_without_an_id_or_listed_twice_do_not_affect_the_others() {
    let rows =
        r#"{"tenantId": "a", "assignedUserSeat": 1}, {"assignedUserSeat": 7}, {"tenantId": "a"}, {"tenantId": "b"}"#;
    let body = format!(r#"{{"data": [{rows}], "metadata": {{"totalCount": 4}}}}"#);
    let server = server(move |_| say(200, &body)).await;
    let client = client(&settings(&server));
    let Ok(Observation::TenantSeats(rows)) = ask(&client, Query::TenantSeats(TenantType::Google)).await else {
        panic!()
    };
    assert_eq!(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(metric(&client, "avepoint_unreadable_values_total", &[("field", "tenantId")]), Some(1.0));
}

#[tokio::test]
async fn the_last_row_of_a_tenant_wins_and_a_bare_list_is_complete() {
    let server = server(|seen| {
        let rows = |numbers: &mut dyn Iterator<Item = u32>| {
            numbers
                .map(|n| format!(r#"{{"id": "t{:03}", "assignedUserSeat": {n}}}"#, n % 150))
                .collect::<Vec<_>>()
                .join(",")
        };
        if seen.path().contains("type/0") {
            return say(200, format!("[{}]", rows(&mut (0..200))));
        }
        match seen.query("pageIndex") {
            1 => say(200, format!(r#"{{"data": [{}]}}"#, rows(&mut (0..100)))),
            2 => say(200, format!(r#"{{"data": [{}]}}"#, rows(&mut (99..199)))),
            _ => say(200, r#"{"data": []}"#),
        }
    })
    .await;
    let client = client(&settings(&server));
    for (kind, requests) in [(TenantType::Microsoft365, 1), (TenantType::Google, 3)] {
        let Ok(Observation::TenantSeats(rows)) = ask(&client, Query::TenantSeats(kind)).await else { panic!() };
        assert_eq!(rows.len(), 150);
        assert_eq!(rows[0].seats.assigned, Some(quantity(150)));
        assert_eq!(server.seen_on(&format!("type/{}/tenants/batch", kind.number())).len(), requests);
    }
}
