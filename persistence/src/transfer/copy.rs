//! Copies of events from one store into another, byte by byte: with their ids, order, times and metadata.
//!
//! ```
//! use super::copy::{self, Selection};
//! use actuarius_persistence::{go_on, memory};
//! # use actuarius_domain::{Position, StreamId};
//!
//! # let live = memory::open().reader;
//! # let alice = StreamId::new("account", "alice")?;
//! let mut aside = memory::open();
//! copy::run(&*live, &mut aside, &Selection::stream(alice), &mut go_on)?;
//!
//! let accounts = Selection::matching(|kind, _| kind == "account").up_to(Position::new(1_000));
//! copy::run(&*live, &mut aside, &accounts, &mut go_on)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Versions stay as they are; positions are those of the target. Neither notes nor snapshots are copied.

use std::collections::HashMap;

use actuarius_domain::{Position, StreamId, Version};
use thiserror::Error;

use super::batches::Batches;
use crate::{
    Commit, Damage, OnProgress, Page, PageLimit, Progress, ReadError, Reader, Store, StoreFailure,
};

/// How many streams' versions are kept in memory.
const VERSIONS_KEPT: usize = 65_536;

/// Says by type and id whether an aggregate is wanted.
type Wanted<'a> = dyn Fn(&str, &str) -> bool + 'a;

/// What is copied.
pub struct Selection<'a> {
    which: Which<'a>,
    up_to: Option<Position>,
}

enum Which<'a> {
    All,
    One(StreamId),
    Matching(Box<Wanted<'a>>),
}

impl<'a> Selection<'a> {
    /// The whole log.
    #[must_use]
    pub fn all() -> Self {
        Self { which: Which::All, up_to: None }
    }

    /// One aggregate. Only its own events are read.
    #[must_use]
    pub fn stream(stream: StreamId) -> Self {
        Self { which: Which::One(stream), up_to: None }
    }

    /// The aggregates that are wanted, by type and id. The whole log is read.
    #[must_use]
    pub fn matching(wanted: impl Fn(&str, &str) -> bool + 'a) -> Self {
        Self { which: Which::Matching(Box::new(wanted)), up_to: None }
    }

    /// Only commits that end at or before this position of the store they are read from.
    #[must_use]
    pub fn up_to(mut self, position: Position) -> Self {
        self.up_to = Some(position);
        self
    }

    /// Whether it is the whole log, from its first event on.
    pub(crate) fn is_all(&self) -> bool {
        matches!(self.which, Which::All)
    }

    /// Where it ends, in what there is now.
    pub(crate) fn end(&self, from: &dyn Reader) -> Position {
        self.up_to.unwrap_or_else(|| from.head()).min(from.head())
    }

    pub(crate) fn has(&self, commit: &Commit) -> bool {
        let view = commit.view();
        match &self.which {
            Which::Matching(wanted) => wanted(view.category, view.id),
            _ => true,
        }
    }
}

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copied {
    /// How many commits were written.
    pub commits: u64,
    /// How many events were in them.
    pub events: u64,
    /// How many commits the target had already.
    pub found: u64,
}

/// Why a copy was not finished. What was written before is whole commits; run it again to go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The target has other events of this stream. Copy into another store.
    #[error("the target has other events of {stream} from version {version} on")]
    OtherEvents {
        /// The stream.
        stream: StreamId,
        /// The first version that is another one, or missing.
        version: Version,
    },
    /// A store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The target cannot be written.
    #[error(transparent)]
    Store(#[from] StoreFailure),
    /// It was asked to stop.
    #[error("it was asked to stop")]
    Stopped,
}

