//! Shared handle to the snapshot that scrapes read; publishing replaces the snapshot atomically.

use std::sync::Arc;

use parking_lot::RwLock;

use super::Snapshot;

/// Cheap to clone; all clones see the same snapshot. The lock is held only while a pointer is copied, so a slow
/// scrape never blocks the next snapshot.
#[derive(Clone, Debug, Default)]
pub struct SnapshotHandle(Arc<RwLock<Arc<Snapshot>>>);

impl SnapshotHandle {
    /// A handle with the empty snapshot.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The current snapshot.
    #[must_use]
    pub fn get(&self) -> Arc<Snapshot> {
        self.0.read().clone()
    }

    /// Replaces the snapshot. Running scrapes keep the previous one until they end.
    pub fn publish(&self, snapshot: Snapshot) {
        let next = Arc::new(snapshot);
        let before = std::mem::replace(&mut *self.0.write(), next);
        // This may be the last reference to a large snapshot: free it outside of the lock.
        drop(before);
    }
}
