//! An incremental update gives the same result as a full rendering.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use elements::types::{
    CustomerId, FailureReason, ListedCustomer, Observation, ProductType, Query, Subscription, SubscriptionKey,
    TenantSeats, TenantType,
};
use exposition::{Format, Granularity, Snapshot};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tokio::sync::watch;

use super::{at, collectors, gunzip, own, quantity, seats, text_of};
use crate::config::CustomerEntry;
use crate::inventory::{Inventory, InventoryHandle};
use crate::metrics::{RenderSettings, Renderer};

/// Renders few customers together, so that a small inventory has many blocks and shards.
fn small_shards() -> Renderer {
    Renderer::with_granularity(Granularity { block: 4, shard: 16 })
}

fn row(service: &str) -> Subscription {
    let key = SubscriptionKey { service: service.into(), ..SubscriptionKey::default() };
    Subscription { key: key.into(), ..Subscription::default() }
}

const QUERIES: [Query; 3] = [
    Query::TenantSeats(TenantType::Microsoft365),
    Query::CustomerSeats(TenantType::Google),
    Query::ProductPurchased(ProductType(40)),
];

/// A change to the inventory or the clock.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A customer is listed with this many subscriptions, and queried.
    Listed(usize, u8, u8),
    /// The customers whose number is divisible by this leave.
    Left(usize, u8),
    Answered(usize, u8, usize, u8),
    Failed(usize, u8, usize),
    Missed(usize, u8, usize),
    /// Seconds pass; the clock may also go back.
    Passed(i64),
    PartnerCame(u8),
    PartnerLeft(usize),
    PartnersReversed,
    Reconfigured(usize, bool, i64),
    NamesLabelled(bool),
    Corrected(i64),
}

fn any_event() -> impl Strategy<Value = Event> {
    let (partner, customer, query) = (0..3_usize, 0..40_u8, 0..QUERIES.len());
    prop_oneof![
        6 => (partner.clone(), customer.clone(), 0..3_u8).prop_map(|(p, c, n)| Event::Listed(p, c, n)),
        1 => (partner.clone(), 2..5_u8).prop_map(|(p, n)| Event::Left(p, n)),
        6 => (partner.clone(), customer.clone(), query.clone(), 0..3_u8).prop_map(|(p, c, q, n)| Event::Answered(p, c, q, n)),
        1 => (partner.clone(), customer.clone(), query.clone()).prop_map(|(p, c, q)| Event::Failed(p, c, q)),
        1 => (partner.clone(), customer, query).prop_map(|(p, c, q)| Event::Missed(p, c, q)),
        2 => (-10..2000_i64).prop_map(Event::Passed),
        1 => (0..5_u8).prop_map(Event::PartnerCame),
        1 => partner.clone().prop_map(Event::PartnerLeft),
        1 => Just(Event::PartnersReversed),
        1 => (partner, any::<bool>(), 1..3_i64).prop_map(|(p, on, hours)| Event::Reconfigured(p, on, hours)),
        1 => any::<bool>().prop_map(Event::NamesLabelled),
        1 => (-2..2_i64).prop_map(Event::Corrected),
    ]
}

struct Dataset {
    inventories: Vec<Inventory>,
    now: Timestamp,
    names: bool,
    correction: SignedDuration,
}

impl Dataset {
    fn id(customer: u8) -> CustomerId {
        format!("customer-{customer}").into()
    }

