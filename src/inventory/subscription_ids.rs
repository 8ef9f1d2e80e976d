//! Ids for the rows of a service list, which has none of its own.
//!
//! An id is a hash of what identifies the row. Rows that are equal in all of that are told apart by `-2`, `-3`, ...; a
//! row keeps its suffix while it is present, however the answer is ordered: it is matched with what was known before as
//! a whole, then by expiration date and seats, by date, by seats. What remains takes the suffixes that remain.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use super::kinds;
use crate::domain::{Subscription, SubscriptionKind};

/// The label `subscription_id`, as [`fmt::Display`] has it. Ids order as these texts do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubscriptionId {
    /// The first 48 bits of the hash of what the row is about.
    hash: [u8; 6],
    /// What tells it from others of its kind; 1 if it has none.
    suffix: u16,
}

impl SubscriptionId {
    fn new(hash: u64, suffix: u16) -> Self {
        let [hash @ .., _, _] = hash.to_be_bytes();
        Self { hash, suffix }
    }

    /// The id that a row of this kind has with a suffix, 1 being none.
    pub(super) fn of(kind: &SubscriptionKind, suffix: u16) -> Self {
        Self::new(hash(kind), suffix)
    }

    /// What tells it from others of its kind; 1 if it has none.
    pub(super) const fn suffix(self) -> u16 {
        self.suffix
    }
}

impl Ord for SubscriptionId {
    fn cmp(&self, other: &Self) -> Ordering {
        let suffix = |id: &Self| (id.suffix > 1).then(|| id.suffix.to_string());
        // Texts are made of the suffixes that are there, which are few.
        self.hash.cmp(&other.hash).then_with(|| suffix(self).cmp(&suffix(other)))
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

/// A row of the service list with the id that it has been given.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownSubscription {
    /// Distinct within the customer.
    pub id: SubscriptionId,
    /// The row.
    pub subscription: Subscription,
}

impl KnownSubscription {
    /// Lets go of a kind of its own.
    pub(super) fn share_kind(&mut self) {
        self.subscription.kind = kinds::shared(std::mem::take(&mut self.subscription.kind));
    }
}

/// Gives every row its id, in the light of the rows known before. The result is ordered by id.
pub(super) fn assign(known: &[KnownSubscription], rows: Vec<Subscription>) -> Vec<KnownSubscription> {
    let mut groups: BTreeMap<u64, Vec<Subscription>> = BTreeMap::new();
    for row in rows {
        groups.entry(hash(&row.kind)).or_default().push(row);
    }
    let mut assigned: Vec<_> = groups.into_iter().flat_map(|(hash, rows)| assign_group(known, hash, rows)).collect();
    assigned.sort_by_key(|known| known.id);
    assigned
}

fn assign_group(known: &[KnownSubscription], hash: u64, mut rows: Vec<Subscription>) -> Vec<KnownSubscription> {
    let base = SubscriptionId::new(hash, 1);
    let mut before: Vec<_> = known.iter().filter(|known| known.id.hash == base.hash).collect();
    before.sort_by_key(|known| known.id.suffix());
    // Whatever order the answer had, the first assignment is the same.
    rows.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| a.retention.cmp(&b.retention)));

    let mut assigned = Vec::with_capacity(rows.len());
    let same: [fn(&Subscription, &Subscription) -> bool; 5] = [
        |a, b| a == b,
        |a, b| a.expires == b.expires && a.seats_purchased == b.seats_purchased,
        |a, b| a.expires == b.expires,
        |a, b| a.seats_purchased == b.seats_purchased,
        |_, _| true,
    ];
    for same in same {
        rows.retain(|row| match before.iter().position(|known| same(&known.subscription, row)) {
            Some(index) => {
                let id = before.remove(index).id;
                assigned.push(KnownSubscription { id, subscription: row.clone() });
                false
            }
            None => true,
        });
    }
    let mut taken: Vec<u16> = assigned.iter().map(|known: &KnownSubscription| known.id.suffix()).collect();
    for subscription in rows {
        // Nobody has so many; what comes after them is left out.
        let Some(suffix) = (1..=u16::MAX).find(|suffix| !taken.contains(suffix)) else { break };
        taken.push(suffix);
        assigned.push(KnownSubscription { id: SubscriptionId::new(hash, suffix), subscription });
    }
    assigned
}

/// Dates first, then everything that tells two rows apart. The bits of a number that is not negative order as it does.
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

/// FNV-1a over the texts, each closed by a byte that no UTF-8 text holds. It must never change: dashboards and alert
/// silences hold these ids.
fn hash(kind: &SubscriptionKind) -> u64 {
    let SubscriptionKind { service, model, source, payment_type, storage, name, package } = kind;
    let texts = [service, model, source, payment_type, storage, name, package];
    let bytes = texts.into_iter().flat_map(|text| text.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
