//! What each path answers.

use std::io::Read as _;

use elements::types::{FailureReason, Quantity, Subscription};

use super::samples::{at, bare, believable, day, listed, seats, subscription};
use super::*;

fn contoso() -> Vec<Inventory> {
    let expiring = Subscription {
        seats_purchased: Some(Quantity::UNLIMITED),
        expires: Some(day(12).into()),
        ..subscription("Cloud Governance")
    };
    let exhausted = Subscription {
        seats_purchased: Some(14.into()),
        licenses_assigned: Some(14.into()),
        ..subscription("Cloud Backup for Microsoft 365")
    };
    let mut inventory = listed("main", vec![("c1", "Contoso", vec![expiring, exhausted]), ("c2", "Fabrikam", vec![])]);
    seats(&mut inventory, "c1", 14, 0);
    vec![inventory]
}

#[tokio::test]
async fn every_path_answers_get_and_head() {
    let server = Server::start(contoso());
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/?q=con&page=1", "text/html; charset=utf-8"),
        ("/customers/main/c1", "text/html; charset=utf-8"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ("/config", "text/yaml; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/favicon.svg", "image/svg+xml"),
        ("/api/v1/customers.csv", "text/csv; charset=utf-8"),
        ("/-/healthy", "text/plain; charset=utf-8"),
        ("/-/ready", "text/plain; charset=utf-8"),
        ("/api/v1/customers", "application/json"),
        ("/api/v1/status", "application/json"),
    ] {
        let get = server.get(path).await;
        let head = server.ask("HEAD", path, "").await;
        assert_eq!((get.status, get.header("content-type")), (200, Some(content_type)), "{path}");
        assert_eq!((head.status, head.header("content-type")), (200, Some(content_type)), "HEAD {path}");
        assert_eq!(get.header("content-length"), Some(&*get.body.len().to_string()), "{path}");
        assert!(head.body.is_empty() && head.header("content-length").is_some(), "HEAD {path}");
        for name in ["content-security-policy", "x-content-type-options", "referrer-policy", "cache-control"] {
            assert!(get.header(name).is_some(), "{path} without {name}");
        }
        let post = server.ask("POST", path, "Content-Length: 0\r\n").await;
        assert_eq!((post.status, post.header("allow")), (405, Some("GET,HEAD")), "POST {path}");
        assert_eq!(post.text(), "method not allowed\n");
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let server = Server::start(contoso());
    for path in ["/nowhere", "/metrics/", "/customers/main", "/customers/main/c3", "/customers/other/c1", "/-/", "//"] {
        assert_eq!(server.get(path).await.status, 404, "{path}");
    }
    assert_eq!(server.get("/nowhere").await.text(), "not found\n");
    assert_eq!(server.get("/customers/main/%ff").await.status, 400, "not UTF-8");
}

#[tokio::test]
async fn metrics_come_as_they_are_asked_for() {
    let server = Server::start(contoso());
    let text = server.get("/metrics").await.text();
    assert!(text.contains("avepoint_customer_info{"), "{text}");
    assert!(text.contains("\navepoint_exporter_scrapes_total 1\n"), "{text}");
    assert!(text.contains("\navepoint_exporter_build_info{"), "{text}");
    let series = text.lines().find_map(|line| line.strip_prefix("avepoint_exporter_series ")).unwrap();
    assert!(series.parse::<u64>().unwrap() > 2);

    let open = server.ask("GET", "/metrics", "Accept: application/openmetrics-text;version=1.0.0\r\n").await;
    assert_eq!(open.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(open.text().ends_with("# EOF\n"));
    assert!(open.text().contains("\navepoint_exporter_scrapes_total 2\n"));

    let zipped = server.ask("GET", "/metrics", "Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n").await;
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    assert_eq!(zipped.header("content-length"), Some(&*zipped.body.len().to_string()));
    let mut unzipped = String::new();
    flate2::read::MultiGzDecoder::new(&*zipped.body).read_to_string(&mut unzipped).unwrap();
    assert!(unzipped.contains("\navepoint_exporter_scrapes_total 3\n"));
    assert!(server.get("/metrics").await.header("vary").unwrap().contains("Accept-Encoding"));
}

#[tokio::test]
async fn ready_once_is_ready_for_good() {
    let server = Server::start(vec![bare("main")]);
    let response = server.get("/-/ready").await;
    assert_eq!(response.status, 503);
    assert_eq!(response.text(), "main: waiting for the first customer listing\n1 target pending in all\n");
    assert_eq!(server.get("/-/healthy").await.status, 200, "healthy all the same");
    assert_eq!(server.get("/api/v1/status").await.json()["ready"], false);

    *server.inventories.lock().unwrap() = contoso();
    let response = server.get("/-/ready").await;
    assert_eq!(response.status, 200);
    assert_eq!(response.text(), "main: ready, 2 customers, 0 targets pending\n0 targets pending in all\n");

    *server.inventories.lock().unwrap() = vec![bare("main")];
    assert_eq!(server.get("/-/ready").await.status, 200);
    let ready = async { while server.get("/api/v1/status").await.json()["ready"] != true {} };
    tokio::time::timeout(PATIENCE, ready).await.expect("the status never shows it");
}

#[tokio::test]
async fn the_configuration_is_shown_as_it_is_given() {
    let response = Server::start(contoso()).get("/config").await;
    assert_eq!(response.text(), "partners:\n- name: main\n  auth: {client_secret: <secret>}\n");
}

#[tokio::test]
async fn what_comes_from_outside_is_text() {
    let nasty = "<script>alert(1)</script>\"'&";
    let mut inventory = listed("p&q", vec![("../<b>", nasty, vec![subscription(nasty)])]);
    seats(&mut inventory, "../<b>", 14, 0);
    let server = Server::start(vec![inventory]);
    for path in ["/", "/?q=%3Cscript%3E", "/customers/p%26q/..%2F%3Cb%3E"] {
        let response = server.get(path).await;
        assert_eq!(response.status, 200, "{path}");
        assert!(response.text().contains("&lt;script&gt;"), "{path}");
        assert!(!response.text().contains("<script") && !response.text().contains("<b>.."), "{path}");
    }
    let page = server.get("/").await.text();
    assert!(page.contains("href=\"customers/p%26q/..%2F%3Cb%3E\""), "{page}");
    assert!(server.get("/?q=%22onload=").await.text().contains("value=\"&quot;onload=\""));
    assert_eq!(server.get("/api/v1/customers").await.json()["customers"][0]["customer_name"], nasty);
}

#[tokio::test]
async fn a_page_needs_nothing_but_its_style() {
    let server = Server::start(contoso());
    for path in ["/", "/customers/main/c1"] {
        let page = server.get(path).await.text();
        // A link that nobody follows without a click.
        let page = page.replace(&format!("<a href=\"{}\"", env!("CARGO_PKG_REPOSITORY")), "");
        for forbidden in ["<script", "style=", "http://", "https://", "<img"] {
            assert!(!page.contains(forbidden), "{path} has {forbidden}");
        }
        assert!(page.contains("http-equiv=\"refresh\" content=\"60\""));
    }
    assert!(!server.get("/style.css").await.text().contains("url("));
}

#[tokio::test]
async fn what_is_wrong_is_seen_at_a_glance() {
    let server = Server::start(contoso());
    let page = server.get("/").await.text();
    for expected in [
        "Contoso",
        "exhausted",
        "expiring",
        "14 of 14 seats · 0 left",
        "in 11 days",
        "1 customer",
        "100 %",
        "tenant: 0 available",
    ] {
        let expected = if expected == "1 customer" { "2 customers" } else { expected };
        assert!(page.contains(expected), "{expected} is not in {page}");
    }
    let page = server.get("/customers/main/c1").await.text();
    for expected in
        ["contoso.onmicrosoft.com", "Cloud Governance", "unlimited", "2027-01-27", "tenant_seats", "Licences available"]
    {
        assert!(page.contains(expected), "{expected} is not in {page}");
    }
}

#[tokio::test]
async fn unused_seats_are_listed_before_their_renewal() {
    let unused = Subscription {
        seats_purchased: Some(100.into()),
        licenses_assigned: Some(40.into()),
        expires: Some(day(44).into()),
        ..subscription("Opus")
    };
    let mut inventories = contoso();
    inventories.push(listed("second", vec![("c3", "Northwind", vec![unused])]));
    let server = Server::start(inventories);
    let page = server.get("/").await.text();
    let (_, table) = page.split_once("Bought and unused before renewal").unwrap();
    for expected in ["customers/second/c3", "Northwind", "Opus", "<td class=\"number\">60</td>", "in 43 days"] {
        assert!(table.contains(expected), "{expected} is not in {table}");
    }
    let page = Server::start(contoso()).get("/").await.text();
    assert!(!page.contains("<h2>Bought and unused"), "{page}");
}

#[tokio::test]
async fn muted_customers_and_made_up_data_are_marked() {
    let labels = vec![("alerting".to_owned(), "off".to_owned())];
    let muted = crate::config::CustomerEntry { id: "c1".into(), name: Some("Contoso".to_owned()), labels };
    let collectors = Arc::new(super::samples::settings());
    let server = Server::start(vec![Inventory::new("main".into(), collectors, true, &[muted])]);
    for path in ["/", "/customers/main/c1"] {
        let page = server.get(path).await.text();
        assert!(page.contains(">alerts muted</span>"), "{page}");
        assert!(!page.contains("Simulated data"), "{page}");
    }
    assert_eq!(server.get("/api/v1/customers").await.json()["customers"][0]["muted"], true);
    assert_eq!(server.get("/api/v1/status").await.json()["simulated"], false);

    let snapshot = snapshot::PageSnapshot::new(contoso(), 1, &ReadyLatch::default(), true, at(1));
    let page = status_page::render(&snapshot, &query::CustomerQuery::default(), "/metrics").into_string();
    assert!(page.contains("Simulated data") && !page.contains(">alerts muted</span>"), "{page}");
}

#[tokio::test]
async fn every_word_of_the_page_is_explained_on_it() {
    let server = Server::start(contoso());
    for path in ["/", "/customers/main/c1"] {
        let page = server.get(path).await.text();
        let (_, glossary) = page.split_once("What the words mean").unwrap();
        let issues = issue::Issue::ALL.into_iter().map(issue::Issue::label);
        for word in issues.chain(["fresh", "absent", "ok", "unknown", "alerts muted", "licences available"]) {
            let (_, meaning) = glossary.split_once(&format!("<dt>{word}</dt><dd>")).unwrap_or_else(|| panic!("{word}"));
            assert!(!meaning.starts_with("</dd>"), "{word}");
        }
        for threshold in ["At least 90 %", "above 110 %", "within 30 days", "settings.rules.yml"] {
            assert!(glossary.contains(threshold), "{threshold} is not in {glossary}");
        }
    }
}

#[tokio::test]
async fn a_failure_is_named() {
    let mut inventory = contoso().remove(0);
    inventory.record_failure(&"c1".into(), super::samples::SEATS, FailureReason::Throttled, at(1));
    let mut refused = bare("other");
    refused.listing.record_failure(FailureReason::Unauthorized, at(1));
    let server = Server::start(vec![inventory, refused]);
    let page = server.get("/").await.text();
    assert!(page.contains("throttled × 1") && page.contains("refused (unauthorized)"), "{page}");
    assert!(server.get("/customers/main/c1").await.text().contains("throttled"));
    let status = server.get("/api/v1/status").await.json();
    assert_eq!(status["ready"], true);
    assert_eq!(status["partners"][0]["failures"]["throttled"], 1);
    assert_eq!(status["partners"][0]["collectors"]["tenant_seats"]["failing"], 1);
    assert_eq!(status["partners"][1]["listing_failure"], "unauthorized");
    assert_eq!(status["partners"][1]["last_listing"], serde_json::Value::Null);
}

#[tokio::test]
async fn json_says_null_and_unlimited() {
    let server = Server::start(contoso());
    let response = server.get("/api/v1/customers").await.json();
    assert_eq!((&response["total"], &response["pages"]), (&2.into(), &1.into()));
    let contoso = &response["customers"][0];
    assert_eq!(contoso["findings"], serde_json::json!(["exhausted", "expiring", "tenant_exhausted"]));
    assert_eq!((&contoso["severity"], &contoso["muted"]), (&"warning".into(), &false.into()));
    let service = &contoso["services"][0];
    assert_eq!(service["service_name"], "Cloud Backup for Microsoft 365");
    assert_eq!((&service["headroom"], &service["utilization"]), (&0.0.into(), &1.0.into()));
    assert_eq!(
        service["issues"],
        serde_json::json!([{"issue": "exhausted", "severity": "warning", "alert": "AvePointSeatsExhausted"}])
    );
    assert_eq!(contoso["tightest"]["utilization"], 1.0);
    assert_eq!(contoso["seats"][0]["available"], 0);
    assert_eq!(contoso["subscriptions"][0]["expiry_severity"], "warning");
    assert_eq!(contoso["subscriptions"][0]["seats_purchased"], "unlimited");
    assert_eq!(contoso["subscriptions"][0]["units_purchased"], serde_json::Value::Null);
    assert_eq!(contoso["expires"], "2027-01-27T08:00:00Z");
    assert_eq!(response["customers"][1]["tightest"], serde_json::Value::Null);
}

#[tokio::test]
async fn customers_are_searched_filtered_and_paged() {
    let server = Server::start(vec![believable("main", 120, at(1)), believable("second", 20, at(1))]);
    let total = async |query: &str| server.get(&format!("/api/v1/customers{query}")).await.json()["total"].as_u64();
    assert_eq!(total("").await, Some(140));
    assert_eq!(total("?partner=second").await, Some(20));
    assert_eq!(total("?partner=nobody").await, Some(0));
    assert_eq!(total("?q=CONTOSO+group&partner=second").await, Some(1));
    let states = async || {
        let mut sum = 0;
        for state in ["over_assigned", "expiring", "stale"] {
            sum += total(&format!("?state={state}")).await.unwrap();
        }
        sum
    };
    assert!((1..140).contains(&states().await));

    let mut seen = Vec::new();
    for page in 1..=3 {
        let response = server.get(&format!("/api/v1/customers?per_page=60&page={page}")).await.json();
        seen.extend(
            response["customers"]
                .as_array()
                .unwrap()
                .iter()
                .map(|c| c["customer_id"].to_string() + &c["partner"].to_string()),
        );
    }
    assert_eq!(seen.len(), 140);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 140, "no customer twice");

    let page = server.get("/?page=2&state=&q=").await.text();
    assert!(page.contains("51–100 of 140") && page.contains("Page 2 of 3"), "{page}");
    assert!(page.contains("href=\"?page=3\""));
    assert!(server.get("/?page=9").await.text().contains("There is no page 9."));
    assert!(server.get("/?q=zzz").await.text().contains("No customer matches."));
    for path in ["/?page=0", "/?state=x", "/api/v1/customers?per_page=1001", "/api/v1/customers?page=-1"] {
        assert_eq!(server.get(path).await.status, 400, "{path}");
    }
    assert!(server.get("/api/v1/customers?page=x").await.json()["error"].as_str().unwrap().contains("page"));
}

#[tokio::test]
async fn a_telemetry_path_takes_no_other_page() {
    let build = |path: &str| {
        let state = app_state(SnapshotHandle::new(), Arc::default());
        router(AppState { telemetry_path: path.to_owned(), ..state })
    };
    for path in [
        "/",
        "/config",
        "/-/ready",
        "/customers/x/y",
        "/api/v1/status",
        "metrics",
        "",
        "/{x}",
        "/a b",
        "/:x",
        "/*x",
        "//m",
        "/./m",
        "/m/..",
        "/m//n",
    ] {
        assert!(build(path).is_err(), "{path}");
    }
    for path in ["/metrics", "/probe/metrics", "/configuration", "/m"] {
        assert!(build(path).is_ok(), "{path}");
    }
    let error = build("/config").unwrap_err().to_string();
    assert_eq!(error, "the telemetry path cannot be \"/config\": another page has that path; choose one like /metrics");
}
