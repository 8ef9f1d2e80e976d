//! Compact timestamp for values stored in bulk.

use std::fmt;
use std::num::NonZero;

use jiff::Timestamp;

/// A [`Timestamp`] with microsecond precision in 8 bytes. `Option` of it takes 8 bytes too; a `Timestamp` takes 24.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(NonZero<i64>);

/// Larger than the microseconds of any timestamp, so that the stored number is always positive.
const OFFSET: i64 = 1 << 60;

impl Moment {
    /// The full timestamp.
    #[must_use]
    pub fn get(self) -> Timestamp {
        Timestamp::from_microsecond(self.0.get() - OFFSET).unwrap_or(Timestamp::MAX)
    }
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self(NonZero::new(at.as_microsecond().saturating_add(OFFSET)).unwrap_or(NonZero::<i64>::MAX))
    }
}

impl From<Moment> for Timestamp {
    fn from(moment: Moment) -> Self {
        moment.get()
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_time_to_the_microsecond() {
        assert_eq!(size_of::<Option<Moment>>(), 8);
        for at in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            assert_eq!(Moment::from(at).get().as_microsecond(), at.as_microsecond());
        }
        let fine = Timestamp::new(1_800_000_000, 123_456_789).unwrap();
        assert_eq!(Moment::from(fine).get(), Timestamp::new(1_800_000_000, 123_456_000).unwrap());
        assert!(Moment::from(Timestamp::MIN) < Moment::from(fine));
    }
}
