//! A seeded random number generator for tests.

/// A seeded random number generator (SplitMix64), so that a failure is reproduced by its seed.
#[derive(Debug, Clone)]
pub struct TestRng(u64);

impl TestRng {
    /// Creates a generator with a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number from 0 up to, but not including, `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next_u64() % end
    }

    /// Returns true with probability `rate`: 0.0 is never, 1.0 is always.
    pub fn chance(&mut self, rate: f64) -> bool {
        // A double represents 53 bits exactly.
        let share = (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        share < rate
    }
}
