//! Reading what is durable.
//!
//! Everything found is checked against what must be there: positions and versions without gaps, up
//! to the end that was acknowledged. What is missing or wrong is told.

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;

use actuarius_domain::{Position, StreamId, Version};
use actuarius_persistence::Maintenance;
use actuarius_persistence::archive::{self, ArchiveError};
use actuarius_persistence::chain::ChainEnd;
use actuarius_persistence::files;
use actuarius_persistence::verify::{Verified, Verify};
use actuarius_persistence::{
    Commit, Lineage, Note, Page, PageLimit, ReadError, Reader, Snapshot, StoreInfo,
};
use bytes::Bytes;
use uuid::Uuid;

use super::chunk::Chunk;
use super::recover;
use super::shared::Shared;
use super::verify;
use crate::error::{self, Trouble};
use crate::index::memtable::Range;
use crate::index::part::Entry;
use crate::index::runs;
use crate::snapshots;

/// How many entries of a stream are gathered at a time: as many commits as a page usually has.
const GATHERED_MAX: usize = 1024;

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
            let page = StreamRead::new(&self.0, stream, after, as_of, limit).read()?;
            self.0.archive.complete(page)
        })
    }

    fn read_log(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        guarded(|| self.0.archive.complete(read_log(&self.0, after.get(), limit)?))
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

    fn purge_archive(&self, stream: &StreamId) -> Result<u64, ArchiveError> {
        let archive = &self.0.archive;
        // Whatever was done, the files may be others now.
        let purged = archive::purge(archive.directory(), stream);
        archive.forget();
        purged
    }

    fn lineage(&self) -> Lineage {
        self.0.lineage.clone()
    }

    fn verify(&self, what: &mut Verify<'_>) -> Result<Verified, ReadError> {
        guarded(|| verify::verify(&self.0, what))
    }
}

/// sled panics on some kinds of damage.
fn guarded<T>(read: impl FnOnce() -> Result<T, ReadError>) -> Result<T, ReadError> {
    panic::catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|panic| Err(std::io::Error::other(error::panic_text(&*panic)).into()))
}

/// A page being filled.
struct Batches {
    page: Page,
    bytes: usize,
    limit: PageLimit,
}

impl Batches {
    fn new(limit: PageLimit) -> Self {
        Self { page: Page::default(), bytes: 0, limit }
    }

    /// Adds the commit; or notes that there is more, and says so.
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
    let (mut filling, durable) = (Batches::new(limit), shared.durable());
    if after >= durable {
        return Ok(filling.page);
    }
    let mut chunk = chunk_of(shared, after + 1)?;
    loop {
        for commit in &chunk.commits {
            let wanted = commit.last_position().get() > after;
            if wanted && filling.is_full_for(commit) {
                return Ok(filling.page);
            }
        }
        if chunk.last >= durable {
            return Ok(filling.page);
        }
        chunk = next_chunk(shared, chunk.last + 1)?;
    }
}

/// The chunk the event at `position`, which is durable, is in.
fn chunk_of(shared: &Shared, position: u64) -> Result<Arc<Chunk>, ReadError> {
    let damaged = |trouble: Trouble| trouble.at(position, None);
    let missing = || damaged(Trouble::Malformed("events are missing"));
    let first = recover::floor_place(&shared.engine, position).map_err(damaged)?;
    let chunk = shared.chunk(first.ok_or_else(missing)?).map_err(damaged)?;
    if chunk.last < position { Err(missing()) } else { Ok(chunk) }
}

/// The chunk that starts at `first`, which is durable. A walk along the log does not come back, so
/// the chunk is not kept.
fn next_chunk(shared: &Shared, first: u64) -> Result<Arc<Chunk>, ReadError> {
    let missing = Trouble::Malformed("events are missing");
    let chunk = recover::load(&shared.engine, first).and_then(|chunk| chunk.ok_or(missing));
    chunk.map(Arc::new).map_err(|trouble| trouble.at(first, None))
}

/// One page of one stream.
struct StreamRead<'a> {
    shared: &'a Shared,
    stream: &'a StreamId,
    hash: u64,
    /// The version wanted next.
    next: u64,
    as_of: u64,
    durable: u64,
    filling: Batches,
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
        let (next, filling) = (after.saturating_add(1), Batches::new(limit));
        Self { shared, stream, hash, next, as_of, durable, filling }
    }

    fn read(mut self) -> Result<Page, ReadError> {
        if self.as_of >= self.durable {
            return Ok(self.filling.page);
        }
        let mut want = self.filling.limit.commits.clamp(1, GATHERED_MAX) + 1;
        loop {
            let start = self.next;
            let entries = self.gather(want)?;
            if self.take_all(&entries)? {
                return Ok(self.filling.page);
            }
            if entries.len() < want {
                break;
            }
            if self.next == start {
                // All of these belong to another stream of the same hash.
                want *= 2;
            }
        }
        self.take_straddling()?;
        Ok(self.filling.page)
    }

    /// The next entries of streams with this hash, about `want` of them; fewer when there are no
    /// more.
    fn gather(&self, want: usize) -> Result<Vec<Entry>, ReadError> {
        let versions = self.next..=u64::MAX;
        let range = Range { versions, above: self.as_of, durable: self.durable };
        let look = self.shared.index.first(self.hash, &range, want);
        let sources = (&self.shared.engine, self.shared.index.buckets());
        let mut found = Vec::new();
        for run in look.runs.iter().filter(|run| run.last > self.as_of) {
            if found.len() < want {
                runs::ascending(sources, run, (self.hash, self.next), want, &mut found)
                    .map_err(|trouble| trouble.at(run.first, Some(self.stream)))?;
            }
        }
        if found.len() < want {
            found.extend(look.recent);
        }
        Ok(found)
    }

    /// Fills the page, and says whether it is full.
    fn take_all(&mut self, entries: &[Entry]) -> Result<bool, ReadError> {
        for entry in entries {
            let Some(commit) = self.shared.commit(entry, self.stream)? else { continue };
            if commit.version().get() > self.next {
                self.take_straddling()?;
            }
            if self.take(&commit)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Nobody has to stop between two commits: the one that holds the version before may hold the
    /// wanted one too. The index knows only where commits start.
    fn take_straddling(&mut self) -> Result<(), ReadError> {
        if !self.filling.page.commits.is_empty() || self.next == 1 {
            return Ok(());
        }
        let commit = self.shared.newest(self.stream, self.next - 1, self.as_of)?;
        let Some(commit) = commit.filter(|commit| commit.last_version().get() >= self.next) else {
            return Ok(());
        };
        self.next = commit.version().get();
        self.take(&commit).map(|_first_is_never_full| ())
    }

    fn take(&mut self, commit: &Commit) -> Result<bool, ReadError> {
        if commit.version().get() != self.next {
            let trouble = Trouble::Malformed("events of the stream before it are missing");
            return Err(trouble.at(commit.position().get(), Some(self.stream)));
        }
        self.next = commit.last_version().get() + 1;
        Ok(self.filling.is_full_for(commit))
    }
}
