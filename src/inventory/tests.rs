mod profiles;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use elements::types::{MAX_ROWS, Quantity, Seats, Subscription, SubscriptionKey, TenantSeats, TenantType};
use jiff::Timestamp;
use proptest::prelude::*;

use super::subscription_ids::assign;
use super::*;
use crate::config::{Schedule, Selection};

const HOUR: Duration = Duration::from_hours(1);
const SEATS: Query = Query::CustomerSeats(TenantType::Microsoft365);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn collectors() -> Arc<CollectorSettings> {
    let schedule = Schedule { enabled: true, interval: HOUR / 4, max_age: HOUR };
    Arc::new(CollectorSettings {
        services: schedule,
        tenant_seats: (schedule, Selection::Auto),
        customer_seats: (schedule, Selection::Auto),
        products_purchased: (schedule, Selection::Auto),
        products_available: (schedule, Selection::Auto),
        optional: [].into(),
    })
}

fn inventory() -> Inventory {
    Inventory::new("main".into(), collectors(), true, &[])
}

fn row(service: &str, seats: u32, expires: i64) -> Subscription {
    Subscription {
        key: SubscriptionKey { service: service.into(), ..SubscriptionKey::default() }.into(),
        seats_purchased: Some(seats.into()),
        expires: Some(at(expires).into()),
        ..Subscription::default()
    }
}

fn listed(id: &str, name: Option<&str>) -> ListedCustomer {
    ListedCustomer { id: id.into(), name: name.map(Into::into), subscriptions: Some(vec![]) }
}

fn observation(assigned: u32) -> Observation {
    Observation::CustomerSeats(Seats { assigned: Some(assigned.into()), available: Some(Quantity::ZERO) })
}

fn known(inventory: &Inventory) -> &TargetState {
    &inventory.customers[&"a".into()].targets[0].1
}

/// One customer `a` with one query.
fn planned() -> Inventory {
    let mut inventory = inventory();
    inventory.upsert_listed(listed("a", Some("A")), at(0));
    assert_eq!(inventory.plan(&"a".into(), &[SEATS]), (vec![SEATS], vec![]));
    inventory
}

#[test]
fn a_target_is_in_one_condition_at_a_time() {
    let mut inventory = planned();
    let status = |inventory: &Inventory, now| known(inventory).status(at(now), HOUR);
    assert_eq!(status(&inventory, 0), TargetStatus::Pending);
    inventory.record_failure(&"a".into(), SEATS, FailureReason::Timeout, at(1));
    assert_eq!(status(&inventory, 1), TargetStatus::Failing);
    inventory.record_success(&"a".into(), SEATS, observation(5), at(2));
    assert_eq!(status(&inventory, 2), TargetStatus::Fresh);
    inventory.record_failure(&"a".into(), SEATS, FailureReason::Timeout, at(3));
    assert_eq!(status(&inventory, 3), TargetStatus::Failing);
    assert_eq!(
        known(&inventory).current(at(3601), HOUR),
        Some((at(2), &observation(5))),
        "a failure takes nothing away"
    );
    assert_eq!(status(&inventory, 3602), TargetStatus::Stale);
    assert_eq!(known(&inventory).current(at(3602), HOUR), None);
    assert_eq!(inventory.customers[&"a".into()].last_success(Collector::CustomerSeats), Some(at(2)));
    let counts = inventory.targets(Collector::CustomerSeats, at(3602));
    assert_eq!(counts.get(TargetStatus::Stale), 1);
    assert_eq!(counts.total(), 1);
}

/// A million series are some 270,000 targets and 140,000 subscriptions.
#[test]
fn what_there_is_much_of_is_small() {
    assert_eq!(size_of::<(Query, TargetState)>(), 64);
    assert_eq!(size_of::<KnownSubscription>(), 128);
    assert_eq!(size_of::<Customer>(), 120);
    assert_eq!(size_of::<TenantSeats>(), 48);
}

