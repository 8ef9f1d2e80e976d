//! A count of seats, units or bytes.

use std::fmt;
use std::num::NonZero;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number that is neither negative nor NaN; [`Quantity::UNLIMITED`] is `+Inf`.
///
/// A value that is missing in the API is `None`, never 0. `Option<Quantity>` takes no extra space: it stores the bits
/// of the number plus 1, and no valid number has all bits set. The stored bits sort in the same order as the numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(NonZero<u64>);

impl Quantity {
    /// A plan without a limit.
    pub const UNLIMITED: Self = Self(NonZero::<u64>::MIN.saturating_add(f64::INFINITY.to_bits()));
    /// Zero.
    pub const ZERO: Self = Self(NonZero::<u64>::MIN);

    /// Returns `None` for an invalid quantity: a negative number or NaN. `-0.0` becomes `0.0`.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (value >= 0.0).then(|| Self(NonZero::<u64>::MIN.saturating_add(value.abs().to_bits())))
    }

    /// The number; infinity if unlimited.
    #[must_use]
    pub const fn get(self) -> f64 {
        f64::from_bits(self.0.get() - 1)
    }

    /// Whether the quantity is unlimited.
    #[must_use]
    pub const fn is_unlimited(self) -> bool {
        self.get().is_infinite()
    }

    /// Whether the quantity is zero.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

impl From<u32> for Quantity {
    fn from(value: u32) -> Self {
        Self(NonZero::<u64>::MIN.saturating_add(f64::from(value).to_bits()))
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quantity({:?})", self.get())
    }
}

/// In JSON instead of infinity, which it cannot represent.
const UNLIMITED: &str = "unlimited";

impl Serialize for Quantity {
    /// A whole number without decimals, where every whole number is exact.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let value = self.get();
        if self.is_unlimited() {
            serializer.serialize_str(UNLIMITED)
        } else if value.fract() == 0.0 && value < EXACT {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and within range")]
            serializer.serialize_u64(value as u64)
        } else {
            serializer.serialize_f64(value)
        }
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct QuantityVisitor;
        impl Visitor<'_> for QuantityVisitor {
            type Value = Quantity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number that is not negative, or \"unlimited\"")
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Quantity, E> {
                Quantity::new(number).ok_or_else(|| E::custom("it is negative"))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
                self.visit_f64(number as f64)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                if text == UNLIMITED { Ok(Quantity::UNLIMITED) } else { Err(E::custom("it is another text")) }
            }
        }
        deserializer.deserialize_any(QuantityVisitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_no_larger_than_a_number() {
        assert_eq!(size_of::<Option<Quantity>>(), 8);
        assert_eq!(Quantity::new(-0.0), Some(Quantity::ZERO));
        assert_eq!(Quantity::new(f64::INFINITY), Some(Quantity::UNLIMITED));
        assert_eq!([f64::NAN, -1.0, f64::NEG_INFINITY].map(Quantity::new), [None; 3]);
        assert_eq!(format!("{:?}", Quantity::from(3)), "Quantity(3.0)");
    }

    proptest! {
        #[test]
        fn a_quantity_keeps_its_number(a in any::<f64>(), b in any::<f64>()) {
            let (a, b) = (a.abs(), b.abs());
            if let (Some(x), Some(y)) = (Quantity::new(a), Quantity::new(b)) {
                prop_assert_eq!(x.get().to_bits(), a.to_bits());
                prop_assert_eq!(x.partial_cmp(&y), a.partial_cmp(&b));
            } else {
                prop_assert!(a.is_nan() || b.is_nan());
            }
        }
    }
}