/// Copies what is selected. What the target has already is compared and passed, so a copy can be run
/// again: after an interruption, or when there is more.
///
/// Events in the archive are fetched from it. What was removed is copied as what is left of it.
///
/// # Errors
/// [`CopyError`].
pub fn run(
    from: &dyn Reader,
    to: &mut Store,
    selection: &Selection<'_>,
    progress: OnProgress<'_>,
) -> Result<Copied, CopyError> {
    let end = selection.end(from);
    let mut copying = Copying::to(to);
    copying.progress.end = end;
    let mut place = Place::default();
    while place.position < end {
        let page = selection.page(from, place)?;
        for commit in page.commits.iter().take_while(|it| it.last_position() <= end) {
            if selection.has(commit) {
                copying.put(commit)?;
            }
        }
        let Some(last) = page.commits.last() else { break };
        place = Place::of(last);
        copying.progress.position = place.position.min(end);
        if progress(&copying.progress).is_break() {
            // What was read is stored, so that it need not be read again.
            copying.finish()?;
            return Err(CopyError::Stopped);
        }
        if !page.more {
            break;
        }
    }
    copying.finish()
}

/// What was read last.
#[derive(Clone, Copy, Default)]
pub(crate) struct Place {
    position: Position,
    version: Version,
}

impl Place {
    pub(crate) fn of(commit: &Commit) -> Self {
        Self { position: commit.last_position(), version: commit.last_version() }
    }
}

impl Selection<'_> {
    pub(crate) fn page(&self, from: &dyn Reader, behind: Place) -> Result<Page, ReadError> {
        let limit = PageLimit::default();
        match &self.which {
            Which::One(stream) => from.read_stream(stream, behind.version, Position::NONE, limit),
            _ => from.read_log(behind.position, limit),
        }
    }
}

pub(crate) struct Copying<'a> {
    filling: Batches<'a>,
    /// Of the target, with what is on its way there.
    versions: HashMap<StreamId, Version>,
    copied: Copied,
    pub(crate) progress: Progress,
}

impl<'a> Copying<'a> {
    pub(crate) fn to(store: &'a mut Store) -> Self {
        let (versions, copied) = (HashMap::new(), Copied::default());
        Self { filling: Batches::new(store), versions, copied, progress: Progress::default() }
    }

    /// Stores what is on its way, and tells what was copied.
    pub(crate) fn finish(&mut self) -> Result<Copied, CopyError> {
        self.filling.flush()?;
        Ok(self.copied)
    }

    pub(crate) fn put(&mut self, commit: &Commit) -> Result<(), CopyError> {
        let view = commit.view();
        let stream = StreamId::new(view.category, view.id).map_err(|error| Damage {
            stream: None,
            position: commit.position(),
            what: error.to_string(),
        });
        let stream = stream.map_err(ReadError::from)?;
        self.progress.commits += 1;
        self.progress.bytes += commit.bytes() as u64;
        let version = self.version(&stream)?;
        if view.version <= version {
            return self.compare(stream, commit);
        }
        if view.version != version.next() {
            return Err(CopyError::OtherEvents { stream, version: version.next() });
        }
        self.versions.insert(stream.clone(), view.last_version());
        self.copied.commits += 1;
        self.copied.events += view.events;
        Ok(self.filling.put(stream, commit)?)
    }

    fn version(&mut self, stream: &StreamId) -> Result<Version, CopyError> {
        if let Some(version) = self.versions.get(stream) {
            return Ok(*version);
        }
        if self.versions.len() >= VERSIONS_KEPT {
            // What is not stored yet, the target does not know.
            self.filling.flush()?;
            self.versions.clear();
        }
        let version = self.filling.store().reader.version(stream)?;
        self.versions.insert(stream.clone(), version);
        Ok(version)
    }

    /// The target has events of this version.
    fn compare(&mut self, stream: StreamId, commit: &Commit) -> Result<(), CopyError> {
        let version = commit.version();
        let (behind, limit) = (Version::new(version.get() - 1), PageLimit { commits: 1, bytes: 1 });
        let reader = &self.filling.store().reader;
        let page = reader.read_stream(&stream, behind, Position::NONE, limit)?;
        if page.commits.first().is_none_or(|found| found.hash() != commit.hash()) {
            return Err(CopyError::OtherEvents { stream, version });
        }
        self.copied.found += 1;
        Ok(())
    }
}
