//! Properties for any external input: one function per fuzz target, which panics if a property is violated.
//!
//! This file is compiled twice: by `fuzz_targets/*.rs` for the fuzzer, and by `tests/e2e/corpus.rs` for a plain `cargo
//! test`, which replays `corpus/`.

#![allow(dead_code, reason = "each fuzz target uses one function")]
#![allow(clippy::float_cmp, reason = "what is read again is the same number")]

#[path = "properties/notation.rs"]
mod notation;
#[path = "properties/served.rs"]
mod served;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use avepoint_exporter::catalog;
use avepoint_exporter::config::{Config, Credential, SecretSource, format_duration, parse_duration, redacted_url};
use avepoint_exporter::inventory::state_file::State;
use avepoint_exporter::polling::CustomerFilter;
use avepoint_exporter::web::query::{self, CustomerQuery};
use elements::types::{
    BackupJob, CustomerId, Observation, ProductType, ProtectedObjects, Quantity, Query, TenantSeats, TenantType,
};
use elements::{Secrets, decode, read_retry_after};
use exporter_toolkit::Access;
use exposition::{Format, accepts_gzip, negotiate};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use self::notation::{customer_json, quantity, tenant_json};
use self::served::{answered, customer_with_labels_is_served, inventory, label, served, values};

/// A secret that is in the seeds and dictionaries.
const CANARY: &str = "canary-0123456789";

// Endpoints.

/// The endpoint `services`.
pub(crate) fn services(body: &[u8]) {
    let Some(page) = decoded(decode::services(body)) else { return };
    rows_add_up(&page);
    let written = json!({ "data": page.rows.iter().map(customer_json).collect::<Vec<_>>() });
    let again = decode::services(written.to_string().as_bytes()).expect("what is written is read again");
    assert_eq!((&again.value.rows, again.unreadable.len()), (&page.rows, 0), "{written}");

    let mut inventory = inventory();
    for row in page.rows {
        inventory.upsert_listed(row, now());
    }
    let mut expected = BTreeMap::new();
    for customer in inventory.customers.values() {
        for known in customer.services.iter().flat_map(|services| &*services.subscriptions) {
            let id = (customer.id.to_string(), known.id.to_string());
            expected.extend(known.subscription.seats_purchased.map(|seats| (id, seats.get())));
        }
    }
    let found = served(inventory, catalog::SUBSCRIPTION_SEATS_PURCHASED.name);
    let found =
        found.iter().map(|sample| ((label(sample, "customer_id"), label(sample, "subscription_id")), sample.value));
    assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
}

/// The endpoint `tenant_seats`.
pub(crate) fn tenant_seats(body: &[u8]) {
    const QUERY: Query = Query::TenantSeats(TenantType::Google);
    let Some(page) = decoded(decode::tenant_seats(body)) else { return };
    rows_add_up(&page);
    let written = json!(page.rows.iter().map(tenant_json).collect::<Vec<_>>());
    let again = decode::tenant_seats(written.to_string().as_bytes()).expect("what is written is read again");
    assert_eq!((&again.value.rows, again.unreadable.len()), (&page.rows, 0), "{written}");

    let mut expected = BTreeMap::new();
    for TenantSeats { id, seats, .. } in &page.rows {
        expected.entry(id.to_string()).or_insert(seats.assigned.map(Quantity::get));
    }
    let found = answered(QUERY, Observation::TenantSeats(page.rows.into()), catalog::TENANT_SEATS_ASSIGNED.name);
    let found = found.iter().map(|sample| (label(sample, "tenant_id"), sample.value)).collect::<BTreeMap<_, _>>();
    assert_eq!(found, expected.into_iter().filter_map(|(id, seats)| Some((id, seats?))).collect());
}

/// The endpoint `customer_seats`.
pub(crate) fn customer_seats(body: &[u8]) {
    const QUERY: Query = Query::CustomerSeats(TenantType::Google);
    let Some(seats) = decoded(decode::customer_seats(body)) else { return };
    let written =
        json!({ "assignedUserSeat": quantity(seats.assigned), "availableUserSeat": quantity(seats.available) });
    if seats.assigned.or(seats.available).is_some() {
        assert_eq!(decode::customer_seats(written.to_string().as_bytes()).unwrap().value, seats);
    }
    let found = answered(QUERY, Observation::CustomerSeats(seats), catalog::CUSTOMER_SEATS_ASSIGNED.name);
    assert_eq!(values(&found), seats.assigned.map(Quantity::get).into_iter().collect::<Vec<_>>());
}

