//! The five endpoints: responses and refusals.

use serde_json::json;

use super::*;

const SEATS: &str = "/customers/a/3rd-party-products/type/0/overview";
const TENANTS: &str = "/customers/a/3rd-party-products/type/0/tenants/batch";
const PURCHASED: &str = "/customers/a/avpt-products/type/2048/overview";
const AVAILABLE: &str = "/customers/a/avpt-products/overview/type/2048";

#[tokio::test]
async fn answers_are_those_of_the_samples() {
    let api = Api::start(by_hand(&["a"])).await;
    assert_eq!(body(api.get(SEATS)).await, json!({"type": 0, "availableUserSeat": 600, "assignedUserSeat": 1405}));
    assert_eq!(body(api.get(AVAILABLE)).await, json!({"productType": 2048, "availableUserSeat": 2000}));
    assert_eq!(body(api.get(PURCHASED)).await, json!({"productType": 2048, "purchasedUserSeat": 2000}));
    let tenants = json!({
        "data": [
            {"type": 0, "tenantId": "a-1", "tenantName": "First", "availableUserSeat": 600, "assignedUserSeat": 1400},
            {"type": 0, "tenantId": "a-2", "tenantName": "Second", "availableUserSeat": 0, "assignedUserSeat": 5},
        ],
        "metadata": {"pageIndex": 1, "pageSize": 50, "totalCount": 2}
    });
    assert_eq!(body(api.post(TENANTS, "{}")).await, tenants);
    let services = body(api.services("")).await;
    let row = &services["data"][0]["products"][0];
    assert_eq!(services["data"][0]["customer"], "admin@a.example");
    assert_eq!(row["purchasedUserSeats"], "2,000");
    assert_eq!(row["microsoftLicenseAssigned"], "0");
    assert_eq!(row["subscriptionModel"], "N/A");
    assert_eq!(row.as_object().unwrap().len(), 17, "package is left out");
    let requests = api.simulator.requests();
    let mut five = Collector::ALL.into_iter().filter(|collector| !collector.is_optional());
    assert!(five.all(|collector| requests.answered(Operation::Api(collector), 200) == 1));
    assert_eq!((requests.total(), requests.with_status(200)), (5, 5));
    assert_eq!(requests.arrivals[Settings::CLIENT.0].len(), 5);
}

#[tokio::test]
async fn what_a_customer_does_not_have_is_answered_as_documented() {
    let api = Api::start(by_hand(&["a"])).await;
    assert_eq!(status(api.get("/customers/a/3rd-party-products/type/2/overview")).await, 404);
    assert_eq!(status(api.get("/customers/a/avpt-products/overview/type/4")).await, 404);
    let held = body(api.get("/customers/a/avpt-products/type/4/overview")).await;
    assert_eq!(held, json!({"productType": 4, "purchasedUserSeat": 0}));
    let tenants = body(api.post("/customers/a/3rd-party-products/type/2/tenants/batch", "{}")).await;
    assert_eq!(tenants["data"], json!([]));
    let strict = Api::start(Settings { absent_tenants_are_404: true, ..by_hand(&["a"]) }).await;
    assert_eq!(status(strict.post("/customers/a/3rd-party-products/type/2/tenants/batch", "{}")).await, 404);
}

