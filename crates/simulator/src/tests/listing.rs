//! Paging, and changes between pages.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;

/// The ids of all pages of 100 until one is not full, and the last `totalCount`.
async fn listing(api: &Api) -> (Vec<String>, Value) {
    let mut ids = Vec::new();
    for page in 1..=50 {
        let response = body(api.services(&format!("?pageIndex={page}&pageSize=100"))).await;
        let rows = response["data"].as_array().unwrap();
        ids.extend(rows.iter().map(|row| row["customerId"].as_str().unwrap().to_owned()));
        if rows.len() < 100 {
            return (ids, response["metadata"]["totalCount"].clone());
        }
    }
    panic!("the listing does not end");
}

fn distinct(ids: &[String]) -> usize {
    ids.iter().collect::<BTreeSet<_>>().len()
}

#[tokio::test]
async fn pages_make_up_the_whole_list() {
    let settings = Settings::of_size(250, 5, TODAY);
    let expected: Vec<_> = settings.registrations[0].dataset.customers.iter().map(|c| c.id.clone()).collect();
    let api = Api::start(settings).await;
    assert_eq!(listing(&api).await, (expected, json!(250)));
    let beyond = body(api.services("?pageIndex=9")).await;
    assert_eq!(beyond, json!({"data": [], "metadata": {"pageIndex": 9, "pageSize": 50, "totalCount": 250}}));
    let first = body(api.services("")).await;
    assert_eq!(first["data"].as_array().unwrap().len(), 50);
    assert_eq!(status(api.services("?pageIndex=18446744073709551615")).await, 200);
}

#[tokio::test]
async fn ids_filter() {
    let api = Api::start(by_hand(&["a", "b", "c"])).await;
    let path = "/customers/services/batch";
    for (filter, expected) in [
        (r#"{"customerIds": ["c", "a", "hidden", "unknown"]}"#, vec!["a", "c"]),
        (r#"{"customerId": "b"}"#, vec!["b"]),
        (r#"{"customerIds": []}"#, vec!["a", "b", "c"]),
        (r#"{"something": "else"}"#, vec!["a", "b", "c"]),
        ("{}", vec!["a", "b", "c"]),
    ] {
        let response = body(api.post(path, filter)).await;
        let ids: Vec<_> =
            response["data"].as_array().unwrap().iter().map(|row| row["customerId"].as_str().unwrap()).collect();
        assert_eq!(ids, expected, "{filter}");
        assert_eq!(response["metadata"]["totalCount"], expected.len());
    }
    let tenants = "/customers/a/3rd-party-products/type/0/tenants/batch?pageSize=1&pageIndex=1";
    let response = body(api.post(tenants, r#"{"tenantIds": ["a-2"]}"#)).await;
    assert_eq!((&response["data"][0]["tenantId"], &response["metadata"]["totalCount"]), (&json!("a-2"), &json!(1)));
}

#[tokio::test]
async fn customers_come_and_go_between_pages() {
    let api = Api::start(Settings::of_size(250, 5, TODAY)).await;
    api.simulator.faults().set(vec![Rule::new(Fault::CustomerLeaves)]);
    let (ids, total) = listing(&api).await;
    assert_eq!((ids.len(), distinct(&ids), total), (249, 249, json!(249)), "one is on no page");
    api.simulator.faults().set(vec![Rule::new(Fault::CustomerJoins)]);
    let (ids, total) = listing(&api).await;
    assert_eq!((ids.len(), distinct(&ids), total), (251, 250, json!(251)), "one is on two pages");
    api.simulator.faults().clear();
    assert_eq!(listing(&api).await.0.len(), 250);
}

#[tokio::test]
async fn pages_repeat_and_totals_lie() {
    let api = Api::start(Settings::of_size(250, 5, TODAY)).await;
    let page = async |page: u32| body(api.services(&format!("?pageIndex={page}&pageSize=100"))).await;
    let first = page(1).await;
    api.simulator.faults().set(vec![Rule::new(Fault::RepeatPage)]);
    assert_eq!(page(70).await["data"], first["data"]);
    for (total, expected) in
        [(TotalCount::Absent, Value::Null), (TotalCount::More(5), json!(255)), (TotalCount::Fewer(5), json!(245))]
    {
        api.simulator.faults().set(vec![Rule::new(Fault::WrongTotal(total))]);
        assert_eq!(page(1).await["metadata"]["totalCount"], expected);
    }
}

#[tokio::test]
async fn twenty_thousand_customers_are_served_in_pages() {
    let api = Api::start(Settings::of_size(20_000, 5, TODAY)).await;
    let last = body(api.services("?pageIndex=200&pageSize=100")).await;
    assert_eq!(last["data"].as_array().unwrap().len(), 100);
    assert_eq!(last["metadata"]["totalCount"], 20_000);
}

#[tokio::test]
async fn what_is_served_is_the_truth() {
    let api = Api::start(Settings::of_size(24, 5, TODAY)).await;
    let served = body(api.services("")).await;
    let expected = api.simulator.with_dataset(Settings::CLIENT.0, |dataset| {
        dataset.customers.iter().map(|customer| (customer.clone(), customer.expected())).collect::<Vec<_>>()
    });
    for (row, (customer, expected)) in served["data"].as_array().unwrap().iter().zip(expected.unwrap()) {
        assert_eq!(row["customerId"], expected.listed.id.as_str());
        assert_eq!(row["organization"], expected.listed.name.as_deref().unwrap());
        assert_eq!(row["products"].as_array().unwrap().len(), expected.listed.subscriptions.unwrap().len());
        for (&tenant_type, seats) in &expected.customer_seats {
            let path = format!("/customers/{}/3rd-party-products/type/{}/overview", customer.id, tenant_type.number());
            let response = body(api.get(&path)).await;
            assert_eq!(response["assignedUserSeat"].as_f64(), seats.assigned.map(elements::types::Quantity::get));
            assert_eq!(response["availableUserSeat"].as_f64(), seats.available.map(elements::types::Quantity::get));
        }
        for (&product, &seats) in &expected.purchased {
            let path = format!("/customers/{}/avpt-products/type/{}/overview", customer.id, product.0);
            assert_eq!(body(api.get(&path)).await["purchasedUserSeat"].as_f64(), Some(seats.get()));
        }
    }
}
