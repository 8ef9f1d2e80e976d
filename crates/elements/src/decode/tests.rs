//! Tests of whole responses.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::redaction::Secrets;
use crate::types::{CompactTimestamp, Quantity, Seats, Subscription};

fn quantity(number: u32) -> Option<Quantity> {
    Quantity::new(number.into())
}

fn moment(text: &str) -> Option<CompactTimestamp> {
    text.parse::<jiff::Timestamp>().ok().map(CompactTimestamp::from)
}

fn body(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn accounts(unreadable: &[Unreadable]) -> Vec<(&str, &str)> {
    unreadable.iter().map(|entry| (entry.field.as_str(), entry.text.as_str())).collect()
}

/// The only product of the only customer of a page.
fn product(row: &Value) -> Decoded<Subscription> {
    let page = services(&body(&json!({"data": [{"customerId": "c", "products": [row]}]}))).unwrap();
    let mut subscriptions = page.value.rows.into_iter().next().unwrap().subscriptions.unwrap();
    assert_eq!(subscriptions.len(), 1);
    Decoded { value: subscriptions.remove(0), unreadable: page.unreadable }
}

#[test]
fn the_samples_of_the_seat_endpoints() {
    let seats = customer_seats(include_bytes!("samples/customer_seats.json")).unwrap();
    let both = Seats { assigned: quantity(25), available: quantity(25) };
    assert_eq!(seats, Decoded { value: both, unreadable: vec![] });
    let purchased = product_purchased(include_bytes!("samples/products_purchased.json")).unwrap();
    assert_eq!(purchased, Decoded { value: quantity(25), unreadable: vec![] });
    let available = product_available(include_bytes!("samples/products_available.json")).unwrap();
    assert_eq!(available, Decoded { value: quantity(25), unreadable: vec![] });
    let page = tenant_seats(include_bytes!("samples/tenant_seats.json")).unwrap();
    assert_eq!(page.unreadable, []);
    assert_eq!((page.value.received, page.value.total_count, page.value.page_size), (1, Some(1), Some(50)));
    let [tenant] = &page.value.rows[..] else { panic!("{page:?}") };
    assert_eq!((tenant.id.as_str(), &*tenant.name), ("f04d7aee-1c3b-5f92-8a77-6521aa01e596", "TenantABC"));
    assert_eq!(tenant.seats, both);
}

#[test]
fn the_sample_of_the_service_list() {
    let page = services(include_bytes!("samples/services.json")).unwrap();
    assert_eq!(page.unreadable, []);
    assert!(!page.value.has_next_link);
    let [customer] = &page.value.rows[..] else { panic!("{page:?}") };
    assert_eq!(customer.id.as_str(), "1c10525c-121b-4bbc-80a4-2e641bc13421");
    assert_eq!(customer.name.as_deref(), Some("OrganizationABC"));
    assert!(!format!("{customer:?}").contains('@'), "email addresses stay behind");
    let [iaas, fly, opus, backup] = customer.subscriptions.as_deref().unwrap() else { panic!("{customer:?}") };

    assert_eq!(&*iaas.key.service, "Cloud Backup for IaaS + PaaS - Unit");
    assert_eq!((&*iaas.key.model, &*iaas.key.storage), ("", "Bring your own storage"));
    assert_eq!((iaas.seats_purchased, iaas.units_purchased), (None, None));
    assert_eq!((iaas.licenses_assigned, iaas.licenses_available), (quantity(0), quantity(0)));
    assert_eq!((iaas.capacity_used, iaas.capacity_purchased), (quantity(0), quantity(1 << 30)));
    assert_eq!((iaas.capacity_protected, iaas.storage_consumed), (quantity(0), None));
    assert_eq!((iaas.expires, iaas.contract_ends), (moment("2025-09-26T00:00:00Z"), None));

    assert_eq!((fly.seats_purchased, fly.capacity_purchased, fly.seats_change), (quantity(2), None, None));
    assert_eq!((opus.seats_purchased, opus.licenses_assigned), (quantity(40), quantity(14)));
    assert_eq!(opus.expires, moment("2026-03-14T00:00:00Z"));

    assert_eq!((&*backup.key.model, backup.seats_purchased), ("Unlimited organizations", quantity(20)));
    assert_eq!((&*backup.retention, &*backup.key.package), ("Unlimited retention", "Standard"));
    assert_eq!(backup.storage_consumed, Quantity::new(1.42 * f64::from(1 << 30)));
}

#[test]
fn equal_texts_of_a_page_are_one() {
    let page = services(include_bytes!("samples/services.json")).unwrap().value;
    let [iaas, fly, opus, backup] = page.rows[0].subscriptions.as_deref().unwrap() else { panic!("{page:?}") };
    assert!(std::sync::Arc::ptr_eq(&iaas.key.source, &backup.key.source));
    assert!(std::sync::Arc::ptr_eq(&fly.key.model, &opus.key.package), "the empty text too");
}

#[test]
fn a_response_of_seats_has_at_least_one_of_the_fields() {
    for (response, assigned, available, unreadable) in [
        (json!({"ASSIGNEDUSERSEAT": "1,024"}), quantity(1024), None, vec![]),
        (json!({"assignedUserSeat": null, "availableUserSeat": 0}), None, quantity(0), vec![]),
        (json!({"assignedUserSeat": "N/A"}), None, None, vec![]),
        (json!({"assignedUserSeat": -1, "availableUserSeat": "n/a"}), None, None, vec![("assignedUserSeat", "-1")]),
        (
            json!({"assignedUserSeat": {}, "availableUserSeat": 5}),
            None,
            quantity(5),
            vec![("assignedUserSeat", "an object")],
        ),
    ] {
        let decoded = customer_seats(&body(&response)).unwrap();
        assert_eq!(decoded.value, Seats { assigned, available }, "{response}");
        assert_eq!(accounts(&decoded.unreadable), unreadable, "{response}");
    }
    for response in [json!({}), json!({"type": 0}), json!({"assignedUserSeat": null}), json!({"data": []})] {
        let error = customer_seats(&body(&response)).unwrap_err();
        assert!(error.to_string().starts_with("expected an object with \"assignedUserSeat\" or"), "{error}");
    }
    let seats = customer_seats(&body(&json!({"assignedUserSeat": "many", "availableUserSeat": -1}))).unwrap();
    assert_eq!(seats.value, Seats::default());
    assert_eq!(accounts(&seats.unreadable), [("assignedUserSeat", "many"), ("availableUserSeat", "-1")]);
}

#[test]
fn a_response_of_a_product_has_either_field() {
    for (response, expected) in [
        (json!({"productType": "2048", "purchasedUserSeat": "20"}), quantity(20)),
        (json!({"purchasedUserSeat": 20, "availableUserSeat": 5}), quantity(20)),
        (json!({"purchasedUserSeat": null, "availableUserSeat": 5}), quantity(5)),
        (json!({"purchasedUserSeat": "N/A"}), None),
        (json!({"purchasedUserSeat": 0}), quantity(0)),
        (json!({"purchasedUserSeat": "Unlimited"}), Some(Quantity::UNLIMITED)),
    ] {
        assert_eq!(
            product_purchased(&body(&response)).unwrap(),
            Decoded { value: expected, unreadable: vec![] },
            "{response}"
        );
    }
    for response in [r#"{"productType":2048}"#, r#"{"purchasedUserSeat":null}"#] {
        let error = product_purchased(response.as_bytes()).unwrap_err();
        assert!(error.to_string().ends_with("got one with neither"), "{error}");
    }
    for response in [r#"{"purchasedUserSeat":"x"}"#, r#"{"purchasedUserSeat":"x","availableUserSeat":5}"#] {
        let seats = product_purchased(response.as_bytes()).unwrap();
        assert_eq!((seats.value, accounts(&seats.unreadable)), (None, vec![("purchasedUserSeat", "x")]), "no guess");
    }
    let both = body(&json!({"purchasedUserSeat": 20, "availableUserSeat": 5}));
    assert_eq!(product_available(&both).unwrap().value, quantity(5), "each endpoint has its own");
    let renamed = body(&json!({"purchasedUserSeat": 20}));
    assert_eq!(product_available(&renamed).unwrap().value, quantity(20), "or the other's, if that is all");
}

#[test]
fn tenants_of_the_older_revision_are_a_bare_list() {
    let list = json!([{"id": "t", "name": "T", "availableUserSeat": 1, "assignedUserSeat": 2}, {"Id": 7}]);
    let page = tenant_seats(&body(&list)).unwrap().value;
    assert_eq!((page.received, page.total_count, page.page_size, page.has_next_link), (2, None, None, false));
    assert_eq!((page.rows[0].id.as_str(), &*page.rows[0].name), ("t", "T"));
    assert_eq!(page.rows[0].seats, Seats { assigned: quantity(2), available: quantity(1) });
    assert_eq!((page.rows[1].id.as_str(), &*page.rows[1].name), ("7", ""));
    assert_eq!(page.rows[1].seats, Seats::default());
}

#[test]
fn rows_without_an_id_are_left_out_and_counted() {
    let rows = json!({"data": [
        {"tenantId": u64::MAX, "assignedUserSeat": "x"}, {"tenantId": " "}, {"tenantId": "N/A"}, {"tenantName": "T"},
        {"tenantId": 1.5}, {"tenantId": {}}, {"tenantId": [], "id": "t"}, null, "user@example.com", 5
    ]});
    let page = tenant_seats(&body(&rows)).unwrap();
    assert_eq!((page.value.rows.len(), page.value.received), (1, 10));
    assert_eq!(page.value.rows[0].id.as_str(), "18446744073709551615");
    let expected = ["", "", "", "1.5", "an object", "a list", "null", "a string", "a number"];
    let mut unreadable = accounts(&page.unreadable);
    assert_eq!(unreadable.remove(0), ("assignedUserSeat", "x"));
    assert_eq!(unreadable, expected.map(|text| ("tenantId", text)));

    let page = services(br#"{"data":[{"organization":"A"},7,{"customerId":"c"}]}"#).unwrap();
    assert_eq!((page.value.rows.len(), page.value.received), (1, 3));
    assert_eq!(accounts(&page.unreadable), [("customerId", ""), ("customerId", "a number")]);
}

#[test]
fn metadata_is_read_where_it_stands() {
    for (metadata, total_count, page_size) in [
        (json!({"totalCount": "1,024", "PAGESIZE": "100"}), Some(1024), Some(100)),
        (json!({"totalCount": 0, "pageSize": 0}), Some(0), None),
        (json!(null), None, None),
        (json!([1]), None, None),
    ] {
        let page = services(&body(&json!({"data": [], "metadata": metadata}))).unwrap();
        assert_eq!(page.unreadable, [], "{metadata}");
        assert_eq!((page.value.total_count, page.value.page_size), (total_count, page_size), "{metadata}");
    }
    let page = services(br#"{"data":[],"metadata":{"totalCount":-1}}"#).unwrap();
    assert_eq!((page.value.total_count, accounts(&page.unreadable)), (None, vec![("totalCount", "-1")]));
    for (response, has_next_link) in [
        (json!({"data": [], "nextLink": "https://example.com/2"}), true),
        (json!({"data": [], "metadata": {"NextLink": "https://example.com/2"}}), true),
        (json!({"data": [], "nextLink": "", "metadata": {"nextLink": null}}), false),
    ] {
        assert_eq!(services(&body(&response)).unwrap().value.has_next_link, has_next_link, "{response}");
    }
}

#[test]
fn a_body_of_another_shape_is_malformed() {
    for (body, message) in [
        ("\"x\"", "expected an object with \"data\", got a string"),
        ("[]", "expected an object with \"data\", got a list"),
        ("{}", "expected an object with \"data\", got one without it"),
        (r#"{"data":null}"#, "expected an object with \"data\", got one without it"),
        (r#"{"data":{}}"#, "expected \"data\" to be a list, got an object"),
        ("", "expected JSON, got an empty body"),
        ("<html>\n\u{7}</html>", "not JSON: expected value at line 1 column 1 (starts with \"<html\")"),
        ("<p> anna.maria.smith@example.com", "not JSON: expected value at line 1 column 1 (starts with \"<p\")"),
        ("anna@example.com is unknown", "not JSON: expected value at line 1 column 1"),
        (r#"{"data":[{"customer":"user@ex"#, "not JSON: EOF while parsing a string at line 1 column 29"),
        (r#"{"data":[]} x"#, "not JSON: trailing characters at line 1 column 13"),
    ] {
        assert_eq!(services(body.as_bytes()).unwrap_err().to_string(), message, "{body}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(
        tenant_seats(deep.as_bytes()).unwrap_err().to_string(),
        "not JSON: recursion limit exceeded at line 1 column 128"
    );
}

#[test]
fn broken_characters_do_not_make_a_page_malformed() {
    let page = services(b"\xef\xbb\xbf{\"data\":[{\"customerId\":\"c\",\"organization\":\"A\xffB\"}]}").unwrap();
    assert_eq!(page.value.rows[0].name.as_deref(), Some("A\u{fffd}B"));
}

#[test]
fn texts_come_as_numbers_and_escaped() {
    let row =
        product(&json!({"service": 365, "subscriptionModel": " A \"b\"\n ", "retention": "n/a", "package": ["x"]}));
    assert_eq!((&*row.value.key.service, &*row.value.key.model), ("365", "A \"b\""));
    assert_eq!((&*row.value.retention, &*row.value.key.package), ("", ""));
    assert_eq!(accounts(&row.unreadable), [("package", "a list")]);
}

#[test]
fn a_customer_needs_no_products() {
    for (customer, subscriptions, unreadable) in [
        (json!({"customerId": "c", "organization": "N/A"}), None, vec![]),
        (json!({"customerId": "c", "products": null}), None, vec![]),
        (json!({"customerId": "c", "products": "N/A"}), None, vec![]),
        (json!({"customerId": "c", "products": []}), Some(0), vec![]),
        (json!({"customerId": "c", "products": {}}), None, vec![("products", "an object")]),
        (json!({"customerId": "c", "products": [{}, "x", {}]}), Some(2), vec![("products", "a string")]),
    ] {
        let page = services(&body(&json!({"data": [customer]}))).unwrap();
        assert_eq!(page.value.rows[0].name, None, "{customer}");
        assert_eq!(page.value.rows[0].subscriptions.as_ref().map(Vec::len), subscriptions, "{customer}");
        assert_eq!(accounts(&page.unreadable), unreadable, "{customer}");
    }
}

#[test]
fn a_reported_unreadable_value_is_short_and_on_one_line() {
    let row = product(&json!({"change": format!("\n{}", "ä".repeat(999)), "expirationDate": "23/08/2027"}));
    assert_eq!((row.value.seats_change, row.value.expires), (None, None));
    let long = format!("\\n{}", "ä".repeat(63));
    assert_eq!(accounts(&row.unreadable), [("change", &*long), ("expirationDate", "23/08/2027")]);
}

#[test]
fn fields_have_distinct_names() {
    let names: std::collections::HashSet<_> = Field::ALL.iter().map(|field| field.as_str()).collect();
    assert_eq!(names.len(), Field::ALL.len());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[-+]?[0-9]{0,3}[.,/ ]?[0-9]{0,3} ?(GB|N/A|Unlimited)?".prop_map(Value::from),
        "[0-9]{1,4}[-/][0-9]{1,2}[-/][0-9]{1,4}(T12:00:00Z)?".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(any_key(), inner, 0..4).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

fn any_key() -> impl Strategy<Value = String> {
    let known =
        Field::ALL.iter().map(|field| field.as_str()).chain(["data", "metadata", "id", "name", "message", "error"]);
    prop::sample::select(known.collect::<Vec<_>>()).prop_map(str::to_owned)
}

fn decode_all(body: &[u8]) {
    let _ = customer_seats(body);
    let _ = product_purchased(body);
    let _ = product_available(body);
    let _ = token(body);
    let _ = error_message(body, &Secrets::default());
    if let Ok(page) = tenant_seats(body) {
        assert!(page.value.rows.len() <= page.value.received);
    }
    if let Ok(page) = services(body) {
        assert!(page.value.rows.len() + page.unreadable.len() >= page.value.received);
    }
}

/// Whether a value reads as zero: 0, or a text whose only letters and digits are zeros and a unit.
fn reads_as_zero(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.contains('0') && !text.contains(|c| ('1'..='9').contains(&c)),
        _ => false,
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_value_or_an_error(body: Vec<u8>) {
        decode_all(&body);
    }

    #[test]
    fn any_json_is_a_value_or_an_error(value in any_json()) {
        decode_all(&body(&value));
        decode_all(&body(&json!({"data": [value]})));
        decode_all(&body(&json!({"data": [{"customerId": "c", "tenantId": "t", "products": value}]})));
    }

    #[test]
    fn a_truncated_response_is_an_error(length in 0..include_bytes!("samples/services.json").trim_ascii().len()) {
        let error = services(&include_bytes!("samples/services.json")[..length]).unwrap_err();
        prop_assert!(!error.to_string().contains('@'));
    }

    #[test]
    fn nothing_becomes_0_that_does_not_read_as_0(value in any_json()) {
        let fields = Field::ALL.iter().map(|field| (field.as_str().to_owned(), value.clone()));
        let row = product(&fields.clone().collect()).value;
        let numbers = [
            row.seats_purchased, row.units_purchased, row.licenses_assigned, row.licenses_available,
            row.capacity_protected, row.storage_consumed, row.capacity_purchased,
        ];
        let seats = customer_seats(&body(&fields.clone().collect())).map(|seats| seats.value).unwrap_or_default();
        let product = product_purchased(&body(&fields.collect())).map_or(None, |seats| seats.value);
        let zero = numbers.into_iter().chain([seats.assigned, seats.available, product]).flatten().any(Quantity::is_zero)
            || row.seats_change == Some(0);
        prop_assert!(!zero || reads_as_zero(&value), "{}", value);
        prop_assert!(row.expires.is_none_or(|at| at.get().as_second() > 0));
    }
}

#[test]
fn the_content_of_a_response_is_bounded() {
    let services = |json: String| services(json.as_bytes()).unwrap();
    let id = |length: usize| {
        format!(r#"{{"data": [{{"customerId": "{}", "organization": "{}"}}]}}"#, "i".repeat(length), "ä".repeat(600))
    };
    let page = services(id(256));
    assert_eq!(page.value.rows[0].name.as_ref().unwrap().chars().count(), 512);
    let page = services(id(257));
    assert_eq!((page.value.rows.len(), page.value.received), (0, 1));
    assert_eq!(accounts(&page.unreadable), [("customerId", &*"i".repeat(64))]);

    let products = |list: &str| services(format!(r#"{{"data": [{{"customerId": "c", "products": [{list}]}}]}}"#));
    let page = products(&vec!["{}"; 10_005].join(","));
    assert_eq!(page.value.rows[0].subscriptions.as_ref().unwrap().len(), 10_000);
    assert_eq!(accounts(&page.unreadable), [("products", "row 10001 of 10005")]);
    assert_eq!(page.unreadable[0].count, 5);

    let page = products(&vec!["1"; 5000].join(","));
    assert_eq!(page.value.rows[0].subscriptions, None, "nothing of it says that there are no products");
    assert_eq!((page.unreadable.len(), page.unreadable.iter().map(|entry| entry.count).sum::<u64>()), (100, 5000));
    assert_eq!(products("").value.rows[0].subscriptions, Some(vec![]));
}
