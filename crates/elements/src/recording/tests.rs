//! A recording holds nothing of anybody, and enough to be replayed.

use std::fs;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};
use url::Url;

use super::*;

const API: &str = "https://graph.example.net/base/partner/external/v3/general/customers";

fn recorder(folder: &Path) -> Recorder {
    partner_of(folder, "main", |_, _| false)
}

fn partner_of(folder: &Path, name: &str, leaves_out: impl Fn(&str, Option<&str>) -> bool + Send + 'static) -> Recorder {
    let partner = PartnerToRecord {
        name: name.to_owned(),
        discovers: true,
        list: vec![("c1".to_owned(), Some("Contoso".to_owned()), vec![("tier".to_owned(), "Gold".to_owned())])],
        leaves_out: Box::new(leaves_out),
    };
    Recorder::create(folder, vec![partner], json!({"metrics": {"customer_name_label": true}})).unwrap()
}

fn answered<'a>(url: &'a Url, operation: &'static str, body: &'a [u8]) -> Exchange<'a> {
    let outcome = Outcome::Answered { status: 200, headers: &[], body };
    Exchange { partner: "main", operation, method: "GET", url, request: None, outcome, took: Duration::from_millis(7) }
}

/// The body of one exchange, after it was written and read.
fn recorded(body: &str) -> (String, Summary) {
    let folder = tempfile::tempdir().unwrap();
    let recorder = recorder(folder.path());
    recorder.record(&answered(&format!("{API}/services/batch").parse().unwrap(), "services", body.as_bytes()));
    let summary = recorder.finish().unwrap();
    let recording = Recording::read(folder.path()).unwrap();
    let RecordedResponse::Response { body, .. } = &recording.exchanges[0].response else { panic!("{recording:?}") };
    (String::from_utf8(body.clone()).unwrap(), summary)
}

#[test]
fn numbers_dates_enumerations_and_the_shape_stay() {
    let body = r#"{"data":[{"customerId":"c1","products":[{"service":"Cloud Backup for Microsoft 365","b":1.50,"a":"1,024",
        "a":"2 GB","expirationDate":"03-14-2026T12:00:00Z","storage":"N/A","big":12345678901234567890,"c":[true,null,[]]}]}],
        "metadata":{"totalCount":1e0}}"#;
    let (clean, summary) = recorded(body);
    for part in [
        r#""service": "Cloud Backup for Microsoft 365", "b": 1.50, "a": "1,024", "a": "2 GB", "expirationDate": "03-14-2026T12:00:00Z""#,
        r#""big": 12345678901234567890, "c": [true, null, []]"#,
        r#""totalCount": 1e0"#,
    ] {
        assert!(clean.contains(part), "{part} is not in {clean}");
    }
    assert_eq!(summary.values, ["Cloud Backup for Microsoft 365"]);
    assert_eq!(summary.fields, ["a", "b", "big", "c"]);
    // The texts are those of customers.list.
    assert_eq!((summary.exchanges, summary.ids, summary.texts), (1, 1, 2));
}

#[test]
fn an_id_is_the_same_in_paths_and_bodies() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = recorder(folder.path());
    let url = format!("{API}/a%20b/avpt-products/type/2048/overview?pageIndex=1&pageSize=100").parse().unwrap();
    let body = br#"{"customerId":"a b","id":12345,"productType":2048}"#;
    let request = r#"{"customerIds":["a b",12345]}"#;
    recorder.record(&Exchange { request: Some(request), ..answered(&url, "products_purchased", body) });
    recorder.finish().unwrap();
    let recording = Recording::read(folder.path()).unwrap();
    let Replayed { path, request, response: RecordedResponse::Response { body, .. }, .. } = &recording.exchanges[0]
    else {
        panic!()
    };
    let body: Value = serde_json::from_slice(body).unwrap();
    let id = body["customerId"].as_str().unwrap();
    assert_ne!(id, "a b");
    assert_eq!(
        *path,
        format!(
            "/partner/external/v3/general/customers/{}/avpt-products/type/2048/overview?pageIndex=1&pageSize=100",
            id.replace(' ', "%20")
        )
    );
    assert_eq!(request.as_ref().unwrap()["customerIds"], json!([id, body["id"]]));
    assert_ne!(body["id"], 12345);
    assert_eq!(body["productType"], 2048);
}

