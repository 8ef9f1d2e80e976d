#![expect(clippy::float_cmp, reason = "a number that was written is read again exactly")]

mod backups;
mod properties;
mod updates;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use elements::types::{
    FailureReason, ListedCustomer, Observation, ProductType, Quantity, Query, Seats, Subscription, SubscriptionKey,
    TenantSeats, TenantType,
};
use exposition::{Format, Scrape, Snapshot, SnapshotHandle};
use flate2::read::{GzDecoder, MultiGzDecoder};
use jiff::Timestamp;
use prometheus::proto::MetricFamily;
use prometheus::{Counter, CounterVec, Gauge, HistogramOpts, HistogramVec, Opts, Registry};
use testkit::checker::{Family, Sample, parse};
use testkit::golden;

use super::*;
use crate::catalog;
use crate::config::{CollectorSettings, CustomerEntry, Schedule, Selection};
use crate::inventory::Inventory;

const HOUR: Duration = Duration::from_hours(1);
const GIB: f64 = 1_073_741_824.0;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn collectors() -> CollectorSettings {
    let schedule = Schedule { enabled: true, interval: HOUR / 4, max_age: HOUR };
    let slow = Schedule { enabled: true, interval: HOUR, max_age: 4 * HOUR };
    CollectorSettings {
        services: schedule,
        tenant_seats: (schedule, Selection::Auto),
        customer_seats: (schedule, Selection::Auto),
        products_purchased: (slow, Selection::Auto),
        products_available: (Schedule { enabled: false, ..slow }, Selection::Auto),
        optional: [].into(),
    }
}

fn quantity(value: f64) -> Option<Quantity> {
    Quantity::new(value)
}

fn seats(assigned: f64, available: Option<f64>) -> Seats {
    Seats { assigned: quantity(assigned), available: available.and_then(Quantity::new) }
}

/// Two customers: `a` has one value of every kind, `b` has only its id.
fn small() -> Inventory {
    let labels = vec![("tier".to_owned(), "go\"ld\\".to_owned()), ("zone".to_owned(), "one\ntwo".to_owned())];
    let listed = CustomerEntry { id: "a".into(), name: Some("Contoso \"ŁÓDŹ\"".into()), labels };
    let mut inventory = Inventory::new("main".into(), Arc::new(collectors()), true, &[listed]);
    let backup = Subscription {
        key: SubscriptionKey {
            service: "Cloud Backup for Microsoft 365".into(),
            model: "50 GB/User/Year".into(),
            source: "AvePoint subscription".into(),
            payment_type: "Prepaid".into(),
            storage: "AvePoint storage".into(),
            name: "".into(),
            package: "Standard".into(),
        }
        .into(),
        retention: "Unlimited retention".into(),
        seats_purchased: quantity(20.0),
        units_purchased: Some(Quantity::UNLIMITED),
        licenses_assigned: quantity(14.0),
        licenses_available: quantity(0.0),
        capacity_purchased: quantity(1024.0 * GIB),
        capacity_used: quantity(0.5),
        capacity_protected: quantity(GIB),
        storage_consumed: quantity(1.5 * GIB),
        seats_change: Some(-3),
        expires: Some(at(86_400).into()),
        contract_ends: Some(Timestamp::from_millisecond(1_800_000_000_250).unwrap().into()),
    };
    inventory.upsert_listed(ListedCustomer { id: "a".into(), name: None, subscriptions: Some(vec![backup]) }, at(0));
    inventory.upsert_listed(ListedCustomer { id: "b".into(), name: None, subscriptions: Some(vec![]) }, at(0));
    inventory.complete_listing(&["a".into(), "b".into()].into(), at(1));
    let queries = [
        Query::TenantSeats(TenantType::Microsoft365),
        Query::CustomerSeats(TenantType::Microsoft365),
        Query::CustomerSeats(TenantType::Other(9)),
        Query::ProductPurchased(ProductType(40)),
        Query::ProductPurchased(ProductType(2048)),
        Query::ProductPurchased(ProductType(3)),
    ];
    let a = "a".into();
    inventory.plan(&a, &queries);
    let tenants = [("t1", "contoso.com", seats(14.0, Some(6.0))), ("t2", "", seats(2.0, None))];
    let tenants = tenants.map(|(id, name, seats)| TenantSeats { id: id.into(), name: name.into(), seats });
    inventory.record_success(&a, queries[0], Observation::TenantSeats(tenants.into()), at(2));
    inventory.record_success(&a, queries[1], Observation::CustomerSeats(seats(16.0, Some(6.0))), at(3));
    inventory.record_success(&a, queries[2], Observation::CustomerSeats(Seats::default()), at(4));
    inventory.record_success(&a, queries[3], Observation::ProductPurchased(None), at(5));
    inventory.record_success(&a, queries[4], Observation::ProductPurchased(quantity(20.0)), at(6));
    inventory.record_failure(&a, queries[5], FailureReason::Timeout, at(7));
    inventory
}

