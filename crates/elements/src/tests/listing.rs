//! The service list over HTTP.

use super::server::{say, say_with};
use super::*;
use crate::types::Collector;
use crate::types::{CustomerId, FailureReason};

/// `customers` customers, served in pages; slow if a page has more than `fast` rows.
fn service_list(seen: &Seen, customers: u64, fast: u64) -> Say {
    let (index, size) = (seen.query("pageIndex"), seen.query("pageSize"));
    if size > fast {
        return Say::Nothing;
    }
    let ids: Vec<String> = if seen.body == "{}" {
        ((index - 1) * size..customers.min(index * size)).map(|id| format!("c{id}")).collect()
    } else {
        let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
        let ids = body["customerIds"].as_array().unwrap().iter();
        let known = ids.map(|id| id.as_str().unwrap().to_owned()).filter(|id| id.starts_with('c'));
        known.skip(usize::try_from((index - 1) * size).unwrap()).take(usize::try_from(size).unwrap()).collect()
    };
    let total = if seen.body == "{}" { customers } else { seen.body.matches("\"c").count() as u64 - 1 };
    say(200, format!(r#"{{"data": {}, "metadata": {{"pageSize": {size}, "totalCount": {total}}}}}"#, rows(&ids)))
}

/// A page without its size.
fn page(ids: &[String], total: u64) -> Say {
    say(200, format!(r#"{{"data": {}, "metadata": {{"totalCount": {total}}}}}"#, rows(ids)))
}

fn rows(ids: &[String]) -> String {
    let rows: Vec<_> = ids.iter().map(|id| format!(r#"{{"customerId": "{id}", "products": []}}"#)).collect();
    format!("[{}]", rows.join(","))
}

async fn list(client: &Client, ids: Option<&[CustomerId]>) -> Result<Vec<String>, RequestError> {
    let mut listing = client.listing(ids);
    let mut all = Vec::new();
    let mut permit = Some(client.acquire().await);
    while let Some(page) = listing.next_page(permit.take()).await? {
        assert!(!page.is_empty());
        all.extend(page.into_iter().map(|customer| customer.id.to_string()));
    }
    let distinct: std::collections::HashSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len(), "a customer that is requested twice is returned once");
    assert_eq!(listing.next_page(None).await, Ok(None));
    Ok(all)
}

#[tokio::test]
async fn a_listing_continues_to_a_short_or_empty_page() {
    for (customers, requests) in [(0, 1), (30, 1), (100, 2), (230, 3)] {
        let server = server(move |seen| service_list(seen, customers, 100)).await;
        let client = client(&settings(&server));
        assert_eq!(list(&client, None).await.unwrap().len() as u64, customers);
        let seen = server.seen_on("/partner/external/v3/general/customers/services/batch");
        assert_eq!(seen.len(), requests);
        assert!(seen.iter().all(|seen| seen.method == "POST" && seen.body == "{}"));
    }
}

#[tokio::test]
async fn the_first_page_is_returned_before_the_last_is_requested() {
    let server = server(|seen| service_list(seen, 150, 100)).await;
    let client = client(&settings(&server));
    let mut listing = client.listing(None);
    let first = listing.next_page(None).await.unwrap().unwrap();
    assert_eq!((first.len(), server.seen_on("batch").len()), (100, 1));
}

#[tokio::test]
async fn fewer_rows_than_the_total_fail_the_listing_for_good() {
    let server = server(|_| page(&["c1".to_owned(), "c1".to_owned()], 3)).await;
    let client = client(&settings(&server));
    let mut listing = client.listing(None);
    assert_eq!(listing.next_page(None).await.unwrap().unwrap().len(), 2);
    let failure = listing.next_page(None).await.unwrap_err();
    assert_eq!(failure.reason, FailureReason::Malformed);
    assert_eq!(listing.next_page(None).await, Err(failure), "never complete");
}

#[tokio::test]
async fn a_total_may_count_rows_instead_of_ids() {
    // c1 has two rows, on two pages, and one row has no id.
    let server = server(|seen| match (seen.body.as_str(), seen.query("pageIndex")) {
        ("{}", 1) => page(&["c1".to_owned(), "c2".to_owned()], 4),
        ("{}", 2) => page(&["c1".to_owned(), String::new()], 4),
        _ => page(&[], 4),
    })
    .await;
    let client = client(&settings(&server));
    let mut listing = client.listing(None);
    let mut rows = vec![];
    while let Some(page) = listing.next_page(None).await.unwrap() {
        rows.extend(page.into_iter().map(|customer| customer.id.to_string()));
    }
    assert_eq!(rows, ["c1", "c2", "c1"]);
    assert!(listing.is_ambiguous(), "the missing customer may be the row without an id");
}

#[tokio::test]
async fn an_endless_listing_is_given_up() {
    let server = server(|seen| service_list(seen, 1_000_000, 100)).await;
    let client = client(&settings(&server));
    let mut listing = client.listing(None).with_limit(250);
    let mut rows = 0;
    while let Some(page) = listing.next_page(None).await.unwrap() {
        rows += page.len();
    }
    assert_eq!((rows, listing.unread()), (300, Some(1_000_000 - 300)));
    assert_eq!(server.seen_on("batch").len(), 3);
}

#[tokio::test]
async fn repeated_pages_fail_a_listing() {
    let server = server(|_| page(&(0..100).map(|id| format!("c{id}")).collect::<Vec<_>>(), 500)).await;
    let client = client(&settings(&server));
    let failure = list(&client, None).await.unwrap_err();
    assert_eq!(failure.reason, FailureReason::Malformed);
    assert_eq!(server.seen_on("batch").len(), 2);
}

#[tokio::test]
async fn a_wrong_page_size_in_the_metadata_is_ignored() {
    let server = server(|seen| {
        let Say::Bytes(bytes) = service_list(seen, 150, 100) else { panic!() };
        let text = String::from_utf8(bytes).unwrap();
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        say(200, body.replace("\"metadata\": {", "\"metadata\": {\"pageSize\": 50, "))
    })
    .await;
    let client = client(&settings(&server));
    assert_eq!(list(&client, None).await.unwrap().len(), 150);
    assert_eq!(server.seen_on("batch").len(), 2);
}

#[tokio::test]
async fn a_missing_service_list_is_a_failure() {
    let server = server(|_| say(404, "")).await;
    let client = client(&settings(&server));
    assert_eq!(list(&client, None).await.unwrap_err().reason, FailureReason::NotFound);
    assert_eq!(failures(&client, "services", "not_found"), Some(1.0));
}

#[tokio::test]
async fn a_slow_page_is_halved_and_its_size_is_stored() {
    // Requests by id are always fast.
    let server = server(|seen| service_list(seen, 40, if seen.body == "{}" { 25 } else { 100 })).await;
    let mut settings = settings(&server);
    settings.budget.timeout = Duration::from_secs(1);
    let client = client(&settings);
    assert_eq!(list(&client, None).await.unwrap().len(), 40);
    let sizes = || server.seen_on("batch").iter().map(|seen| seen.query("pageSize")).collect::<Vec<_>>();
    assert_eq!(sizes(), [100, 50, 25, 50, 25], "it was quick, so twice as much is tried, once");
    assert_eq!(failures(&client, "services", "timeout"), Some(3.0));
    assert_eq!(client.listing_size(Collector::Services), 25);
    // A request for one customer gives no information about larger pages.
    assert_eq!(list(&client, Some(&["c1".into()])).await.unwrap().len(), 1);
    assert_eq!(client.listing_size(Collector::Services), 25);
    assert_eq!(list(&client, None).await.unwrap().len(), 40);
    assert_eq!(sizes()[5..], [25, 25, 50, 25]);
}

#[tokio::test]
async fn without_a_total_pages_grow_from_one_listing_to_the_next() {
    let server = server(|seen| match (seen.before, service_list(seen, 40, 100)) {
        (0..4, _) => say(504, ""),
        (_, Say::Bytes(bytes)) => {
            let text = String::from_utf8(bytes).unwrap();
            say(200, text.split_once("\r\n\r\n").unwrap().1.replace("totalCount", "other"))
        }
        (_, other) => other,
    })
    .await;
    let client = client(&settings(&server));
    let mut remembered = Vec::new();
    for _ in 0..5 {
        assert_eq!(list(&client, None).await.unwrap().len(), 40);
        remembered.push(client.listing_size(Collector::Services));
    }
    // A page that is not full gives no information about larger ones.
    assert_eq!(remembered, [12, 24, 48, 48, 48]);
}

#[tokio::test]
async fn the_page_size_recovers_after_some_504s() {
    let server = server(|seen| match seen.before {
        1..7 => say(504, ""),
        _ => service_list(seen, 1000, 100),
    })
    .await;
    let client = client(&settings(&server));
    assert_eq!(list(&client, None).await.unwrap().len(), 1000);
    let sizes: Vec<_> = server.seen_on("batch").iter().map(|seen| seen.query("pageSize")).collect();
    assert_eq!(sizes[..10], [100, 100, 50, 25, 12, 6, 3, 1, 2, 4]);
    assert!(sizes.len() < 30, "{sizes:?}");
    assert_eq!(client.listing_size(Collector::Services), 100);
    assert_eq!(list(&client, None).await.unwrap().len(), 1000);
    assert_eq!(server.seen_on("batch").len(), sizes.len() + 11, "ten pages, and an empty one");
}

#[tokio::test]
async fn a_page_that_takes_a_gateway_too_long_is_halved() {
    let server = server(|seen| match service_list(seen, 40, 25) {
        Say::Nothing => say(504, "<html>"),
        page => page,
    })
    .await;
    let client = client(&settings(&server));
    assert_eq!(list(&client, None).await.unwrap().len(), 40);
    let sizes: Vec<_> = server.seen_on("batch").iter().map(|seen| seen.query("pageSize")).collect();
    assert_eq!(sizes, [100, 50, 25, 50, 25]);
    assert_eq!(failures(&client, "services", "timeout"), Some(3.0));
}

#[tokio::test]
async fn customers_can_be_requested_by_id() {
    let server = server(|seen| service_list(seen, 0, 100)).await;
    let client = client(&settings(&server));
    let mut ids: Vec<CustomerId> = (0..130).map(|id| format!("c{id:03}").into()).collect();
    ids.push("gone".into());
    ids.push("c000".into());
    let mut found = list(&client, Some(&ids)).await.unwrap();
    found.sort();
    assert_eq!(found.len(), 130);
    let asked: Vec<usize> = server.seen_on("batch").iter().map(|seen| seen.body.matches("\",\"").count() + 1).collect();
    assert_eq!(asked, [100, 31], "a page with all requested customers is the last one");
    let before = server.seen().len();
    assert_eq!(list(&client, Some(&[])).await, Ok(vec![]));
    assert_eq!(server.seen().len(), before);
}

#[tokio::test]
async fn customers_that_were_not_requested_are_omitted() {
    let server = server(|_| page(&["c1".to_owned(), "stranger".to_owned()], 2)).await;
    let client = client(&settings(&server));
    assert_eq!(list(&client, Some(&["c1".into(), "c2".into()])).await.unwrap(), ["c1"]);
}

#[tokio::test]
async fn an_identity_service_that_hangs_does_not_halve_the_pages() {
    let server = Server::start(|seen| match (seen.path(), seen.before) {
        ("/connect/token", 0) => Say::Nothing,
        ("/connect/token", _) => token(1),
        _ => service_list(seen, 3, 100),
    })
    .await;
    let mut settings = settings(&server);
    settings.budget.timeout = Duration::from_secs(1);
    let client = client(&settings);
    assert_eq!(client.listing(None).next_page(None).await.unwrap().unwrap().len(), 3);
    assert_eq!(server.seen_on("batch")[0].query("pageSize"), 100);
}

#[tokio::test]
async fn a_page_is_retried_after_a_transient_failure() {
    let server = server(|seen| match seen.before {
        0 => say_with(503, &[("retry-after", "0")], ""),
        _ => service_list(seen, 3, 100),
    })
    .await;
    let client = client(&settings(&server));
    assert_eq!(list(&client, None).await.unwrap().len(), 3);
}
