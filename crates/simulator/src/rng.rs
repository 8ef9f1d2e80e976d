//! Seeded random number generator: splitmix64. Equal seeds give equal numbers.

/// A stream of numbers; equal parts give equal streams.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeededRng(u64);

impl SeededRng {
    /// Creates a stream from a list of parts.
    pub(super) fn of(parts: &[u64]) -> Self {
        let mut rng = Self(0x5EED);
        for &part in parts {
            rng.0 ^= part;
            rng.0 = rng.next_u64();
        }
        rng
    }

    /// The next number.
    pub(super) const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `low..=high`.
    pub(super) fn between(&mut self, low: u32, high: u32) -> u32 {
        let width = u64::from(high.saturating_sub(low)) + 1;
        low.saturating_add(u32::try_from(self.next_u64() % width).unwrap_or(0))
    }

    /// Returns true with the probability `share`, 0 to 1.
    pub(super) fn chance(&mut self, share: f64) -> bool {
        // An f64 holds 53 bits exactly.
        ((self.next_u64() >> 11) as f64) < share * (1_u64 << 53) as f64
    }

    /// One element of a list; the default for an empty one.
    pub(super) fn pick<T: Copy + Default>(&mut self, from: &[T]) -> T {
        let last = u32::try_from(from.len()).unwrap_or(u32::MAX).saturating_sub(1);
        from.get(self.between(0, last) as usize).copied().unwrap_or_default()
    }

    /// A text with the form of a GUID.
    pub(super) fn guid(&mut self) -> String {
        let (a, b) = (self.next_u64(), self.next_u64());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            a >> 16 & 0xFFFF,
            a & 0xFFF,
            b >> 48 & 0x3FFF | 0x8000,
            b & 0xFFFF_FFFF_FFFF
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_parts_give_the_same_numbers() {
        assert_eq!(SeededRng::of(&[1, 2]).next_u64(), SeededRng::of(&[1, 2]).next_u64());
        assert_ne!(SeededRng::of(&[1, 2]).next_u64(), SeededRng::of(&[2, 1]).next_u64());
        assert_eq!(SeededRng::of(&[7]).guid().len(), 36);
    }

    #[test]
    fn bounds_and_shares_hold() {
        let mut rng = SeededRng::of(&[3]);
        assert!((0..1000).all(|_| (5..=7).contains(&rng.between(5, 7))));
        assert!((0..1000).all(|_| !rng.chance(0.0) && rng.chance(1.0)));
        let hits = (0..10_000).filter(|_| rng.chance(0.1)).count();
        assert!((800..1200).contains(&hits), "{hits}");
        assert_eq!(rng.pick::<u8>(&[]), 0);
    }
}