/// The exporter's own metrics, in two registries with one common family name.
fn own() -> Vec<MetricFamily> {
    let registries = ["main", "other"].map(|partner| {
        let registry = Registry::new_custom(None, Some([("partner".to_owned(), partner.to_owned())].into())).unwrap();
        let polls = Opts::new(catalog::COLLECTOR_POLLS.name, catalog::COLLECTOR_POLLS.help);
        let polls = CounterVec::new(polls, &["collector"]).unwrap();
        polls.with_label_values(&["services"]).inc_by(3.0);
        let duration = HistogramOpts::new(catalog::API_REQUEST_DURATION.name, "A \"help\"\\.");
        let duration = HistogramVec::new(duration.buckets(vec![0.05, 1.0, 2.5, 300.0]), &["operation"]).unwrap();
        duration.with_label_values(&["to\nken"]).observe(0.75);
        duration.with_label_values(&["to\nken"]).observe(1000.0);
        registry.register(Box::new(polls)).unwrap();
        registry.register(Box::new(duration)).unwrap();
        registry
    });
    let process = Registry::new();
    process.register(Box::new(Counter::new("process_cpu_seconds_total", "CPU time.").unwrap())).unwrap();
    process.register(Box::new(Gauge::new("process_open_fds", "Files.").unwrap())).unwrap();
    let build = Opts::new(catalog::BUILD_INFO.name, catalog::BUILD_INFO.help).const_label("version", "1.2.3");
    let build = Gauge::with_opts(build).unwrap();
    build.set(1.0);
    process.register(Box::new(build)).unwrap();
    let [main, other] = registries;
    merge(vec![process.gather(), main.gather(), other.gather()])
}

fn text_of(scrape: &Scrape) -> String {
    assert!(scrape.chunks.iter().all(|chunk| !chunk.is_empty()));
    String::from_utf8(scrape.chunks.concat()).unwrap()
}

fn scrape(exposition: &Snapshot, format: Format, own: &[MetricFamily]) -> Vec<Family> {
    let text = text_of(&exposition.scrape(format, false, own));
    parse(&text, format == Format::OpenMetrics).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"))
}

fn samples(families: Vec<Family>) -> Vec<Sample> {
    families.into_iter().flat_map(|family| family.samples).collect()
}

