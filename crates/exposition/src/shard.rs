//! Groups items, sorted by key, into blocks and shards, and renders their lines.
//!
//! A block is a group of some tens of items that are rendered, compared and deflated together. A shard is about a
//! thousand consecutive items, with one chunk per family of items. The key of the first item alone decides where a
//! block or a shard begins, so an item that joins or leaves changes no other boundary.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;

use crate::encoded_chunk::{ChunkPart, EncodedChunk};
use crate::family::FamilyWriter;
use crate::gzip::Deflater;
use crate::memory::Scratch;
use crate::source::{Rendered, Source};

/// How many items are rendered together, on average; powers of two.
#[derive(Clone, Copy, Debug)]
pub struct Granularity {
    /// Items per block: fewer make a change cheaper, more compress better.
    pub block: u64,
    /// Items per shard: fewer make a change cheaper, more give fewer compressed pieces.
    pub shard: u64,
}

impl Default for Granularity {
    fn default() -> Self {
        Self { block: 64, shard: 1024 }
    }
}

/// The chunks of a shard, one per family.
type EncodedChunks = Arc<[Arc<EncodedChunk>]>;

/// A shard: consecutive items and their chunks.
#[derive(Debug)]
pub(super) struct Shard<S: Source> {
    blocks: Vec<Block<S>>,
    pub(super) chunks: EncodedChunks,
}

/// A block: consecutive items.
#[derive(Debug)]
pub(super) struct Block<S: Source> {
    items: Vec<Arc<S::Item>>,
    /// The position of its lines: the chunks of a shard and the part index in them.
    written: Option<(EncodedChunks, usize)>,
    /// Its state at the last rendering.
    rendered: Option<BlockState<S::Tally>>,
    /// Whether it must be rendered again in any case.
    is_outdated: bool,
}

/// The state of a block when it was rendered.
#[derive(Clone, Debug)]
pub(super) struct BlockState<T> {
    pub(super) series: u64,
    pub(super) tally: T,
    /// When its next value reaches its `max_age`.
    pub(super) next_expiry: Option<Timestamp>,
}

impl<S: Source> Default for Shard<S> {
    fn default() -> Self {
        Self { blocks: Vec::new(), chunks: EncodedChunks::default() }
    }
}

impl<S: Source> Default for Block<S> {
    fn default() -> Self {
        Self { items: Vec::new(), written: None, rendered: None, is_outdated: false }
    }
}

/// Assigns items to shards. Unchanged blocks of `before` keep their lines.
pub(super) fn assign_shards<S: Source>(
    items: &BTreeMap<S::Key, Arc<S::Item>>,
    before: Vec<Shard<S>>,
    granularity: Granularity,
) -> Vec<Shard<S>> {
    let before = before.into_iter().flat_map(|shard| shard.blocks);
    let first = |block: &Block<S>| Some(S::key(block.items.first()?).clone());
    let mut before: BTreeMap<S::Key, Block<S>> = before.filter_map(|block| Some((first(&block)?, block))).collect();
    let mut shards: Vec<Shard<S>> = Vec::new();
    for (key, item) in items {
        let hash = hash(key.as_ref());
        if shards.is_empty() || hash.is_multiple_of(granularity.shard) {
            shards.push(Shard::default());
        }
        let Some(shard) = shards.last_mut() else { continue };
        if shard.blocks.is_empty() || hash.is_multiple_of(granularity.block) {
            shard.blocks.push(Block::default());
        }
        if let Some(block) = shard.blocks.last_mut() {
            block.items.push(Arc::clone(item));
        }
    }
    for shard in &mut shards {
        for block in &mut shard.blocks {
            if let Some(known) = first(block).and_then(|key| before.remove(&key)) {
                let same = known.items.iter().map(Arc::as_ptr).eq(block.items.iter().map(Arc::as_ptr));
                block.rendered = known.rendered;
                block.is_outdated = known.is_outdated || !same;
                block.written = known.written;
            }
        }
        let written = shard.blocks.first().and_then(|first| first.written.as_ref());
        shard.chunks = written.map(|(chunks, _)| chunks.clone()).unwrap_or_default();
    }
    shards
}

/// FNV-1a with one more mixing step, so that the lower bits depend on the whole key.
fn hash(key: &str) -> u64 {
    let hash = key
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93) >> 32
}

impl<S: Source> Shard<S> {
    pub(super) fn blocks_mut(&mut self) -> impl Iterator<Item = &mut Block<S>> {
        self.blocks.iter_mut()
    }

    /// Marks everything to be rendered again.
    pub(super) fn mark_outdated(&mut self) {
        for block in &mut self.blocks {
            block.is_outdated = true;
        }
    }

    /// The states of its blocks.
    pub(super) fn rendered(&self) -> impl Iterator<Item = &BlockState<S::Tally>> {
        self.blocks.iter().filter_map(|block| block.rendered.as_ref())
    }

