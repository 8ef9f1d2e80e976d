//! Groups customers, sorted by id, into blocks and shards, and renders their lines.
//!
//! A block is a group of some tens of customers that are rendered, compared and deflated together. A shard is about a
//! thousand consecutive customers, with one segment per customer family. The id of the first customer alone decides
//! where a block or a shard begins, so a customer that joins or leaves changes no other boundary.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;

use super::customer_view::{CustomerView, RenderContext};
use super::family_writer::FamilyWriter;
use super::freshness::{self, Targets};
use super::gzip::Deflater;
use super::memory::Scratch;
use super::segment::{Part, Segment};
use super::{backups, profiles, seats, subscriptions};
use crate::domain::CustomerId;
use crate::inventory::Customer;

/// Customers per block, on average: fewer make a change cheaper, more compress better.
const BLOCK: u64 = if cfg!(test) { 4 } else { 64 };
/// Customers per shard, on average: fewer make a change cheaper, more give fewer compressed pieces.
const SHARD: u64 = if cfg!(test) { 16 } else { 1024 };

/// The segments of a shard, one per family.
type Segments = Arc<[Arc<Segment>]>;

/// A shard: consecutive customers and their segments.
#[derive(Debug, Default)]
pub(super) struct Shard {
    blocks: Vec<Block>,
    pub(super) segments: Segments,
}

/// A block: consecutive customers.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) customers: Vec<Arc<Customer>>,
    /// The position of its lines: the segments of a shard and the part index in them.
    written: Option<(Segments, usize)>,
    /// What was rendered for it.
    rendered: Option<Rendered>,
    /// Whether it must be rendered again in any case.
    is_outdated: bool,
}

/// The state of a block when it was rendered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rendered {
    pub(super) series: u64,
    pub(super) targets: Targets,
    /// When its next value reaches its `max_age`.
    pub(super) next_expiry: Option<Timestamp>,
}

/// The families whose series belong to a customer, in render order.
pub(super) fn families(views: &[CustomerView<'_>]) -> Vec<FamilyWriter> {
    let mut families = seats::render(views);
    families.extend(subscriptions::render(views));
    families.extend(profiles::render(views));
    families.extend(backups::render(views));
    families.push(freshness::last_success(views));
    families
}

/// Assigns customers to shards. Unchanged blocks of `before` keep their lines.
pub(super) fn arrange(customers: &BTreeMap<CustomerId, Arc<Customer>>, before: Vec<Shard>) -> Vec<Shard> {
    let before = before.into_iter().flat_map(|shard| shard.blocks);
    let mut before: HashMap<_, _> =
        before.filter_map(|block| Some((block.customers.first()?.id.clone(), block))).collect();
    let mut shards: Vec<Shard> = Vec::new();
    for (id, customer) in customers {
        let hash = hash(id);
        if shards.is_empty() || hash.is_multiple_of(SHARD) {
            shards.push(Shard::default());
        }
        let Some(shard) = shards.last_mut() else { continue };
        if shard.blocks.is_empty() || hash.is_multiple_of(BLOCK) {
            shard.blocks.push(Block::default());
        }
        if let Some(block) = shard.blocks.last_mut() {
            block.customers.push(customer.clone());
        }
    }
    for shard in &mut shards {
        for block in &mut shard.blocks {
            if let Some(known) = block.customers.first().and_then(|first| before.remove(&first.id)) {
                let same = known.customers.iter().map(Arc::as_ptr).eq(block.customers.iter().map(Arc::as_ptr));
                block.rendered = known.rendered;
                block.is_outdated = known.is_outdated || !same;
                block.written = known.written;
            }
        }
        let written = shard.blocks.first().and_then(|first| first.written.as_ref());
        shard.segments = written.map(|(segments, _)| segments.clone()).unwrap_or_default();
    }
    shards
}

/// FNV-1a with one more mixing step, so that the lower bits depend on the whole id.
fn hash(id: &CustomerId) -> u64 {
    let bytes = id.as_str().bytes();
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93) >> 32
}

impl Shard {
    pub(super) fn blocks_mut(&mut self) -> impl Iterator<Item = &mut Block> {
        self.blocks.iter_mut()
    }

    /// Marks everything to be rendered again.
    pub(super) fn expire(&mut self) {
        for block in &mut self.blocks {
            block.is_outdated = true;
        }
    }

    /// The states of its blocks.
    pub(super) fn rendered(&self) -> impl Iterator<Item = &Rendered> {
        self.blocks.iter().filter_map(|block| block.rendered.as_ref())
    }