#[test]
fn what_is_as_it_was_keeps_its_memory() {
    const TENANTS: Query = Query::TenantSeats(TenantType::Microsoft365);
    let mut inventory = inventory();
    inventory.upsert_listed(listed("a", Some("A")), at(0));
    inventory.plan(&"a".into(), &[TENANTS]);
    let tenants = |seats: u32| {
        let seats = Seats { assigned: Some(seats.into()), available: None };
        let tenant = |id: &str, name: &str| TenantSeats { id: id.into(), name: name.into(), seats };
        Observation::TenantSeats(
            [tenant("s", "same"), tenant("t", if seats.assigned == Some(1.into()) { "T" } else { "U" })].into(),
        )
    };
    let rows = |inventory: &Inventory| match &known(inventory).observation {
        Some((_, Observation::TenantSeats(rows))) => rows.clone(),
        _ => unreachable!("it was answered"),
    };
    inventory.record_success(&"a".into(), TENANTS, tenants(1), at(1));
    let (first, name) = (rows(&inventory), inventory.customers[&"a".into()].name.clone());
    inventory.upsert_listed(listed("a", Some("A")), at(2));
    inventory.record_success(&"a".into(), TENANTS, tenants(1), at(2));
    assert!(Arc::ptr_eq(&rows(&inventory), &first), "nothing changed");
    assert!(Arc::ptr_eq(&inventory.customers[&"a".into()].name, &name));
    inventory.record_success(&"a".into(), TENANTS, tenants(2), at(3));
    let second = rows(&inventory);
    assert_eq!((second[1].seats.assigned, &*second[1].name), (Some(2.into()), "U"));
    assert!(Arc::ptr_eq(&second[0].name, &first[0].name), "the name did not change");
}

#[test]
fn what_has_had_values_is_absent_only_after_two_misses() {
    let mut inventory = planned();
    assert_eq!(inventory.record_absent(&"a".into(), SEATS, at(0)), Absence::Confirmed, "it never had values");
    inventory.record_success(&"a".into(), SEATS, observation(5), at(1));
    assert_eq!(inventory.record_absent(&"a".into(), SEATS, at(2)), Absence::Suspected);
    assert!(known(&inventory).current(at(3), HOUR).is_some(), "one miss takes nothing away");
    inventory.record_failure(&"a".into(), SEATS, FailureReason::Connect, at(3));
    assert_eq!(inventory.record_absent(&"a".into(), SEATS, at(4)), Absence::Confirmed);
    assert_eq!(known(&inventory).status(at(4), HOUR), TargetStatus::Absent);
    assert_eq!(inventory.customers[&"a".into()].last_success(Collector::CustomerSeats), None);
}

