//! The values of a table in sled: the marker, which says which batches sled has and which ones the journal must have, the
//! rows, and the parts of large values.
//!
//! A row has one of two forms:
//!
//! ```text
//! checksum u32 | 1 | value
//! checksum u32 | 2 | batch u64 | number in the batch u32 | length u32 | checksum of all parts u32
//! ```
//!
//! The first checksum is CRC-32C over the length of the space and key as u32, the space and key, and
//! everything after it.

use actuarius_persistence::table::{ViewError, changes};
use actuarius_persistence::wire::Cursor;
use bytes::Bytes;
use sled::IVec;

use super::keys::{self, MARKER, PART};
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::keys::VALUE_MAX;
use crate::sealed::{self, CHECKSUM};

/// The largest value that is stored in its row. Every tenth change of a leaf makes sled write the leaf
/// again, with up to 17 rows, so large values would slow down small neighbours.
pub(super) const INLINE_MAX: usize = 2000;

/// The size of a part.
pub(super) const PART_BYTES: usize = 4000;

/// The kinds of markers. Earlier releases began each batch alone, when all before it were in sled.
const DONE: u8 = 0;
const BEGUN_ALONE: u8 = 1;
const BEGUN: u8 = 2;

const INLINE: u8 = 1;
const IN_PARTS: u8 = 2;

const _: () = assert!(PART_BYTES <= VALUE_MAX && CHECKSUM + 1 + INLINE_MAX <= VALUE_MAX);
const _: () = assert!(changes::VALUE_BYTES_MAX / PART_BYTES < u16::MAX as usize);

/// The progress of sled, which keeps the order of its writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    /// sled has all batches up to this one.
    Done(u64),
    /// sled has all batches before `first`, and any part of those from there to `last`. The journal has these.
    Begun { first: u64, last: u64 },
}

impl Marker {
    pub(super) fn pack(self) -> Vec<u8> {
        let mut bytes = vec![0; CHECKSUM];
        match self {
            Self::Done(sequence) => {
                bytes.push(DONE);
                bytes.extend_from_slice(&sequence.to_le_bytes());
            }
            Self::Begun { first, last } => {
                bytes.push(BEGUN);
                bytes.extend_from_slice(&last.to_le_bytes());
                bytes.extend_from_slice(&first.to_le_bytes());
            }
        }
        seal(MARKER, bytes)
    }

    fn unpack(value: &[u8]) -> Result<Self> {
        let mut cursor = open(MARKER, value)?;
        let (kind, sequence) = (cursor.byte()?, u64::from_le_bytes(cursor.array()?));
        match kind {
            DONE => Ok(Self::Done(sequence)),
            BEGUN_ALONE => Ok(Self::Begun { first: sequence, last: sequence }),
            BEGUN => {
                let first = u64::from_le_bytes(cursor.array()?);
                Ok(Self::Begun { first, last: sequence })
            }
            _ => Err(EngineError::Malformed("the marker is of an unknown kind")),
        }
    }

    /// Returns the first batch that sled may not have completely.
    pub(super) fn first_unapplied(self) -> u64 {
        match self {
            Self::Done(sequence) => sequence + 1,
            Self::Begun { first, .. } => first,
        }
    }

    /// Returns the last batch that the journal must have.
    pub(super) fn last_begun(self) -> u64 {
        match self {
            Self::Done(_) => 0,
            Self::Begun { last, .. } => last,
        }
    }
}

/// Reads the marker.
pub(super) fn marker(engine: &Engine) -> Result<Marker> {
    let value = engine.get(MARKER)?.ok_or(EngineError::Malformed("the marker is missing"))?;
    Marker::unpack(&value)
}

/// The keys of the parts of a value. They are derived from the change that wrote them, so that a repeated
/// change writes the same keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) sequence: u64,
    pub(super) number: u32,
    pub(super) length: u32,
    checksum: u32,
}

impl Parts {
    pub(super) fn of(content: &[u8], sequence: u64, number: u32) -> Self {
        Self { sequence, number, length: content.len() as u32, checksum: crc32c::crc32c(content) }
    }

    pub(super) fn keys(self) -> impl Iterator<Item = [u8; 15]> {
        let count = (self.length as usize).div_ceil(PART_BYTES);
        (0..count as u16).map(move |part| {
            let mut key = [PART; 15];
            key[1..9].copy_from_slice(&self.sequence.to_be_bytes());
            key[9..13].copy_from_slice(&self.number.to_be_bytes());
            key[13..].copy_from_slice(&part.to_be_bytes());
            key
        })
    }
}

/// Packs a row with its value.
pub(super) fn pack_inline(place: &[u8], content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(CHECKSUM + 1 + content.len());
    bytes.extend_from_slice(&[0; CHECKSUM]);
    bytes.push(INLINE);
    bytes.extend_from_slice(content);
    seal(place, bytes)
}