/// The endpoint `products_purchased`.
pub(crate) fn products_purchased(body: &[u8]) {
    const QUERY: Query = Query::ProductPurchased(ProductType(2048));
    let read = |body: &[u8]| decoded(decode::product_purchased(body));
    product(
        body,
        read,
        "purchasedUserSeat",
        QUERY,
        Observation::ProductPurchased,
        catalog::PRODUCT_SEATS_PURCHASED.name,
    );
}

/// The endpoint `products_available`.
pub(crate) fn products_available(body: &[u8]) {
    const QUERY: Query = Query::ProductAvailable(ProductType(2048));
    let read = |body: &[u8]| decoded(decode::product_available(body));
    product(
        body,
        read,
        "availableUserSeat",
        QUERY,
        Observation::ProductAvailable,
        catalog::PRODUCT_SEATS_AVAILABLE.name,
    );
}

/// The endpoint `customers`.
pub(crate) fn customers(body: &[u8]) {
    let Some(page) = decoded(decode::customers(body)) else { return };
    rows_add_up(&page);
    let mut inventory = inventory();
    for row in page.rows {
        assert!(row.facts.profile().is_some_and(|profile| profile.tenants.is_sorted_by(|(a, _), (b, _)| a < b)));
        inventory.upsert_row(row, now());
    }
    let known = inventory.customers.values().filter_map(|customer| customer.profile());
    let statuses = known.filter(|profile| profile.job_status.is_some()).count();
    let found = served(inventory, catalog::CUSTOMER_JOB_STATUS.name);
    assert_eq!(values(&found).iter().sum::<f64>(), statuses as f64);
}

/// The endpoint `backup_jobs`.
pub(crate) fn backup_jobs(body: &[u8]) {
    let Some(page) = decoded(decode::backup_jobs(body)) else { return };
    rows_add_up(&page);
    let jobs = BackupJob::newest(page.rows.into_iter().filter_map(|keyed| keyed.row));
    assert!(jobs.is_sorted_by(|a, b| a.key < b.key) && jobs.iter().all(|job| !job.key.plan.contains('@')));
    let expected: Vec<_> = jobs.iter().filter_map(|job| job.duration).map(Quantity::get).collect();
    let found = answered(Query::BackupJobs, Observation::BackupJobs(jobs), catalog::BACKUP_JOB_DURATION.name);
    assert_eq!(values(&found), expected);
}

/// The endpoint `backup_overview`.
pub(crate) fn backup_overview(body: &[u8]) {
    let Some(page) = decoded(decode::backup_overview(body)) else { return };
    rows_add_up(&page);
    let modules = ProtectedObjects::by_module(page.rows.into_iter().filter_map(|keyed| keyed.row));
    let expected: Vec<_> = modules.iter().filter_map(|module| module.scanned).map(Quantity::get).collect();
    let observation = Observation::BackupOverview(modules);
    assert_eq!(values(&answered(Query::BackupOverview, observation, catalog::BACKUP_OBJECTS_SCANNED.name)), expected);
}

fn product(
    body: &[u8],
    read: impl Fn(&[u8]) -> Option<Option<Quantity>>,
    field: &str,
    query_of: Query,
    observation: fn(Option<Quantity>) -> Observation,
    family: &str,
) {
    let Some(seats) = read(body) else { return };
    if seats.is_some() {
        let written = json!({ field: quantity(seats) }).to_string();
        assert_eq!(read(written.as_bytes()), Some(seats), "{written}");
    }
    assert_eq!(
        values(&answered(query_of, observation(seats), family)),
        seats.map(Quantity::get).into_iter().collect::<Vec<_>>()
    );
}

