//! A store that uses the keys of its subjects.

use std::path::Path;
use std::sync::Arc;

use actuarius_domain::{Position, StreamId, Version};
use bytes::Bytes;
use uuid::Uuid;

use super::Store;
use super::reader::{Maintenance, Page, PageLimit, Reader, StoreInfo};
use super::verify::{Verified, Verify};
use super::writer::{AppendOutcome, Batch, Writer};
use crate::archive::error::ArchiveError;
use crate::error::{ReadError, StoreFailure};
use crate::personal::error::KeyError;
use crate::personal::sealer::{Opened, Sealer};
use crate::record::chain::ChainEnd;
use crate::record::lineage::Lineage;
use crate::record::note::Note;
use crate::record::snapshot::Snapshot;

/// Adds the keys of its subjects to a store: new keys are durable before data sealed with them is
/// committed; commits that are read carry the keys, so that their personal data is opened when they are
/// decoded; and snapshots that were sealed for several subjects are opened, or skipped if one of these
/// is forgotten.
#[must_use]
pub fn with_sealer(store: Store, sealer: Arc<dyn Sealer>) -> Store {
    keyed(store, sealer, false)
}

/// Like [`with_sealer`], for keys that belong to this store alone: they are [closed](Sealer::close) with it.
#[must_use]
pub fn with_own_sealer(store: Store, sealer: Arc<dyn Sealer>) -> Store {
    keyed(store, sealer, true)
}

fn keyed(store: Store, sealer: Arc<dyn Sealer>, closes: bool) -> Store {
    let writer = KeyedWriter { writer: store.writer, sealer: sealer.clone(), failure: None };
    let reader = KeyedReader { reader: store.reader, sealer, closes };
    Store { writer: Box::new(writer), reader: Arc::new(reader) }
}

struct KeyedWriter {
    writer: Box<dyn Writer>,
    sealer: Arc<dyn Sealer>,
    failure: Option<StoreFailure>,
}

impl KeyedWriter {
    fn fail_stop(
        &mut self,
        work: impl FnOnce(&dyn Sealer) -> Result<(), KeyError>,
    ) -> Result<(), StoreFailure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        work(&*self.sealer).map_err(|error| {
            let failure = StoreFailure::new("writing new keys", std::io::Error::other(error));
            self.failure = Some(failure.clone());
            failure
        })
    }
}

impl Writer for KeyedWriter {
    fn commit(&mut self, batch: &Batch) -> Result<Vec<AppendOutcome>, StoreFailure> {
        self.fail_stop(|sealer| sealer.flush())?;
        self.writer.commit(batch)
    }

    fn advance(&mut self) -> Result<bool, StoreFailure> {
        self.fail_stop(|sealer| sealer.flush())?;
        self.writer.advance()
    }

    fn waiting_bytes(&self) -> usize {
        self.writer.waiting_bytes()
    }

    fn settle(&mut self) -> Result<(), StoreFailure> {
        self.fail_stop(|sealer| sealer.settle())?;
        self.writer.settle()
    }

    fn close(mut self: Box<Self>) -> Result<(), StoreFailure> {
        let settled = self.fail_stop(|sealer| sealer.settle());
        // Closed even if the keys failed, so that the store's files are released.
        settled.and(self.writer.close())
    }

    fn batch_bytes(&self) -> usize {
        self.writer.batch_bytes()
    }
}

struct KeyedReader {
    reader: Arc<dyn Reader>,
    sealer: Arc<dyn Sealer>,
    closes: bool,
}

impl Drop for KeyedReader {
    fn drop(&mut self) {
        if self.closes {
            // On an error, changes are durable in one copy, and repaired at the next start.
            let _ = self.sealer.close();
        }
    }
}

impl KeyedReader {
    fn with_keys(&self, mut page: Page) -> Page {
        page.commits.iter_mut().for_each(|commit| commit.set_sealer(&self.sealer));
        page
    }
}

impl Reader for KeyedReader {
    fn head(&self) -> Position {
        self.reader.head()
    }

    fn version(&self, stream: &StreamId) -> Result<Version, ReadError> {
        self.reader.version(stream)
    }

    fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        as_of: Position,
        limit: PageLimit,
    ) -> Result<Page, ReadError> {
        Ok(self.with_keys(self.reader.read_stream(stream, after, as_of, limit)?))
    }

    fn read_log(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        Ok(self.with_keys(self.reader.read_log(after, limit)?))
    }

    /// Skips snapshots that are erased.
    fn snapshot(
        &self,
        stream: &StreamId,
        mut before: Option<Version>,
    ) -> Result<Option<Snapshot>, ReadError> {
        loop {
            let Some(mut found) = self.reader.snapshot(stream, before)? else { return Ok(None) };
            let version = found.version;
            let damaged =
                |what: String| ReadError::DamagedSnapshot { stream: stream.clone(), version, what };
            match self
                .sealer
                .open_for(&found.payload)
                .map_err(|error| damaged(error.to_string()))?
            {
                Opened::Unsealed => return Ok(Some(found)),
                Opened::Clear(clear, subjects) => {
                    found.payload = Bytes::copy_from_slice(&clear);
                    found.subjects = subjects;
                    return Ok(Some(found));
                }
                Opened::Erased => before = Some(version),
                Opened::Altered => return Err(damaged("it was altered".to_owned())),
            }
        }
    }

    fn note(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        self.reader.note(key)
    }

    fn notes(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Note>, ReadError> {
        self.reader.notes(prefix, after, limit)
    }

    fn identity(&self) -> Uuid {
        self.reader.identity()
    }

    fn info(&self) -> Result<StoreInfo, ReadError> {
        self.reader.info()
    }

    fn maintenance(&self) -> &dyn Maintenance {
        self
    }

    fn announce_closing(&self) {
        self.reader.announce_closing();
    }
}

impl Maintenance for KeyedReader {
    fn chain(&self) -> Result<ChainEnd, ReadError> {
        self.reader.maintenance().chain()
    }

    fn read_raw(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        Ok(self.with_keys(self.reader.maintenance().read_raw(after, limit)?))
    }

    fn read_raw_stream(
        &self,
        stream: &StreamId,
        after: Version,
        limit: PageLimit,
    ) -> Result<Page, ReadError> {
        Ok(self.with_keys(self.reader.maintenance().read_raw_stream(stream, after, limit)?))
    }

    fn archive(&self) -> Option<&Path> {
        self.reader.maintenance().archive()
    }

    fn purge_archive(&self, stream: &StreamId, end: Version) -> Result<u64, ArchiveError> {
        self.reader.maintenance().purge_archive(stream, end)
    }

    fn sealer(&self) -> Option<Arc<dyn Sealer>> {
        Some(self.sealer.clone())
    }

    fn verify(&self, what: &mut Verify<'_>) -> Result<Verified, ReadError> {
        self.reader.maintenance().verify(what)
    }

    fn lineage(&self) -> Lineage {
        self.reader.maintenance().lineage()
    }
}
