//! Leftovers: parts of large values that are to be removed, a few with each group.
//!
//! ```text
//! checksum u32 | version u8 | first part u16 | end u16
//! ```
//!
//! The list of them is durable: parts are listed before a large snapshot is written, and struck off with its
//! part 0; and they are listed with the removal of a part 0. So whatever a power cut leaves is found when the
//! store is opened. The checksum is CRC-32C over the key and everything after the checksum.

use std::ops::Range;

use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::keys::{self, PartsPrefix};
use crate::sealed::{self, CHECKSUM};

const VERSION: u8 = 1;

/// Parts of one chunk or one snapshot that are to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leftover {
    pub(super) prefix: PartsPrefix,
    pub(super) parts: Range<u16>,
}

impl Leftover {
    /// Returns the key and the value that list it.
    pub(super) fn listed(&self) -> (Vec<u8>, Vec<u8>) {
        let key = keys::leftover(&self.prefix).to_vec();
        let mut value = vec![0; CHECKSUM];
        value.push(VERSION);
        value.extend_from_slice(&self.parts.start.to_le_bytes());
        value.extend_from_slice(&self.parts.end.to_le_bytes());
        sealed::seal(crc32c::crc32c(&key), &mut value);
        (key, value)
    }

    fn parse(key: &[u8], value: &[u8]) -> Result<Self> {
        let what = "the checksum of a list of leftover parts is wrong";
        let mut cursor = sealed::open(crc32c::crc32c(key), value, what)?;
        if cursor.byte()? != VERSION {
            return Err(EngineError::Malformed("a list of leftover parts has an unknown version"));
        }
        let parts = u16::from_le_bytes(cursor.array()?)..u16::from_le_bytes(cursor.array()?);
        Ok(Self { prefix: PartsPrefix::from_slice(&key[keys::LEFTOVERS.len()..]), parts })
    }
}

/// Returns whether parts with this prefix are listed.
pub(super) fn is_listed(engine: &Engine, prefix: &[u8]) -> sled::Result<bool> {
    Ok(engine.get(&keys::leftover(prefix))?.is_some())
}

/// Returns everything that a power cut or a kill has left. What is damaged is left alone: its parts take space
/// and are never read.
pub(super) fn found(engine: &Engine) -> Vec<Leftover> {
    let listed = engine.keys_and_values(keys::LEFTOVERS).map(|listed| {
        let (key, value) = listed?;
        Ok(existing(engine, Leftover::parse(&key, &value)?)?)
    });
    let report = |error: &EngineError| {
        tracing::warn!(target: "actuarius::store", %error, "parts are left over");
    };
    listed.filter_map(|found: Result<_>| found.inspect_err(report).ok()).collect()
}

/// Leaves out the parts at the end that have been removed already.
fn existing(engine: &Engine, mut leftover: Leftover) -> sled::Result<Leftover> {
    let mut end = leftover.parts.start;
    for key in engine.keys(&leftover.prefix) {
        let number = keys::part_number(&leftover.prefix, &key?);
        end = number.map_or(end, |number| end.max(number.saturating_add(1)));
    }
    leftover.parts.end = leftover.parts.end.min(end);
    Ok(leftover)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::StreamHash;
    use actuarius_persistence::mutations::Mutations;

    #[test]
    fn every_flipped_bit_of_a_list_is_found() {
        let prefix = keys::snapshot_parts(StreamHash(7), 9);
        let leftover = Leftover { prefix, parts: 1..13_000 };
        let (key, value) = leftover.listed();
        assert_eq!(Leftover::parse(&key, &value).expect("whole"), leftover);
        for bit in 0..value.len() * 8 {
            let mut damaged = value.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Leftover::parse(&key, &damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn no_mutated_list_panics_or_allocates_without_a_bound() {
        let prefix = keys::snapshot_parts(StreamHash(7), 9);
        let (key, value) = Leftover { prefix, parts: 1..13_000 }.listed();
        let reseal = |bytes: &mut Vec<u8>| {
            if bytes.len() > CHECKSUM {
                sealed::seal(crc32c::crc32c(&key), bytes);
            }
        };
        let decoder = Mutations::of("a list of leftover parts", [value]).resealed(reseal);
        decoder.run(
            |work| allocation_counter::measure(work).bytes_max,
            |bytes| drop(Leftover::parse(&key, bytes)),
        );
    }
}
