//! Every fault, as a client observes it.

use std::io::Read as _;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use jiff::fmt::rfc2822::DateTimeParser;
use tokio::time::{Instant, timeout};

use super::*;

const PURCHASED: &str = "/customers/a/avpt-products/type/2048/overview";

async fn with(fault: Fault) -> Api {
    with_rule(Rule::new(fault)).await
}

async fn with_rule(rule: Rule) -> Api {
    let api = Api::start(by_hand(&["a", "b"])).await;
    api.simulator.faults().add(rule);
    api
}

#[tokio::test]
async fn throttling_says_when_to_come_back_in_every_form() {
    let api = Api::start(by_hand(&["a"])).await;
    let retry_after = async |form| {
        api.simulator.faults().set(vec![Rule::new(Fault::Throttle(form))]);
        let response = api.get(PURCHASED).send().await.unwrap();
        assert_eq!(response.status(), 429);
        response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(retry_after(RetryAfter::Absent).await, None);
    assert_eq!(retry_after(RetryAfter::Seconds(7)).await.as_deref(), Some("7"));
    assert_eq!(retry_after(RetryAfter::Text("in a while")).await.as_deref(), Some("in a while"));
    let date = retry_after(RetryAfter::Date(3600)).await.unwrap();
    assert!(date.ends_with(" GMT"));
    let ahead = DateTimeParser::new().parse_timestamp(&date).unwrap().duration_since(jiff::Timestamp::now());
    assert!((3000..=3600).contains(&ahead.as_secs()), "{date}");
}

#[tokio::test]
async fn statuses_come_on_demand() {
    for code in [500, 503, 403, 400] {
        let api = with(Fault::Status(code)).await;
        let response = api.get(PURCHASED).send().await.unwrap();
        assert_eq!(response.status(), code);
        assert!(json(response).await["message"].is_string());
        assert_eq!(api.simulator.requests().with_status(code), 1);
    }
    let response = with(Fault::Status(204)).await.get(PURCHASED).send().await.unwrap();
    assert_eq!(response.status(), 204);
    assert!(response.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn bodies_are_cut() {
    for (fault, announced) in [(Fault::Truncated, true), (Fault::CutChunked, false)] {
        let api = with(fault).await;
        let response = api.get(PURCHASED).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers().contains_key("content-length"), announced);
        assert!(response.bytes().await.is_err());
        api.simulator.faults().clear();
        assert_eq!(status(api.get(PURCHASED)).await, 200);
    }
}

#[tokio::test]
async fn bodies_are_wrong() {
    let text = async |fault| {
        let api = with(fault).await;
        let response = api.get(PURCHASED).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        (kind, String::from_utf8(response.bytes().await.unwrap().to_vec()).unwrap())
    };
    let (_, malformed) = text(Fault::MalformedJson).await;
    assert!(!malformed.is_empty() && serde_json::from_str::<Value>(&malformed).is_err());
    let (_, shape) = text(Fault::WrongShape).await;
    assert!(serde_json::from_str::<Value>(&shape).unwrap()["data"].is_object());
    let (kind, html) = text(Fault::Html).await;
    assert!(kind.starts_with("text/html") && html.starts_with("<!doctype html>"));
    // Long enough to be compressed in transit.
    let (_, oversized) = text(Fault::Oversized(1_000_000)).await;
    assert!(oversized.len() > 1_000_000 && serde_json::from_str::<Value>(&oversized).is_ok());
}

#[tokio::test]
async fn answers_are_anything_at_all() {
    let api = with(Fault::Answer { status: 599, body: "x".to_owned() }).await;
    let response = api.get(PURCHASED).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.text().await.unwrap().as_str()), (599, "x"));
    let api = with(Fault::Unavailable(RetryAfter::Text("-1"))).await;
    let response = api.get(PURCHASED).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()), (503, "-1"));
    let api = with(Fault::Mutated(BodyMutation::Values { fields: &["purchasedUserSeat"], json: "-5" })).await;
    assert_eq!(json(api.get(PURCHASED).send().await.unwrap()).await["purchasedUserSeat"], -5);
    let gunzipped = async |fault: Fault| {
        let api = with(fault).await;
        let response = api.get(PURCHASED).send().await.unwrap();
        assert_eq!(response.headers()["content-encoding"], "gzip");
        let (body, mut text) = (response.bytes().await.unwrap(), Vec::new());
        MultiGzDecoder::new(&*body).read_to_end(&mut text).map(|_| text)
    };
    assert!(gunzipped(Fault::NotGzip).await.is_err());
    assert_eq!(gunzipped(Fault::GzipBomb(2)).await.unwrap().len(), 2 << 20);
    assert!(serde_json::from_slice::<Value>(&gunzipped(Fault::GzipMembers).await.unwrap()).is_ok());
    let api = with(Fault::TinyChunks).await;
    let response = api.get(PURCHASED).send().await.unwrap();
    assert!(!response.headers().contains_key("content-length"));
    assert!(serde_json::from_slice::<Value>(&response.bytes().await.unwrap()).is_ok());
}

