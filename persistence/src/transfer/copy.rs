//! Copies events from one store to another byte by byte, with their ids, order, times and metadata.
//!
//! ```
//! # mod actuarius { pub use actuarius_domain::*; pub mod store { pub use actuarius_persistence::*; } }
//! use actuarius::store::copy::{self, Selection};
//! use actuarius::store::{ignore_progress, memory};
//! # use actuarius::{Position, StreamId};
//!
//! # let live = memory::open().reader;
//! # let alice = StreamId::new("account", "alice")?;
//! let mut target = memory::open();
//! copy::run(&*live, &mut target, &Selection::stream(alice), &mut ignore_progress)?;
//!
//! let accounts = Selection::matching(|kind, _| kind == "account").up_to(Position::new(1_000));
//! copy::run(&*live, &mut target, &accounts, &mut ignore_progress)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Versions are kept; positions are those of the target. Notes and snapshots are not copied, except the recorded
//! shapes of event types, and the identity of the key file.

use std::collections::HashMap;

use actuarius_domain::{Position, StreamId, Version};
use thiserror::Error;
use uuid::Uuid;

use super::batches::Batches;
use super::key_file::{self, NotCarried};
use super::progress::{OnProgress, Progress};
use crate::error::{Damage, ReadError, StoreFailure};
use crate::record::Commit;
use crate::store::recorded_shape::RecordedShape;
use crate::store::{Page, PageLimit, Reader, Store};

/// The number of streams whose versions are cached.
const VERSIONS_CACHED: usize = 65_536;

/// Returns whether an aggregate is selected, by type and id.
type Matches<'a> = dyn Fn(&str, &str) -> bool + 'a;

/// Which events are copied.
pub struct Selection<'a> {
    which: Which<'a>,
    up_to: Option<Position>,
}

enum Which<'a> {
    All,
    One(StreamId),
    Matching(Box<Matches<'a>>),
}

impl<'a> Selection<'a> {
    /// Selects the whole log.
    #[must_use]
    pub fn all() -> Self {
        Self { which: Which::All, up_to: None }
    }

    /// Selects one aggregate. Only its events are read.
    #[must_use]
    pub fn stream(stream: StreamId) -> Self {
        Self { which: Which::One(stream), up_to: None }
    }

    /// Selects aggregates by type and id. The whole log is read.
    #[must_use]
    pub fn matching(matches: impl Fn(&str, &str) -> bool + 'a) -> Self {
        Self { which: Which::Matching(Box::new(matches)), up_to: None }
    }

    /// Selects only commits that end at or before this position of the source.
    #[must_use]
    pub fn up_to(mut self, position: Position) -> Self {
        self.up_to = Some(position);
        self
    }

    /// Returns whether it is the whole log from its first event.
    pub(crate) fn is_all(&self) -> bool {
        matches!(self.which, Which::All)
    }

    /// Returns the end of the selection in the current log.
    pub(crate) fn end(&self, from: &dyn Reader) -> Position {
        self.up_to.unwrap_or_else(|| from.head()).min(from.head())
    }

    pub(crate) fn has(&self, commit: &Commit) -> bool {
        let view = commit.view();
        match &self.which {
            Which::Matching(matches) => matches(view.category, view.id),
            _ => true,
        }
    }
}

/// The result of a copy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copied {
    /// The number of commits written.
    pub commits: u64,
    /// The number of their events.
    pub events: u64,
    /// The number of commits that the target already had.
    pub found: u64,
}

/// Why a copy was not finished. Commits written before stay in the target; run it again to continue.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The target has other events of this stream. Copy into another store.
    #[error("the target has other events of {stream} from version {version}")]
    OtherEvents {
        /// The stream.
        stream: StreamId,
        /// The first version that differs or is missing.
        version: Version,
    },
    /// The target has recorded another shape of this event type, so its bytes mean something else there.
    /// Nothing was copied. Copy into another store.
    #[error("the target has recorded another shape of `{event_type}` of {aggregate:?}")]
    OtherShape {
        /// The aggregate type.
        aggregate: String,
        /// The event type.
        event_type: String,
    },
    /// The target has personal data of its own, sealed with another key file, so the personal data of the source
    /// could not be read there. Nothing was copied. Copy into another store.
    #[error("the target belongs to the key file {of_target}, the source to {of_source}")]
    OtherKeyFile {
        /// The identity of the key file of the source.
        of_source: Uuid,
        /// The identity of the key file of the target.
        of_target: Uuid,
    },
    /// A store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The target cannot be written.
    #[error(transparent)]
    Store(#[from] StoreFailure),
    /// The progress callback stopped it.
    #[error("it was stopped by the progress callback")]
    Stopped,
}

impl From<NotCarried> for CopyError {
    fn from(error: NotCarried) -> Self {
        match error {
            NotCarried::Read(error) => error.into(),
            NotCarried::Store(failure) => failure.into(),
        }
    }
}

