//! Number of targets by status.

use super::TargetStatus;

/// The number of targets in each status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusCounts([u64; TargetStatus::ALL.len()]);

impl StatusCounts {
    /// Adds targets in one status.
    pub fn add(&mut self, status: TargetStatus, count: u64) {
        if let Some(counted) = self.0.get_mut(status as usize) {
            *counted += count;
        }
    }

    /// Adds other counts.
    pub fn add_all(&mut self, other: &Self) {
        other.iter().for_each(|(status, count)| self.add(status, count));
    }

    /// The number of targets in one status.
    #[must_use]
    pub fn get(&self, status: TargetStatus) -> u64 {
        self.0.get(status as usize).copied().unwrap_or(0)
    }

    /// The number of all targets.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// In the order of [`TargetStatus::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (TargetStatus, u64)> {
        TargetStatus::ALL.into_iter().zip(self.0)
    }
}
