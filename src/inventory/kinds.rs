//! What subscriptions are about, each kept once: few are distinct, and every customer has several of them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::SubscriptionKind;

/// Every kind that somebody had when it was last swept.
#[derive(Default)]
struct Kinds {
    known: HashSet<Arc<SubscriptionKind>>,
    /// How many there may be before those that nobody has any more are dropped.
    room: usize,
}

/// So many are no trouble, even if nobody has them.
const LEAST_ROOM: usize = 1024;

static KINDS: Mutex<Option<Kinds>> = Mutex::new(None);

/// The same kind, in the memory of all that are equal to it.
pub(super) fn shared(kind: Arc<SubscriptionKind>) -> Arc<SubscriptionKind> {
    let mut kinds = KINDS.lock().unwrap_or_else(PoisonError::into_inner);
    let Kinds { known, room } = kinds.get_or_insert_default();
    if let Some(known) = known.get(&kind) {
        return known.clone();
    }
    if known.len() >= *room {
        known.retain(|kind| Arc::strong_count(kind) > 1);
        *room = LEAST_ROOM.max(2 * known.len());
    }
    known.insert(kind.clone());
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_kinds_are_one_and_what_nobody_has_is_dropped() {
        let kind =
            |service: &str| Arc::new(SubscriptionKind { service: service.into(), ..SubscriptionKind::default() });
        let first = shared(kind("kept"));
        for number in 0..10 * LEAST_ROOM {
            shared(kind(&number.to_string()));
        }
        assert!(Arc::ptr_eq(&first, &shared(kind("kept"))));
        let kept = KINDS.lock().unwrap().as_ref().unwrap().known.len();
        assert!(kept < 5 * LEAST_ROOM, "{kept}");
    }
}
