//! Whatever the inventory holds, what is rendered can be read and says the same.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

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
use jiff::Timestamp;

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

/// A label's value as a scrape gives it back.
fn visible(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
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
            inventory.observe(ListedCustomer { id: id.clone(), name: None, subscriptions: subscriptions.clone() }, at(0));
            // What ids cannot tell apart is served once, whichever comes first.
            let mut expect = |family: &str, labels: &[(&str, &str)], value: Option<f64>| {
                let mut labels = labels.to_vec();
                labels.extend([("partner", partner.as_str()), ("customer_id", id.as_str()), ("tier", label)]);
                labels.extend(with_name.then_some(("customer_name", name.as_str())));
                let mut labels: Vec<_> = labels.iter().map(|(name, value)| ((*name).to_owned(), visible(value))).collect();
                labels.sort();
                if let Some(value) = value {
                    expected.entry((family.to_owned(), labels)).or_insert_with(Vec::new).push(value);
                }
            };
            for tenant in tenants {
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
        let mut found = 0;
        for sample in read {
            let mut labels = sample.labels;
            labels.sort();
            if let Some(values) = expected.get(&(sample.name.clone(), labels)) {
                prop_assert!(values.contains(&sample.value), "{} of {:?}", sample.value, values);
                found += 1;
            }
        }
        let ids: HashSet<_> = customers.keys().map(|id| visible(id)).collect();
        if ids.len() == customers.len() && !customers.values().any(|(_, _, tenants, _)| repeats(tenants)) {
            prop_assert_eq!(found, expected.len());
        }
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

/// Whether two rows have the same id, so that only one is served.
fn repeats(tenants: &[TenantSeats]) -> bool {
    let ids: HashSet<_> = tenants.iter().map(|tenant| visible(tenant.id.as_str())).collect();
    ids.len() < tenants.len()
}
