//! The values sled is given for a table: the marker (which batch was begun last, and whether it was
//! the last before a sync), rows, and parts of large ones.
//!
//! A row's value, of two kinds:
//!
//! ```text
//! checksum u32 | 1 | what the key says
//! checksum u32 | 2 | batch u64 | number in it u32 | length u32 | checksum of all parts u32
//! ```
//!
//! The first checksum is CRC-32C over the length of space and key as u32, these, and all that
//! follows it.

use actuarius_persistence::table::ViewError;
use actuarius_persistence::table::changes;
use actuarius_persistence::wire::Cursor;
use bytes::Bytes;
use sled::IVec;

use super::keys::{self, MARKER, PART};
use crate::engine::Engine;
use crate::error::{Result, Trouble};
use crate::keys::VALUE_MAX;

/// The largest value that stands in its row. Every tenth change of a leaf makes sled write the leaf
/// again, with up to 17 rows: small rows must not pay for large neighbours.
pub(super) const INLINE_MAX: usize = 2000;

/// The bytes of a part.
pub(super) const PART_BYTES: usize = 4000;

const CHECKSUM: usize = 4;
const INLINE: u8 = 1;
const IN_PARTS: u8 = 2;

const _: () = assert!(PART_BYTES <= VALUE_MAX && CHECKSUM + 1 + INLINE_MAX <= VALUE_MAX);
const _: () = assert!(changes::VALUE_BYTES_MAX / PART_BYTES < u16::MAX as usize);

/// How far sled has come, among what it was given in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    /// All batches up to this one are there.
    Done(u64),
    /// All batches before this one are there, and any part of it.
    Begun(u64),
}

impl Marker {
    pub(super) fn pack(self) -> Vec<u8> {
        let (kind, sequence) = match self {
            Self::Done(sequence) => (0, sequence),
            Self::Begun(sequence) => (1, sequence),
        };
        let mut bytes = vec![0; CHECKSUM];
        bytes.push(kind);
        bytes.extend_from_slice(&sequence.to_le_bytes());
        seal(MARKER, bytes)
    }

    fn unpack(value: &[u8]) -> Result<Self> {
        let mut cursor = checked(MARKER, value)?;
        match (cursor.byte()?, u64::from_le_bytes(cursor.array()?)) {
            (0, sequence) => Ok(Self::Done(sequence)),
            (1, sequence) => Ok(Self::Begun(sequence)),
            _ => Err(Trouble::Malformed("a marker of an unknown kind")),
        }
    }

    /// The first batch that sled may lack something of.
    pub(super) fn missing(self) -> u64 {
        match self {
            Self::Done(sequence) => sequence + 1,
            Self::Begun(sequence) => sequence,
        }
    }
}

pub(super) fn marker(engine: &Engine) -> Result<Marker> {
    let value = engine.get(MARKER)?.ok_or(Trouble::Malformed("the marker is missing"))?;
    Marker::unpack(&value)
}

/// Where the parts of a value are: they are named after the change they came with, so that doing it
/// again writes the same.
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

pub(super) fn pack_inline(place: &[u8], content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(CHECKSUM + 1 + content.len());
    bytes.extend_from_slice(&[0; CHECKSUM]);
    bytes.push(INLINE);
    bytes.extend_from_slice(content);
    seal(place, bytes)
}

/// The row of a value whose content is in parts.
pub(super) fn pack_parts(place: &[u8], parts: Parts) -> Vec<u8> {
    let mut bytes = vec![0; CHECKSUM];
    bytes.push(IN_PARTS);
    bytes.extend_from_slice(&parts.sequence.to_le_bytes());
    bytes.extend_from_slice(&parts.number.to_le_bytes());
    bytes.extend_from_slice(&parts.length.to_le_bytes());
    bytes.extend_from_slice(&parts.checksum.to_le_bytes());
    seal(place, bytes)
}

/// What a row says, or where that is.
pub(super) enum Row<'a> {
    Inline(&'a [u8]),
    InParts(Parts),
}

/// The row at `place`, with the parts unseen.
pub(super) fn unpack<'a>(place: &[u8], value: &'a [u8]) -> Result<Row<'a>> {
    let mut cursor = checked(place, value)?;
    match cursor.byte()? {
        INLINE => Ok(Row::Inline(cursor.0)),
        IN_PARTS => {
            let sequence = u64::from_le_bytes(cursor.array()?);
            let (number, length, checksum) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
            Ok(Row::InParts(Parts { sequence, number, length, checksum }))
        }
        _ => Err(Trouble::Malformed("a row of an unknown kind")),
    }
}

/// What the row at `place` says.
pub(super) fn says(engine: &Engine, place: &[u8], value: &[u8]) -> Result<Bytes> {
    let parts = match unpack(place, value)? {
        Row::Inline(content) => return Ok(Bytes::copy_from_slice(content)),
        Row::InParts(parts) => parts,
    };
    let mut content = Vec::with_capacity(parts.length as usize);
    for key in parts.keys() {
        let part: Option<IVec> = engine.get(&key)?;
        content.extend_from_slice(&part.ok_or(Trouble::Malformed("a part is missing"))?);
    }
    if Parts::of(&content, parts.sequence, parts.number) != parts {
        return Err(Trouble::Malformed("the parts are not those of the row"));
    }
    Ok(content.into())
}

/// The error for whoever wanted to know what the row at `place` says.
pub(super) fn error(place: &[u8], trouble: Trouble) -> ViewError {
    match trouble {
        Trouble::Engine(sled::Error::Io(error)) => ViewError::Io(error.into()),
        trouble => ViewError::damaged(format!("{}: {trouble}", changes::text(place))),
    }
}

/// The error for whoever gave sled something under a key.
pub(super) fn put_error(key: &[u8], refused: sled::Error) -> ViewError {
    error(&keys::place(key).unwrap_or_default(), refused.into())
}

fn seal(place: &[u8], mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = checksum(place, &bytes);
    bytes[..CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// What follows the checksum, if it is right.
fn checked<'a>(place: &[u8], value: &'a [u8]) -> Result<Cursor<'a>> {
    let mut cursor = Cursor(value);
    if cursor.u32()? != checksum(place, value) {
        return Err(Trouble::Malformed("the checksum is wrong"));
    }
    Ok(cursor)
}

/// Over the length of the place too, so that no byte can move from one to the other.
fn checksum(place: &[u8], bytes: &[u8]) -> u32 {
    let start = crc32c::crc32c(&(place.len() as u32).to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(start, place), &bytes[CHECKSUM..])
}