/// Token responses and error bodies.
pub(crate) fn token(body: &[u8]) {
    match decode::token(body) {
        Ok(token) => {
            let text = token.access_token.expose_secret();
            assert!(!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
            assert!((1..=86_400).contains(&token.expires_in.as_secs()), "{token:?}");
            assert!(text.len() < 16 || !format!("{token:?}").contains(text), "{token:?}");
        }
        Err(malformed) => {
            // Only words of the program: nothing of the body.
            let message = malformed.to_string();
            assert!(message.starts_with("expected ") && message.len() < 80 && message.is_ascii(), "{message}");
            assert!(!message.contains(CANARY), "{message}");
        }
    }
    let text = String::from_utf8_lossy(body);
    let wrapped = json!({ "access_token": text, "token_type": "Bearer" }).to_string();
    match decode::token(wrapped.as_bytes()) {
        Ok(token) => assert_eq!(token.access_token.expose_secret(), text.trim()),
        Err(malformed) => {
            let expected = if text.trim().len() > 16 * 1024 { "of at most 16384 bytes" } else { "to be visible ASCII" };
            let message = malformed.to_string();
            assert!(message.starts_with(&format!("expected \"access_token\" {expected}")), "{message}");
        }
    }
    if let Some(code) = decode::oauth_error(body) {
        assert!(
            (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'),
            "{code}"
        );
    }
    if let Some(message) = decode::error_message(body, &Secrets::new([CANARY])) {
        assert!(!message.is_empty() && message.chars().count() <= 200, "{message}");
        assert!(!message.contains(CANARY), "{message}");
        assert!(!message.contains(['@', '\n', '\r']) && !message.contains(char::is_control), "{message}");
    }
}

/// A state file; and the same bytes as its decompressed rows, which a checksum would otherwise reject.
pub(crate) fn state_file(file: &[u8]) {
    let rows = State::read_rows(&mut &*file).expect("memory can be read");
    for state in [State::decode(file), rows].into_iter().flatten() {
        let written = state.encode();
        let again = State::decode(&written).expect("what is written is read again");
        assert_eq!(again.encode(), written);
        assert_eq!(format!("{again:?}"), format!("{state:?}"));
        for cut in [0, written.len() / 2, written.len() - 1] {
            assert!(State::decode(&written[..cut]).is_err(), "half of it is nothing");
        }
    }
}

// Configuration.

/// A whole file.
pub(crate) fn config(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    // Devices may never end. No other file that it names matters.
    if ["/dev", "/proc", "/sys"].iter().any(|folder| text.contains(folder)) {
        return;
    }
    match Config::parse(text, Path::new("/nonexistent")) {
        Ok(config) => {
            let shown = config.to_redacted_yaml();
            let again = Config::parse(&shown, Path::new("")).unwrap_or_else(|errors| panic!("{errors}\n{shown}"));
            assert_eq!(again.to_redacted_yaml(), shown);
            assert_eq!(again.collectors, config.collectors);
            // If the canary occurs only as a secret, no output contains it.
            let secrets = config.partners.iter().filter(|partner| match &partner.credential {
                Credential::ClientSecret { source: SecretSource::Value(secret), .. } => {
                    secret.expose_secret() == CANARY
                }
                _ => false,
            });
            if text.matches(CANARY).count() == secrets.count() {
                let all = format!("{shown}{config:?}{:?}", config.warnings(now()));
                assert!(!all.contains(CANARY), "{all}");
            }
            for partner in &config.partners {
                let filter = CustomerFilter::new(&partner.customers);
                for listed in &partner.customers.list {
                    assert!(filter.matches(&listed.id, None));
                }
                customer_with_labels_is_served(&partner.customers.list);
            }
        }
        Err(errors) => {
            assert!(!errors.problems().is_empty());
            for problem in errors.problems() {
                let line = problem.to_string();
                assert!(!line.is_empty() && !line.contains(['\n', '\r']), "{line:?}");
            }
        }
    }
}

/// Durations, globs, URLs and secrets, one per line, in an otherwise valid configuration.
pub(crate) fn scalars(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let mut lines = text.split('\n');
    let [duration, glob, name, proxy, api, secret] = std::array::from_fn(|_| lines.next().unwrap_or_default());

    if let Ok(read) = parse_duration(duration) {
        assert_eq!(parse_duration(&format_duration(read)), Ok(read), "{duration:?}");
    }
    let auth = json!({ "client_id": "app", "client_secret": secret });
    let document = |partner: Value| json!({ "partners": [partner] }).to_string();
    let parse = |partner: Value| Config::parse(&document(partner), Path::new("/nonexistent"));

    let everybody = json!({ "auth": { "client_id": "app", "client_secret": "x" }, "customers": { "include": [glob] } });
    if let Ok(config) = parse(everybody) {
        let admits =
            |name| CustomerFilter::new(&config.partners[0].customers).matches(&CustomerId::from("?"), Some(name));
        if !glob.contains(['*', '?']) && name.is_ascii() && glob.is_ascii() {
            assert_eq!(admits(name), glob.eq_ignore_ascii_case(name), "{glob:?} on {name:?}");
        }
        admits(name);
    }
    if let Ok(config) = parse(json!({ "auth": auth, "proxy_url": proxy })) {
        let partner = &config.partners[0];
        let url = partner.proxy_url.as_ref().unwrap();
        let shown = redacted_url(url);
        let held = url.password().unwrap_or_default();
        assert!(held.len() < 8 || !shown.contains(held) || url.host_str().unwrap().contains(held), "{shown}");
        let all = format!("{config:?}{}", config.to_redacted_yaml());
        assert!(url.username().is_empty() || all.contains("://<secret>@"), "{all}");
        let elsewhere = [proxy].iter().any(|text| text.contains(CANARY));
        assert!(elsewhere || !secret.contains(CANARY) || !all.contains(CANARY), "{all}");
    }
    match parse(json!({ "auth": auth, "api_url": api, "token_url": api })) {
        Ok(config) => {
            let url = &config.partners[0].api_url;
            assert!(url.username().is_empty() && url.password().is_none() && url.query().is_none(), "{url}");
            assert!(
                url.scheme() == "https"
                    || matches!(url.host_str(), Some(host) if host == "localhost" || host.starts_with("127.") || host == "[::1]"),
                "{url}"
            );
        }
        // It may contain a password.
        Err(errors) => assert!(!errors.to_string().contains(CANARY), "{errors}"),
    }
}

// Web requests and the web configuration.

/// The file of `--web.config.file`. Devices are excluded: reading one is not part of this property.
pub(crate) fn web_config(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    if ["/dev", "/proc", "/sys"].iter().any(|folder| text.contains(folder)) {
        return;
    }
    if let Err(errors) = Access::parse(text, Path::new("/nonexistent")) {
        assert!(!errors.problems().is_empty());
        for problem in errors.problems() {
            let line = problem.to_string();
            assert!(!line.is_empty() && !line.contains(['\n', '\r']), "{line:?}");
        }
    }
}

/// The header `Accept`.
pub(crate) fn accept(header: &[u8]) {
    let Ok(header) = std::str::from_utf8(header) else { return };
    let format = negotiate(Some(header));
    if format == Format::OpenMetrics {
        assert!(header.to_ascii_lowercase().contains("application/openmetrics-text"), "{header:?}");
    }
    assert_eq!(negotiate(Some(&header.to_ascii_uppercase().replace(";Q=", ";q="))), format, "{header:?}");
    assert_eq!(negotiate(Some(&format!("{header},,image/png;q=1"))), format, "{header:?}");
}

/// The header `Accept-Encoding`.
pub(crate) fn accept_encoding(header: &[u8]) {
    let Ok(header) = std::str::from_utf8(header) else { return };
    let accepted = accepts_gzip(Some(header));
    if accepted {
        assert!(header.contains('*') || header.to_ascii_lowercase().contains("gzip"), "{header:?}");
    }
    assert_eq!(accepts_gzip(Some(&format!("{header},br"))), accepted, "{header:?}");
    assert!(!accepts_gzip(Some(&format!("gzip;q=0,{header}"))), "{header:?}");
}

/// The headers `Retry-After` and `Date`, one per line.
pub(crate) fn retry_after(headers: &[u8]) {
    let Ok(headers) = std::str::from_utf8(headers) else { return };
    let (value, date) = headers.split_once('\n').map_or((headers, None), |(value, date)| (value, Some(date)));
    let wait = read_retry_after(value, date, now());
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        assert_eq!(wait, Some(value.parse().map_or(Duration::MAX, Duration::from_secs)), "{value:?}");
    } else if wait.is_some() {
        assert!(value.contains(char::is_alphabetic), "{value:?}: a date");
        assert_eq!(read_retry_after(value, Some(value), now()), Some(Duration::ZERO), "{value:?} at that time");
    }
}

/// The query string of the status page.
pub(crate) fn query(query: &[u8]) {
    let Ok(query) = std::str::from_utf8(query) else { return };
    match CustomerQuery::parse(query) {
        Ok(parsed) => {
            let link = parsed.to_link();
            assert!(link.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"'".contains(&byte)), "{link}");
            assert_eq!(CustomerQuery::parse(link.trim_start_matches('?')).as_ref(), Ok(&parsed), "{query:?}");
            for rows in [0, 1, 999, usize::MAX] {
                let range = parsed.range(rows);
                assert!(range.start <= range.end && range.end <= rows && range.len() <= parsed.per_page, "{query:?}");
                assert!(parsed.pages(rows) >= 1);
            }
            assert_eq!(parsed.with_state(Some(query::StateFilter::Ok)).page, 1);
        }
        Err(said) => assert!(!said.contains(['\n', '\r', '\0']), "{said:?}"),
    }
}

/// Returns the value, after reading the omitted values too.
fn decoded<T>(result: Result<decode::Decoded<T>, decode::Malformed>) -> Option<T> {
    match result {
        Ok(decoded) => {
            for left_out in &decoded.unreadable {
                assert!(!left_out.text.contains(char::is_control), "{left_out:?}");
            }
            Some(decoded.value)
        }
        Err(malformed) => {
            let message = malformed.to_string();
            assert!(!message.contains(CANARY), "{message}");
            assert!(!message.contains(['@', '\n', '\r']) && message.len() < 400, "{message:?}");
            None
        }
    }
}

fn rows_add_up<T>(page: &decode::Page<T>) {
    assert!(page.rows.len() <= page.received);
    assert_ne!(page.page_size, Some(0));
}

fn now() -> Timestamp {
    Timestamp::constant(1_800_000_000, 0)
}
