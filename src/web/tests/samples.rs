//! Inventories made by hand.

use std::sync::Arc;
use std::time::Duration;

use elements::types::{
    CustomerId, FailureReason, ListedCustomer, Observation, ProductType, Quantity, Query, Seats, Subscription,
    SubscriptionKey, TenantSeats, TenantType,
};
use jiff::{SignedDuration, Timestamp};

use crate::config::{CollectorSettings, Schedule, Selection};
use crate::inventory::Inventory;

pub(in crate::web) const SEATS: Query = Query::TenantSeats(TenantType::Microsoft365);
const PRODUCT: Query = Query::ProductPurchased(ProductType::CLOUD_BACKUP_M365);
const CUSTOMER: Query = Query::CustomerSeats(TenantType::Google);

/// A time, in seconds from one that all tests share.
pub(in crate::web) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// A time, in days from the same.
pub(in crate::web) fn day(day: i64) -> Timestamp {
    at(day * 86_400)
}

/// Every collector; values live for an hour.
pub(in crate::web) fn settings() -> CollectorSettings {
    let schedule = Schedule { enabled: true, interval: Duration::from_mins(15), max_age: Duration::from_hours(1) };
    CollectorSettings {
        services: schedule,
        tenant_seats: (schedule, Selection::Auto),
        customer_seats: (schedule, Selection::Auto),
        products_purchased: (schedule, Selection::Auto),
        products_available: (schedule, Selection::Auto),
        optional: [].into(),
    }
}

/// A partner that has not been polled; its values live for an hour.
pub(in crate::web) fn bare(partner: &str) -> Inventory {
    Inventory::new(partner.into(), Arc::new(settings()), true, &[])
}

/// A subscription with nothing but a service.
pub(in crate::web) fn subscription(service: &str) -> Subscription {
    Subscription {
        key: SubscriptionKey { service: service.into(), ..SubscriptionKey::default() }.into(),
        ..Subscription::default()
    }
}

/// The same under a subscription model.
pub(in crate::web) fn modelled(model: &str, subscription: Subscription) -> Subscription {
    let key = SubscriptionKey { model: model.into(), ..SubscriptionKey::clone(&subscription.key) };
    Subscription { key: key.into(), ..subscription }
}

/// A partner whose listing of these customers was complete at 0.
pub(in crate::web) fn listed(partner: &str, customers: Vec<(&str, &str, Vec<Subscription>)>) -> Inventory {
    let mut inventory = bare(partner);
    let ids = customers.iter().map(|(id, ..)| CustomerId::from(*id)).collect();
    for (id, name, subscriptions) in customers {
        let name = Some(name.into()).filter(|_| !name.is_empty());
        inventory.upsert_listed(ListedCustomer { id: id.into(), name, subscriptions: Some(subscriptions) }, at(0));
    }
    inventory.complete_listing(&ids, at(0));
    inventory
}

/// The customer has one tenant with these seats, seen at 0.
pub(in crate::web) fn seats(inventory: &mut Inventory, customer: &str, assigned: u32, available: u32) {
    let customer = customer.into();
    inventory.plan(&customer, &[SEATS]);
    inventory.record_success(&customer, SEATS, tenants(assigned, available), at(0));
}

fn tenants(assigned: u32, available: u32) -> Observation {
    let seats = Seats { assigned: Some(assigned.into()), available: Some(available.into()) };
    Observation::TenantSeats([TenantSeats { id: "t1".into(), name: "contoso.onmicrosoft.com".into(), seats }].into())
}

