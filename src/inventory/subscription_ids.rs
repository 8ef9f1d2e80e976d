//! Assigns stable ids to the rows of a service list; the API has none.
//!
//! An id is a hash of the fields that identify the row. Rows with equal fields are distinguished by the suffixes `-2`,
//! `-3`, and so on. A row keeps its suffix while it is present, whatever the order of the response: it is matched with
//! the earlier rows first as a whole, then by expiration date and seats, by date, by seats. The remaining rows take the
//! remaining suffixes.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use elements::types::{MAX_ROWS, Subscription, SubscriptionKey};

use super::interner;

/// The label `subscription_id`, as [`fmt::Display`] writes it. Ids sort in the order of these strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubscriptionId {
    /// The first 48 bits of the hash of the identifying fields.
    hash: [u8; 6],
    /// The suffix that distinguishes equal rows; 1 means no suffix.
    suffix: u16,
}

impl SubscriptionId {
    /// The id of a row with these identifying fields and this suffix; 1 means no suffix.
    pub(super) fn of(key: &SubscriptionKey, suffix: u16) -> Self {
        let [hash @ .., _, _] = hash(key).to_be_bytes();
        Self { hash, suffix }
    }

    /// The suffix that distinguishes equal rows; 1 means no suffix.
    pub(super) const fn suffix(self) -> u16 {
        self.suffix
    }
}

impl Ord for SubscriptionId {
    fn cmp(&self, other: &Self) -> Ordering {
        // "10" sorts before "2": compare as five-digit numbers padded on the right, then the shorter string first.
        let as_text = |suffix: u16| {
            let suffix = u32::from(suffix);
            let digits = suffix.max(1).ilog10();
            (suffix > 1, suffix * 10_u32.pow(4 - digits), digits)
        };
        self.hash.cmp(&other.hash).then_with(|| as_text(self.suffix).cmp(&as_text(other.suffix)))
    }
}

impl PartialOrd for SubscriptionId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.hash {
            write!(f, "{byte:02x}")?;
        }
        if self.suffix == 1 { Ok(()) } else { write!(f, "-{}", self.suffix) }
    }
}

/// A row of the service list with its assigned id.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownSubscription {
    /// Distinct within the customer.
    pub id: SubscriptionId,
    /// The row.
    pub subscription: Subscription,
}

/// The rows of a customer with their ids, matched with the `known` rows and merged with `earlier` rows of the same
/// listing. Unchanged rows keep their memory.
#[must_use]
pub fn prepare(
    known: &Arc<[KnownSubscription]>,
    earlier: &[KnownSubscription],
    mut parts: Vec<Vec<Subscription>>,
) -> Arc<[KnownSubscription]> {
    let rows = match parts.pop() {
        Some(only) if parts.is_empty() && earlier.is_empty() => only,
        last => {
            let earlier = earlier.iter().map(|known| known.subscription.clone()).collect();
            merge(std::iter::once(earlier).chain(parts).chain(last))
        }
    };
    let mut assigned = assign(known, rows);
    if **known == *assigned {
        return Arc::clone(known);
    }
    for row in &mut assigned {
        row.subscription.key = interner::intern(std::mem::take(&mut row.subscription.key));
    }
    assigned.into()
}

/// Gives every row its id, matched with the known rows. The result is sorted by id and has at most [`MAX_ROWS`] rows.
/// Linear in the number of rows, except for sorting.
pub(super) fn assign(known: &[KnownSubscription], mut rows: Vec<Subscription>) -> Vec<KnownSubscription> {
    rows.truncate(MAX_ROWS);
    let mut groups: HashMap<[u8; 6], (Vec<&KnownSubscription>, Vec<Subscription>)> = HashMap::new();
    for row in rows {
        groups.entry(SubscriptionId::of(&row.key, 1).hash).or_default().1.push(row);
    }
    for known in known {
        if let Some((before, _)) = groups.get_mut(&known.id.hash) {
            before.push(known);
        }
    }
    let assign_group = |(hash, (before, rows))| assign_group(hash, before, rows);
    let mut assigned: Vec<_> = groups.into_iter().flat_map(assign_group).collect();
    assigned.sort_unstable_by_key(|known| known.id);
    assigned
}

