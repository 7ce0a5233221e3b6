//! The journal of a table: the batches that sled may not have on disk yet, one record each.
//!
//! ```text
//! checksum u32 | length u32 | sequence u64 | changes
//! ```
//!
//! A change is 0 (removal) or 1 (put), the length of the space and key, the space and key, and for a put
//! the length of the value and the value. Lengths are varints. The checksum is CRC-32C over the table's id,
//! the checksum of the previous record (0 for the first of the file), and everything after it. So records
//! of earlier rounds after the last record are never read as the next one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use actuarius_persistence::StoreFailure;
use actuarius_persistence::table::Changes;
use actuarius_persistence::wire::{Cursor, Malformed, put_varint};
use uuid::Uuid;

#[cfg(all(test, target_os = "linux"))]
use crate::engine::measuring;
use crate::high_water_mark::write_at;

const HEAD: usize = 4 + 4 + 8;

/// A journal larger than this is truncated when it restarts, and its buffer is freed.
const KEPT_BYTES: usize = 4 * 1024 * 1024;

/// The open journal of a table.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    id: Uuid,
    /// The sequence number of the next record.
    next: u64,
    /// The offset of the next record.
    end: u64,
    /// The checksum of the previous record.
    before: u32,
    /// The buffer of the record that is written.
    record: Vec<u8>,
}

/// A batch that was read from the journal.
pub(super) struct Record {
    pub(super) sequence: u64,
    changes: Vec<u8>,
}

impl Journal {
    /// Opens the journal of the table `id`. Its records must be read before anything is written.
    pub(super) fn open(path: &Path, id: Uuid) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).open(path)?;
        let path = path.to_owned();
        Ok(Self { path, file, id, next: 1, end: 0, before: 0, record: vec![] })
    }

    /// Reads all complete, consecutive records.
    pub(super) fn read(&self) -> io::Result<Vec<Record>> {
        let bytes = fs::read(&self.path)?;
        let (mut rest, mut before) = (&bytes[..], 0);
        let mut records: Vec<Record> = vec![];
        while let Ok((record, checksum, behind)) = self.next_record(rest, before) {
            if records.last().is_some_and(|last| last.sequence + 1 != record.sequence) {
                break;
            }
            (rest, before) = (behind, checksum);
            records.push(record);
        }
        Ok(records)
    }

    fn next_record<'a>(
        &self,
        bytes: &'a [u8],
        before: u32,
    ) -> Result<(Record, u32, &'a [u8]), Malformed> {
        let mut cursor = Cursor(bytes);
        let (checksum, length) = (cursor.u32()?, cursor.u32()? as usize);
        let sequence = u64::from_le_bytes(cursor.array()?);
        let changes = cursor.bytes(length)?.to_vec();
        if checksum != self.checksum(before, &bytes[4..HEAD + length]) {
            return Err(Malformed("the checksum is wrong"));
        }
        Ok((Record { sequence, changes }, checksum, cursor.0))
    }

    /// Sets the sequence number of the next record.
    pub(super) fn resume(&mut self, next: u64) {
        self.next = next;
    }

    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Returns how many bytes were written since the restart.
    pub(super) fn bytes(&self) -> u64 {
        self.end
    }

    /// Writes a batch and returns its sequence number. The batch survives a power cut when this returns.
    pub(super) fn write(&mut self, changes: &Changes) -> Result<u64, StoreFailure> {
        let failed = |error| StoreFailure::new("writing the journal", error);
        let checksum = self.fill_record(changes);
        #[cfg(all(test, target_os = "linux"))]
        measuring::written_elsewhere(self.record.len());
        write_at(&self.file, &self.record, self.end).map_err(failed)?;
        self.file.sync_data().map_err(failed)?;
        self.end += self.record.len() as u64;
        self.before = checksum;
        self.next += 1;
        Ok(self.next - 1)
    }

    fn fill_record(&mut self, changes: &Changes) -> u32 {
        let mut record = std::mem::take(&mut self.record);
        record.clear();
        record.resize(HEAD, 0);
        for (place, value) in changes.iter() {
            record.push(u8::from(value.is_some()));
            for bytes in [Some(place), value.as_ref()].into_iter().flatten() {
                put_varint(&mut record, bytes.len() as u64);
                record.extend_from_slice(bytes);
            }
        }
        let length = (record.len() - HEAD) as u32;
        record[4..8].copy_from_slice(&length.to_le_bytes());
        record[8..HEAD].copy_from_slice(&self.next.to_le_bytes());
        let checksum = self.checksum(self.before, &record[4..]);
        record[..4].copy_from_slice(&checksum.to_le_bytes());
        self.record = record;
        checksum
    }

    fn checksum(&self, before: u32, bytes: &[u8]) -> u32 {
        let start =
            crc32c::crc32c_append(crc32c::crc32c(self.id.as_bytes()), &before.to_le_bytes());
        crc32c::crc32c_append(start, bytes)
    }

    /// Restarts the journal at the beginning of its file, because sled has all of it on disk. Overwriting
    /// changes no metadata of the file, which makes syncs faster.
    pub(super) fn restart(&mut self) -> Result<(), StoreFailure> {
        if self.end > KEPT_BYTES as u64 {
            let truncated = self.file.set_len(0);
            truncated.map_err(|error| StoreFailure::new("truncating the journal", error))?;
        }
        if self.record.capacity() > KEPT_BYTES {
            self.record = vec![];
        }
        (self.end, self.before) = (0, 0);
        Ok(())
    }

    /// Makes all later writes fail, for tests.
    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn break_down(&mut self) {
        self.file = OpenOptions::new().write(true).open("/dev/full").expect("a full device");
    }
}

impl Record {
    pub(super) fn changes(&self) -> Result<Changes, Malformed> {
        let (mut cursor, mut changes) = (Cursor(&self.changes), Changes::of_command());
        while !cursor.0.is_empty() {
            let puts = cursor.byte()? == 1;
            let length = cursor.size()?;
            let (&space, key) =
                cursor.bytes(length)?.split_first().ok_or(Malformed("a change has no key"))?;
            let changed = if puts {
                let length = cursor.size()?;
                changes.put(space, key, cursor.bytes(length)?)
            } else {
                changes.remove(space, key)
            };
            changed.map_err(|_| Malformed("a batch is too large"))?;
        }
        Ok(changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actuarius_persistence::mutations::Mutations;

    #[test]
    fn no_mutated_batch_of_a_journal_panics_or_allocates_without_a_bound() {
        let sample = [&[1, 4][..], b"\x01row", &[5], b"value", &[0, 2], b"\x02x"].concat();
        Mutations::of("a batch of a journal", [sample]).run(
            |work| allocation_counter::measure(work).bytes_max,
            |bytes| {
                let _ = Record { sequence: 1, changes: bytes.to_vec() }.changes();
            },
        );
    }
}