/// Copies the selected events. Events that the target already has are compared and skipped, so a copy can
/// be repeated after an interruption, or for new events.
///
/// Archived events are read from the archive. Removed commits are copied as stubs.
///
/// # Errors
/// Returns [`CopyError`] if the copy was not finished.
pub fn run(
    from: &dyn Reader,
    to: &mut Store,
    selection: &Selection<'_>,
    progress: OnProgress<'_>,
) -> Result<Copied, CopyError> {
    let end = selection.end(from);
    let keys = key_file::of(from)?;
    keys.map_or(Ok(()), |identity| check_key_file(identity, to))?;
    carry_shapes(from, to, selection)?;
    keys.map_or(Ok(()), |identity| key_file::carry(identity, to))?;
    let mut copying = Copying::to(to);
    copying.progress.end = end;
    let mut place = Cursor::default();
    while place.position < end {
        let page = selection.page(from, place)?;
        for commit in page.commits.iter().take_while(|it| it.last_position() <= end) {
            if selection.has(commit) {
                copying.put(commit)?;
            }
        }
        let Some(last) = page.commits.last() else { break };
        place = Cursor::of(last);
        copying.progress.position = place.position.min(end);
        if progress(&copying.progress).is_break() {
            // Stores what was read, so that it need not be read again.
            copying.finish()?;
            return Err(CopyError::Stopped);
        }
        if !page.more {
            break;
        }
    }
    copying.finish()
}

/// Refuses a target whose personal data is sealed with another key file.
pub(super) fn check_key_file(of_source: Uuid, to: &Store) -> Result<(), CopyError> {
    match key_file::other(of_source, to)? {
        Some(of_target) => Err(CopyError::OtherKeyFile { of_source, of_target }),
        None => Ok(()),
    }
}

/// Takes over the recorded shapes of the selected aggregate types, before any event of them.
fn carry_shapes(
    from: &dyn Reader,
    to: &mut Store,
    selection: &Selection<'_>,
) -> Result<(), CopyError> {
    // A damaged record describes nothing.
    let known = RecordedShape::all(&*to.reader, |_| {})?;
    let mut carried = Vec::new();
    for shape in RecordedShape::all(from, |_| {})? {
        let is_selected = match &selection.which {
            Which::One(stream) => stream.category() == shape.aggregate,
            Which::All | Which::Matching(_) => true,
        };
        let found = known.iter().find(|it| it.key() == shape.key());
        if is_selected && found.is_none_or(|found| found.is_read_as(shape.words())) {
            carried.extend(shape.notes());
        } else if let (true, Some(found)) = (is_selected, found)
            && *found != shape
            && !shape.is_read_as(found.words())
        {
            let RecordedShape { aggregate, event_type, .. } = shape;
            return Err(CopyError::OtherShape { aggregate, event_type });
        }
    }
    Ok(Batches::new(to).store_notes(carried)?)
}

/// The last commit that was read.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cursor {
    position: Position,
    version: Version,
}

impl Cursor {
    pub(crate) fn of(commit: &Commit) -> Self {
        Self { position: commit.last_position(), version: commit.last_version() }
    }
}

impl Selection<'_> {
    pub(crate) fn page(&self, from: &dyn Reader, after: Cursor) -> Result<Page, ReadError> {
        let limit = PageLimit::default();
        match &self.which {
            Which::One(stream) => from.read_stream(stream, after.version, Position::NONE, limit),
            _ => from.read_log(after.position, limit),
        }
    }
}

pub(crate) struct Copying<'a> {
    batches: Batches<'a>,
    /// The versions of streams in the target, including pending commits.
    versions: HashMap<StreamId, Version>,
    copied: Copied,
    pub(crate) progress: Progress,
}

impl<'a> Copying<'a> {
    pub(crate) fn to(store: &'a mut Store) -> Self {
        let (versions, copied) = (HashMap::new(), Copied::default());
        Self { batches: Batches::new(store), versions, copied, progress: Progress::default() }
    }

    /// Stores pending commits. Returns what was copied.
    pub(crate) fn finish(&mut self) -> Result<Copied, CopyError> {
        self.batches.flush()?;
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
        Ok(self.batches.put(stream, commit)?)
    }

    fn version(&mut self, stream: &StreamId) -> Result<Version, CopyError> {
        if let Some(version) = self.versions.get(stream) {
            return Ok(*version);
        }
        if self.versions.len() >= VERSIONS_CACHED {
            // Reads of the target do not see pending commits.
            self.batches.flush()?;
            self.versions.clear();
        }
        let version = self.batches.store().reader.version(stream)?;
        self.versions.insert(stream.clone(), version);
        Ok(version)
    }

    /// Compares a commit that the target already has.
    fn compare(&mut self, stream: StreamId, commit: &Commit) -> Result<(), CopyError> {
        let version = commit.version();
        let (before, limit) = (Version::new(version.get() - 1), PageLimit { commits: 1, bytes: 1 });
        let reader = &self.batches.store().reader;
        let page = reader.read_stream(&stream, before, Position::NONE, limit)?;
        if page.commits.first().is_none_or(|found| found.hash() != commit.hash()) {
            return Err(CopyError::OtherEvents { stream, version });
        }
        self.copied.found += 1;
        Ok(())
    }
}
