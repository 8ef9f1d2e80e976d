//! Incremental renderer: unchanged content is shared in memory between consecutive generations.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;

use jiff::{SignedDuration, Timestamp};

use super::customer_view::RenderContext;
use super::freshness::{self, Summary, Targets};
use super::generation::{Exposition, Ready};
use super::gzip::Deflater;
use super::segment::Segment;
use super::shard::{self, Shard};
use super::{Format, syntax};
use crate::catalog::Family;
use crate::inventory::{Inventory, Shared};

/// The families whose series belong to a customer, in render order, then those of a partner.
pub(super) static FAMILIES: LazyLock<Vec<&'static Family>> = LazyLock::new(|| {
    let of_partners = freshness::render(&[], Timestamp::UNIX_EPOCH, SignedDuration::ZERO);
    shard::families(&[]).iter().chain(&of_partners).map(|lines| lines.family).collect()
});

/// Maximum threads for a full rendering, because machines with many cores have other work.
const MOST_THREADS: usize = 4;

/// Keeps the rendered content, so that an update renders and compresses only what changed.
#[derive(Debug)]
pub struct Renderer {
    partners: Vec<Partner>,
    /// By family: metadata in both formats, and the lines of the last generation.
    families: Vec<Arc<Ready>>,
    /// Whether customers joined or left since the last update.
    moved: bool,
    /// The render settings of the last update.
    last: Option<(bool, SignedDuration, Timestamp)>,
    deflater: Deflater,
}

/// The state of a partner, and its customers' lines.
#[derive(Debug)]
struct Partner {
    /// Without the customers, which are in the shards.
    inventory: Inventory,
    customers: usize,
    shards: Vec<Shard>,
}

impl Default for Renderer {
    fn default() -> Self {
        Self::new()
    }
}

impl Renderer {
    /// A renderer without content.
    #[must_use]
    pub fn new() -> Self {
        let mut deflater = Deflater::new();
        let families = FAMILIES.iter().map(|family| {
            let metadata = [Format::Text, Format::OpenMetrics].map(|format| {
                let mut text = String::new();
                syntax::write_metadata(&mut text, format, family.name, family.help, family.kind);
                Segment::of(&text, &mut deflater).into()
            });
            Arc::new(Ready::new(family.name, metadata, Vec::new()))
        });
        Self { partners: Vec::new(), families: families.collect(), moved: false, last: None, deflater }
    }

    /// Returns the next generation: the values that are current at `now`, of inventories of distinct partners, in their
    /// order.
    ///
    /// With `customer_name_label`, every series of a customer has its name as a label. `correction` is added to the
    /// exported observation times. Changed customers are detected by their address, so an update is cheap only if the
    /// inventory was cloned or changed since the last update, and not built anew.
    pub fn update(
        &mut self,
        inventories: &[Inventory],
        customer_name_label: bool,
        now: Timestamp,
        correction: SignedDuration,
    ) -> Exposition {
        for (place, inventory) in inventories.iter().enumerate() {
            self.look(place, inventory);
        }
        self.partners.truncate(inventories.len());
        let mut last = Exposition::empty();
        self.render(customer_name_label, now, correction, |exposition| last = exposition);
        last
    }