#[test]
fn unknown_words_are_replaced_and_reported() {
    let (clean, summary) = recorded(r#"{"data":[{"service":"Cloud Backup for Contoso - Power Platform"}]}"#);
    assert!(clean.contains("\"Cloud Backup for ") && clean.contains(" - Power Platform\""), "{clean}");
    assert!(!clean.contains("Contoso"), "{clean}");
    assert_eq!(summary.new_values, ["Cloud Backup for Contoso - Power Platform"]);
}

#[test]
fn a_customer_that_is_left_out_keeps_its_place_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let leaves_out = |id: &str, name: Option<&str>| id == "c2" || name == Some("Test");
    let recorder = partner_of(folder.path(), "main", leaves_out);
    let body = br#"{"data":[{"customerId":"c1","organization":"A","products":[{"purchasedUnits":"1"}]},
        {"customerId":"c2","organization":"B","products":[{"purchasedUnits":"4711"}]},
        {"CustomerId":"c3","Organization":"Test","products":[{"purchasedUnits":"4711"}]}],"metadata":{"totalCount":3}}"#;
    recorder.record(&answered(&format!("{API}/services/batch").parse().unwrap(), "services", body));
    assert_eq!(recorder.finish().unwrap().left_out, 2);
    let recording = Recording::read(folder.path()).unwrap();
    let RecordedResponse::Response { body, .. } = &recording.exchanges[0].response else { panic!() };
    let body: Value = serde_json::from_slice(body).unwrap();
    let rows = body["data"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0]["products"][0]["purchasedUnits"], "1");
    for row in &rows[1..] {
        assert_eq!(row["products"], json!([]));
        assert_eq!(row.as_object().unwrap().len(), 2);
        let excluded = recording.partners[0].customers["exclude"].as_array().unwrap();
        assert!(excluded.contains(&row["customerId"]), "{excluded:?}");
    }
    let listed = &recording.partners[0].customers["list"][0];
    assert_eq!(listed["id"], rows[0]["customerId"]);
    assert!(listed["labels"]["tier"].is_string() && listed["labels"]["tier"] != "Gold");
}

#[test]
fn a_customer_that_is_left_out_is_also_left_out_of_the_list_of_customers() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = partner_of(folder.path(), "main", |id: &str, _: Option<&str>| id == "c2");
    let body = br#"{"data":[{"id":"c1","organization":"A","jobStatus":1},
        {"id":"c2","organization":"B","jobStatus":2,"countryOrRegion":"Utopia"}],"metadata":{"totalCount":2}}"#;
    recorder.record(&answered(&format!("{API}/batch").parse().unwrap(), "customers", body));
    assert_eq!(recorder.finish().unwrap().left_out, 1);
    let recording = Recording::read(folder.path()).unwrap();
    let RecordedResponse::Response { body, .. } = &recording.exchanges[0].response else { panic!() };
    let body: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(body["data"][0]["jobStatus"], 1);
    assert_eq!(body["data"][1].as_object().unwrap().keys().collect::<Vec<_>>(), ["id"]);
}

#[test]
fn a_body_that_is_not_json_keeps_its_kind_and_length() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = recorder(folder.path());
    let url: Url = format!("{API}/services/batch").parse().unwrap();
    for body in ["<html>Contoso</html>", "{\"data\": [\"Contoso", "Contoso is closed", ""] {
        recorder.record(&answered(&url, "services", body.as_bytes()));
    }
    let failed = Exchange { outcome: Outcome::Failed("timeout"), ..answered(&url, "services", b"") };
    recorder.record(&failed);
    recorder.finish().unwrap();
    let recording = Recording::read(folder.path()).unwrap();
    let bodies: Vec<_> = recording
        .exchanges
        .iter()
        .map(|exchange| match &exchange.response {
            RecordedResponse::Response { body, .. } => (body.len(), body.first().copied()),
            RecordedResponse::Failure(reason) => (reason.len(), None),
        })
        .collect();
    assert_eq!(bodies, [(20, Some(b'<')), (18, Some(b'{')), (17, Some(b'x')), (0, None), (7, None)]);
}

#[test]
fn a_folder_is_not_overwritten_and_a_foreign_one_not_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(INDEX), r#"{"format": 2, "partners": [], "exchanges": []}"#).unwrap();
    let error = Recorder::create(folder.path(), Vec::new(), Value::Null).unwrap_err();
    assert!(error.to_string().contains("not empty"), "{error}");
    let error = Recording::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("its format is 2, this version reads 1"), "{error}");
    let index = r#"{"format": 1, "partners": [], "exchanges": [{"file": "../x", "partner": "a"}]}"#;
    fs::write(folder.path().join(INDEX), index).unwrap();
    assert!(Recording::read(folder.path()).unwrap_err().to_string().contains("not a file of this folder"));
    assert!(Recording::read(&folder.path().join("none")).unwrap_err().to_string().contains("index.json"));
}

/// The ways in which a word may stand in a file: in lower case.
fn encodings(word: &str) -> Vec<String> {
    let wide: Vec<u8> = word.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let base64 = (0..3).map(|offset| {
        let bytes = [&vec![0; offset], word.as_bytes()].concat();
        let encoded = BASE64_STANDARD_NO_PAD.encode(&bytes);
        // The first and the last characters depend on what stands beside the word.
        encoded[(8 * offset).div_ceil(6)..8 * bytes.len() / 6].to_lowercase()
    });
    let plain = [
        word.to_lowercase(),
        hex::encode(word),
        hex::encode(&wide),
        word.chars().rev().collect::<String>().to_lowercase(),
    ];
    plain.into_iter().chain(base64).collect()
}

