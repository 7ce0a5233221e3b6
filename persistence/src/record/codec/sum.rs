//! A fingerprint of a value: a sum of the words it consists of, in order.

use xxhash_rust::xxh3::xxh3_64;

/// An odd number without a pattern. Kinds are multiplied by it, so that no kind cancels out a small number.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A prime with as many ones as zeros, from wyhash.
const FACTOR: u64 = 0xa076_1d64_78bd_642f;

/// What a sum begins with: digits of pi.
const START: Sum = Sum { low: 0x243f_6a88_85a3_08d3, high: 0x1319_8a2e_0370_7344 };

/// A sum of 128 bits.
///
/// Each word is a round of a Feistel network, which can be undone: sums that differ stay different as long as the
/// words are the same, so no later word hides an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sum {
    low: u64,
    high: u64,
}

impl Sum {
    pub(super) const fn new() -> Self {
        START
    }

    /// Adds a word of a kind.
    #[inline]
    pub(super) fn add(&mut self, kind: u64, word: u64) {
        let mixed = self.low ^ word;
        self.low = self.high.wrapping_add(kind.wrapping_mul(SPREAD)) ^ fold(mixed, FACTOR);
        self.high = mixed;
    }

    /// Adds a text or bytes.
    #[inline]
    pub(super) fn add_bytes(&mut self, kind: u64, bytes: &[u8]) {
        self.add(kind | (bytes.len() as u64) << 8, hash(bytes));
    }

    /// Adds the name of a field to the word that comes next. Most names are constants, and so is their hash.
    #[inline(always)]
    pub(super) fn add_name(&mut self, name: &str) {
        let name = hash(name.as_bytes()) ^ (name.len() as u64).wrapping_mul(FACTOR);
        self.high = self.high.wrapping_add(name.wrapping_mul(SPREAD));
    }

    /// Returns the sum to be added to others. Two more rounds spread the last word over all bits: otherwise the
    /// differences of small numbers could cancel each other out.
    #[inline]
    fn spread(mut self) -> Self {
        self.add(0, 0);
        self.add(0, 0);
        self
    }

    /// Returns the words of the sum.
    #[cfg(feature = "erasure")]
    pub(crate) fn words(self) -> (u64, u64) {
        (self.low, self.high)
    }
}

/// The sum of parts in any order.
pub(super) struct Unordered {
    low: u64,
    high: u64,
    count: u64,
}

impl Unordered {
    pub(super) const fn new() -> Self {
        Self { low: 0, high: 0, count: 0 }
    }

    #[inline]
    pub(super) fn add(&mut self, part: Sum) {
        let part = part.spread();
        self.low = self.low.wrapping_add(part.low);
        self.high = self.high.wrapping_add(part.high);
        self.count += 1;
    }

    /// Adds all parts to the sum of the whole.
    #[inline]
    pub(super) fn add_to(self, whole: &mut Sum, kind: u64) {
        whole.add(kind, self.low);
        whole.add(self.count, self.high);
    }
}

/// Returns a hash that differs for all texts of one length up to 8 bytes.
#[inline(always)]
fn hash(bytes: &[u8]) -> u64 {
    let length = bytes.len();
    let word = |at: usize| u64::from_le_bytes(part(bytes, at));
    let half = |at: usize| u64::from(u32::from_le_bytes(part(bytes, at)));
    let byte = |at: usize| u64::from(bytes[at]);
    match length {
        0 => 0,
        1..4 => byte(0) | byte(length / 2) << 8 | byte(length - 1) << 16,
        4..=8 => half(0) | half(length - 4) << 32,
        9..=16 => fold(word(0) ^ FACTOR, word(length - 8) ^ SPREAD),
        17..=128 => hash_blocks(bytes),
        _ => hash_long(bytes),
    }
}

/// Returns the hash of 16 bytes or more, as wyhash computes it. For so few bytes it is faster than XXH3.
#[inline(never)]
fn hash_blocks(bytes: &[u8]) -> u64 {
    let mix = |mixed: u64, block: &[u8; 16]| {
        let block = u128::from_le_bytes(*block);
        fold(block as u64 ^ FACTOR, (block >> 64) as u64 ^ mixed)
    };
    let (blocks, _) = bytes.as_chunks();
    let mixed = blocks.iter().fold(SPREAD, mix);
    bytes.last_chunk().map_or(mixed, |last| mix(mixed, last))
}

#[inline(never)]
fn hash_long(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// Multiplies two words, and returns both halves of the product as one.
#[inline(always)]
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}

#[inline(always)]
fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|offset| bytes[at + offset])
}
