//! Metric families of partners and customers: the [`Source`] that `exposition` renders incrementally.
//!
//! A value that is missing or older than its `max_age` has no series. No two series have equal names and labels.

mod backups;
mod customer_view;
mod freshness;
mod profiles;
mod seats;
mod subscriptions;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use elements::types::CustomerId;
use exposition::{Family, FamilyWriter, Granularity, GroupSummary, Rendered, Snapshot, Source};
use jiff::{SignedDuration, Timestamp};
use prometheus::proto::MetricFamily;

use crate::catalog;
use crate::inventory::{Customer, Inventory, InventoryHandle};
use customer_view::{CustomerView, RenderContext};
use freshness::TargetCounts;

/// Settings that all series depend on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RenderSettings {
    /// Whether every series of a customer has its name as a label.
    pub customer_name_label: bool,
    /// Added to the observation times: the correction of the wall clock.
    pub correction: SignedDuration,
}

/// The source of the exposition: partners, which are groups of customers.
#[derive(Debug)]
pub struct Partners;

impl Source for Partners {
    type Input = Inventory;
    /// The partner's inventory without its customers.
    type Group = Inventory;
    type Key = CustomerId;
    type Item = Customer;
    type Tally = TargetCounts;
    type Settings = RenderSettings;

    fn items(inventory: &Inventory) -> &BTreeMap<CustomerId, Arc<Customer>> {
        &inventory.customers
    }

    fn key(customer: &Customer) -> &CustomerId {
        &customer.id
    }

    fn group(inventory: &Inventory) -> Inventory {
        // A copy of everything but the customers.
        Inventory {
            partner: inventory.partner.clone(),
            collectors: inventory.collectors.clone(),
            customers: BTreeMap::new(),
            listing: inventory.listing.clone(),
            lists: inventory.lists.clone(),
            not_granted: inventory.not_granted.clone(),
        }
    }

    fn is_same_group(known: &Inventory, inventory: &Inventory) -> bool {
        known.partner == inventory.partner
    }

    fn update_group(known: &mut Inventory, inventory: &Inventory) -> bool {
        known.listing.clone_from(&inventory.listing);
        known.lists.clone_from(&inventory.lists);
        let same_collectors =
            Arc::ptr_eq(&known.collectors, &inventory.collectors) || known.collectors == inventory.collectors;
        let same = same_collectors && known.not_granted == inventory.not_granted;
        known.collectors.clone_from(&inventory.collectors);
        known.not_granted.clone_from(&inventory.not_granted);
        !same
    }

    fn item_families() -> Vec<&'static Family> {
        families(&[]).iter().map(FamilyWriter::family).collect()
    }

    fn group_families() -> Vec<&'static Family> {
        freshness::render(&[], Timestamp::UNIX_EPOCH, SignedDuration::ZERO).iter().map(FamilyWriter::family).collect()
    }

    fn render_items(
        inventory: &Inventory,
        customers: &[Arc<Customer>],
        settings: &RenderSettings,
        now: Timestamp,
    ) -> Rendered<TargetCounts> {
        let context = RenderContext { inventory, settings: *settings, now };
        let views: Vec<_> = customers.iter().map(|customer| CustomerView::new(context, customer)).collect();
        let families = families(&views);
        let mut tally = TargetCounts::default();
        for customer in customers {
            tally.add_customer(&context, customer);
        }
        Rendered { families, next_expiry: views.iter().filter_map(|view| view.next_expiry).min(), tally }
    }

    fn add(tally: &mut TargetCounts, other: &TargetCounts) {
        tally.add_all(other);
    }

    fn render_groups(partners: &[GroupSummary<'_, Self>], settings: &RenderSettings, now: Timestamp) -> Rendered<()> {
        let next_expiry = partners.iter().filter_map(|partner| freshness::listing_expiry(partner, now)).min();
        Rendered { families: freshness::render(partners, now, settings.correction), next_expiry, tally: () }
    }
}

/// The families whose series belong to a customer, in the order of the catalogue.
fn families(views: &[CustomerView<'_>]) -> Vec<FamilyWriter> {
    let mut families = seats::render(views);
    families.extend(subscriptions::render(views));
    families.extend(profiles::render(views));
    families.extend(backups::render(views));
    families.push(freshness::last_success(views));
    families
}

/// Renders the inventories of the running partners.
#[derive(Debug, Default)]
pub struct Renderer(exposition::Renderer<Partners>);

impl Renderer {
    /// A renderer that renders this many customers together.
    #[must_use]
    pub fn with_granularity(granularity: Granularity) -> Self {
        Self(exposition::Renderer::with_granularity(granularity))
    }

    /// Takes the changes of these partners for the next update, and releases the old values. Each inventory is locked
    /// while one pointer per customer is compared.
    pub fn sync<'a>(&mut self, inventories: impl IntoIterator<Item = &'a InventoryHandle>) {
        let mut partners = 0;
        for (position, shared) in inventories.into_iter().enumerate() {
            shared.read(|inventory| self.0.sync(position, inventory));
            partners = position + 1;
        }
        self.0.truncate(partners);
    }

    /// Takes the changes, renders them, and publishes the next snapshot, sometimes in several steps.
    pub fn update<'a>(
        &mut self,
        inventories: impl IntoIterator<Item = &'a InventoryHandle>,
        settings: &RenderSettings,
        now: Timestamp,
        publish: impl FnMut(Snapshot),
    ) {
        self.sync(inventories);
        self.0.update(settings, now, publish);
    }
}

/// Renders the values of these inventories that are current at `now`, once.
#[must_use]
pub fn render(inventories: &[Inventory], customer_name_label: bool, now: Timestamp) -> Snapshot {
    let mut renderer = exposition::Renderer::<Partners>::new();
    for (position, inventory) in inventories.iter().enumerate() {
        renderer.sync(position, inventory);
    }
    let mut last = Snapshot::empty();
    let settings = RenderSettings { customer_name_label, ..RenderSettings::default() };
    renderer.update(&settings, now, |exposition| last = exposition);
    last
}

/// Merges the exporter's own metrics of several registries, in the order of the catalogue. A family that is rendered from
/// the inventories is skipped.
#[must_use]
pub fn merge(mut families: Vec<Vec<MetricFamily>>) -> Vec<MetricFamily> {
    static RENDERED: LazyLock<Vec<&'static Family>> =
        LazyLock::new(|| [Partners::item_families(), Partners::group_families()].concat());
    let is_rendered = |name: &str| RENDERED.iter().any(|family| family.name == name);
    for families in &mut families {
        families.retain(|family| !is_rendered(family.name()));
    }
    exposition::merge(families, |name| catalog::ALL.iter().position(|family| family.name == name))
}
