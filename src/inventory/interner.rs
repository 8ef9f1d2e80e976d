//! Interner: equal subscription keys share one `Arc`. There are few distinct keys, and every customer has several.

use std::collections::HashSet;
use std::sync::Arc;

use elements::types::SubscriptionKey;
use parking_lot::Mutex;

/// Every key that was in use at the last sweep.
#[derive(Default)]
struct Interner {
    known: HashSet<Arc<SubscriptionKey>>,
    /// The number of keys at which unused ones are dropped.
    sweep_threshold: usize,
}

/// Below this number of keys, no sweep is needed.
const MIN_SWEEP_THRESHOLD: usize = 1024;

static INTERNER: Mutex<Option<Interner>> = Mutex::new(None);

/// Returns the shared `Arc` of an equal key.
pub(super) fn intern(key: Arc<SubscriptionKey>) -> Arc<SubscriptionKey> {
    let mut interner = INTERNER.lock();
    let Interner { known, sweep_threshold } = interner.get_or_insert_default();
    if let Some(known) = known.get(&key) {
        return known.clone();
    }
    if known.len() >= *sweep_threshold {
        known.retain(|key| Arc::strong_count(key) > 1);
        *sweep_threshold = MIN_SWEEP_THRESHOLD.max(2 * known.len());
    }
    known.insert(key.clone());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_kinds_are_one_and_what_nobody_has_is_dropped() {
        let key = |service: &str| Arc::new(SubscriptionKey { service: service.into(), ..SubscriptionKey::default() });
        let first = intern(key("kept"));
        for number in 0..10 * MIN_SWEEP_THRESHOLD {
            intern(key(&number.to_string()));
        }
        assert!(Arc::ptr_eq(&first, &intern(key("kept"))));
        let kept = INTERNER.lock().as_ref().unwrap().known.len();
        assert!(kept < 5 * MIN_SWEEP_THRESHOLD, "{kept}");
    }
}