    /// Whether its segments are up to date.
    pub(super) fn is_current(&self, now: Timestamp) -> bool {
        let in_place = |(number, block): (usize, &Block)| {
            block.written.as_ref().is_some_and(|(segments, at)| Arc::ptr_eq(segments, &self.segments) && *at == number)
        };
        let complete = self.segments.iter().all(|segment| segment.len() == self.blocks.len());
        complete
            && self.blocks.iter().all(|block| block.is_current(now))
            && self.blocks.iter().enumerate().all(in_place)
    }

    /// Renders the blocks that changed; segments whose bytes do not change are kept.
    pub(super) fn render(&mut self, context: RenderContext<'_>, deflater: &mut Deflater) {
        let mut scratch = Scratch::new();
        let changes: Vec<_> = self.blocks.iter_mut().map(|block| block.render(context, &mut scratch)).collect();
        let families = changes.iter().map(Vec::len);
        let written = self.blocks.iter().filter_map(|block| Some(block.written.as_ref()?.0.len()));
        let families = families.chain(written).max().unwrap_or_default();
        let segments: Segments = (0..families)
            .map(|family| {
                let parts: Vec<_> = self
                    .blocks
                    .iter()
                    .zip(&changes)
                    .map(|(block, changes)| block.part(family, changes, &scratch))
                    .collect();
                let present = self.segments.get(family);
                present
                    .filter(|present| is_made_of(present, &parts))
                    .cloned()
                    .unwrap_or_else(|| Segment::new(&parts, deflater).into())
            })
            .collect();
        for (number, block) in self.blocks.iter_mut().enumerate() {
            block.written = Some((segments.clone(), number));
        }
        self.segments = segments;
    }
}

/// Whether the parts are exactly those of the segment, in order.
fn is_made_of(segment: &Segment, parts: &[Part<'_>]) -> bool {
    let same = |(number, part): (usize, &Part<'_>)| matches!(part, Part::Kept(of, at) if std::ptr::eq(*of, segment) && *at == number);
    segment.len() == parts.len() && parts.iter().enumerate().all(same)
}

impl Block {
    /// Takes the next customers of the inventory. Returns false if the set of customers has changed.
    pub(super) fn look<'a>(&mut self, next: &mut impl Iterator<Item = &'a Arc<Customer>>) -> bool {
        for (known, customer) in self.customers.iter_mut().zip(next) {
            if !Arc::ptr_eq(known, customer) {
                if known.id != customer.id {
                    return false;
                }
                known.clone_from(customer);
                self.is_outdated = true;
            }
        }
        true
    }

    fn is_current(&self, now: Timestamp) -> bool {
        let is_current = |rendered: Rendered| rendered.next_expiry.is_none_or(|expiry| expiry > now);
        !self.is_outdated && self.rendered.is_some_and(is_current)
    }

    /// Renders the text of every changed family; nothing if the block is up to date.
    fn render(&mut self, context: RenderContext<'_>, scratch: &mut Scratch) -> Vec<Option<Range<usize>>> {
        if self.is_current(context.now) {
            return Vec::new();
        }
        let views: Vec<_> = self.customers.iter().map(|customer| CustomerView::new(context, customer)).collect();
        let lines = families(&views);
        let mut rendered = Rendered { series: lines.iter().map(|lines| lines.count).sum(), ..Rendered::default() };
        rendered.next_expiry = views.iter().filter_map(|view| view.next_expiry).min();
        for customer in &self.customers {
            rendered.targets.count(&context, customer);
        }
        (self.rendered, self.is_outdated) = (Some(rendered), false);
        let changed = |(family, lines): (usize, &FamilyWriter)| {
            let text = lines.text.as_bytes();
            (self.text(family) != Some(text)).then(|| scratch.add(text))
        };
        lines.iter().enumerate().map(changed).collect()
    }

    /// The text written for a family, and the part that belongs to the block.
    fn written(&self, family: usize) -> Option<(&Segment, usize)> {
        let (segments, at) = self.written.as_ref()?;
        Some((segments.get(family)?, *at))
    }

    fn text(&self, family: usize) -> Option<&[u8]> {
        self.written(family).map(|(segment, at)| segment.part(at))
    }

    /// The block's part of a family: the written text, or the unchanged part.
    fn part<'a>(&'a self, family: usize, changes: &[Option<Range<usize>>], scratch: &'a Scratch) -> Part<'a> {
        match (changes.get(family), self.written(family)) {
            (Some(Some(place)), _) => Part::New(scratch.get(place.clone())),
            (_, Some((segment, at))) => Part::Kept(segment, at),
            (_, None) => Part::New(&[]),
        }
    }
}
