//! Segments: files of whole commits in log order, compressed, checksummed, and never changed.
//!
//! Backups and archives consist of segments. `docs/FORMAT.md` describes the bytes. A segment is written
//! to a temporary file and renamed when all of it is on disk, so a segment file is always complete. Every
//! bit is covered by a checksum that includes its offset, so later damage is reported by
//! [`Segment::open`], by the read that reaches it, or by [`Segment::verify`].
//!
//! ```
//! # mod actuarius { pub mod store { pub use actuarius_persistence::*; } }
//! use actuarius::store::segment::{Kind, Segment, SegmentHead, Writing};
//!
//! # let directory = tempfile::tempdir()?;
//! # let store = actuarius::store::memory::open();
//! let path = directory.path().join("1997.seg");
//! let mut writing = Writing::create(&path, SegmentHead::new(Kind::Archive, store.reader.identity()))?;
//! for commit in store.reader.read_log(Default::default(), Default::default())?.commits {
//!     writing.put(commit.position(), &commit.frame())?;
//! }
//! writing.finish(None)?;
//!
//! let segment = Segment::open(&path)?;
//! assert_eq!(segment.summary().commits, 0);
//! segment.verify()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod blocks;
mod layout;
mod reading;
mod writing;

use actuarius_domain::Position;
use uuid::Uuid;

use crate::record::Commit;
use crate::record::chain::Link;

pub use super::segment_error::SegmentError;
pub use reading::{Commits, Segment};
pub use writing::{Finished, Writing};

pub(crate) use blocks::{BLOCK_BYTES, Blocks, Writer as BlockWriter, head_of};

/// The purpose of a segment. Each reader accepts its own kind only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Part of a backup: commits that follow each other without a gap.
    Backup,
    /// Commits that were moved out of the log of a store, which may have other commits between them.
    Archive,
    /// Notes of a backup, and no commits.
    Notes,
}

/// The purpose and the identity of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHead {
    /// Its purpose.
    pub kind: Kind,
    /// Its id.
    pub id: Uuid,
    /// The store its commits come from.
    pub store: Uuid,
}

impl SegmentHead {
    /// Creates the head of a new segment.
    #[must_use]
    pub fn new(kind: Kind, store: Uuid) -> Self {
        Self { kind, id: Uuid::new_v4(), store }
    }
}

/// The figures of a segment, from its footer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// The number of commits, or of notes in a segment of notes.
    pub commits: u64,
    /// The number of events.
    pub events: u64,
    /// The position of the first event.
    pub first: Position,
    /// The position of the last event.
    pub last: Position,
    /// The links before the first and after the last commit, if no commit is missing between them.
    pub links: Option<Links>,
}

impl Summary {
    fn count(&mut self, commit: &Commit) {
        if self.commits == 0 {
            self.first = commit.position();
        }
        self.commits += 1;
        self.events += commit.view().events;
        self.last = commit.last_position();
    }
}

/// The links at both ends of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Links {
    /// The link that the first commit is chained to.
    pub before: Link,
    /// The link of the last commit.
    pub after: Link,
}