    /// The same for shared inventories.
    ///
    /// Publishes several generations, each with more of the changes; only the last one has all of them. With a single
    /// generation, the old and the new content would both be in memory at the end.
    pub fn update_shared<'a>(
        &mut self,
        inventories: impl IntoIterator<Item = &'a Shared>,
        customer_name_label: bool,
        now: Timestamp,
        correction: SignedDuration,
        publish: impl FnMut(Exposition),
    ) {
        self.look_at(inventories);
        self.render(customer_name_label, now, correction, publish);
    }

    /// Takes the changes for the next update, and releases the old values. Each inventory is locked while one pointer
    /// per customer is compared.
    pub fn look_at<'a>(&mut self, inventories: impl IntoIterator<Item = &'a Shared>) {
        let mut partners = 0;
        for (place, shared) in inventories.into_iter().enumerate() {
            shared.read(|inventory| self.look(place, inventory));
            partners = place + 1;
        }
        self.partners.truncate(partners);
    }

    /// Takes the changes of the partner at this index.
    fn look(&mut self, place: usize, inventory: &Inventory) {
        let known = self.partners.iter().skip(place).position(|partner| partner.inventory.partner == inventory.partner);
        let partner = match known {
            Some(behind) => self.partners.remove(place + behind),
            None => Partner::new(inventory),
        };
        self.partners.insert(place, partner);
        if let Some(partner) = self.partners.get_mut(place) {
            self.moved |= partner.look(inventory);
        }
    }

    fn render(
        &mut self,
        with_name: bool,
        now: Timestamp,
        correction: SignedDuration,
        mut publish: impl FnMut(Exposition),
    ) {
        let same =
            |last: (bool, SignedDuration, Timestamp)| (last.0, last.1) == (with_name, correction) && last.2 <= now;
        let all = !self.last.is_some_and(same);
        self.last = Some((with_name, correction, now));
        let moved = std::mem::take(&mut self.moved);
        if all {
            self.partners.iter_mut().flat_map(|partner| &mut partner.shards).for_each(Shard::expire);
        }
        loop {
            let mut outdated = self.partners.iter_mut().flat_map(|partner| {
                let context = RenderContext { inventory: &partner.inventory, with_name, now, correction };
                let shards = partner.shards.iter_mut().filter(move |shard| !shard.is_current(now));
                shards.map(move |shard| (shard, context))
            });
            if all {
                render_at_once(outdated.collect());
            } else if moved {
                // A customer may have moved from one shard to another; an intermediate generation would contain it
                // twice.
                outdated.for_each(|(shard, context)| shard.render(context, &mut self.deflater));
            } else if let Some((shard, context)) = outdated.next() {
                shard.render(context, &mut self.deflater);
                if outdated.next().is_some() {
                    publish(self.assemble(now, correction));
                    continue;
                }
            }
            return publish(self.assemble(now, correction));
        }
    }

    /// Builds the generation from the rendered content.
    fn assemble(&mut self, now: Timestamp, correction: SignedDuration) -> Exposition {
        let mut series = 0;
        let mut next_expiry: Option<Timestamp> = None;
        let mut expires = |at: Option<Timestamp>| next_expiry = next_expiry.into_iter().chain(at).min();
        let mut summaries = Vec::with_capacity(self.partners.len());
        for partner in &self.partners {
            let mut targets = Targets::default();
            for rendered in partner.shards.iter().flat_map(Shard::rendered) {
                series += rendered.series;
                targets.add_all(&rendered.targets);
                expires(rendered.next_expiry);
            }
            let summary = Summary { inventory: &partner.inventory, customers: partner.customers, targets };
            expires(freshness::listing_expiry(&summary, now));
            summaries.push(summary);
        }
        let of_partners = freshness::render(&summaries, now, correction);
        let of_customers = FAMILIES.len() - of_partners.len();
        for (number, ready) in self.families.iter_mut().enumerate() {
            let segments: Vec<_> = if let Some(lines) =
                number.checked_sub(of_customers).and_then(|n| of_partners.get(n))
            {
                series += lines.count;
                let same = ready.segments.first().filter(|segment| *segment.text == *lines.text.as_bytes()).cloned();
                (lines.count > 0)
                    .then(|| same.unwrap_or_else(|| Segment::of(&lines.text, &mut self.deflater).into()))
                    .into_iter()
                    .collect()
            } else {
                let shards = self.partners.iter().flat_map(|partner| &partner.shards);
                shards
                    .filter_map(|shard| shard.segments.get(number))
                    .filter(|segment| !segment.is_empty())
                    .cloned()
                    .collect()
            };
            if segments.len() != ready.segments.len()
                || !segments.iter().zip(&ready.segments).all(|(a, b)| Arc::ptr_eq(a, b))
            {
                *ready = Ready::new(ready.name, ready.metadata.clone(), segments).into();
            }
        }
        Exposition::new(self.families.clone(), series, next_expiry)
    }
}

/// Renders independent shards on several threads.
fn render_at_once(shards: Vec<(&mut Shard, RenderContext<'_>)>) {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    let waiting = Mutex::new(shards.into_iter());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut deflater = Deflater::new();
                let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
                while let Some((shard, context)) = next() {
                    shard.render(context, &mut deflater);
                }
            });
        }
    });
}

impl Partner {
    fn new(inventory: &Inventory) -> Self {
        Self {
            // A copy of everything but the customers.
            inventory: Inventory {
                partner: inventory.partner.clone(),
                collectors: inventory.collectors.clone(),
                customers: BTreeMap::new(),
                listing: inventory.listing.clone(),
                profiles: inventory.profiles.clone(),
                not_granted: inventory.not_granted.clone(),
            },
            customers: 0,
            shards: Vec::new(),
        }
    }

    /// Takes the changes. Returns true if the set of customers has changed.
    fn look(&mut self, inventory: &Inventory) -> bool {
        self.inventory.listing.clone_from(&inventory.listing);
        self.inventory.profiles.clone_from(&inventory.profiles);
        let other_collectors = !Arc::ptr_eq(&self.inventory.collectors, &inventory.collectors)
            && self.inventory.collectors != inventory.collectors;
        if other_collectors || self.inventory.not_granted != inventory.not_granted {
            self.inventory.not_granted.clone_from(&inventory.not_granted);
            self.shards.iter_mut().for_each(Shard::expire);
        }
        self.inventory.collectors.clone_from(&inventory.collectors);
        let same_customers = self.customers == inventory.customers.len() && {
            let mut customers = inventory.customers.values();
            self.shards.iter_mut().flat_map(Shard::blocks_mut).all(|block| block.look(&mut customers))
        };
        if !same_customers {
            self.shards = shard::arrange(&inventory.customers, std::mem::take(&mut self.shards));
            self.customers = inventory.customers.len();
        }
        !same_customers
    }
}
