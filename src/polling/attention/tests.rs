use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::config::{CollectorSettings, Selection};
use crate::domain::{ListedCustomer, ProductType, Quantity, SubscriptionKind, TenantSeats, TenantType};
use crate::inventory::Inventory;

const INTERVAL: Duration = Duration::from_mins(15);
const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const SEATS: Question = Question::CustomerSeats(TenantType::Microsoft365);
const TENANTS: Question = Question::TenantSeats(TenantType::Microsoft365);
const PURCHASED: Question = Question::ProductPurchased(ProductType::CLOUD_BACKUP_M365);

fn schedule(intervals: u32) -> Schedule {
    Schedule { enabled: true, interval: INTERVAL, max_age: INTERVAL * intervals, adaptive: true }
}

fn seats(assigned: f64, available: f64) -> Seats {
    Seats { assigned: Quantity::new(assigned), available: Quantity::new(available) }
}

fn subscription(service: &str) -> Subscription {
    let kind = SubscriptionKind { service: service.into(), ..SubscriptionKind::default() };
    Subscription { kind: kind.into(), ..Subscription::default() }
}

fn customer(subscription: Subscription, before: Option<Answer>) -> Arc<Customer> {
    let schedule = schedule(4);
    let settings = CollectorSettings {
        services: schedule,
        tenant_seats: (schedule, Selection::Auto),
        customer_seats: (schedule, Selection::Auto),
        products_purchased: (schedule, Selection::Auto),
        products_available: (schedule, Selection::Auto),
    };
    let mut inventory = Inventory::new("main".into(), settings.into(), true, &[]);
    let id = crate::domain::CustomerId::from("a");
    inventory.observe(ListedCustomer { id: id.clone(), name: None, subscriptions: Some(vec![subscription]) }, NOW);
    inventory.plan(&id, &[TENANTS, SEATS, PURCHASED]);
    if let Some(before) = before {
        inventory.succeed(&id, SEATS, before, NOW);
    }
    inventory.customers[&id].clone()
}

#[test]
fn seats_that_run_out_are_urgent_and_unlimited_ones_quiet() {
    let customer = customer(subscription("Cloud Backup for Microsoft 365"), None);
    let of = |answer: Answer| Urgency::of(&customer, SEATS, &answer, NOW);
    for (assigned, available, expected) in [
        (0.0, 0.0, Urgency::Quiet),
        (14.0, 0.0, Urgency::Urgent),
        (90.0, 10.0, Urgency::Urgent),
        (1000.0, 250.0, Urgency::Watched),
        (3.0, 2.0, Urgency::Urgent),
        (3.0, 5.0, Urgency::Watched),
        (50.0, 50.0, Urgency::Quiet),
        (1e6, f64::INFINITY, Urgency::Quiet),
    ] {
        assert_eq!(of(Answer::CustomerSeats(seats(assigned, available))), expected, "{assigned}, {available} left");
    }
    assert_eq!(of(Answer::CustomerSeats(Seats::default())), Urgency::Quiet, "the API gave nothing");
    let tenant = |id: &str, left| TenantSeats { id: id.into(), name: "".into(), seats: seats(100.0, left) };
    let tenants = Answer::TenantSeats([tenant("a", 900.0), tenant("b", 1.0)].into());
    assert_eq!(Urgency::of(&customer, TENANTS, &tenants, NOW), Urgency::Urgent, "the worst tenant counts");
}

#[test]
fn a_change_makes_it_more_urgent() {
    let answer = |left| Answer::CustomerSeats(seats(100.0, left));
    let after = |before: f64, now: f64| {
        Urgency::of(&customer(subscription("Opus"), Some(answer(before))), SEATS, &answer(now), NOW)
    };
    assert_eq!(after(900.0, 900.0), Urgency::Quiet);
    assert_eq!(after(900.0, 800.0), Urgency::Watched);
    assert_eq!(after(900.0, 30.0), Urgency::Urgent);
}

#[test]
fn expiry_and_over_use_count_for_what_they_are_about() {
    let days = |days: i64| Some(NOW + SignedDuration::from_hours(24 * days));
    let plenty = Answer::CustomerSeats(seats(1.0, 900.0));
    for (left, expected) in [
        (60, Urgency::Quiet),
        (30, Urgency::Watched),
        (7, Urgency::Urgent),
        (-3, Urgency::Urgent),
        (-30, Urgency::Quiet),
    ] {
        let row =
            Subscription { expires: days(left).map(Into::into), ..subscription("Cloud Backup for Microsoft 365") };
        let customer = customer(row, None);
        assert_eq!(Urgency::of(&customer, SEATS, &plenty, NOW), expected, "{left} days");
        let other = Question::CustomerSeats(TenantType::Google);
        assert_eq!(Urgency::of(&customer, other, &plenty, NOW), Urgency::Quiet, "another kind of tenant");
    }
    let number = |value: u32| Some(Quantity::from(value));
    for (assigned, expected) in
        [(50, Urgency::Quiet), (80, Urgency::Watched), (95, Urgency::Urgent), (150, Urgency::Urgent)]
    {
        let row = Subscription {
            licenses_assigned: number(assigned),
            seats_purchased: number(100),
            ..subscription("Cloud Backup for Microsoft 365")
        };
        let customer = customer(row, None);
        let answer = Answer::ProductPurchased(number(100));
        assert_eq!(Urgency::of(&customer, PURCHASED, &answer, NOW), expected, "{assigned} of 100");
        assert_eq!(Urgency::of(&customer, SEATS, &plenty, NOW), Urgency::Quiet, "the tenant's own seats count there");
    }
}

