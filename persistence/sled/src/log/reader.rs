//! The reader of durable data: streams, the log, snapshots and notes.
//!
//! Every read is checked: positions and versions have no gaps up to the acknowledged end. Missing or
//! damaged data is reported.

use std::path::Path;
use std::sync::Arc;

use actuarius_domain::{Position, StreamId, Version};
use actuarius_persistence::archive::ArchiveError;
use actuarius_persistence::chain::ChainEnd;
use actuarius_persistence::verify::{Verified, Verify};
use actuarius_persistence::{
    Commit, Lineage, Maintenance, Note, Page, PageLimit, ReadError, Reader, Snapshot, StoreInfo,
    files,
};
use bytes::Bytes;
use uuid::Uuid;

use super::chunk::Chunk;
use super::shared::Shared;
use super::{recover, verify};
use crate::error::{EngineError, catch_panic};
use crate::index::memtable::Range;
use crate::index::part::Entry;
use crate::index::runs;
use crate::snapshots;

/// How many index entries of a stream are read at a time: the number of commits of a usual page.
const ENTRIES_MAX: usize = 1024;

/// Reads an open store.
pub(crate) struct SledReader(Arc<Shared>);

impl SledReader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }
}

impl Reader for SledReader {
    fn head(&self) -> Position {
        Position::new(self.0.durable())
    }

    fn version(&self, stream: &StreamId) -> Result<Version, ReadError> {
        guarded(|| {
            let newest = self.0.newest(stream, u64::MAX, 0)?;
            Ok(newest.map_or(Version::NONE, |commit| commit.last_version()))
        })
    }

    fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        as_of: Position,
        limit: PageLimit,
    ) -> Result<Page, ReadError> {
        guarded(|| {
            let (after, as_of) = (after.get(), as_of.get());
            let read = || StreamRead::new(&self.0, stream, after, as_of, limit).read();
            self.0.archive.complete(read)
        })
    }

    fn read_log(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        guarded(|| self.0.archive.complete(|| read_log(&self.0, after.get(), limit)))
    }

    fn snapshot(
        &self,
        stream: &StreamId,
        before: Option<Version>,
    ) -> Result<Option<Snapshot>, ReadError> {
        guarded(|| snapshots::newest(&self.0.engine, self.0.hash(stream), stream, before))
    }

    fn note(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        guarded(|| self.0.note(key))
    }

    fn notes(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Note>, ReadError> {
        guarded(|| self.0.notes(prefix, after, limit))
    }

    fn identity(&self) -> Uuid {
        self.0.lineage.store()
    }

    fn info(&self) -> Result<StoreInfo, ReadError> {
        let bytes = files::bytes_below(&self.0.files.root)?;
        Ok(StoreInfo::new("sled", bytes, self.0.durable()))
    }

    fn maintenance(&self) -> &dyn Maintenance {
        self
    }

    fn announce_closing(&self) {
        self.0.announce_closing();
    }
}

impl Maintenance for SledReader {
    fn chain(&self) -> Result<ChainEnd, ReadError> {
        Ok(self.0.chain())
    }

    fn read_raw_stream(
        &self,
        stream: &StreamId,
        after: Version,
        limit: PageLimit,
    ) -> Result<Page, ReadError> {
        guarded(|| StreamRead::new(&self.0, stream, after.get(), 0, limit).read())
    }

    fn read_raw(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        guarded(|| read_log(&self.0, after.get(), limit))
    }

    fn archive(&self) -> Option<&Path> {
        Some(self.0.archive.directory())
    }

    fn purge_archive(&self, stream: &StreamId, end: Version) -> Result<u64, ArchiveError> {
        self.0.archive.purge(stream, end)
    }

    fn lineage(&self) -> Lineage {
        self.0.lineage.clone()
    }

    fn verify(&self, what: &mut Verify<'_>) -> Result<Verified, ReadError> {
        guarded(|| verify::verify(&self.0, what))
    }
}

/// Converts a panic to an error.
fn guarded<T>(read: impl FnOnce() -> Result<T, ReadError>) -> Result<T, ReadError> {
    catch_panic(read).unwrap_or_else(|message| Err(std::io::Error::other(message).into()))
}

/// A page that is being filled.
struct PageBuilder {
    page: Page,
    bytes: usize,
    limit: PageLimit,
}

impl PageBuilder {
    fn new(limit: PageLimit) -> Self {
        Self { page: Page::default(), bytes: 0, limit }
    }

    /// Adds the commit. If the page is full, marks that there are more commits and returns true instead.
    fn is_full_for(&mut self, commit: &Commit) -> bool {
        let commits = self.page.commits.len();
        if commits > 0 && (commits >= self.limit.commits || self.bytes >= self.limit.bytes) {
            self.page.more = true;
            return true;
        }
        self.bytes += commit.bytes();
        self.page.commits.push(commit.clone());
        false
    }
}

