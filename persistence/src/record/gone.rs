//! What stands in a stub in the place of events.

use uuid::Uuid;

use super::chain::Link;
use crate::wire::Cursor;
use crate::wire::Malformed;

/// Why a commit's events are not in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// They are in the archive, in the segment of this name.
    Archived(Uuid),
    /// They were deleted, for good.
    Removed,
}

const ARCHIVED: u8 = 1;
const REMOVED: u8 = 2;

/// Bytes behind the number of events: where they are, segment, hash.
const TAIL: usize = 1 + 16 + 32;

impl Gone {
    /// Appends what stands behind the number of events; `hash` is that of the bytes that were there.
    pub(super) fn put(self, out: &mut Vec<u8>, hash: Link) {
        let (kind, segment) = match self {
            Self::Archived(segment) => (ARCHIVED, segment),
            Self::Removed => (REMOVED, Uuid::nil()),
        };
        out.push(kind);
        out.extend_from_slice(segment.as_bytes());
        out.extend_from_slice(&hash.0);
    }
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