#[test]
fn customers_leave_only_by_a_complete_listing() {
    let listed_settings = CustomerEntry { id: "c".into(), name: Some("C".into()), labels: vec![] };
    let mut inventory = Inventory::new("main".into(), collectors(), true, &[listed_settings]);
    inventory.upsert_listed(listed("a", Some("A")), at(0));
    inventory.upsert_listed(listed("b", None), at(0));
    inventory.upsert_listed(listed("c", Some("other")), at(0));
    inventory.listing.record_failure(FailureReason::Malformed, at(1));
    assert_eq!(inventory.customers.len(), 3);
    assert_eq!(inventory.listing.status(at(1), HOUR), TargetStatus::Failing);
    assert_eq!(inventory.listing.completed, None, "a failure completes nothing");
    let gone = inventory.complete_listing(&HashSet::from(["b".into()]), at(2));
    assert_eq!(gone.iter().map(|customer| customer.id.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(inventory.customers.keys().map(CustomerId::as_str).collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!(&*inventory.customers[&"c".into()].name, "C", "the configured name wins");
    assert_eq!(inventory.listing.status(at(2), HOUR), TargetStatus::Fresh);
}

#[test]
fn what_was_known_is_taken_over_as_far_as_it_is_still_wanted() {
    let mut before = planned();
    before.upsert_listed(ListedCustomer { subscriptions: Some(vec![row("x", 1, 2)]), ..listed("a", Some("A")) }, at(1));
    before.record_success(&"a".into(), SEATS, observation(5), at(9));
    before.upsert_listed(listed("b", Some("B")), at(1));
    before.upsert_listed(listed("c", Some("C")), at(1));
    before.complete_listing(&HashSet::from(["a".into(), "b".into(), "c".into()]), at(2));
    let settings = |id: &str, name: Option<&str>| CustomerEntry {
        id: id.into(),
        name: name.map(str::to_owned),
        labels: vec![("tier".to_owned(), "gold".to_owned())],
    };
    let list = [settings("a", None), settings("c", Some("ours"))];
    let mut inventory = Inventory::new("main".into(), collectors(), true, &list);
    inventory.restore(before.clone().into(), |_, name| name != "B", at(5));
    let names: Vec<_> = inventory.customers.values().map(|c| (c.id.as_str(), &*c.name, c.configured)).collect();
    assert_eq!(names, [("a", "A", true), ("c", "ours", true)], "b is not wanted any more");
    assert_eq!(inventory.customers[&"a".into()].labels.len(), 1);
    assert_eq!(known(&inventory).current(at(5), HOUR), Some((at(5), &observation(5))), "never later than now");
    assert_eq!(known(&inventory).polled, Some(at(5).into()));
    assert_eq!(inventory.customers[&"a".into()].services.as_ref().unwrap().subscriptions.len(), 1);
    assert_eq!(inventory.listing.completed, Some(at(2)));
    inventory.apply_offset(jiff::SignedDuration::from_secs(100));
    assert_eq!((inventory.listing.completed, known(&inventory).polled), (Some(at(102)), Some(at(105).into())));

    let mut discovered = Inventory::new("main".into(), collectors(), true, &[]);
    discovered.restore(before.clone().into(), |_, _| true, at(9));
    let is_the_same = |id: &str| Arc::ptr_eq(&discovered.customers[&id.into()], &before.customers[&id.into()]);
    assert!(is_the_same("b") && is_the_same("c"));

    assert!(!discovered.listing.outdated);
    let list = [settings("a", None), settings("new", None)];
    let mut more = Inventory::new("main".into(), collectors(), true, &list);
    more.restore(before.clone().into(), |_, _| true, at(9));
    assert!(more.listing.outdated, "nobody has looked for the new one");
    let mut again = Inventory::new("main".into(), collectors(), true, &list);
    again.restore(more.clone().into(), |_, _| true, at(9));
    assert!(again.listing.outdated, "still nobody has");
    more.complete_listing(&HashSet::new(), at(10));
    let mut again = Inventory::new("main".into(), collectors(), true, &list);
    again.restore(more.into(), |_, _| true, at(10));
    assert!(!again.listing.outdated, "though it was not found");

    let mut unlisted = Inventory::new("main".into(), collectors(), false, &list);
    unlisted.restore(before.into(), |_, _| false, at(5));
    assert_eq!(unlisted.listing.polled, None);
    assert!(unlisted.customers[&"a".into()].services.is_none(), "nobody would renew it");
    assert!(known(&unlisted).observation.is_some());
}

#[test]
fn a_name_once_known_does_not_flap() {
    let mut inventory = planned();
    inventory.upsert_listed(listed("a", None), at(1));
    assert_eq!(&*inventory.customers[&"a".into()].name, "A");
    inventory.upsert_listed(listed("a", Some("B")), at(2));
    assert_eq!(&*inventory.customers[&"a".into()].name, "B");
}

#[test]
fn a_new_plan_keeps_the_answers_of_what_is_still_asked() {
    let mut inventory = planned();
    inventory.record_success(&"a".into(), SEATS, observation(5), at(1));
    let other = Query::TenantSeats(TenantType::Google);
    assert_eq!(inventory.plan(&"a".into(), &[SEATS, other]), (vec![other], vec![]));
    assert_eq!(inventory.plan(&"a".into(), &[other]), (vec![], vec![SEATS]));
    assert_eq!(inventory.plan(&"nobody".into(), &[other]), (vec![], vec![]));
    inventory.record_success(&"a".into(), SEATS, observation(6), at(2));
    assert_eq!(inventory.customers[&"a".into()].targets.len(), 1, "an answer that nobody asked for is dropped");
}

#[test]
fn an_id_does_not_depend_on_numbers_dates_or_order() {
    let first = assign(&[], vec![row("Opus", 5, 100), row("Opus", 9, 50), row("Fly", 1, 1)]);
    let ids: Vec<_> = first.iter().map(|known| known.id.to_string()).collect();
    assert_eq!(
        ids,
        assign(&[], vec![row("Fly", 1, 1), row("Opus", 9, 50), row("Opus", 5, 100)])
            .iter()
            .map(|known| known.id.to_string())
            .collect::<Vec<_>>()
    );
    let opus = |known: &[KnownSubscription], expires| {
        known.iter().find(|known| known.subscription.expires == Some(at(expires).into())).unwrap().id
    };
    let (early, late) = (opus(&first, 50), opus(&first, 100));
    assert_eq!(format!("{early}-2"), late.to_string(), "the first assignment goes by date");

    let renewed = assign(&first, vec![row("Opus", 5, 100), row("Opus", 9, 500), row("Fly", 1, 1)]);
    assert_eq!((opus(&renewed, 500), opus(&renewed, 100)), (early, late), "matched by seats");
    let left = assign(&renewed, vec![row("Opus", 5, 100)]);
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].id, late, "the one that stays keeps its suffix");
    let back = assign(&left, vec![row("Opus", 7, 20), row("Opus", 5, 100)]);
    assert_eq!((opus(&back, 20), opus(&back, 100)), (early, late));
}

#[test]
fn rows_that_differ_only_in_capacity_keep_their_ids() {
    let sold = |capacity: u32| Subscription {
        seats_purchased: None,
        capacity_purchased: Some(capacity.into()),
        ..row("Cloud Backup for IaaS + PaaS", 0, 1)
    };
    let first = assign(&[], vec![sold(2048), sold(1024)]);
    assert_eq!(assign(&[], vec![sold(1024), sold(2048)]), first);
    assert_eq!(assign(&first, vec![sold(2048), sold(1024)]), first);
    let changed = assign(&first, vec![sold(4096), sold(1024)]);
    assert_eq!(changed[0], first[0], "the one that stays as it was keeps its id");
}

#[test]
fn a_row_without_a_list_of_products_takes_none_away() {
    let mut inventory = inventory();
    let seen = |inventory: &Inventory| {
        let services = inventory.customers[&"a".into()].services.clone().unwrap();
        (services.seen, services.subscriptions.len())
    };
    let with = |subscriptions| ListedCustomer { id: "a".into(), name: None, subscriptions };
    inventory.upsert_listed(with(None), at(0));
    assert_eq!(seen(&inventory), (at(0), 0), "there was nothing to keep");
    inventory.upsert_listed(with(Some(vec![row("Opus", 5, 1)])), at(1));
    inventory.upsert_listed(with(None), at(2));
    assert_eq!(seen(&inventory), (at(1), 1), "kept, at its age");
    inventory.upsert_listed(with(Some(vec![])), at(3));
    assert_eq!(seen(&inventory), (at(3), 0), "an empty list is a list");
}

#[test]
fn an_empty_list_of_tenants_takes_them_away_only_the_second_time() {
    const TENANTS: Query = Query::TenantSeats(TenantType::Microsoft365);
    let mut inventory = inventory();
    inventory.upsert_listed(listed("a", Some("A")), at(0));
    inventory.plan(&"a".into(), &[TENANTS]);
    let tenants = |ids: &[&str]| {
        Observation::TenantSeats(
            ids.iter().map(|&id| TenantSeats { id: id.into(), name: "".into(), seats: Seats::default() }).collect(),
        )
    };
    let mut succeed = |ids: &[&str], second| {
        let believed = inventory.record_success(&"a".into(), TENANTS, tenants(ids), at(second));
        (believed, known(&inventory).observation.clone(), known(&inventory).status(at(second), HOUR))
    };
    let kept = |ids, second| Some((at(second).into(), tenants(ids)));
    assert_eq!(succeed(&[], 1), (true, kept(&[], 1), TargetStatus::Fresh), "there was nothing to lose");
    assert_eq!(succeed(&["t"], 2), (true, kept(&["t"], 2), TargetStatus::Fresh));
    assert_eq!(succeed(&[], 3), (false, kept(&["t"], 2), TargetStatus::Fresh), "kept, at its age");
    assert_eq!(succeed(&["t"], 4), (true, kept(&["t"], 4), TargetStatus::Fresh));
    assert_eq!(succeed(&[], 5), (false, kept(&["t"], 4), TargetStatus::Fresh), "from the start");
    assert_eq!(succeed(&[], 6), (true, kept(&[], 6), TargetStatus::Fresh));
}

/// 40,000 identical rows, twice; this once took cubic time.
#[test]
fn a_customer_has_no_more_than_so_many_rows() {
    let first = assign(&[], vec![row("Opus", 5, 1); 4 * MAX_ROWS]);
    assert_eq!(first.len(), MAX_ROWS);
    assert_eq!(first.iter().map(|known| known.id).collect::<HashSet<_>>().len(), MAX_ROWS);
    assert!(first.is_sorted_by(|a, b| a.id.to_string() < b.id.to_string()), "as the texts");
    assert_eq!(assign(&first, vec![row("Opus", 5, 1); 4 * MAX_ROWS]), first);
    // No row is unchanged.
    let renewed = assign(&first, vec![row("Opus", 6, 2); MAX_ROWS]);
    assert_eq!(
        renewed.iter().map(|known| known.id).collect::<Vec<_>>(),
        first.iter().map(|known| known.id).collect::<Vec<_>>()
    );
    let distinct = (0..MAX_ROWS).map(|number| row(&format!("Service {number}"), 5, 1)).collect();
    assert_eq!(assign(&first, distinct).len(), MAX_ROWS);
}

#[test]
fn rows_of_one_customer_are_merged() {
    let part = |rows| prepare_subscriptions(&Arc::default(), &[], vec![rows]);
    let merged = |earlier: &[KnownSubscription], rows| {
        let rows = prepare_subscriptions(&Arc::default(), earlier, vec![rows]);
        let told =
            rows.iter().map(|known| (known.subscription.key.service.to_string(), known.subscription.seats_purchased));
        let mut told: Vec<_> = told.map(|(service, seats)| (service, seats.map(Quantity::get))).collect();
        told.sort_by(|a, b| a.partial_cmp(b).unwrap());
        told
    };
    let row_of = |service: &str, seats: f64| (service.to_owned(), Some(seats));
    let first = part(vec![row("Opus", 5, 1), row("Fly", 1, 1), row("Fly", 2, 1)]);
    let all = [row_of("Cense", 7.0), row_of("Fly", 1.0), row_of("Fly", 2.0), row_of("Opus", 5.0)];
    assert_eq!(merged(&first, vec![row("Cense", 7, 1)]), all, "another part");
    assert_eq!(merged(&first, vec![row("Cense", 7, 1), row("Opus", 5, 1)]), all, "a row is in both");
    assert_eq!(merged(&first, vec![]), all[1..]);
    let renewed = [row_of("Fly", 1.0), row_of("Fly", 2.0), row_of("Opus", 5.0), row_of("Opus", 6.0)];
    assert_eq!(merged(&first, vec![row("Opus", 6, 400)]), renewed, "a renewal beside what it replaces");
    assert_eq!(merged(&first, vec![row("Fly", 9, 1)]), all[1..], "a part of what is known");
    let changed = [row_of("Fly", 1.0), row_of("Fly", 2.0), row_of("Opus", 8.0)];
    assert_eq!(merged(&first, vec![row("Opus", 8, 1)]), changed, "the later one");
}

/// The id of a known row. It must never change without notice.
#[test]
fn ids_are_stable_for_ever() {
    assert_eq!(assign(&[], vec![row("Opus", 5, 100)])[0].id.to_string(), "13476eca0b08");
}

proptest! {
    #[test]
    fn ids_are_distinct_and_kept(
        rows in prop::collection::vec((0..3_u8, 0..4_u32, 0..4_i64), 0..12),
        order in any::<u64>(),
    ) {
        let rows: Vec<_> = rows.into_iter().map(|(s, seats, day)| row(&format!("s{s}"), seats, day)).collect();
        let first = assign(&[], rows.clone());
        let ids: HashSet<_> = first.iter().map(|known| known.id).collect();
        prop_assert_eq!(ids.len(), rows.len());
        let mut shuffled = rows;
        fastrand::Rng::with_seed(order).shuffle(&mut shuffled);
        prop_assert_eq!(&assign(&first, shuffled.clone()), &first, "the same rows in another order change nothing");
        prop_assert_eq!(&assign(&[], shuffled), &first);
    }
}