/// Any number of customers as a partner might have them: most are well, some are not.
pub(in crate::web) fn believable(partner: &str, customers: u32, now: Timestamp) -> Inventory {
    const NAMES: [&str; 12] = [
        "Contoso",
        "Fabrikam",
        "Northwind",
        "Tailspin",
        "Woodgrove",
        "Litware",
        "Proseware",
        "Adatum",
        "Wingtip",
        "Lucerne",
        "Trey Research",
        "Alpine",
    ];
    const KINDS: [&str; 5] = ["Group", "Logistics", "Dental", "Municipality", "Engineering GmbH & Co. KG"];
    let mut inventory = bare(partner);
    let mut random = fastrand::Rng::with_seed(7);
    let mut ids = std::collections::HashSet::new();
    for number in 0..customers {
        let id = format!("{:08x}-121b-4bbc-80a4-{number:012x}", random.u32(..));
        let kind = KINDS[number as usize / NAMES.len() % KINDS.len()];
        let mut name = format!("{} {kind}", NAMES[number as usize % NAMES.len()]);
        if number >= 60 {
            name = format!("{name} {number}");
        }
        let name = (number % 97 != 13).then(|| name.as_str().into());
        let (seen, subscriptions) =
            (now - SignedDuration::from_secs(random.i64(60..700)), subscriptions(&mut random, now));
        let customer = CustomerId::from(id);
        inventory
            .upsert_listed(ListedCustomer { id: customer.clone(), name, subscriptions: Some(subscriptions) }, seen);
        inventory.plan(&customer, &[SEATS, CUSTOMER, PRODUCT]);
        poll(&mut inventory, &customer, &mut random, seen);
        ids.insert(customer);
    }
    inventory.complete_listing(&ids, now - SignedDuration::from_secs(200));
    inventory
}

fn subscriptions(random: &mut fastrand::Rng, now: Timestamp) -> Vec<Subscription> {
    let purchased = random.u32(20..900);
    let assigned = if random.u8(..) < 12 { purchased + random.u32(1..40) } else { random.u32(5..=purchased) };
    let days = if random.u8(..) < 20 { random.i64(-20..40) } else { random.i64(45..700) };
    let expires = Some((now + SignedDuration::from_hours(24 * days + 5)).into());
    let gb = f64::from(1 << 30);
    let backup = Subscription {
        key: SubscriptionKey {
            model: "Enterprise".into(),
            source: "AvePoint pooled subscription".into(),
            payment_type: "Prepaid".into(),
            storage: "AvePoint storage (Microsoft Azure Blob)".into(),
            package: "Standard".into(),
            service: "Cloud Backup for Microsoft 365".into(),
            ..SubscriptionKey::default()
        }
        .into(),
        retention: "Unlimited retention".into(),
        seats_purchased: Some(purchased.into()),
        licenses_assigned: Some(assigned.into()),
        licenses_available: Some(0.into()),
        storage_consumed: Quantity::new(1.42 * gb * f64::from(random.u32(1..900))),
        seats_change: Some(random.i64(-3..9)),
        expires,
        contract_ends: expires,
        ..subscription("")
    };
    let archiving = Subscription {
        capacity_purchased: Quantity::new(1024.0 * gb),
        capacity_used: Quantity::new(gb * f64::from(random.u32(10..1000))),
        expires: Some((now + SignedDuration::from_hours(24 * 400)).into()),
        ..subscription("Opus - Information Lifecycle for Microsoft 365")
    };
    let governance = Subscription { seats_purchased: Some(Quantity::UNLIMITED), ..subscription("Cloud Governance") };
    vec![backup, archiving, governance]
}

fn poll(inventory: &mut Inventory, customer: &CustomerId, random: &mut fastrand::Rng, seen: Timestamp) {
    let assigned = random.u32(5..800);
    let available = if random.u8(..) < 10 { 0 } else { random.u32(1..300) };
    let before = seen - SignedDuration::from_hours(2);
    match random.u8(..) {
        0..4 => {}
        4..10 => {
            inventory.record_success(customer, SEATS, tenants(assigned, available), before);
            inventory.record_failure(customer, SEATS, FailureReason::Timeout, seen);
        }
        10..14 => inventory.record_failure(customer, SEATS, FailureReason::Forbidden, seen),
        _ => {
            inventory.record_success(customer, SEATS, tenants(assigned, available), seen);
        }
    }
    inventory.record_absent(customer, CUSTOMER, seen);
    inventory.record_success(customer, PRODUCT, Observation::ProductPurchased(Some(20.into())), seen);
}
