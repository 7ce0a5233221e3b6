//! A seeded random number generator, so that a failed run is found again by its seed.

/// A seeded source of numbers (SplitMix64), so that a failure is found again by its seed.
#[derive(Debug, Clone)]
pub struct TestRng(u64);

impl TestRng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, and without, `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True in `rate` of all nexts: 0.0 is never, 1.0 always.
    pub fn chance(&mut self, rate: f64) -> bool {
        // The upper 53 bits are what a double holds exactly.
        let share = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        share < rate
    }
}
