//! Incremental renderer: unchanged content is shared in memory between consecutive snapshots.

use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::encoded_chunk::EncodedChunk;
use crate::gzip::Deflater;
use crate::shard::{self, Granularity, Shard};
use crate::snapshot::{RenderedFamily, Snapshot};
use crate::source::{GroupSummary, Rendered, Source};
use crate::{Format, syntax};

/// Maximum threads for a full rendering, because machines with many cores have other work.
const MAX_THREADS: usize = 4;

/// Keeps the rendered content, so that an update renders and compresses only what changed.
#[derive(Debug)]
pub struct Renderer<S: Source> {
    groups: Vec<Group<S>>,
    /// By family: metadata in both formats, and the lines of the last snapshot.
    families: Vec<Arc<RenderedFamily>>,
    /// How many of them are families of items.
    item_families: usize,
    /// Whether items joined or left since the last update.
    membership_changed: bool,
    /// The settings and the time of the last update.
    last: Option<(S::Settings, Timestamp)>,
    deflater: Deflater,
    granularity: Granularity,
}

/// A group, and its items' lines.
#[derive(Debug)]
struct Group<S: Source> {
    group: S::Group,
    items: usize,
    shards: Vec<Shard<S>>,
}

impl<S: Source> Default for Renderer<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Source> Renderer<S> {
    /// A renderer without content.
    #[must_use]
    pub fn new() -> Self {
        Self::with_granularity(Granularity::default())
    }

    /// A renderer without content that renders so many items together.
    #[must_use]
    pub fn with_granularity(granularity: Granularity) -> Self {
        let mut deflater = Deflater::new();
        let of_items = S::item_families();
        let item_families = of_items.len();
        let families = of_items.into_iter().chain(S::group_families()).map(|family| {
            let metadata = [Format::Text, Format::OpenMetrics].map(|format| {
                let mut text = String::new();
                syntax::write_metadata(&mut text, format, family.name, family.help, family.kind);
                EncodedChunk::of(&text, &mut deflater).into()
            });
            Arc::new(RenderedFamily::new(metadata, Vec::new()))
        });
        let families = families.collect();
        Self {
            groups: Vec::new(),
            families,
            item_families,
            membership_changed: false,
            last: None,
            deflater,
            granularity,
        }
    }

    /// Takes the changes of the group at this position for the next update, and releases the old values. Items are
    /// compared by their address, so an update is cheap only if the group was changed since the last update, and not
    /// built anew.
    pub fn sync(&mut self, position: usize, input: &S::Input) {
        let known = self.groups.iter().skip(position).position(|group| S::is_same_group(&group.group, input));
        let group = match known {
            Some(behind) => self.groups.remove(position + behind),
            None => Group { group: S::group(input), items: 0, shards: Vec::new() },
        };
        self.groups.insert(position, group);
        if let Some(group) = self.groups.get_mut(position) {
            self.membership_changed |= group.sync(input, self.granularity);
        }
    }

    /// Removes the groups from this position on.
    pub fn truncate(&mut self, groups: usize) {
        self.groups.truncate(groups);
    }

    /// Renders the synced changes, and publishes the next snapshot: the values that are current at `now`.
    ///
    /// Publishes several snapshots, each with more of the changes; only the last one has all of them. With a single
    /// snapshot, the old and the new content would both be in memory at the end.
    pub fn update(&mut self, settings: &S::Settings, now: Timestamp, mut publish: impl FnMut(Snapshot)) {
        let all = !self.last.as_ref().is_some_and(|(last, at)| last == settings && *at <= now);
        self.last = Some((settings.clone(), now));
        let membership_changed = std::mem::take(&mut self.membership_changed);
        if all {
            self.groups.iter_mut().flat_map(|group| &mut group.shards).for_each(Shard::mark_outdated);
        }
        loop {
            let mut outdated = self.groups.iter_mut().flat_map(|Group { group, shards, .. }| {
                let group = &*group;
                shards.iter_mut().filter(move |shard| !shard.is_current(now)).map(move |shard| (shard, group))
            });
            if all {
                render_at_once(outdated.collect(), settings, now);
            } else if membership_changed {
                // An item may have moved from one shard to another; an intermediate snapshot would contain it twice.
                outdated.for_each(|(shard, group)| shard.render(group, settings, now, &mut self.deflater));
            } else if let Some((shard, group)) = outdated.next() {
                shard.render(group, settings, now, &mut self.deflater);
                if outdated.next().is_some() {
                    publish(self.assemble(settings, now));
                    continue;
                }
            }
            return publish(self.assemble(settings, now));
        }
    }

