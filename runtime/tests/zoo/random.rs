//! Random numbers from a seed, the same ones each time.

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.bits() % limit
    }

    /// Returns a number whose size varies, because small and large numbers are encoded differently.
    pub fn number(&mut self) -> u64 {
        let shift = self.below(64);
        self.bits() >> shift
    }

    pub fn wide(&mut self) -> u128 {
        let (high, low, shift) = (self.number(), self.bits(), self.below(128));
        ((u128::from(high) << 64) | u128::from(low)) >> shift
    }

    /// Returns a finite float of any size.
    pub fn float(&mut self) -> f64 {
        loop {
            let float = f64::from_bits(self.bits());
            if float.is_finite() {
                return float;
            }
        }
    }

    pub fn letter(&mut self) -> char {
        const SPECIAL: [char; 8] =
            ['\0', '"', '\\', '\u{1b}', '\u{7f}', 'ß', '\u{2028}', '\u{10ffff}'];
        match self.below(4) {
            0 => SPECIAL[self.below(8) as usize],
            1 => char::from_u32(self.below(0xD800) as u32).unwrap_or('a'),
            _ => char::from(b' ' + self.below(95) as u8),
        }
    }

    pub fn text(&mut self) -> String {
        let length = self.below(20);
        (0..length).map(|_| self.letter()).collect()
    }

    pub fn bytes(&mut self) -> Vec<u8> {
        let length = self.below(40);
        (0..length).map(|_| self.bits() as u8).collect()
    }
}
