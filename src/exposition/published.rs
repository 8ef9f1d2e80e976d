//! The handle to the newest generation.

use std::sync::{Arc, PoisonError, RwLock};

use super::Exposition;

/// Cheap to clone; all clones see the same generation. The lock is held for the length of a pointer's copy, so a slow
/// scrape never holds up the next generation.
#[derive(Clone, Debug, Default)]
pub struct Published(Arc<RwLock<Arc<Exposition>>>);

impl Published {
    /// A handle that has the empty generation.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The newest generation.
    #[must_use]
    pub fn get(&self) -> Arc<Exposition> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the generation. Scrapes that have the one before keep it until they end.
    pub fn publish(&self, exposition: Exposition) {
        let next = Arc::new(exposition);
        let before = std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), next);
        // It may be the last reference to a large generation: freed after the lock.
        drop(before);
    }
}