    /// Builds the snapshot from the rendered content.
    fn assemble(&mut self, settings: &S::Settings, now: Timestamp) -> Snapshot {
        let mut series = 0;
        let mut next_expiry: Option<Timestamp> = None;
        let mut expires = |at: Option<Timestamp>| next_expiry = next_expiry.into_iter().chain(at).min();
        let mut summaries = Vec::with_capacity(self.groups.len());
        for Group { group, items, shards } in &self.groups {
            let mut tally = S::Tally::default();
            for block in shards.iter().flat_map(Shard::rendered) {
                series += block.series;
                S::add(&mut tally, &block.tally);
                expires(block.next_expiry);
            }
            summaries.push(GroupSummary { group, items: *items, tally });
        }
        let Rendered { families: of_groups, next_expiry: of_groups_expiry, tally: () } =
            S::render_groups(&summaries, settings, now);
        expires(of_groups_expiry);
        for (number, family) in self.families.iter_mut().enumerate() {
            let of_group = number.checked_sub(self.item_families).and_then(|number| of_groups.get(number));
            let chunks: Vec<_> = if let Some(lines) = of_group {
                series += lines.count;
                let same = family.chunks.first().filter(|chunk| *chunk.text == *lines.text.as_bytes()).cloned();
                (lines.count > 0)
                    .then(|| same.unwrap_or_else(|| EncodedChunk::of(&lines.text, &mut self.deflater).into()))
                    .into_iter()
                    .collect()
            } else {
                let shards = self.groups.iter().flat_map(|group| &group.shards);
                shards.filter_map(|shard| shard.chunks.get(number)).filter(|chunk| !chunk.is_empty()).cloned().collect()
            };
            if chunks.len() != family.chunks.len() || !chunks.iter().zip(&family.chunks).all(|(a, b)| Arc::ptr_eq(a, b))
            {
                *family = RenderedFamily::new(family.metadata.clone(), chunks).into();
            }
        }
        Snapshot::new(self.families.clone(), series, next_expiry)
    }
}

/// Renders independent shards on several threads.
fn render_at_once<S: Source>(shards: Vec<(&mut Shard<S>, &S::Group)>, settings: &S::Settings, now: Timestamp) {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS);
    let waiting = Mutex::new(shards.into_iter());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut deflater = Deflater::new();
                let next = || waiting.lock().next();
                while let Some((shard, group)) = next() {
                    shard.render(group, settings, now, &mut deflater);
                }
            });
        }
    });
}

impl<S: Source> Group<S> {
    /// Takes the changes. Returns true if the set of items has changed.
    fn sync(&mut self, input: &S::Input, granularity: Granularity) -> bool {
        if S::update_group(&mut self.group, input) {
            self.shards.iter_mut().for_each(Shard::mark_outdated);
        }
        let items = S::items(input);
        let same_items = self.items == items.len() && {
            let mut items = items.values();
            self.shards.iter_mut().flat_map(Shard::blocks_mut).all(|block| block.sync(&mut items))
        };
        if !same_items {
            self.shards = shard::assign_shards(items, std::mem::take(&mut self.shards), granularity);
            self.items = items.len();
        }
        !same_items
    }
}
