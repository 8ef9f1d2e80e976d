//! Shared handle to an inventory: the poller writes, all others read.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::Inventory;

/// Cheap to clone; all clones refer to the same inventory.
#[derive(Clone, Debug)]
pub struct InventoryHandle {
    inventory: Arc<Mutex<Inventory>>,
    changed: watch::Sender<()>,
}

impl InventoryHandle {
    /// Wraps an inventory; every change is signalled on `changed`.
    #[must_use]
    pub fn new(inventory: Inventory, changed: watch::Sender<()>) -> Self {
        Self { inventory: Arc::new(Mutex::new(inventory)), changed }
    }

    /// Changes the inventory and signals the change.
    pub fn update<T>(&self, change: impl FnOnce(&mut Inventory) -> T) -> T {
        let result = change(&mut self.inventory.lock());
        self.changed.send_replace(());
        result
    }

    /// Reads the inventory. Keep it short: the lock blocks the poller.
    pub fn read<T>(&self, reader: impl FnOnce(&Inventory) -> T) -> T {
        reader(&self.inventory.lock())
    }

    /// A copy that shares the customers; it costs one pointer per customer.
    #[must_use]
    pub fn snapshot(&self) -> Inventory {
        self.read(Inventory::clone)
    }
}
