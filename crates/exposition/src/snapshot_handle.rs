//! Handle to the current generation.

use std::sync::{Arc, PoisonError, RwLock};

use super::Exposition;

/// Cheap to clone; all clones see the same generation. The lock is held only while a pointer is copied, so a slow
/// scrape never blocks the next generation.
#[derive(Clone, Debug, Default)]
pub struct Published(Arc<RwLock<Arc<Exposition>>>);

impl Published {
    /// A handle with the empty generation.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The current generation.
    #[must_use]
    pub fn get(&self) -> Arc<Exposition> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the generation. Running scrapes keep the previous one until they end.
    pub fn publish(&self, exposition: Exposition) {
        let next = Arc::new(exposition);
        let before = std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), next);
        // This may be the last reference to a large generation: free it outside of the lock.
        drop(before);
    }
}
