//! Notes: small named values, each in one value of sled.
//!
//! ```text
//! checksum u32 | version u8 | content
//! ```
//!
//! The checksum is CRC-32C over the key and everything after the checksum, so a note at the key of
//! another note is detected. A set of notes is atomic because it is in one group.

use std::ops::Bound;

use actuarius_persistence::{NOTE_VALUE_BYTES_MAX, Note, Notes, ReadError, StoreFailure};
use bytes::Bytes;
use sled::IVec;

use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::keys::{self, VALUE_MAX};
use crate::sealed::{self, CHECKSUM};

const VERSION: u8 = 1;
const HEAD: usize = CHECKSUM + 1;

const _: () = assert!(NOTE_VALUE_BYTES_MAX + HEAD <= VALUE_MAX);

/// Packs the value of the note whose key in sled is `key`.
pub(super) fn pack(key: &[u8], content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + content.len());
    bytes.extend_from_slice(&[0; CHECKSUM]);
    bytes.push(VERSION);
    bytes.extend_from_slice(content);
    sealed::seal(crc32c::crc32c(key), &mut bytes);
    bytes
}

fn unpack(key: &[u8], value: &[u8]) -> Result<Bytes> {
    let what = "the checksum of the note is wrong";
    let mut cursor = sealed::open(crc32c::crc32c(key), value, what)?;
    if cursor.byte()? != VERSION {
        return Err(EngineError::Malformed("the note has an unknown version"));
    }
    Ok(Bytes::copy_from_slice(cursor.0))
}

/// Checks that notes can be written. Otherwise their group would fail after a part of it was written.
pub(super) fn check_writable(engine: &Engine, sets: &[Notes]) -> Result<(), StoreFailure> {
    let mut changes = sets.iter().flatten();
    let Some(damaged) = changes.find(|change| !engine.is_writable(&keys::note(&change.key))) else {
        return Ok(());
    };
    let what = "sled cannot write its page; nothing of its batch was written; restore a backup";
    let error = ReadError::DamagedNote { key: damaged.key.clone(), what: what.to_owned() };
    Err(StoreFailure::new("writing a note", std::io::Error::other(error.to_string())))
}

/// Reads the content of the note `key`.
pub(super) fn one(engine: &Engine, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
    let whole = keys::note(key);
    let damaged = |error: EngineError| error.of_note(key);
    let value = engine.get(&whole).map_err(|error| damaged(error.into()))?;
    value.map(|value| unpack(&whole, &value).map_err(damaged)).transpose()
}

/// Reads the first `limit` notes with this prefix after the key `after`.
pub(super) fn list(
    engine: &Engine,
    prefix: &[u8],
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<Note>, ReadError> {
    let start = match after {
        Some(after) if after >= prefix => Bound::Excluded(keys::note(after)),
        _ => Bound::Included(keys::note(prefix)),
    };
    let mut found = Vec::new();
    for entry in engine.from(start).take(limit) {
        let (whole, value): (IVec, IVec) =
            entry.map_err(|error| EngineError::from(error).at(0, None))?;
        let Some(key) = keys::note_key(&whole).filter(|key| key.starts_with(prefix)) else { break };
        let value = unpack(&whole, &value).map_err(|error| error.of_note(key))?;
        found.push(Note { key: Bytes::copy_from_slice(key), value });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actuarius_persistence::mutations::Mutations;

    #[test]
    fn notes_are_read_as_written_and_every_flipped_bit_is_detected() {
        let key = keys::note(b"follower");
        for content in [&b""[..], b"seventeen", &[7; NOTE_VALUE_BYTES_MAX]] {
            let value = pack(&key, content);
            assert!(value.len() <= VALUE_MAX);
            assert_eq!(unpack(&key, &value).expect("whole"), content);
        }
        let value = pack(&key, b"seventeen");
        for bit in 0..value.len() * 8 {
            let mut damaged = value.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(unpack(&key, &damaged).is_err(), "bit {bit}");
        }
        assert!(unpack(&keys::note(b"another"), &value).is_err(), "the key of another note");
        assert!(unpack(&key, b"").is_err());
    }

    #[test]
    fn no_mutated_note_panics_or_allocates_without_a_bound() {
        let samples = [&b""[..], b"seventeen"].map(|content| pack(b"key", content));
        let reseal = |bytes: &mut Vec<u8>| {
            if bytes.len() > CHECKSUM {
                sealed::seal(crc32c::crc32c(b"key"), bytes);
            }
        };
        Mutations::of("a note", samples).resealed(reseal).run(
            |work| allocation_counter::measure(work).bytes_max,
            |bytes| {
                let _ = unpack(b"key", bytes);
            },
        );
    }
}
