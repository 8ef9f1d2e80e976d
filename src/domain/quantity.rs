//! A count of seats, units or bytes.

/// A number that is not negative and not NaN; [`Quantity::UNLIMITED`] is `+Inf`.
///
/// A value that the API did not give is an `Option::None` around this, never a 0.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Quantity(f64);

impl Quantity {
    /// A plan without a limit.
    pub const UNLIMITED: Self = Self(f64::INFINITY);
    /// None of it.
    pub const ZERO: Self = Self(0.0);

    /// `None` for what is no quantity: a negative number or NaN. `-0.0` becomes `0.0`.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (value >= 0.0).then_some(Self(value.abs()))
    }

    /// The number; infinite if unlimited.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }

    /// Whether there is no limit.
    #[must_use]
    pub const fn is_unlimited(self) -> bool {
        self.0.is_infinite()
    }

    /// Whether there is none of it.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == 0.0
    }
}

impl From<u32> for Quantity {
    fn from(value: u32) -> Self {
        Self(value.into())
    }
}
