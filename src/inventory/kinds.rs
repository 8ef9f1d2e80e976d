//! Interner: equal subscription keys share one `Arc`. There are few distinct keys, and every customer has several.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::SubscriptionKind;

/// Every key that was in use at the last sweep.
#[derive(Default)]
struct Kinds {
    known: HashSet<Arc<SubscriptionKind>>,
    /// The number of keys at which unused ones are dropped.
    room: usize,
}

/// Below this number of keys, no sweep is needed.
const LEAST_ROOM: usize = 1024;

static KINDS: Mutex<Option<Kinds>> = Mutex::new(None);

/// Returns the shared `Arc` of an equal key.
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