    /// Whether its chunks are up to date.
    pub(super) fn is_current(&self, now: Timestamp) -> bool {
        let positions_match = |(number, block): (usize, &Block<S>)| {
            block.written.as_ref().is_some_and(|(chunks, at)| Arc::ptr_eq(chunks, &self.chunks) && *at == number)
        };
        let complete = self.chunks.iter().all(|chunk| chunk.len() == self.blocks.len());
        complete
            && self.blocks.iter().all(|block| block.is_current(now))
            && self.blocks.iter().enumerate().all(positions_match)
    }

    /// Renders the blocks that changed; chunks whose bytes do not change are kept.
    pub(super) fn render(&mut self, group: &S::Group, settings: &S::Settings, now: Timestamp, deflater: &mut Deflater) {
        let mut scratch = Scratch::new();
        let changes: Vec<_> =
            self.blocks.iter_mut().map(|block| block.render(group, settings, now, &mut scratch)).collect();
        let families = changes.iter().map(Vec::len);
        let written = self.blocks.iter().filter_map(|block| Some(block.written.as_ref()?.0.len()));
        let families = families.chain(written).max().unwrap_or_default();
        let chunks: EncodedChunks = (0..families)
            .map(|family| {
                let parts: Vec<_> = self
                    .blocks
                    .iter()
                    .zip(&changes)
                    .map(|(block, changes)| block.part(family, changes, &scratch))
                    .collect();
                let present = self.chunks.get(family);
                present
                    .filter(|present| is_made_of(present, &parts))
                    .cloned()
                    .unwrap_or_else(|| EncodedChunk::new(&parts, deflater).into())
            })
            .collect();
        for (number, block) in self.blocks.iter_mut().enumerate() {
            block.written = Some((chunks.clone(), number));
        }
        self.chunks = chunks;
    }
}

/// Whether the parts are exactly those of the chunk, in order.
fn is_made_of(chunk: &EncodedChunk, parts: &[ChunkPart<'_>]) -> bool {
    let same = |(number, part): (usize, &ChunkPart<'_>)| matches!(part, ChunkPart::Kept(of, at) if std::ptr::eq(*of, chunk) && *at == number);
    chunk.len() == parts.len() && parts.iter().enumerate().all(same)
}

impl<S: Source> Block<S> {
    /// Takes the next items of the group. Returns false if the set of items has changed.
    pub(super) fn sync<'a>(&mut self, next: &mut impl Iterator<Item = &'a Arc<S::Item>>) -> bool
    where
        S::Item: 'a,
    {
        for (known, item) in self.items.iter_mut().zip(next) {
            if !Arc::ptr_eq(known, item) {
                if S::key(known) != S::key(item) {
                    return false;
                }
                known.clone_from(item);
                self.is_outdated = true;
            }
        }
        true
    }

    fn is_current(&self, now: Timestamp) -> bool {
        let is_current = |rendered: &BlockState<_>| rendered.next_expiry.is_none_or(|expiry| expiry > now);
        !self.is_outdated && self.rendered.as_ref().is_some_and(is_current)
    }

    /// Renders the text of every changed family; nothing if the block is up to date.
    fn render(
        &mut self,
        group: &S::Group,
        settings: &S::Settings,
        now: Timestamp,
        scratch: &mut Scratch,
    ) -> Vec<Option<Range<usize>>> {
        if self.is_current(now) {
            return Vec::new();
        }
        let Rendered { families: lines, next_expiry, tally } = S::render_items(group, &self.items, settings, now);
        let series = lines.iter().map(|lines| lines.count).sum();
        (self.rendered, self.is_outdated) = (Some(BlockState { series, tally, next_expiry }), false);
        let changed = |(family, lines): (usize, &FamilyWriter)| {
            let text = lines.text.as_bytes();
            (self.text(family) != Some(text)).then(|| scratch.add(text))
        };
        lines.iter().enumerate().map(changed).collect()
    }

    /// The text written for a family, and the part that belongs to the block.
    fn written(&self, family: usize) -> Option<(&EncodedChunk, usize)> {
        let (chunks, at) = self.written.as_ref()?;
        Some((chunks.get(family)?, *at))
    }

    fn text(&self, family: usize) -> Option<&[u8]> {
        self.written(family).map(|(chunk, at)| chunk.part(at))
    }

    /// The block's part of a family: the written text, or the unchanged part.
    fn part<'a>(&'a self, family: usize, changes: &[Option<Range<usize>>], scratch: &'a Scratch) -> ChunkPart<'a> {
        match (changes.get(family), self.written(family)) {
            (Some(Some(place)), _) => ChunkPart::New(scratch.get(place.clone())),
            (_, Some((chunk, at))) => ChunkPart::Kept(chunk, at),
            (_, None) => ChunkPart::New(&[]),
        }
    }
}
