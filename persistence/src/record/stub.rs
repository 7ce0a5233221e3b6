//! What is left of a commit whose events are not in the log any more.
//!
//! A stub has the head of the commit without what the caller sent along, says where the events have
//! gone, and keeps the hash of the bytes that were there: the chain goes on through it.

use actuarius_domain::{CommandId, StreamId};
use bytes::Bytes;
use uuid::Uuid;

use super::append::{put_head, seal_frame};
use super::commit::Commit;
use super::{FRAME_HEAD, STUB};
use crate::chain::Link;
use crate::error::Malformed;
use crate::wire::Cursor;

/// Why a commit's events are not in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// They are in the archive, in the segment of this name.
    Archived(Uuid),
    /// They were deleted, for good.
    Removed,
}

/// A commit whose events are to leave the log.
///
/// What stays is where it stood, its hash, and where its events went. A commit that is not there, or
/// has been removed, is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    pub(crate) stream: StreamId,
    pub(crate) position: u64,
    pub(crate) gone: Gone,
}

impl Removal {
    /// The removal of a commit, which was read from the same store.
    #[must_use]
    pub fn of(commit: &Commit, gone: Gone) -> Self {
        Self { stream: commit.stream(), position: commit.position().get(), gone }
    }

    /// Whether this would change the commit.
    pub(crate) fn concerns(&self, commit: &Commit) -> bool {
        commit.view().belongs_to(&self.stream)
            && commit.gone() != Some(self.gone)
            && commit.gone() != Some(Gone::Removed)
    }
}

const ARCHIVED: u8 = 1;
const REMOVED: u8 = 2;

/// Bytes behind the number of events: where they are, segment, hash.
const TAIL: usize = 1 + 16 + 32;

/// The frame that stands for `commit` when its events are gone.
pub(crate) fn frame(commit: &Commit, gone: Gone) -> Bytes {
    let view = commit.view();
    let mut out = vec![0; FRAME_HEAD];
    let names = (view.category, view.id);
    put_head(&mut out, STUB, names, view.version, view.time, CommandId::from(Uuid::nil()));
    crate::wire::put_varint(&mut out, view.events);
    let (kind, segment) = match gone {
        Gone::Archived(segment) => (ARCHIVED, segment),
        Gone::Removed => (REMOVED, Uuid::nil()),
    };
    out.push(kind);
    out.extend_from_slice(segment.as_bytes());
    out.extend_from_slice(&commit.hash().0);
    seal_frame(&mut out).expect("names and numbers are far below the largest commit");
    out.into()
}

/// Where the events are, and the hash of their commit; `tail` is what stands behind their number.
pub(super) fn parse(tail: &[u8]) -> Result<(Gone, Link), Malformed> {
    let mut cursor = Cursor(tail);
    let (kind, segment) = (cursor.byte()?, Uuid::from_bytes(cursor.array()?));
    let hash = Link(cursor.array()?);
    if tail.len() != TAIL {
        return Err(Malformed("a commit with trailing bytes"));
    }
    match kind {
        ARCHIVED => Ok((Gone::Archived(segment), hash)),
        REMOVED => Ok((Gone::Removed, hash)),
        _ => Err(Malformed("a commit of a newer release")),
    }
}
