//! One slot of the key file, as bytes.

use uuid::Uuid;

use super::cipher::{NONCE, TAG};
use crate::personal::fingerprint::Fingerprint;
use crate::personal::master_key_id::{MasterKeyId, NAME_BYTES_MAX};
use crate::wire::Cursor;

pub(super) const RECORD_BYTES: usize = 128;
const SEALED: usize = RECORD_BYTES - 4;
pub(super) const WRAPPED: usize = NONCE + 32 + TAG;

const LIVE: u8 = 1;
const FORGOTTEN: u8 = 2;
const LAYOUT: u8 = 1;

/// What a slot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    /// Counts the changes of the slot: of two copies the one with the higher number is right.
    pub(super) sequence: u64,
    pub(super) subject: Fingerprint,
    pub(super) kept: Kept,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// The subject's key, wrapped with a master key.
    Live { master: MasterKeyId, wrapped: [u8; WRAPPED] },
    /// There was one, or might have been: there will be none.
    Forgotten,
}

/// One copy of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copied {
    Free,
    Good(Record),
    Bad,
}

/// Which slot of which file it is: one that is found in another place is not a good one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) file: Uuid,
    pub(super) slot: u32,
}

impl Place {
    fn checksum(&self, bytes: &[u8]) -> u32 {
        let place =
            crc32c::crc32c_append(crc32c::crc32c(self.file.as_bytes()), &self.slot.to_le_bytes());
        crc32c::crc32c_append(place, bytes)
    }
}

impl Record {
    /// `state u8 | layout u8 | 0 0 | sequence u64 | fingerprint 16 | master key 16 | wrapped 60 | 0 … |
    /// checksum u32`
    pub(super) fn to_bytes(self, place: Place) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[1] = LAYOUT;
        bytes[4..12].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[12..28].copy_from_slice(&self.subject.0);
        match &self.kept {
            Kept::Forgotten => bytes[0] = FORGOTTEN,
            Kept::Live { master, wrapped } => {
                bytes[0] = LIVE;
                bytes[28..44].copy_from_slice(master.padded());
                bytes[44..44 + WRAPPED].copy_from_slice(wrapped);
            }
        }
        let checksum = place.checksum(&bytes[..SEALED]);
        bytes[SEALED..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }
}

impl Copied {
    pub(super) fn parse(bytes: &[u8], place: Place) -> Self {
        if bytes.iter().all(|byte| *byte == 0) {
            return Self::Free;
        }
        parse(bytes, place).map_or(Self::Bad, Self::Good)
    }
}

fn parse(bytes: &[u8], place: Place) -> Option<Record> {
    let (sealed, checksum) = bytes.split_at_checked(SEALED)?;
    if checksum != place.checksum(sealed).to_le_bytes() {
        return None;
    }
    let mut cursor = Cursor(sealed);
    let [state, LAYOUT, 0, 0] = cursor.array().ok()? else { return None };
    let sequence = u64::from_le_bytes(cursor.array().ok()?);
    let subject = Fingerprint(cursor.array().ok()?);
    let master: [u8; NAME_BYTES_MAX] = cursor.array().ok()?;
    let kept = match state {
        LIVE => {
            let master = MasterKeyId::from_padded(&master)?;
            Kept::Live { master, wrapped: cursor.array().ok()? }
        }
        FORGOTTEN => Kept::Forgotten,
        _ => return None,
    };
    Some(Record { sequence, subject, kept })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_comes_back_and_every_flipped_bit_and_every_other_place_is_found() {
        let master = MasterKeyId::new("2026-11").unwrap();
        let place = Place { file: Uuid::from_u128(7), slot: 3 };
        for kept in [Kept::Forgotten, Kept::Live { master, wrapped: [9; WRAPPED] }] {
            let record = Record { sequence: 4, subject: Fingerprint([5; 16]), kept };
            let bytes = record.to_bytes(place);
            assert_eq!(Copied::parse(&bytes, place), Copied::Good(record));
            let (moved, other) = (Place { slot: 4, ..place }, Place { file: Uuid::nil(), ..place });
            assert_eq!(Copied::parse(&bytes, moved), Copied::Bad);
            assert_eq!(Copied::parse(&bytes, other), Copied::Bad);
            for bit in 0..RECORD_BYTES * 8 {
                let mut flipped = bytes;
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Copied::parse(&flipped, place), Copied::Bad, "bit {bit}");
            }
        }
        assert_eq!(Copied::parse(&[0; RECORD_BYTES], place), Copied::Free);
    }
}
