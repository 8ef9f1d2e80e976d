//! Property tests: for any inventory, the rendered text can be parsed and has the right values.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use elements::types::{
    CompactTimestamp, ListedCustomer, Observation, ProductType, Quantity, Query, Seats, Subscription, SubscriptionKey,
    TenantSeats, TenantType,
};
use exposition::Family;
use exposition::{Format, Snapshot};
use jiff::Timestamp;
use prometheus::{Gauge, Registry};
use proptest::prelude::*;

use super::{at, collectors, gunzip, samples, scrape, text_of};
use crate::catalog;
use crate::config::CustomerEntry;
use crate::inventory::{Customer, Inventory, KnownSubscription};
use crate::metrics;

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![".{0,8}", "[\\\\\"\n\r\0,{}=#\u{fffd}a ]{0,6}"]
}

fn any_quantity() -> impl Strategy<Value = Option<Quantity>> {
    let numbers =
        prop_oneof![Just(f64::INFINITY), (0..u64::MAX).prop_map(|n| n as f64), 0.0..1e6, proptest::num::f64::POSITIVE,];
    prop::option::of(numbers.prop_map(|number| Quantity::new(number).unwrap()))
}

fn any_tenants() -> impl Strategy<Value = Vec<TenantSeats>> {
    let tenant =
        (any_text(), any_text(), any_quantity(), any_quantity()).prop_map(|(id, name, assigned, available)| {
            TenantSeats { id: id.into(), name: name.into(), seats: Seats { assigned, available } }
        });
    prop::collection::vec(tenant, 0..6)
}

fn any_subscription() -> impl Strategy<Value = Subscription> {
    let change = prop::option::of(-(1_i64 << 53)..1 << 53);
    let time = || prop::option::of(-1_000_000_000_000..4_000_000_000_000_i64);
    let at = |millis: i64| Timestamp::from_millisecond(millis).unwrap().into();
    let numbers = prop::collection::vec(any_quantity(), 8);
    (prop::collection::vec(any_text(), 8), numbers, change, time(), time()).prop_map(
        move |(texts, numbers, change, expires, ends)| Subscription {
            key: SubscriptionKey {
                service: texts[0].as_str().into(),
                model: texts[1].as_str().into(),
                source: texts[2].as_str().into(),
                payment_type: texts[3].as_str().into(),
                storage: texts[4].as_str().into(),
                name: texts[5].as_str().into(),
                package: texts[6].as_str().into(),
            }
            .into(),
            retention: texts[7].as_str().into(),
            seats_purchased: numbers[0],
            units_purchased: numbers[1],
            licenses_assigned: numbers[2],
            licenses_available: numbers[3],
            capacity_purchased: numbers[4],
            capacity_used: numbers[5],
            capacity_protected: numbers[6],
            storage_consumed: numbers[7],
            seats_change: change,
            expires: expires.map(at),
            contract_ends: ends.map(at),
        },
    )
}

/// A customer: name, values of two configured labels, tenants, subscriptions, and four numbers.
type AnyCustomer = (String, [String; 2], Vec<TenantSeats>, Vec<Subscription>, [Option<Quantity>; 4]);

fn any_customer() -> impl Strategy<Value = AnyCustomer> {
    let labels = prop::array::uniform2(any_text());
    let subscriptions = prop::collection::vec(any_subscription(), 0..4);
    (any_text(), labels, any_tenants(), subscriptions, prop::array::uniform4(any_quantity()))
}

const TENANTS: Query = Query::TenantSeats(TenantType::Google);
const CUSTOMER: Query = Query::CustomerSeats(TenantType::Google);
const PURCHASED: Query = Query::ProductPurchased(ProductType(2048));
const AVAILABLE: Query = Query::ProductAvailable(ProductType(2048));