fn urgency() -> impl Strategy<Value = Urgency> {
    prop_oneof![Just(Urgency::Quiet), Just(Urgency::Watched), Just(Urgency::Urgent)]
}

/// Polls an hour of targets with these intervals.
fn hourly(intervals: impl Iterator<Item = Duration>) -> f64 {
    intervals.map(|interval| 3600.0 / interval.as_secs_f64()).sum()
}

proptest! {
    #[test]
    fn the_whole_stays_the_same_and_nobody_starves(
        urgencies in prop::collection::vec(urgency(), 1..60),
        max_age in 1..6_u32,
    ) {
        let mut attention = Attention::new(schedule(max_age));
        let even = hourly(urgencies.iter().map(|_| INTERVAL));
        let longest = INTERVAL.mul_f64((f64::from(max_age) / 2.0).clamp(1.0, 2.0) * 1.001);
        for round in 0..4 {
            for (target, &urgency) in urgencies.iter().enumerate() {
                let interval = attention.judge(target, urgency);
                prop_assert!(interval <= longest && interval >= INTERVAL / 4);
                prop_assert_eq!(interval, attention.interval(&target));
                let all = hourly((0..urgencies.len()).map(|target| attention.interval(&target)));
                prop_assert!(all <= even * 1.001, "round {round}: {all} polls instead of {even}");
            }
        }
        let all = hourly((0..urgencies.len()).map(|target| attention.interval(&target)));
        prop_assert!(all >= even * 0.98, "{all} polls instead of {even}");
        for (one, &first) in urgencies.iter().enumerate() {
            for (other, &second) in urgencies.iter().enumerate() {
                let (one, other) = (attention.interval(&one), attention.interval(&other));
                prop_assert!(first <= second || one <= other.mul_f64(1.01), "{first:?} {one:?}, {second:?} {other:?}");
            }
        }
    }

    /// Whoever comes, goes, or changes.
    #[test]
    fn what_comes_and_goes_does_not_add_up(
        steps in prop::collection::vec((0..40_usize, prop::option::weighted(0.9, urgency())), 1..400),
    ) {
        let mut attention = Attention::new(schedule(4));
        for (target, urgency) in steps {
            match urgency {
                Some(urgency) => {
                    attention.judge(target, urgency);
                }
                None => attention.forget(&target),
            }
            let paces: i64 = attention.targets.values().map(|&(_, pace)| pace).sum();
            prop_assert_eq!(paces, attention.spent);
            prop_assert_eq!(usize::try_from(attention.counts.iter().sum::<i64>()), Ok(attention.targets.len()));
        }
        // Those who are left share what there is, once each was asked again.
        let left: Vec<_> = attention.targets.iter().map(|(&target, &(urgency, _))| (target, urgency)).collect();
        for _ in 0..2 {
            for &(target, urgency) in &left {
                attention.judge(target, urgency);
            }
        }
        prop_assert!(attention.spent <= EVEN * i64::try_from(left.len()).unwrap());
    }
}

#[test]
fn all_alike_is_the_even_cadence() {
    for urgency in Urgency::ALL {
        let mut attention = Attention::new(schedule(4));
        for _ in 0..3 {
            for target in 0..1000 {
                assert_eq!(attention.judge(target, urgency), INTERVAL, "{urgency:?}");
            }
        }
    }
}

#[test]
fn a_few_who_are_urgent_are_asked_about_four_times_as_often() {
    let mut attention = Attention::new(schedule(4));
    let urgency = |target: u32| if target.is_multiple_of(20) { Urgency::Urgent } else { Urgency::Quiet };
    for _ in 0..4 {
        (0..2000).for_each(|target| {
            let _ = attention.judge(target, urgency(target));
        });
    }
    let (urgent, quiet) = (attention.interval(&0), attention.interval(&1));
    assert!(urgent < INTERVAL / 3 && quiet < INTERVAL * 5 / 4, "{urgent:?}, {quiet:?}");
}