    fn happen(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Passed(seconds) => self.now += SignedDuration::from_secs(seconds),
            Event::NamesLabelled(names) => self.names = names,
            Event::Corrected(hours) => self.correction = SignedDuration::from_hours(hours),
            Event::PartnersReversed => self.inventories.reverse(),
            Event::PartnerCame(name) => self.join(&format!("partner-{name}")),
            Event::PartnerLeft(partner) if partner < self.inventories.len() => drop(self.inventories.remove(partner)),
            Event::Listed(partner, ..)
            | Event::Left(partner, ..)
            | Event::Answered(partner, ..)
            | Event::Failed(partner, ..)
            | Event::Missed(partner, ..)
            | Event::Reconfigured(partner, ..) => {
                if let Some(inventory) = self.inventories.get_mut(partner) {
                    Self::poll(inventory, event, now);
                }
            }
            Event::PartnerLeft(_) => {}
        }
    }

    fn join(&mut self, name: &str) {
        if self.inventories.iter().all(|inventory| inventory.partner.as_str() != name) {
            let labels = vec![("tier".to_owned(), "gold".to_owned())];
            let listed = [CustomerEntry { id: Self::id(0), name: Some("Zero".to_owned()), labels }];
            self.inventories.push(Inventory::new(name.into(), Arc::new(collectors()), true, &listed));
        }
    }

    fn poll(inventory: &mut Inventory, event: Event, now: Timestamp) {
        match event {
            Event::Listed(_, customer, rows) => {
                let rows = (0..rows).map(|n| row(&format!("Service {n}"))).collect();
                let (id, name) = (Self::id(customer), Some("Name".into()));
                inventory.upsert_listed(ListedCustomer { id: id.clone(), name, subscriptions: Some(rows) }, now);
                inventory.plan(&id, &QUERIES);
            }
            Event::Left(_, divisor) => {
                let ids = inventory.customers.keys().enumerate();
                let seen: HashSet<_> =
                    ids.filter(|(n, _)| n % usize::from(divisor) != 0).map(|(_, id)| id.clone()).collect();
                inventory.complete_listing(&seen, now);
            }
            Event::Answered(_, customer, query, number) => {
                let seats = seats(number.into(), None);
                let observation = match QUERIES[query] {
                    Query::TenantSeats(_) => {
                        Observation::TenantSeats([TenantSeats { id: "t".into(), name: "T".into(), seats }].into())
                    }
                    Query::CustomerSeats(_) => Observation::CustomerSeats(seats),
                    _ => Observation::ProductPurchased(quantity(number.into())),
                };
                inventory.record_success(&Self::id(customer), QUERIES[query], observation, now);
            }
            Event::Failed(_, customer, query) => {
                inventory.record_failure(&Self::id(customer), QUERIES[query], FailureReason::Timeout, now);
            }
            Event::Missed(_, customer, query) => {
                inventory.record_absent(&Self::id(customer), QUERIES[query], now);
            }
            Event::Reconfigured(_, enabled, hours) => {
                let mut settings = collectors();
                settings.tenant_seats.0.enabled = enabled;
                settings.services.max_age = Duration::from_secs(u64::try_from(hours * 3600).unwrap());
                inventory.collectors = Arc::new(settings);
            }
            _ => {}
        }
    }

    fn shared(&self) -> Vec<InventoryHandle> {
        self.inventories.iter().map(|inventory| InventoryHandle::new(inventory.clone(), watch::channel(()).0)).collect()
    }

    /// Of an update; the last one contains everything.
    fn snapshots(&self, renderer: &mut Renderer) -> Vec<Snapshot> {
        let mut snapshots = Vec::new();
        let publish = |snapshot| snapshots.push(snapshot);
        let settings = RenderSettings { customer_name_label: self.names, correction: self.correction };
        renderer.update(&self.shared(), &settings, self.now, publish);
        snapshots
    }

    fn update(&self, renderer: &mut Renderer) -> Snapshot {
        self.snapshots(renderer).pop().unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn an_update_is_what_rendering_afresh_is(
        steps in prop::collection::vec(prop::collection::vec(any_event(), 0..12), 1..12),
        looks in any::<bool>(),
    ) {
        let mut dataset =
            Dataset { inventories: Vec::new(), now: at(0), names: false, correction: SignedDuration::ZERO };
        dataset.join("partner-0");
        let mut renderer = small_shards();
        let mut before = Vec::new();
        for step in steps {
            for event in step {
                dataset.happen(event);
                if looks {
                    renderer.sync(&dataset.shared());
                }
            }
            let mut snapshots = dataset.snapshots(&mut renderer);
            let updated = snapshots.pop().unwrap();
            for between in snapshots {
                let lines = lines_of_customers(&between);
                let either: HashSet<_> = before.iter().chain(&lines_of_customers(&updated)).cloned().collect();
                prop_assert!(lines.iter().all(|line| either.contains(line)));
                let series: HashSet<_> = lines.iter().map(|line| line.rsplit_once(' ').unwrap().0).collect();
                prop_assert_eq!(series.len(), lines.len());
            }
            before = lines_of_customers(&updated);
            let fresh = dataset.update(&mut small_shards());
            prop_assert_eq!(updated.series(), fresh.series());
            prop_assert_eq!(updated.next_expiry(), fresh.next_expiry());
            for format in [Format::Text, Format::OpenMetrics] {
                let text = text_of(&updated.scrape(format, false, &own()));
                prop_assert_eq!(&text, &text_of(&fresh.scrape(format, false, &own())));
                prop_assert_eq!(&text, &gunzip(&updated.scrape(format, true, &own())));
            }
        }
    }
}

