//! How many targets there are in each condition.

use crate::inventory::TargetStatus;

/// Targets by condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusCounts([u64; TargetStatus::ALL.len()]);

impl StatusCounts {
    /// Adds targets.
    pub fn add(&mut self, condition: TargetStatus, count: u64) {
        if let Some(counted) = self.0.get_mut(condition as usize) {
            *counted += count;
        }
    }

    /// Those in a condition.
    #[must_use]
    pub fn get(&self, condition: TargetStatus) -> u64 {
        self.0.get(condition as usize).copied().unwrap_or(0)
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// In the order of [`TargetStatus::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (TargetStatus, u64)> {
        TargetStatus::ALL.into_iter().map(|condition| (condition, self.get(condition)))
    }
}
