//! An item: a command whose content follows from its id.

use std::fmt;

/// A command whose content follows from its id `SEED-HEAD-CLIENT-NUMBER-PARTSxBYTES`.
///
/// The head of the log at the start of a run is part of the id, so that no two runs on one directory use the same
/// ids, whatever their seeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    id: String,
    parts: u32,
    bytes: usize,
}

impl Item {
    /// The `number`th item of a client, of `parts` events with a payload of `bytes` each. `run`
    /// names the run, without spaces.
    #[must_use]
    pub fn new(run: &str, client: u32, number: u64, parts: u32, bytes: usize) -> Self {
        Self { id: format!("{run}-{client}-{number}-{parts}x{bytes}"), parts, bytes }
    }

    /// Parses an id.
    #[must_use]
    pub fn parse(id: &str) -> Option<Self> {
        let (_, shape) = id.rsplit_once('-')?;
        let (parts, bytes) = shape.split_once('x')?;
        Some(Self { id: id.to_owned(), parts: parts.parse().ok()?, bytes: bytes.parse().ok()? })
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The number of its events.
    #[must_use]
    pub fn parts(&self) -> u32 {
        self.parts
    }

    /// The payload of one of its events: noise, which does not compress.
    #[must_use]
    pub fn payload(&self, part: u32) -> Vec<u8> {
        let seed = digest(u64::from(part), self.id.as_bytes());
        let mut noise = fastrand::Rng::with_seed(seed);
        let mut payload = vec![0; self.bytes];
        noise.fill(&mut payload);
        payload
    }
}

impl fmt::Display for Item {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.id)
    }
}

/// Adds `bytes` to a running FNV-1a hash, which is small and equal in every release, as the digests inside snapshots
/// require.
pub(crate) fn digest(so_far: u64, bytes: &[u8]) -> u64 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(so_far ^ 0xcbf2_9ce4_8422_2325, fold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_follows_from_its_id() {
        let item = Item::new("2a-0", 3, 17, 2, 100);
        assert_eq!(item.id(), "2a-0-3-17-2x100");
        assert_eq!(Item::parse(item.id()), Some(item));
    }

    #[test]
    fn other_texts_are_not_items() {
        for text in ["", "2x100", "a-b", "a-2x", "a-x100", "a-2x-1"] {
            assert_eq!(Item::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn payloads_differ_by_item_and_part() {
        let item = Item::new("2a-0", 3, 17, 2, 100);
        let other = Item::new("2a-0", 3, 18, 2, 100);
        assert_eq!(item.payload(1).len(), 100);
        assert_eq!(item.payload(1), item.payload(1));
        assert_ne!(item.payload(1), item.payload(2));
        assert_ne!(item.payload(1), other.payload(1));
    }
}