fn read_log(shared: &Shared, after: u64, limit: PageLimit) -> Result<Page, ReadError> {
    let (mut builder, durable) = (PageBuilder::new(limit), shared.durable());
    if after >= durable {
        return Ok(builder.page);
    }
    let mut chunk = chunk_of(shared, after + 1)?;
    loop {
        for commit in &chunk.commits {
            let wanted = commit.last_position().get() > after;
            if wanted && builder.is_full_for(commit) {
                return Ok(builder.page);
            }
        }
        if chunk.last >= durable {
            return Ok(builder.page);
        }
        chunk = next_chunk(shared, chunk.last + 1)?;
    }
}

/// Returns the chunk of the event at `position`, which is durable.
fn chunk_of(shared: &Shared, position: u64) -> Result<Arc<Chunk>, ReadError> {
    let damaged = |error: EngineError| error.at(position, None);
    let missing = || damaged(EngineError::Malformed("events are missing"));
    let first = recover::floor_place(&shared.engine, position).map_err(damaged)?;
    let chunk = shared.chunk(first.ok_or_else(missing)?).map_err(damaged)?;
    if chunk.last < position { Err(missing()) } else { Ok(chunk) }
}

/// Reads the chunk that starts at `first`, which is durable. It is not cached, because a scan of the log
/// does not return to it.
fn next_chunk(shared: &Shared, first: u64) -> Result<Arc<Chunk>, ReadError> {
    let missing = EngineError::Malformed("events are missing");
    let chunk = recover::load(&shared.engine, first).and_then(|chunk| chunk.ok_or(missing));
    chunk.map(Arc::new).map_err(|error| error.at(first, None))
}

/// A read of one page of one stream.
struct StreamRead<'a> {
    shared: &'a Shared,
    stream: &'a StreamId,
    hash: u64,
    /// The next version to read.
    next: u64,
    as_of: u64,
    durable: u64,
    builder: PageBuilder,
}

impl<'a> StreamRead<'a> {
    fn new(
        shared: &'a Shared,
        stream: &'a StreamId,
        after: u64,
        as_of: u64,
        limit: PageLimit,
    ) -> Self {
        let (durable, hash) = (shared.durable(), shared.hash(stream).index());
        let (next, builder) = (after.saturating_add(1), PageBuilder::new(limit));
        Self { shared, stream, hash, next, as_of, durable, builder }
    }

    fn read(mut self) -> Result<Page, ReadError> {
        if self.as_of >= self.durable {
            return Ok(self.builder.page);
        }
        let mut want = self.builder.limit.commits.clamp(1, ENTRIES_MAX) + 1;
        loop {
            let start = self.next;
            let entries = self.gather(want)?;
            if self.take_all(&entries)? {
                return Ok(self.builder.page);
            }
            if entries.len() < want {
                break;
            }
            if self.next == start {
                // All these entries belong to another stream with the same hash.
                want *= 2;
            }
        }
        self.take_spanning()?;
        Ok(self.builder.page)
    }

    /// Reads about `want` next entries of streams with this hash, or fewer if there are no more.
    fn gather(&self, want: usize) -> Result<Vec<Entry>, ReadError> {
        let versions = self.next..=u64::MAX;
        let range = Range { versions, above: self.as_of, durable: self.durable };
        let lookup = self.shared.index.first(self.hash, &range, want);
        let sources = (&self.shared.engine, self.shared.index.buckets());
        let mut found = Vec::new();
        for run in lookup.runs.iter().filter(|run| run.last > self.as_of) {
            if found.len() < want {
                runs::ascending(sources, run, (self.hash, self.next), want, &mut found)
                    .map_err(|error| error.at(run.first, Some(self.stream)))?;
            }
        }
        if found.len() < want {
            found.extend(lookup.recent);
        }
        Ok(found)
    }

    /// Fills the page. Returns whether it is full.
    fn take_all(&mut self, entries: &[Entry]) -> Result<bool, ReadError> {
        for entry in entries {
            let Some(commit) = self.shared.commit(entry, self.stream)? else { continue };
            if commit.version().get() > self.next {
                self.take_spanning()?;
            }
            if self.take(&commit)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes the commit that contains both the version before and the next version. A caller may start
    /// inside a commit, and the index knows only the first version of a commit.
    fn take_spanning(&mut self) -> Result<(), ReadError> {
        if !self.builder.page.commits.is_empty() || self.next == 1 {
            return Ok(());
        }
        let commit = self.shared.newest(self.stream, self.next - 1, self.as_of)?;
        let Some(commit) = commit.filter(|commit| commit.last_version().get() >= self.next) else {
            return Ok(());
        };
        self.next = commit.version().get();
        self.take(&commit).map(|_first_always_fits| ())
    }

    fn take(&mut self, commit: &Commit) -> Result<bool, ReadError> {
        if commit.version().get() != self.next {
            let error = EngineError::Malformed("earlier events of the stream are missing");
            return Err(error.at(commit.position().get(), Some(self.stream)));
        }
        self.next = commit.last_version().get() + 1;
        Ok(self.builder.is_full_for(commit))
    }
}
