//! Whatever the inventory holds, what is rendered can be read and says the same.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use prometheus::{Gauge, Registry};
use proptest::prelude::*;

use super::{at, collectors, gunzip, row, samples, scrape, text_of};
use crate::catalog;
use crate::config::ListedSettings;
use crate::domain::{
    Answer, ListedCustomer, Quantity, Question, Seats, Subscription, SubscriptionKind, TenantSeats, TenantType,
};
use crate::exposition::{Exposition, Format};
use crate::inventory::Inventory;

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
    let numbers = (any_quantity(), any_quantity(), any_quantity(), prop::option::of(-(1_i64 << 53)..1 << 53));
    let millis = prop::option::of(-1_000_000_000_000..4_000_000_000_000_i64);
    (prop::array::uniform3(any_text()), numbers, millis).prop_map(
        |([service, package, retention], numbers, expires)| Subscription {
            kind: SubscriptionKind { service: service.into(), package: package.into(), ..SubscriptionKind::default() },
            retention: retention.into(),
            seats_purchased: numbers.0,
            capacity_used: numbers.1,
            storage_consumed: numbers.2,
            seats_change: numbers.3,
            expires: expires.map(|millis| Timestamp::from_millisecond(millis).unwrap()),
            ..row("")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_the_api_says_can_be_read_again(
        customers in prop::collection::btree_map(
            any_text(),
            (any_text(), any_text(), any_tenants(), prop::collection::vec(any_subscription(), 0..4)),
            0..5,
        ),
        partner in any_text(),
        with_name in any::<bool>(),
    ) {
        const QUESTION: Question = Question::TenantSeats(TenantType::Google);
        let list: Vec<_> = customers.iter().map(|(id, (name, label, ..))| ListedSettings {
            id: id.as_str().into(),
            name: Some(name.clone()),
            labels: vec![("tier".to_owned(), label.clone())],
        }).collect();
        let mut inventory = Inventory::new(partner.as_str().into(), Arc::new(collectors()), true, &list);
        let mut expected = HashMap::new();
        for (id, (name, label, tenants, subscriptions)) in &customers {
            let id = id.as_str().into();
            inventory.plan(&id, &[QUESTION]);
            inventory.succeed(&id, QUESTION, Answer::TenantSeats(tenants.clone().into()), at(0));
            let listed = ListedCustomer { id: id.clone(), name: None, subscriptions: Some(subscriptions.clone()) };
            inventory.observe(listed, at(0));
            let mut expect = |family: &str, labels: &[(&str, &str)], value: Option<f64>| {
                let mut labels = labels.to_vec();
                labels.extend([("partner", partner.as_str()), ("customer_id", id.as_str()), ("tier", label)]);
                labels.extend(with_name.then_some(("customer_name", name.as_str())));
                labels.sort_unstable();
                let labels = labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
                if let Some(value) = value {
                    expected.insert((family.to_owned(), labels.collect::<Vec<_>>()), value);
                }
            };
            let mut ids = HashSet::new();
            for tenant in tenants.iter().filter(|tenant| ids.insert(&tenant.id)) {
                let labels = [("tenant_type", "google"), ("tenant_id", tenant.id.as_str())];
                expect(catalog::TENANT_SEATS_ASSIGNED.name, &labels, tenant.seats.assigned.map(Quantity::get));
            }
            for known in &*inventory.customers[&id].services.as_ref().unwrap().subscriptions {
                let row = &known.subscription;
                let labels = [("subscription_id", known.id.as_str()), ("service_name", &*row.kind.service)];
                expect(catalog::SUBSCRIPTION_SEATS_PURCHASED.name, &labels, row.seats_purchased.map(Quantity::get));
                expect(catalog::SUBSCRIPTION_SEATS_CHANGE.name, &labels, row.seats_change.map(|change| change as f64));
                let expires = row.expires.map(|time| time.as_millisecond() as f64 / 1000.0);
                expect(catalog::SUBSCRIPTION_EXPIRATION.name, &labels, expires);
            }
        }
        let exposition = Exposition::render(&[inventory], with_name, at(10));
        let read = samples(scrape(&exposition, Format::Text, &[]));
        prop_assert_eq!(&read, &samples(scrape(&exposition, Format::OpenMetrics, &[])));
        prop_assert_eq!(read.len() as u64, exposition.series());
        let gzip = exposition.scrape(Format::Text, true, &[]);
        prop_assert_eq!(gunzip(&gzip), text_of(&exposition.scrape(Format::Text, false, &[])));
        let checked = [
            catalog::TENANT_SEATS_ASSIGNED.name,
            catalog::SUBSCRIPTION_SEATS_PURCHASED.name,
            catalog::SUBSCRIPTION_SEATS_CHANGE.name,
            catalog::SUBSCRIPTION_EXPIRATION.name,
        ];
        let read = read.into_iter().filter(|sample| checked.contains(&sample.name.as_str())).map(|mut sample| {
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
        let read = samples(scrape(&Exposition::empty(), Format::OpenMetrics, &registry.gather()))[0].value;
        prop_assert!(read == value || (read.is_nan() && value.is_nan()), "{read} for {value}");
    }
}