/// The rows with one hash. They have equal identifying fields unless someone constructed a hash collision.
fn assign_group(
    hash: [u8; 6],
    mut before: Vec<&KnownSubscription>,
    mut rows: Vec<Subscription>,
) -> Vec<KnownSubscription> {
    before.sort_unstable_by_key(|known| known.id.suffix);
    // The first assignment must not depend on the order of the response.
    rows.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| (&a.retention, &a.key).cmp(&(&b.retention, &b.key))));

    let mut assigned = Vec::with_capacity(rows.len());
    match_rows(&mut before, &mut rows, &mut assigned, Clone::clone);
    match_rows(&mut before, &mut rows, &mut assigned, |row| (row.key.clone(), row.expires, row.seats_purchased));
    match_rows(&mut before, &mut rows, &mut assigned, |row| (row.key.clone(), row.expires));
    match_rows(&mut before, &mut rows, &mut assigned, |row| (row.key.clone(), row.seats_purchased));
    match_rows(&mut before, &mut rows, &mut assigned, |row| row.key.clone());

    let taken: HashSet<u16> = assigned.iter().map(|known: &KnownSubscription| known.id.suffix).collect();
    let free = (1..=u16::MAX).filter(|suffix| !taken.contains(suffix));
    let rest = rows.into_iter().zip(free);
    assigned.extend(
        rest.map(|(subscription, suffix)| KnownSubscription { id: SubscriptionId { hash, suffix }, subscription }),
    );
    assigned
}

/// Gives rows the ids of known rows with the same key: the first of each, then the second, and so on. Removes the
/// matched rows from both lists.
fn match_rows<K: Eq + Hash>(
    before: &mut Vec<&KnownSubscription>,
    rows: &mut Vec<Subscription>,
    assigned: &mut Vec<KnownSubscription>,
    key: impl Fn(&Subscription) -> K,
) {
    if before.is_empty() || rows.is_empty() {
        return;
    }
    let mut ids: HashMap<K, VecDeque<SubscriptionId>> = HashMap::new();
    for known in before.iter() {
        ids.entry(key(&known.subscription)).or_default().push_back(known.id);
    }
    let mut matched = HashSet::new();
    rows.retain(|row| match ids.get_mut(&key(row)).and_then(VecDeque::pop_front) {
        Some(id) => {
            matched.insert(id);
            assigned.push(KnownSubscription { id, subscription: row.clone() });
            false
        }
        None => true,
    });
    before.retain(|known| !matched.contains(&known.id));
}

/// Merges the parts of a customer's rows: some APIs split a customer into two parts, and some repeat a part. For equal
/// identifying fields and expiration, the part with the most such rows wins; with equally many, the latest one.
fn merge(parts: impl IntoIterator<Item = Vec<Subscription>>) -> Vec<Subscription> {
    let mut merged: HashMap<_, Vec<Subscription>> = HashMap::new();
    for part in parts {
        let mut groups: HashMap<_, Vec<Subscription>> = HashMap::new();
        for row in part {
            groups.entry((row.key.clone(), row.expires)).or_default().push(row);
        }
        for (key, rows) in groups {
            let most = merged.entry(key).or_default();
            if rows.len() >= most.len() {
                *most = rows;
            }
        }
    }
    merged.into_values().flatten().collect()
}

/// Sorts by dates first, then by all other fields. The bits of a non-negative number sort in the same order as the
/// number.
fn order(row: &Subscription) -> impl Ord + use<> {
    let quantities = [
        row.seats_purchased,
        row.units_purchased,
        row.capacity_purchased,
        row.capacity_used,
        row.capacity_protected,
        row.storage_consumed,
        row.licenses_assigned,
        row.licenses_available,
    ];
    (row.expires, row.contract_ends, quantities.map(|quantity| quantity.map(|q| q.get().to_bits())), row.seats_change)
}

/// FNV-1a over the fields, each terminated by a byte that is invalid in UTF-8. It must never change: dashboards and
/// alert silences contain these ids.
fn hash(key: &SubscriptionKey) -> u64 {
    let SubscriptionKey { service, model, source, payment_type, storage, name, package } = key;
    let texts = [service, model, source, payment_type, storage, name, package];
    let bytes = texts.into_iter().flat_map(|text| text.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