#[tokio::test]
async fn what_a_real_server_refuses_is_refused() {
    let api = Api::start(by_hand(&["a"])).await;
    for (request, expected) in [
        (api.get("/customers/hidden/avpt-products/type/4/overview"), 403),
        (api.get("/customers/unknown/avpt-products/type/4/overview"), 404),
        (api.get("/customers/a/avpt-products/type/all/overview"), 400),
        (api.get("/customers/a/3rd-party-products/type/-1/overview"), 400),
        (api.get("/customers/a/3rd-party-products/type/0/overview/"), 404),
        (api.get("/customers"), 404),
        (api.get("/customers/services/batch"), 405),
        (api.get(TENANTS), 405),
        (api.post(SEATS, "{}"), 405),
        (api.post(PURCHASED, "{}"), 405),
        (api.post(AVAILABLE, "{}"), 405),
        (api.services("?pageSize=101"), 400),
        (api.services("?pageSize=0"), 400),
        (api.services("?pageSize=ten"), 400),
        (api.services("?pageIndex=0"), 400),
        (api.services("?pageIndex=-1"), 400),
        (api.services("?pageIndex=1&pageSize=100"), 200),
        (api.post("/customers/services/batch", ""), 400),
        (api.post("/customers/services/batch", "[]"), 400),
        (api.post("/customers/services/batch", r#"{"customerIds": "a"}"#), 400),
        (api.post("/customers/services/batch", r#"{"customerIds": [1]}"#), 400),
        (api.post(TENANTS, "null"), 400),
    ] {
        let request = request.build().unwrap();
        let name = format!("{} {}", request.method(), request.url());
        let response = api.http.execute(request).await.unwrap();
        assert_eq!(response.status(), expected, "{name}");
        assert!(response.headers().contains_key("x-request-id"));
        assert!(expected == 200 || json(response).await["message"].is_string());
    }
    let url = format!("{}{BASE_PATH}{SEATS}", api.simulator.api_url());
    assert_eq!(status(api.http.get(url).bearer_auth(&api.token)).await, 415);
    let requests = api.simulator.requests();
    assert_eq!(requests.of(Operation::Unknown), 2);
}

#[tokio::test]
async fn endpoints_1_and_2_may_be_gone() {
    let api = Api::start(Settings { legacy_endpoints: false, ..by_hand(&["a"]) }).await;
    assert_eq!(status(api.get(SEATS)).await, 404);
    assert_eq!(status(api.get(AVAILABLE)).await, 404);
    assert_eq!(status(api.get(PURCHASED)).await, 200);
}

#[tokio::test]
async fn revisions_differ() {
    let documented = Api::start(Settings { dialect: Dialect::Documented, ..by_hand(&["a"]) }).await;
    let response = body(documented.get(PURCHASED)).await;
    assert_eq!(response, json!({"productType": "2048", "purchasedUserSeat": 2000}));

    let older = Api::start(Settings { dialect: Dialect::Older, ..by_hand(&["a"]) }).await;
    let response = body(older.get(PURCHASED)).await;
    assert_eq!(response, json!({"productType": 2048, "availableUserSeat": "2,000"}));
    assert_eq!(body(older.get(AVAILABLE)).await["purchasedUserSeat"], "2,000");
    assert_eq!(body(older.get(SEATS)).await["assignedUserSeat"], "1,405");
    let tenant = json!({"id": "a-1", "name": "First", "availableUserSeat": "600", "assignedUserSeat": "1,400"});
    assert_eq!(body(older.post(TENANTS, "{}")).await[0], tenant);
    let services = body(older.services("")).await;
    assert_eq!(services["data"][0]["products"][0]["PurchasedUserSeats"], "2,000");
}

#[tokio::test]
async fn registrations_see_their_own_worlds() {
    let mut api = Api::start(Settings::demo(TODAY)).await;
    let total = async |api: &Api| body(api.services("")).await["metadata"]["totalCount"].as_u64();
    assert_eq!(total(&api).await, Some(24));
    api.token = api.new_token(Settings::SECOND_CLIENT).await;
    assert_eq!(total(&api).await, Some(6));
    api.simulator.revoke_tokens(Settings::CLIENT.0);
    assert_eq!(total(&api).await, Some(6), "the tokens of one are not those of the other");
    let requests = api.simulator.requests();
    assert_eq!(requests.arrivals[Settings::CLIENT.0].len(), 1);
    // One of these is the token request.
    assert_eq!(requests.arrivals[Settings::SECOND_CLIENT.0].len(), 3);
}

#[tokio::test]
async fn a_world_changes_while_it_is_served() {
    let api = Api::start(by_hand(&["a", "b"])).await;
    let client = Settings::CLIENT.0;
    let changed = api.simulator.with_dataset(client, |dataset| {
        dataset.remove("b");
        dataset.customers.push(customer("c"));
        dataset.customer_mut("a").unwrap().tenants[0].assigned = 7;
    });
    assert!(changed.is_some());
    assert_eq!(body(api.get(SEATS)).await["assignedUserSeat"], 12);
    assert_eq!(status(api.get("/customers/b/avpt-products/type/4/overview")).await, 404);
    assert_eq!(status(api.get("/customers/c/avpt-products/type/4/overview")).await, 200);
    assert!(api.simulator.with_dataset("nobody", |_| ()).is_none());
}

#[tokio::test]
async fn the_same_seed_gives_the_same_answers() {
    let (one, two) =
        (Api::start(Settings::of_size(30, 5, TODAY)).await, Api::start(Settings::of_size(30, 5, TODAY)).await);
    assert_eq!(one.token, two.token);
    assert_eq!(body(one.services("")).await, body(two.services("")).await);
}

#[tokio::test]
async fn a_stopped_simulator_is_gone() {
    let api = Api::start(by_hand(&["a"])).await;
    let request = api.services("");
    api.simulator.stop().await;
    assert!(request.send().await.is_err());
}