#[test]
fn a_scrape_is_as_it_was() {
    let exposition = render(&[small()], false, at(10));
    let text = exposition.scrape(Format::Text, false, &own());
    assert_eq!(text.content_type, "text/plain; version=0.0.4; charset=utf-8");
    golden::compare(Path::new("tests/golden/exposition.prom"), &text_of(&text));
    let openmetrics = exposition.scrape(Format::OpenMetrics, false, &own());
    assert_eq!(openmetrics.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    golden::compare(Path::new("tests/golden/exposition.openmetrics"), &text_of(&openmetrics));
}

#[test]
fn both_formats_hold_the_same_samples() {
    let exposition = render(&[small()], true, at(10));
    let text = scrape(&exposition, Format::Text, &own());
    let openmetrics = scrape(&exposition, Format::OpenMetrics, &own());
    let units: Vec<_> = openmetrics.iter().filter_map(|family| family.unit.as_deref()).collect();
    assert!(units.contains(&"seconds") && units.contains(&"bytes"));
    assert_eq!(samples(text), samples(openmetrics));
    assert_eq!(samples(scrape(&exposition, Format::Text, &[])).len() as u64, exposition.series());
}

#[test]
fn families_come_in_the_order_and_with_the_labels_of_the_catalogue() {
    let exposition = render(&[small()], false, at(10));
    let families = scrape(&exposition, Format::Text, &[]);
    let mut catalogue = catalog::ALL.iter();
    for family in &families {
        let known = catalogue.find(|known| known.name == family.name).expect("in the order of the catalogue");
        assert_eq!(family.help, known.help);
        for sample in &family.samples {
            let names = sample.labels.iter().map(|(name, _)| name.as_str());
            let expected = known.labels.iter().copied();
            let configured = sample.labels.iter().any(|(name, value)| name == "customer_id" && value == "a");
            assert!(names.eq(expected.chain(["tier", "zone"].into_iter().filter(|_| configured))), "{sample:?}");
        }
    }
    let names: Vec<_> = families.iter().map(|family| family.name.as_str()).collect();
    let last = catalog::ALL.iter().position(|known| known.name == catalog::CUSTOMERS.name).unwrap();
    let elsewhere = [
        catalog::PRODUCT_SEATS_AVAILABLE.name, // disabled
        catalog::COLLECTOR_POLLS.name,
        catalog::COLLECTOR_POLL_FAILURES.name,
        catalog::POLL_LAG.name,
        catalog::UP.name,
    ];
    let rendered = catalog::ALL[..=last]
        .iter()
        .filter(|known| catalog::optional_collector(known.name).is_none())
        .map(|known| known.name);
    assert_eq!(names, rendered.filter(|name| !elsewhere.contains(name)).collect::<Vec<_>>());
}

#[test]
fn the_name_is_on_every_series_of_a_customer_where_it_is_asked_for() {
    for family in scrape(&render(&[small()], true, at(10)), Format::Text, &[]) {
        for sample in family.samples {
            let count = |label| sample.labels.iter().filter(|(name, _)| name == label).count();
            assert_eq!(count("customer_name"), count("customer_id"), "{sample:?}");
        }
    }
}

/// The values served at `now`, by name, and the next time at which they change.
fn served(inventory: &Inventory, now: i64) -> (Vec<String>, Option<Timestamp>) {
    let exposition = render(std::slice::from_ref(inventory), false, at(now));
    let families = scrape(&exposition, Format::Text, &[]);
    (families.into_iter().map(|family| family.name).collect(), exposition.next_expiry())
}

#[test]
fn a_value_is_served_until_its_max_age_and_its_last_success_longer() {
    let inventory = small();
    let has = |now, name: &str| served(&inventory, now).0.iter().any(|served| served == name);
    let mut now = 10;
    // The service list at 0, its completion at 1, then the results at 2 to 4, and those with a longer `max_age` at 5
    // and 6.
    for expiry in [3600, 3601, 3602, 3603, 3604, 4 * 3600 + 5, 4 * 3600 + 6] {
        assert_eq!(served(&inventory, now).1, Some(at(expiry)));
        now = expiry;
    }
    assert_eq!(served(&inventory, now).1, None);
    for (family, expiry) in [
        (&catalog::SUBSCRIPTION_INFO, 3600),
        (&catalog::TENANT_INFO, 3602),
        (&catalog::CUSTOMER_SEATS_ASSIGNED, 3603),
        (&catalog::PRODUCT_SEATS_PURCHASED, 4 * 3600 + 6),
    ] {
        assert!(has(expiry - 1, family.name) && !has(expiry, family.name), "{}", family.name);
    }
    assert!(has(1_000_000, catalog::CUSTOMER_INFO.name));
    assert!(has(1_000_000, catalog::COLLECTOR_LAST_SUCCESS.name));
}

#[test]
fn targets_are_counted_in_every_state_of_every_enabled_collector() {
    let counts = |now| -> BTreeMap<_, _> {
        let families = scrape(&render(&[small()], false, at(now)), Format::Text, &[]);
        let family = families.into_iter().find(|family| family.name == catalog::COLLECTOR_TARGETS.name).unwrap();
        let key = |sample: &Sample| format!("{} {}", sample.labels[1].1, sample.labels[2].1);
        family.samples.iter().map(|sample| (key(sample), sample.value)).collect()
    };
    let before = counts(10);
    assert_eq!(before.len(), 4 * 5, "the fifth collector is disabled");
    assert_eq!(before["products_purchased fresh"], 2.0);
    assert_eq!(before["products_purchased failing"], 1.0);
    assert_eq!(before["services fresh"], 1.0);
    assert_eq!(before["services absent"], 0.0);
    assert_eq!(counts(3601)["services stale"], 1.0);
}

#[test]
fn what_a_disabled_collector_once_knew_is_not_served() {
    let mut inventory = small();
    let mut settings = collectors();
    settings.services.enabled = false;
    settings.tenant_seats.0.enabled = false;
    inventory.collectors = Arc::new(settings);
    let (names, expiry) = served(&inventory, 10);
    assert!(!names.iter().any(|name| name.contains("subscription") || name.contains("tenant_")), "{names:?}");
    assert_eq!(expiry, Some(at(3603)));
}

#[test]
fn before_the_first_generation_there_are_only_the_exporters_own() {
    let snapshots = SnapshotHandle::new();
    let empty = snapshots.get();
    assert_eq!((empty.series(), empty.next_expiry()), (0, None));
    assert_eq!(text_of(&empty.scrape(Format::Text, false, &[])), "");
    assert_eq!(text_of(&empty.scrape(Format::OpenMetrics, false, &[])), "# EOF\n");
    assert_eq!(scrape(&empty, Format::Text, &own()).len(), 5);
    snapshots.clone().publish(render(&[small()], false, at(10)));
    assert!(snapshots.get().series() > 0);
    assert_eq!(empty.series(), 0, "who has the one before keeps it");
}

#[test]
fn a_family_that_was_rendered_cannot_come_twice() {
    let customers = Gauge::new(catalog::CUSTOMERS.name, "Another.").unwrap();
    let registry = Registry::new();
    registry.register(Box::new(customers)).unwrap();
    assert!(merge(vec![registry.gather()]).is_empty());
    let other = Registry::new();
    other.register(Box::new(Gauge::new("other", "Another.").unwrap())).unwrap();
    let merged = merge(vec![other.gather(), other.gather()]);
    assert_eq!((merged.len(), merged[0].get_metric().len()), (1, 1), "nor a series of several registries");
}

#[test]
fn own_families_are_in_the_order_of_the_catalogue_then_by_name() {
    let names: Vec<_> = own().iter().map(|family| family.name().to_owned()).collect();
    let expected = [
        catalog::COLLECTOR_POLLS.name,
        catalog::API_REQUEST_DURATION.name,
        catalog::BUILD_INFO.name,
        "process_cpu_seconds_total",
        "process_open_fds",
    ];
    assert_eq!(names, expected);
    assert!(own().iter().take(2).all(|family| family.get_metric().len() == 2));
}

fn gunzip(scrape: &Scrape) -> String {
    assert!(scrape.gzip);
    let body = scrape.chunks.concat();
    let mut all = String::new();
    MultiGzDecoder::new(&*body).read_to_string(&mut all).unwrap();
    let mut decoder = GzDecoder::new(&*body);
    let mut one = String::new();
    decoder.read_to_string(&mut one).unwrap();
    assert_eq!(decoder.into_inner(), b"", "one member to the end");
    assert_eq!(one, all);
    all
}

#[test]
fn compressed_is_the_same_in_one_member() {
    for exposition in [Snapshot::empty(), render(&[small()], false, at(10))] {
        for format in [Format::Text, Format::OpenMetrics] {
            // The first scrape compresses the snapshot, the second reuses it.
            for own in [own(), vec![]] {
                let plain = text_of(&exposition.scrape(format, false, &own));
                assert_eq!(gunzip(&exposition.scrape(format, true, &own)), plain);
            }
        }
    }
}

#[test]
fn concurrent_first_scrapes_are_all_answered() {
    let exposition = render(&[small()], false, at(10));
    let plain = text_of(&exposition.scrape(Format::Text, false, &[]));
    std::thread::scope(|scope| {
        let scrapes: Vec<_> = (0..4).map(|_| scope.spawn(|| exposition.scrape(Format::Text, true, &[]))).collect();
        for scrape in scrapes {
            assert_eq!(gunzip(&scrape.join().unwrap()), plain);
        }
    });
}