/// Every text of a JSON document, keys included.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.to_lowercase()),
        Value::Array(list) => list.iter().for_each(|item| texts(item, found)),
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            found.push(key.to_lowercase());
            texts(value, found);
        }),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_personal_word_is_written_in_any_encoding(
        words in prop::collection::hash_set("[a-zA-Z][a-zA-Z0-9]{11}", 14),
        unknown in "[a-z]{4}",
    ) {
        let w: Vec<String> = words.into_iter().collect();
        let folder = tempfile::tempdir().unwrap();
        let leaves_out = { let left_out = w[12].clone(); move |id: &str, _: Option<&str>| id == left_out };
        let partner = PartnerToRecord {
            name: w[0].clone(),
            discovers: true,
            list: vec![(w[1].clone(), Some(w[2].clone()), vec![("tier".to_owned(), w[3].clone())])],
            leaves_out: Box::new(leaves_out),
        };
        let recorder = Recorder::create(folder.path(), vec![partner], Value::Null).unwrap();
        let encoded = BASE64_STANDARD_NO_PAD.encode(&w[1]);
        let services = json!({
            "data": [
                {
                    "customerId": w[1], "organization": w[2], "customer": format!("{}@{}.com", w[4], w[5]),
                    "products": [{
                        "service": format!("Cloud Backup for Microsoft 365 - {}", w[6]), "subscriptionModel": w[7],
                        "storage": format!("{}.blob.example.com", w[8]), "subscriptionName": w[9], "package": "Core",
                        (unknown.clone()): {"deep": [w[2], {"x": w[10]}], (w[1].clone()): 1, (format!("{}Seats", w[2])): 2},
                    }],
                },
                {"customerId": w[12], "organization": w[13], "products": [{"service": w[13]}]},
            ],
            "nextLink": format!("https://{}.com/page?after={encoded}", w[5]),
        }).to_string();
        let escaped: String = services.replace(&w[2], &w[2].chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect::<Vec<_>>().concat());
        let token = json!({"access_token": w[11], "expires_in": 3600, "scope": format!("elements.license.read.all {}", w[10])}).to_string();
        let error = json!({"message": format!("No access to {} for {}", w[1], w[2]), "code": w[3]}).to_string();
        let markup = format!("<html><title>{}</title></html>", w[2]);
        let url: Url = format!("https://{}.com/{}/partner/external/v3/general/customers/{}/avpt-products/type/4/overview", w[5], w[4], w[1])
            .parse().unwrap();
        let request = json!({"customerIds": [w[1]], "filter": w[2]}).to_string();
        let headers = [("content-type", w[11].clone()), ("retry-after", w[10].clone())];
        for (operation, body) in
            [("token", &token), ("services", &services), ("services", &escaped), ("products_purchased", &error), ("services", &markup)]
        {
            let outcome = Outcome::Answered { status: 200, headers: &headers, body: body.as_bytes() };
            let partner = &*w[0];
            recorder.record(&Exchange { partner, operation, method: "POST", url: &url, request: Some(&request), outcome, took: Duration::ZERO });
        }
        recorder.finish().unwrap();

        let mut written = Vec::new();
        for entry in fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            texts(&serde_json::from_str(&text).unwrap(), &mut written);
            written.push(path.file_name().unwrap().to_str().unwrap().to_lowercase());
            written.push(text.to_lowercase());
        }
        for word in &w {
            for form in encodings(word) {
                let found = written.iter().find(|text| text.contains(&form));
                prop_assert!(found.is_none(), "{} of {} is in {}", form, word, found.unwrap());
            }
        }
        prop_assert_eq!(Recording::read(folder.path()).unwrap().exchanges.len(), 5);
    }

    #[test]
    fn any_json_keeps_its_shape(body in any_json()) {
        let (clean, _) = recorded(&body.to_string());
        let clean: Value = serde_json::from_str(&clean).unwrap();
        prop_assert_eq!(shape(&clean), shape(&body));
    }

    #[test]
    fn any_text_is_recorded(body in "[\\[\\]{}\",:a-z0-9\\\\ ]{0,40}|\\PC{0,30}") {
        let folder = tempfile::tempdir().unwrap();
        let recorder = recorder(folder.path());
        recorder.record(&answered(&format!("{API}/services/batch").parse().unwrap(), "services", body.as_bytes()));
        recorder.finish().unwrap();
        prop_assert_eq!(Recording::read(folder.path()).unwrap().exchanges.len(), 1);
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    let nested = leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,6}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::vec(nested, 1..3).prop_map(Value::from)
}

/// Types and lengths.
fn shape(value: &Value) -> Value {
    match value {
        Value::Array(list) => list.iter().map(shape).collect(),
        // Keys that are placeholders have another order.
        Value::Object(map) => {
            let mut values: Vec<String> = map.values().map(|value| shape(value).to_string()).collect();
            values.sort();
            values.into()
        }
        Value::String(_) => "text".into(),
        Value::Number(_) => "number".into(),
        other => other.clone(),
    }
}