fn lines_of_customers(exposition: &Snapshot) -> Vec<String> {
    let text = text_of(&exposition.scrape(Format::Text, false, &[]));
    text.lines().filter(|line| line.contains("customer_id=")).map(str::to_owned).collect()
}

/// Enough customers for many blocks and shards.
fn many() -> Dataset {
    let mut dataset = Dataset { inventories: Vec::new(), now: at(0), names: false, correction: SignedDuration::ZERO };
    dataset.join("main");
    for customer in 0..=250 {
        Dataset::poll(&mut dataset.inventories[0], Event::Listed(0, customer, 2), at(0));
        Dataset::poll(&mut dataset.inventories[0], Event::Answered(0, customer, 0, 7), at(0));
    }
    dataset
}

/// The number of pieces of a snapshot that another shares in memory, and the number of all pieces.
fn shared(one: &Snapshot, other: &Snapshot) -> (usize, usize) {
    let pieces = |exposition: &Snapshot| exposition.scrape(Format::Text, false, &[]).chunks;
    let before: HashSet<_> = pieces(one).iter().map(|piece| piece.as_ptr()).collect();
    let after = pieces(other);
    (after.iter().filter(|piece| before.contains(&piece.as_ptr())).count(), after.iter().count())
}

#[test]
fn what_did_not_change_is_the_same_memory() {
    let mut dataset = many();
    let mut renderer = small_shards();
    let first = dataset.update(&mut renderer);
    let (same, all) = shared(&first, &dataset.update(&mut renderer));
    assert_eq!(same, all);
    assert!(all > 100, "{all} pieces are too few to say much");

    // The same result later: only the time of the last success changes.
    dataset.happen(Event::Passed(60));
    dataset.happen(Event::Answered(0, 100, 0, 7));
    let polled = dataset.update(&mut renderer);
    assert_eq!(shared(&first, &polled), (all - 1, all));
    dataset.happen(Event::Answered(0, 100, 0, 8));
    let changed = dataset.update(&mut renderer);
    assert_eq!(shared(&polled, &changed), (all - 1, all), "no seats are available, and the time is the same");

    // A customer that leaves removes its own lines and changes the customer count.
    let keep = dataset.inventories[0].customers.keys().filter(|id| id.as_str() != "customer-100").cloned().collect();
    dataset.inventories[0].complete_listing(&keep, at(60));
    let left = dataset.update(&mut renderer);
    let (same, all) = shared(&changed, &left);
    assert!(same < all && same + 25 > all, "{same} of {all} stay");
}

#[test]
fn much_that_changed_comes_in_many_generations() {
    let mut dataset = many();
    let mut renderer = small_shards();
    let mut before = dataset.update(&mut renderer);
    dataset.happen(Event::Passed(60));
    for customer in 0..=250 {
        dataset.happen(Event::Answered(0, customer, 0, 8));
    }
    let snapshots = dataset.snapshots(&mut renderer);
    assert!(snapshots.len() > 5, "{}", snapshots.len());
    for snapshot in snapshots {
        let targets = text_of(&snapshot.scrape(Format::Text, false, &[]));
        let targets = targets.lines().filter(|line| line.contains("_targets{") && line.contains("\"tenant_seats\""));
        let values = targets.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap());
        assert_eq!(values.sum::<u64>(), 251, "what is yet to be rendered counts as it was");
        let (same, all) = shared(&before, &snapshot);
        assert!(same < all && same + 25 > all, "{same} of {all} stay");
        before = snapshot;
    }
}

#[test]
fn who_reads_slowly_reads_one_generation() {
    let mut dataset = many();
    let mut renderer = small_shards();
    let scrape = dataset.update(&mut renderer).scrape(Format::Text, false, &[]);
    let text = text_of(&scrape);
    for customer in 0..=250 {
        dataset.happen(Event::Answered(0, customer, 0, 8));
    }
    drop(dataset.update(&mut renderer));
    assert_eq!(text_of(&scrape), text);
}
