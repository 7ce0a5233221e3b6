//! Notes in a backup, in their own segment.

use std::path::Path;

use bytes::Bytes;

use super::BackupError;
use crate::archive::segment::{
    BLOCK_BYTES, BlockWriter, Blocks, Finished, Kind, SegmentError, SegmentHead, Summary,
};
use crate::error::ReadError;
use crate::record::note::{Note, NoteTooLarge, Notes};
use crate::store::recorded_shape::PREFIX as SHAPES;
use crate::store::{Batch, Reader, Store};
use crate::wire::{Cursor, Malformed, put_varint};

/// How many notes are read at once. A commit with notes waits until they are read.
const AT_ONCE: usize = 512;

/// The prefix of the notes that are read first: the position of a subscription must not be newer than its
/// parked events. The values of notes are otherwise opaque.
const FIRST: &[u8] = b"subscription/";

/// Which notes are written or loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    All,
    /// The recorded shapes of event types. They refer to no position, and the events need them.
    Shapes,
    Others,
}

impl Which {
    fn has(self, key: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Shapes => key.starts_with(SHAPES.as_bytes()),
            Self::Others => !key.starts_with(SHAPES.as_bytes()),
        }
    }
}

/// Writes the notes of a store into a segment. Returns their number.
pub(super) fn write(
    reader: &dyn Reader,
    path: &Path,
    head: SegmentHead,
    which: Which,
) -> Result<(Finished, u64), BackupError> {
    let file = BlockWriter::create(path, head)?;
    let mut writing = Writing { file, which, raw: Vec::new(), entries: 0, count: 0 };
    let all = reader.notes(b"", None, AT_ONCE)?;
    if all.len() < AT_ONCE {
        // Read at once, so they are consistent.
        writing.put(&all)?;
    } else {
        drop(all);
        writing.put_all(reader, FIRST, |_| true)?;
        writing.put_all(reader, b"", |note| !note.key.starts_with(FIRST))?;
    }
    writing.end_block()?;
    let (count, path) = (writing.count, path.to_owned());
    let summary = Summary { commits: count, ..Summary::default() };
    let sealed = writing.file.finish(summary)?;
    Ok((Finished { path, bytes: sealed.bytes, hash: sealed.hash, summary }, count))
}

struct Writing {
    file: BlockWriter,
    which: Which,
    raw: Vec<u8>,
    entries: u32,
    count: u64,
}

impl Writing {
    fn put_all(
        &mut self,
        reader: &dyn Reader,
        prefix: &[u8],
        which: impl Fn(&Note) -> bool,
    ) -> Result<(), BackupError> {
        let mut after: Option<Bytes> = None;
        loop {
            let mut page = reader.notes(prefix, after.as_deref(), AT_ONCE)?;
            let is_last = page.len() < AT_ONCE;
            after = page.last().map(|note| note.key.clone());
            page.retain(&which);
            self.put(&page)?;
            if is_last {
                return Ok(());
            }
        }
    }

    fn put(&mut self, notes: &[Note]) -> Result<(), BackupError> {
        let which = self.which;
        for note in notes.iter().filter(|note| which.has(&note.key)) {
            for bytes in [&note.key, &note.value] {
                put_varint(&mut self.raw, bytes.len() as u64);
                self.raw.extend_from_slice(bytes);
            }
            (self.entries, self.count) = (self.entries + 1, self.count + 1);
            if self.raw.len() >= BLOCK_BYTES {
                self.end_block()?;
            }
        }
        Ok(())
    }

    fn end_block(&mut self) -> Result<(), SegmentError> {
        if self.entries > 0 {
            let first = self.count - u64::from(self.entries) + 1;
            self.file.put(first, self.entries, &self.raw)?;
        }
        self.entries = 0;
        self.raw.clear();
        Ok(())
    }
}

/// Stores the notes of a segment. Returns their number.
pub(super) fn load(path: &Path, to: &mut Store, which: Which) -> Result<u64, BackupError> {
    let (mut set, mut count) = (Notes::default(), 0);
    read(path, |key, value| {
        if !which.has(key) {
            return Ok(());
        }
        count += 1;
        if let Err(NoteTooLarge::Set { .. }) = set.put(key, value) {
            let notes = vec![std::mem::take(&mut set)];
            to.writer.commit(&Batch { notes, ..Batch::default() })?;
            // A single note always fits.
            let _ = set.put(key, value);
        }
        Ok(())
    })?;
    to.writer.commit(&Batch { notes: vec![set], ..Batch::default() })?;
    Ok(count)
}

/// Calls `each` with all notes of a segment. Returns their number.
pub(super) fn read(
    path: &Path,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), BackupError>,
) -> Result<u64, BackupError> {
    let (blocks, mut count) = (Blocks::open(path)?, 0);
    if blocks.head.kind != Kind::Notes {
        let what = "it contains no notes".to_owned();
        return Err(SegmentError::Another { path: path.to_owned(), what }.into());
    }
    for number in 0..blocks.len() {
        let (entries, _, raw) = blocks.load(number)?;
        let mut cursor = Cursor(&raw);
        for _ in 0..entries {
            let note = take(&mut cursor).map_err(|it| blocks.damaged(number, it.0))?;
            each(note.0, note.1)?;
            count += 1;
        }
    }
    if count != blocks.summary.commits {
        return Err(blocks.damaged(blocks.len(), "it has another number of notes").into());
    }
    Ok(count)
}

fn take<'a>(cursor: &mut Cursor<'a>) -> Result<(&'a [u8], &'a [u8]), Malformed> {
    let length = cursor.size()?;
    let key = cursor.bytes(length)?;
    let length = cursor.size()?;
    Ok((key, cursor.bytes(length)?))
}

impl From<NoteTooLarge> for BackupError {
    fn from(error: NoteTooLarge) -> Self {
        Self::Read(ReadError::Io(std::io::Error::other(error).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutations::Mutations;

    #[test]
    fn no_mutated_note_of_a_backup_panics_or_allocates_without_a_bound() {
        let sample = [&[3][..], b"key", &[5], b"value"].concat();
        Mutations::of("a note of a backup", [sample]).run(
            |work| allocation_counter::measure(work).bytes_max,
            |bytes| {
                let _ = take(&mut Cursor(bytes));
            },
        );
    }
}
