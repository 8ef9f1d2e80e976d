//! How many targets there are in each status.

use crate::inventory::TargetStatus;

/// Targets by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusCounts([u64; TargetStatus::ALL.len()]);

impl StatusCounts {
    /// Adds targets.
    pub fn add(&mut self, status: TargetStatus, count: u64) {
        if let Some(counted) = self.0.get_mut(status as usize) {
            *counted += count;
        }
    }

    /// Those in a status.
    #[must_use]
    pub fn get(&self, status: TargetStatus) -> u64 {
        self.0.get(status as usize).copied().unwrap_or(0)
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// In the order of [`TargetStatus::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (TargetStatus, u64)> {
        TargetStatus::ALL.into_iter().map(|status| (status, self.get(status)))
    }
}
