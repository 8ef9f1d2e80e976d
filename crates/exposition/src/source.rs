//! Data source of a [`Renderer`](crate::Renderer): groups of items, each with lines in many families.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use jiff::Timestamp;

use crate::family::{Family, FamilyWriter};

/// Groups of items that change one by one: partners with their customers.
pub trait Source: Debug + Sized {
    /// A group with its items, as the program stores it.
    type Input;
    /// The data of a group without its items.
    type Group: Debug + Send + Sync;
    /// Identifies an item within its group, and orders the lines.
    type Key: Clone + Ord + AsRef<str>;
    /// An item. A change replaces its `Arc`, which is how a renderer detects it.
    type Item: Debug + Send + Sync;
    /// Sums over items for the group's own families; computed per block, then added up.
    type Tally: Clone + Debug + Default + Send + Sync;
    /// Settings that all lines depend on. If they change, everything is rendered again.
    type Settings: Clone + Debug + PartialEq + Send + Sync;

    /// The items of a group.
    fn items(input: &Self::Input) -> &BTreeMap<Self::Key, Arc<Self::Item>>;

    /// The identity of an item.
    fn key(item: &Self::Item) -> &Self::Key;

    /// The group without its items.
    fn group(input: &Self::Input) -> Self::Group;

    /// Whether it is the same group, though it may have changed.
    fn is_same_group(group: &Self::Group, input: &Self::Input) -> bool;

    /// Takes the changes of the group. Returns true if the lines of all its items have changed.
    fn update_group(group: &mut Self::Group, input: &Self::Input) -> bool;

    /// The families of items, in the order of the exposition.
    fn item_families() -> Vec<&'static Family>;

    /// The families of groups, which follow them.
    fn group_families() -> Vec<&'static Family>;

    /// Renders items: always the same families in the same order, also for no items.
    fn render_items(
        group: &Self::Group,
        items: &[Arc<Self::Item>],
        settings: &Self::Settings,
        now: Timestamp,
    ) -> Rendered<Self::Tally>;

    /// Adds the tally of other items.
    fn add(tally: &mut Self::Tally, other: &Self::Tally);

    /// Renders all groups: always the same families in the same order, also for no groups. They follow those
    /// of the items.
    fn render_groups(groups: &[GroupSummary<'_, Self>], settings: &Self::Settings, now: Timestamp) -> Rendered<()>;
}

/// Rendered lines, with their next expiry and their sums.
#[derive(Debug)]
pub struct Rendered<T> {
    /// The lines by family.
    pub families: Vec<FamilyWriter>,
    /// When these lines change by time alone: the next value reaches its maximum age.
    pub next_expiry: Option<Timestamp>,
    /// The sums for the families of the group.
    pub tally: T,
}

/// A group and the sums over its items.
#[derive(Debug)]
pub struct GroupSummary<'a, S: Source> {
    /// The group.
    pub group: &'a S::Group,
    /// The number of its items.
    pub items: usize,
    /// The sum of their tallies.
    pub tally: S::Tally,
}
