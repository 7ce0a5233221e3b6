//! The content of a stub, which replaces events that left the log.

use uuid::Uuid;

use super::link::Link;
use crate::wire::{Cursor, Malformed};

/// Why the events of a commit are not in the log any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// They are in the archive, in the segment of this name.
    Archived(Uuid),
    /// They were permanently deleted.
    Removed,
}

const ARCHIVED: u8 = 1;
const REMOVED: u8 = 2;

/// The size of the content after the number of events: kind, segment, hash.
const TAIL: usize = 1 + 16 + 32;

impl Gone {
    /// Appends the content after the number of events. `hash` is the hash of the original bytes.
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

/// Parses the content after the number of events. Returns where they are and the hash of the commit.
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
