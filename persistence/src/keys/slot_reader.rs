//! Reads single slots of a key file without its lock, while the file is written or synced.

use uuid::Uuid;

use super::header::offset;
use super::medium::ReadAt;
use super::record::{RECORD_BYTES, Record, SlotCopy, SlotId, SlotState};
use crate::personal::Fingerprint;

pub(super) struct SlotReader {
    pub(super) medium: Box<dyn ReadAt>,
    /// The identity of the file, to which the checksums of its slots are bound.
    pub(super) file: Uuid,
}

impl SlotReader {
    /// Returns the newest copy of the key of a subject. Returns `None` if it is destroyed or not yet written, or if both
    /// copies are being written: the file knows under its lock.
    pub(super) fn live(&self, slot: u32, subject: Fingerprint) -> Option<Record> {
        let copies = [0, 1].into_iter().filter_map(|side| self.copy(side, slot));
        let newest = copies.max_by_key(|record| record.sequence)?;
        let is_live = matches!(newest.state, SlotState::Live { .. });
        (is_live && newest.subject == subject).then_some(newest)
    }

    fn copy(&self, side: u64, slot: u32) -> Option<Record> {
        let mut bytes = [0; RECORD_BYTES];
        self.medium.read_at(offset(side, u64::from(slot)), &mut bytes).ok()?;
        SlotCopy::parse(&bytes, SlotId { file: self.file, slot }).good()
    }
}