#[tokio::test]
async fn bodies_are_reset_and_drip() {
    for announced in [true, false] {
        let api = with(Fault::ResetBody(announced)).await;
        let response = api.get(PURCHASED).send().await.unwrap();
        assert_eq!(response.headers().contains_key("content-length"), announced);
        let error = response.bytes().await.unwrap_err();
        let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        assert!(causes.into_iter().any(|cause| cause.to_string().contains("reset")), "{error:?}");
    }
    let every = Duration::from_millis(2);
    let api = with(Fault::Drip(every)).await;
    let request = Instant::now();
    let body = api.get(PURCHASED).send().await.unwrap().bytes().await.unwrap();
    assert!(request.elapsed() >= every * (u32::try_from(body.len()).unwrap() - 1));
    assert!(serde_json::from_slice::<Value>(&body).is_ok());
}

#[tokio::test]
async fn pages_are_cut_repeated_and_reordered() {
    let api = Api::start(by_hand(&["a", "b", "c", "d", "e"])).await;
    let pages = async |faults: Vec<Fault>| {
        let small = [Fault::SmallPages(2)].into_iter().chain(faults);
        api.simulator.faults().set(small.map(Rule::new).collect());
        let mut pages = Vec::new();
        for index in 1..=3 {
            let path = format!("/customers/services/batch?pageIndex={index}&pageSize=100");
            let page = json(api.post(&path, "{}").send().await.unwrap()).await;
            assert_eq!(page["metadata"]["pageSize"], 2);
            let ids = page["data"].as_array().unwrap().iter().map(|row| row["customerId"].as_str().unwrap().to_owned());
            pages.push(ids.collect::<Vec<_>>().concat());
        }
        pages
    };
    assert_eq!(pages(vec![]).await, ["ab", "cd", "e"]);
    assert_eq!(pages(vec![Fault::EmptyPage(2)]).await, ["ab", "", "e"]);
    assert_eq!(pages(vec![Fault::Duplicated]).await, ["aba", "bcdc", "dee"]);
    assert_eq!(pages(vec![Fault::Reordered]).await, ["ab", "ea", "d"]);
    api.simulator.faults().set(vec![Rule::new(Fault::RefuseIds)]);
    assert_eq!(status(api.post("/customers/services/batch", "{}")).await, 200);
    assert_eq!(status(api.post("/customers/services/batch", r#"{"customerIds": ["a"]}"#)).await, 403);
}

#[tokio::test]
async fn connections_hang() {
    let api = with_rule(Rule::new(Fault::Hang).of_customer("a")).await;
    assert!(timeout(Duration::from_millis(100), api.get(PURCHASED).send()).await.is_err());
    assert_eq!(status(api.get("/customers/b/avpt-products/type/2048/overview")).await, 200);
    assert_eq!(api.simulator.requests().of(Operation::Api(Collector::ProductsPurchased)), 2);
    assert_eq!(api.simulator.requests().by_answer.len(), 1);
}

#[tokio::test]
async fn connections_are_reset() {
    let api = with(Fault::Reset).await;
    assert!(api.get(PURCHASED).send().await.is_err());
    api.simulator.faults().clear();
    assert_eq!(status(api.get(PURCHASED)).await, 200);
}

#[tokio::test]
async fn answers_come_late() {
    let late = Duration::from_millis(60);
    let api = with(Fault::Latency { fixed: late, jitter: Duration::ZERO }).await;
    let request = Instant::now();
    assert_eq!(status(api.get(PURCHASED)).await, 200);
    assert!(request.elapsed() >= late);
}

#[tokio::test]
async fn tokens_are_revoked_again_and_again() {
    let mut api = with(Fault::RevokeTokens(Duration::from_millis(400))).await;
    for _ in 0..2 {
        while status(api.get(PURCHASED)).await != 401 {}
        api.token = api.new_token(Settings::CLIENT).await;
    }
}

#[tokio::test]
async fn the_token_endpoint_has_faults_of_its_own() {
    let api = Api::start(by_hand(&["a"])).await;
    let (client_id, secret) = Settings::CLIENT;
    api.simulator.faults().add(Rule::new(Fault::Status(503)).on(Operation::Token).first(1));
    assert_eq!(status(api.get(PURCHASED)).await, 200);
    assert_eq!(api.ask_token(&credentials(client_id, secret)).await.status(), 503);
    assert_eq!(api.ask_token(&credentials(client_id, secret)).await.status(), 200);
    api.simulator.faults().set(vec![Rule::new(Fault::WrongShape).on(Operation::Token)]);
    let garbage = json(api.ask_token(&credentials(client_id, secret)).await).await;
    assert!(garbage.get("access_token").is_none());
}