/// Packs the row of a value that is stored in parts.
pub(super) fn pack_parts(place: &[u8], parts: Parts) -> Vec<u8> {
    let mut bytes = vec![0; CHECKSUM];
    bytes.push(IN_PARTS);
    bytes.extend_from_slice(&parts.sequence.to_le_bytes());
    bytes.extend_from_slice(&parts.number.to_le_bytes());
    bytes.extend_from_slice(&parts.length.to_le_bytes());
    bytes.extend_from_slice(&parts.checksum.to_le_bytes());
    seal(place, bytes)
}

/// The value of a row, or where its parts are.
pub(super) enum Row<'a> {
    Inline(&'a [u8]),
    InParts(Parts),
}

/// Unpacks the row at `place`, without reading its parts.
pub(super) fn unpack<'a>(place: &[u8], value: &'a [u8]) -> Result<Row<'a>> {
    let mut cursor = open(place, value)?;
    match cursor.byte()? {
        INLINE => Ok(Row::Inline(cursor.0)),
        IN_PARTS => {
            let sequence = u64::from_le_bytes(cursor.array()?);
            let (number, length, checksum) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
            Ok(Row::InParts(Parts { sequence, number, length, checksum }))
        }
        _ => Err(EngineError::Malformed("a row is of an unknown kind")),
    }
}

/// How much is reserved for the value of a row before its parts are read: 1 MiB. A row may claim 4 GiB.
const RESERVED_MAX: usize = 1024 * 1024;

/// Reads the value of the row at `place`.
pub(super) fn content_of(engine: &Engine, place: &[u8], value: &[u8]) -> Result<Bytes> {
    let parts = match unpack(place, value)? {
        Row::Inline(content) => return Ok(Bytes::copy_from_slice(content)),
        Row::InParts(parts) => parts,
    };
    let mut content = Vec::with_capacity((parts.length as usize).min(RESERVED_MAX));
    for key in parts.keys() {
        let part: Option<IVec> = engine.get(&key)?;
        content.extend_from_slice(&part.ok_or(EngineError::Malformed("a part is missing"))?);
    }
    if Parts::of(&content, parts.sequence, parts.number) != parts {
        return Err(EngineError::Malformed("the parts do not belong to the row"));
    }
    Ok(content.into())
}

/// Converts an error of reading the row at `place`.
pub(super) fn error(place: &[u8], error: EngineError) -> ViewError {
    match error {
        EngineError::Sled(sled::Error::Io(error)) => ViewError::Io(error.into()),
        error => ViewError::damaged(format!("{}: {error}", changes::text(place))),
    }
}

/// Converts an error of writing a key to sled.
pub(super) fn put_error(key: &[u8], refused: sled::Error) -> ViewError {
    error(&keys::place(key).unwrap_or_default(), refused.into())
}

fn seal(place: &[u8], mut bytes: Vec<u8>) -> Vec<u8> {
    sealed::seal(checksum(place), &mut bytes);
    bytes
}

fn open<'a>(place: &[u8], value: &'a [u8]) -> Result<Cursor<'a>> {
    Ok(sealed::open(checksum(place), value, "the checksum is wrong")?)
}

/// Computes the checksum of a place. It includes the length, so that no byte can move from the place to
/// the content.
fn checksum(place: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&(place.len() as u32).to_le_bytes()), place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actuarius_persistence::mutations::Mutations;

    #[test]
    fn a_marker_is_read_as_it_was_written_also_by_an_earlier_release() {
        for marker in [Marker::Done(7), Marker::Begun { first: 5, last: 7 }] {
            assert_eq!(Marker::unpack(&marker.pack()).expect("whole"), marker);
        }
        let mut earlier = vec![0; CHECKSUM];
        earlier.push(BEGUN_ALONE);
        earlier.extend_from_slice(&7_u64.to_le_bytes());
        let found = Marker::unpack(&seal(MARKER, earlier)).expect("whole");
        assert_eq!(found, Marker::Begun { first: 7, last: 7 });
        assert!(Marker::unpack(&seal(MARKER, vec![0, 0, 0, 0, BEGUN, 1])).is_err());
    }

    #[test]
    fn no_mutated_row_panics_or_allocates_without_a_bound() {
        let parts = Parts { sequence: 4, number: 2, length: 9_000, checksum: 77 };
        let samples = [pack_inline(b"place", b"seventeen"), pack_parts(b"place", parts)];
        let reseal = |bytes: &mut Vec<u8>| {
            if bytes.len() > CHECKSUM {
                sealed::seal(checksum(b"place"), bytes);
            }
        };
        Mutations::of("a row", samples).resealed(reseal).run(
            |work| allocation_counter::measure(work).bytes_max,
            |bytes| {
                if let Ok(Row::InParts(parts)) = unpack(b"place", bytes) {
                    let _ = parts.keys().next();
                }
            },
        );
    }
}
