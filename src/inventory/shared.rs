//! The handle on an inventory that pollers write to and everybody else reads.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::Inventory;

/// Cheap to clone; all clones see the same inventory.
#[derive(Clone, Debug)]
pub struct Shared {
    inventory: Arc<Mutex<Inventory>>,
    changed: watch::Sender<()>,
}

impl Shared {
    /// Shares an inventory; every change of it is told on `changed`.
    #[must_use]
    pub fn new(inventory: Inventory, changed: watch::Sender<()>) -> Self {
        Self { inventory: Arc::new(Mutex::new(inventory)), changed }
    }

    /// Changes the inventory and tells.
    pub fn update<T>(&self, change: impl FnOnce(&mut Inventory) -> T) -> T {
        let result = change(&mut self.inventory.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.send_replace(());
        result
    }

    /// Reads the inventory; for a glance, since it holds up the poller.
    pub fn read<T>(&self, glance: impl FnOnce(&Inventory) -> T) -> T {
        glance(&self.inventory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A copy that shares the customers; costs a pointer a customer.
    #[must_use]
    pub fn snapshot(&self) -> Inventory {
        self.read(Inventory::clone)
    }
}
