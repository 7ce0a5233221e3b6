//! Segments: files of whole commits in log order, compressed, checksummed, and never changed.
//!
//! A backup is made of them, and so is an archive. `docs/FORMAT.md` draws the bytes. A segment is
//! written aside and gets its name when all of it is on disk, so a file of that name is whole; every bit of it
//! is covered by a checksum that knows its place, so whatever changes later is named by
//! [`Segment::open`], by the read that meets it, or by [`Segment::verify`].
//!
//! ```
//! use super::segment::{Kind, Segment, SegmentHead, Writing};
//!
//! # let directory = tempfile::tempdir()?;
//! # let store = crate::store::memory::open();
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
mod error;
mod layout;
mod reading;
mod writing;

use actuarius_domain::Position;
use uuid::Uuid;

use crate::Commit;
use crate::record::chain::Link;

pub use error::SegmentError;
pub use reading::{Commits, Segment};
pub use writing::{Finished, Writing};

pub(crate) use blocks::{BLOCK_BYTES, Blocks, Writer as BlockWriter};

/// What a segment is for. Each reader takes its own kind only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Part of a backup: commits that follow each other without a gap.
    Backup,
    /// Commits that were moved out of a store's log, which has other commits between them.
    Archive,
    /// Notes of a backup, and no commits.
    Notes,
}

/// What a segment is, and whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHead {
    /// What it is for.
    pub kind: Kind,
    /// Its own name.
    pub id: Uuid,
    /// The store its commits come from.
    pub store: Uuid,
}

impl SegmentHead {
    /// The head of a new segment.
    #[must_use]
    pub fn new(kind: Kind, store: Uuid) -> Self {
        Self { kind, id: Uuid::new_v4(), store }
    }
}

/// What a segment has, from its footer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many commits. (Notes, in a segment of those.)
    pub commits: u64,
    /// How many events.
    pub events: u64,
    /// The position of the first event.
    pub first: Position,
    /// The position of the last event.
    pub last: Position,
    /// The chain before the first and behind the last commit, when none is missing in between.
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

/// Two links of the chain of all commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Links {
    /// The link that the first commit is chained to.
    pub before: Link,
    /// The link of the last commit.
    pub after: Link,
}
