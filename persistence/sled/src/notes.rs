//! Notes: small named values, one value of sled each.
//!
//! ```text
//! checksum u32 | version u8 | what the note says
//! ```
//!
//! The checksum is CRC-32C over the key and all that follows, so a note found in another's place is
//! noticed. A set of notes is whole because it is in one group.

use std::io;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use sled::IVec;

use super::error::{Result, Trouble};
use super::keys::{self, VALUE_MAX};
use super::log::shared::Shared;
use actuarius_persistence::wire::Cursor;
use actuarius_persistence::{NOTE_VALUE_BYTES_MAX, Note, ReadError};

const VERSION: u8 = 1;
const CHECKSUM: usize = 4;
const HEAD: usize = CHECKSUM + 1;

const _: () = assert!(NOTE_VALUE_BYTES_MAX + HEAD <= VALUE_MAX);

/// What a change of a note counts in its group beside its bytes.
///
/// Notes are found all over the tree. Every tenth change of a leaf makes sled write the whole leaf
/// again, which may be 100 KB of notes that have not changed.
pub(super) const SCATTER_BYTES: usize = 1_000;

const _: () = assert!(
    // What a set counts is no less than what its changes count in their group.
    actuarius_persistence::CHANGE_BYTES >= SCATTER_BYTES + 1 + HEAD + super::engine::KEY_OVERHEAD
);

/// The value for the note whose whole key is `key`.
pub(super) fn pack(key: &[u8], says: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + says.len());
    bytes.extend_from_slice(&[0; CHECKSUM]);
    bytes.push(VERSION);
    bytes.extend_from_slice(says);
    let checksum = checksum(key, &bytes);
    bytes[..CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn unpack(key: &[u8], value: &[u8]) -> Result<Bytes> {
    let mut cursor = Cursor(value);
    if cursor.u32()? != checksum(key, value) {
        return Err(Trouble::Malformed("the checksum is wrong"));
    }
    if cursor.byte()? != VERSION {
        return Err(Trouble::Malformed("a note of an unknown version"));
    }
    Ok(Bytes::copy_from_slice(cursor.0))
}

fn checksum(key: &[u8], bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), &bytes[CHECKSUM..])
}

/// What the note `key` says.
pub(super) fn one(shared: &Shared, key: &[u8]) -> std::result::Result<Option<Bytes>, ReadError> {
    let _gate = shared.notes.pass()?;
    let whole = keys::note(key);
    let damaged = |trouble: Trouble| trouble.of_note(key);
    let value = shared.engine.get(&whole).map_err(|error| damaged(error.into()))?;
    value.map(|value| unpack(&whole, &value).map_err(damaged)).transpose()
}

/// The first `limit` notes with this prefix behind `after`.
pub(super) fn list(
    shared: &Shared,
    prefix: &[u8],
    after: Option<&[u8]>,
    limit: usize,
) -> std::result::Result<Vec<Note>, ReadError> {
    let _gate = shared.notes.pass()?;
    let start = match after {
        Some(after) if after >= prefix => Bound::Excluded(keys::note(after)),
        _ => Bound::Included(keys::note(prefix)),
    };
    let mut found = Vec::new();
    for entry in shared.engine.from(start).take(limit) {
        let (whole, value): (IVec, IVec) =
            entry.map_err(|error| Trouble::from(error).at(0, None))?;
        let Some(key) = keys::note_key(&whole).filter(|key| key.starts_with(prefix)) else { break };
        let value = unpack(&whole, &value).map_err(|trouble| trouble.of_note(key))?;
        found.push(Note { key: Bytes::copy_from_slice(key), value });
    }
    Ok(found)
}

/// Lets nobody read notes while it is not known whether they are durable.
///
/// sled shows a batch while it is being applied, change by change, and before it is synced. The
/// writer closes the gate before it applies a group that changes notes, and opens it when all of
/// the batch is visible. Commits without notes do not come here.
#[derive(Default)]
pub(super) struct Gate(RwLock<State>);

#[derive(Default, PartialEq)]
enum State {
    #[default]
    Known,
    /// Notes were being written. A writer that fails leaves it so, for ever.
    Unknown,
}

impl Gate {
    /// Waits until nobody reads notes any more.
    pub(super) fn close(&self) -> Closed<'_> {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *state = State::Unknown;
        Closed(state)
    }

    /// To be held as long as notes are read.
    fn pass(&self) -> io::Result<RwLockReadGuard<'_, State>> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::Known => Ok(state),
            State::Unknown => Err(io::Error::other("writing notes failed; open the store again")),
        }
    }
}

/// A closed gate. Dropped unopened, it leaves the notes unknown.
pub(super) struct Closed<'a>(RwLockWriteGuard<'a, State>);

impl Closed<'_> {
    /// The notes are durable: lets everyone read them.
    pub(super) fn open(mut self) {
        *self.0 = State::Known;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back_and_every_flipped_bit_is_found() {
        let key = keys::note(b"follower");
        for says in [&b""[..], b"seventeen", &[7; NOTE_VALUE_BYTES_MAX]] {
            let value = pack(&key, says);
            assert!(value.len() <= VALUE_MAX);
            assert_eq!(unpack(&key, &value).expect("whole"), says);
        }
        let value = pack(&key, b"seventeen");
        for bit in 0..value.len() * 8 {
            let mut damaged = value.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(unpack(&key, &damaged).is_err(), "bit {bit}");
        }
        assert!(unpack(&keys::note(b"another"), &value).is_err(), "another place");
        assert!(unpack(&key, b"").is_err());
    }

    #[test]
    fn a_writer_that_failed_leaves_the_notes_unknown() {
        let gate = Gate::default();
        assert!(gate.pass().is_ok());
        gate.close().open();
        assert!(gate.pass().is_ok());
        drop(gate.close());
        assert!(gate.pass().is_err());
    }
}