/// The expected series of a customer in the API families, without the labels that all of them have.
fn expected_of(
    (name, _, tenants, _, numbers): &AnyCustomer,
    known: &Customer,
    mut expect: impl FnMut(&Family, &[(&str, &str)], Option<f64>),
) {
    let number = |quantity: Option<Quantity>| quantity.map(Quantity::get);
    expect(&catalog::CUSTOMER_INFO, &[("customer_name", name)], Some(1.0));
    let tenant_type = ("tenant_type", "google");
    expect(&catalog::CUSTOMER_SEATS_ASSIGNED, &[tenant_type], number(numbers[0]));
    expect(&catalog::CUSTOMER_SEATS_AVAILABLE, &[tenant_type], number(numbers[1]));
    let product = [("product_type", "2048"), ("product", ProductType(2048).name())];
    expect(&catalog::PRODUCT_SEATS_PURCHASED, &product, number(numbers[2]));
    expect(&catalog::PRODUCT_SEATS_AVAILABLE, &product, number(numbers[3]));
    let mut ids = HashSet::new();
    for tenant in tenants.iter().filter(|tenant| ids.insert(&tenant.id)) {
        let labels = [tenant_type, ("tenant_id", tenant.id.as_str()), ("tenant_name", &tenant.name)];
        expect(&catalog::TENANT_INFO, &labels, Some(1.0));
        expect(&catalog::TENANT_SEATS_ASSIGNED, &labels[..2], number(tenant.seats.assigned));
        expect(&catalog::TENANT_SEATS_AVAILABLE, &labels[..2], number(tenant.seats.available));
    }
    for KnownSubscription { id, subscription: row } in &*known.services.as_ref().unwrap().subscriptions {
        let key = &row.key;
        let id = id.to_string();
        let labels = [
            ("subscription_id", id.as_str()),
            ("service_name", &*key.service),
            ("subscription_model", &*key.model),
            ("storage", &*key.storage),
            ("retention", &*row.retention),
            ("source", &*key.source),
            ("payment_type", &*key.payment_type),
            ("subscription_name", &*key.name),
            ("package", &*key.package),
        ];
        expect(&catalog::SUBSCRIPTION_INFO, &labels, Some(1.0));
        let seconds = |time: Option<Timestamp>| time.map(|time| time.as_millisecond() as f64 / 1000.0);
        for (family, value) in [
            (&catalog::SUBSCRIPTION_SEATS_PURCHASED, number(row.seats_purchased)),
            (&catalog::SUBSCRIPTION_UNITS_PURCHASED, number(row.units_purchased)),
            (&catalog::SUBSCRIPTION_LICENSES_ASSIGNED, number(row.licenses_assigned)),
            (&catalog::SUBSCRIPTION_LICENSES_AVAILABLE, number(row.licenses_available)),
            (&catalog::SUBSCRIPTION_CAPACITY_PURCHASED, number(row.capacity_purchased)),
            (&catalog::SUBSCRIPTION_CAPACITY_USED, number(row.capacity_used)),
            (&catalog::SUBSCRIPTION_CAPACITY_PROTECTED, number(row.capacity_protected)),
            (&catalog::SUBSCRIPTION_CAPACITY_PER_SEAT, number(row.key.capacity_per_seat())),
            (&catalog::SUBSCRIPTION_STORAGE_CONSUMED, number(row.storage_consumed)),
            (&catalog::SUBSCRIPTION_SEATS_CHANGE, row.seats_change.map(|change| change as f64)),
            (&catalog::SUBSCRIPTION_EXPIRATION, seconds(row.expires.map(CompactTimestamp::get))),
            (&catalog::SUBSCRIPTION_CONTRACT_END, seconds(row.contract_ends.map(CompactTimestamp::get))),
        ] {
            expect(family, &labels[..2], value);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_the_api_says_can_be_read_again(
        customers in prop::collection::btree_map(any_text(), any_customer(), 0..5),
        partner in any_text(),
        with_name in any::<bool>(),
    ) {
        let list: Vec<_> = customers.iter().map(|(id, (name, [first, second], ..))| CustomerEntry {
            id: id.as_str().into(),
            name: Some(name.clone()),
            labels: vec![("Zone_2".to_owned(), first.clone()), ("tier".to_owned(), second.clone())],
        }).collect();
        let mut collectors = collectors();
        collectors.products_available.0.enabled = true;
        let mut inventory = Inventory::new(partner.as_str().into(), Arc::new(collectors), true, &list);
        let mut expected = HashMap::new();
        for (id, customer) in &customers {
            let (name, [first, second], tenants, subscriptions, numbers) = customer;
            let id = id.as_str().into();
            inventory.plan(&id, &[TENANTS, CUSTOMER, PURCHASED, AVAILABLE]);
            let seats = Seats { assigned: numbers[0], available: numbers[1] };
            inventory.record_success(&id, TENANTS, Observation::TenantSeats(tenants.clone().into()), at(0));
            inventory.record_success(&id, CUSTOMER, Observation::CustomerSeats(seats), at(0));
            inventory.record_success(&id, PURCHASED, Observation::ProductPurchased(numbers[2]), at(0));
            inventory.record_success(&id, AVAILABLE, Observation::ProductAvailable(numbers[3]), at(0));
            let listed = ListedCustomer { id: id.clone(), name: None, subscriptions: Some(subscriptions.clone()) };
            inventory.upsert_listed(listed, at(0));
            expected_of(customer, &inventory.customers[&id], |family, labels, value| {
                let mut labels = labels.to_vec();
                labels.extend([("partner", partner.as_str()), ("customer_id", id.as_str())]);
                labels.extend([("Zone_2", first.as_str()), ("tier", second)]);
                let is_named = family.labels.contains(&"customer_name");
                labels.extend((with_name && !is_named).then_some(("customer_name", name.as_str())));
                labels.sort_unstable();
                let labels = labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
                let labels = labels.collect::<Vec<_>>();
                expected.extend(value.map(|value| ((family.name.to_owned(), labels), value)));
            });
        }
        let exposition = metrics::render(&[inventory], with_name, at(10));
        let read = samples(scrape(&exposition, Format::Text, &[]));
        prop_assert_eq!(&read, &samples(scrape(&exposition, Format::OpenMetrics, &[])));
        prop_assert_eq!(read.len() as u64, exposition.series());
        for format in [Format::Text, Format::OpenMetrics] {
            let gzip = exposition.scrape(format, true, &[]);
            prop_assert_eq!(gunzip(&gzip), text_of(&exposition.scrape(format, false, &[])));
        }
        let of_the_api = |name: &str| {
            ["avepoint_customer_", "avepoint_tenant_", "avepoint_product_", "avepoint_subscription_"]
                .iter()
                .any(|start| name.starts_with(start))
        };
        let read = read.into_iter().filter(|sample| of_the_api(&sample.name)).map(|mut sample| {
            sample.labels.sort();
            ((sample.name, sample.labels), sample.value)
        });
        prop_assert_eq!(read.collect::<HashMap<_, _>>(), expected);
    }

    #[test]
    fn numbers_are_read_again_as_they_were(value in proptest::num::f64::ANY) {
        let gauge = Gauge::new("some_gauge", "Any number.").unwrap();
        gauge.set(value);
        let registry = Registry::new();
        registry.register(Box::new(gauge)).unwrap();
        let read = samples(scrape(&Snapshot::empty(), Format::OpenMetrics, &registry.gather()))[0].value;
        prop_assert!(read == value || (read.is_nan() && value.is_nan()), "{read} for {value}");
    }
}
