//! Compact timestamp for values stored in bulk.

use std::fmt;
use std::num::NonZero;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A [`Timestamp`] with microsecond precision in 8 bytes. `Option` of it takes 8 bytes too; a `Timestamp` takes 24.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Timestamp", into = "Timestamp")]
pub struct CompactTimestamp(NonZero<i64>);

/// Larger than the microseconds of any timestamp, so that the stored number is always positive.
const OFFSET: i64 = 1 << 60;

impl CompactTimestamp {
    /// The full timestamp.
    #[must_use]
    pub fn get(self) -> Timestamp {
        Timestamp::from_microsecond(self.0.get() - OFFSET).unwrap_or(Timestamp::MAX)
    }
}

impl From<Timestamp> for CompactTimestamp {
    fn from(at: Timestamp) -> Self {
        Self(NonZero::new(at.as_microsecond().saturating_add(OFFSET)).unwrap_or(NonZero::<i64>::MAX))
    }
}

impl From<CompactTimestamp> for Timestamp {
    fn from(moment: CompactTimestamp) -> Self {
        moment.get()
    }
}

impl fmt::Debug for CompactTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_microsecond_precision() {
        assert_eq!(size_of::<Option<CompactTimestamp>>(), 8);
        for at in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            assert_eq!(CompactTimestamp::from(at).get().as_microsecond(), at.as_microsecond());
        }
        let fine = Timestamp::new(1_800_000_000, 123_456_789).unwrap();
        assert_eq!(CompactTimestamp::from(fine).get(), Timestamp::new(1_800_000_000, 123_456_000).unwrap());
        assert!(CompactTimestamp::from(Timestamp::MIN) < CompactTimestamp::from(fine));
    }
}
