//! The bytes of one slot of the key file.

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

/// The content of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    /// Counts the changes of the slot: of two copies, the one with the higher number is current.
    pub(super) sequence: u64,
    pub(super) subject: Fingerprint,
    pub(super) state: SlotState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SlotState {
    /// The key of the subject, wrapped with a master key.
    Live { master: MasterKeyId, wrapped: [u8; WRAPPED] },
    /// The key was destroyed, and the subject never gets another one.
    Forgotten,
}

/// One copy of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SlotCopy {
    Free,
    Good(Record),
    Bad,
}

/// The file and the number of a slot. A record found in another slot is not valid.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlotId {
    pub(super) file: Uuid,
    pub(super) slot: u32,
}

impl SlotId {
    fn checksum(&self, bytes: &[u8]) -> u32 {
        let id =
            crc32c::crc32c_append(crc32c::crc32c(self.file.as_bytes()), &self.slot.to_le_bytes());
        crc32c::crc32c_append(id, bytes)
    }
}

impl Record {
    /// `state u8 | layout u8 | 0 0 | sequence u64 | fingerprint 16 | master key 16 | wrapped 60 | 0 … |
    /// checksum u32`
    pub(super) fn to_bytes(self, slot_id: SlotId) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[1] = LAYOUT;
        bytes[4..12].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[12..28].copy_from_slice(&self.subject.0);
        match &self.state {
            SlotState::Forgotten => bytes[0] = FORGOTTEN,
            SlotState::Live { master, wrapped } => {
                bytes[0] = LIVE;
                bytes[28..44].copy_from_slice(master.padded());
                bytes[44..44 + WRAPPED].copy_from_slice(wrapped);
            }
        }
        let checksum = slot_id.checksum(&bytes[..SEALED]);
        bytes[SEALED..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }
}

impl SlotCopy {
    pub(super) fn parse(bytes: &[u8], slot_id: SlotId) -> Self {
        if bytes.iter().all(|byte| *byte == 0) {
            return Self::Free;
        }
        parse(bytes, slot_id).map_or(Self::Bad, Self::Good)
    }

    pub(super) fn good(self) -> Option<Record> {
        if let Self::Good(record) = self { Some(record) } else { None }
    }
}

fn parse(bytes: &[u8], slot_id: SlotId) -> Option<Record> {
    let (sealed, checksum) = bytes.split_at_checked(SEALED)?;
    if checksum != slot_id.checksum(sealed).to_le_bytes() {
        return None;
    }
    let mut cursor = Cursor(sealed);
    let [state, LAYOUT, 0, 0] = cursor.array().ok()? else { return None };
    let sequence = u64::from_le_bytes(cursor.array().ok()?);
    let subject = Fingerprint(cursor.array().ok()?);
    let master: [u8; NAME_BYTES_MAX] = cursor.array().ok()?;
    let state = match state {
        LIVE => {
            let master = MasterKeyId::from_padded(&master)?;
            SlotState::Live { master, wrapped: cursor.array().ok()? }
        }
        FORGOTTEN => SlotState::Forgotten,
        _ => return None,
    };
    Some(Record { sequence, subject, state })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutations::Mutations;

    #[test]
    fn a_slot_round_trips_and_every_flipped_bit_or_moved_slot_is_detected() {
        let master = MasterKeyId::new("2026-11").unwrap();
        let slot_id = SlotId { file: Uuid::from_u128(7), slot: 3 };
        for state in [SlotState::Forgotten, SlotState::Live { master, wrapped: [9; WRAPPED] }] {
            let record = Record { sequence: 4, subject: Fingerprint([5; 16]), state };
            let bytes = record.to_bytes(slot_id);
            assert_eq!(SlotCopy::parse(&bytes, slot_id), SlotCopy::Good(record));
            let (moved, other) =
                (SlotId { slot: 4, ..slot_id }, SlotId { file: Uuid::nil(), ..slot_id });
            assert_eq!(SlotCopy::parse(&bytes, moved), SlotCopy::Bad);
            assert_eq!(SlotCopy::parse(&bytes, other), SlotCopy::Bad);
            for bit in 0..RECORD_BYTES * 8 {
                let mut flipped = bytes;
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(SlotCopy::parse(&flipped, slot_id), SlotCopy::Bad, "bit {bit}");
            }
        }
        assert_eq!(SlotCopy::parse(&[0; RECORD_BYTES], slot_id), SlotCopy::Free);
    }

    #[test]
    fn no_mutated_slot_panics_or_allocates_without_a_bound() {
        let master = MasterKeyId::new("2026-11").unwrap();
        let slot_id = SlotId { file: Uuid::from_u128(7), slot: 3 };
        let states = [SlotState::Forgotten, SlotState::Live { master, wrapped: [9; WRAPPED] }];
        let of = |state| Record { sequence: 4, subject: Fingerprint([5; 16]), state };
        let samples = states.map(|state| of(state).to_bytes(slot_id).to_vec());
        let reseal = |bytes: &mut Vec<u8>| {
            if bytes.len() == RECORD_BYTES {
                let checksum = slot_id.checksum(&bytes[..SEALED]).to_le_bytes();
                bytes[SEALED..].copy_from_slice(&checksum);
            }
        };
        Mutations::of("a slot of a key", samples).resealed(reseal).run(
            |work| allocation_counter::measure(work).bytes_max,
            |bytes| {
                let _ = SlotCopy::parse(bytes, slot_id);
            },
        );
    }
}
