use actuarius_domain::{Position, StreamId, Timestamp, Version};
use bytes::Bytes;

use crate::personal::subjects::Subjects;

/// A snapshot to be stored: an aggregate's state at a version that is already durable.
///
/// It replaces the one at the same version, and never displaces a newer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSnapshot {
    /// Whose state it is.
    pub stream: StreamId,
    /// How many events the state holds.
    pub version: Version,
    /// The position of the last of these events.
    pub position: Position,
    /// The end of the log when the state was captured: up to here, the stream has no event behind
    /// `version`. Lets a reader skip the part of the index before it.
    pub as_of: Position,
    /// The version of the state's serialized shape.
    pub state_version: u32,
    /// When it was taken.
    pub time: Timestamp,
    /// The state, in bytes only its owner understands.
    pub payload: Bytes,
    /// How many snapshots of this stream to keep, this one included; at least 1.
    pub keep: u32,
    /// Older ones that were taken before this moment go, whatever their number; none when age does
    /// not count. This one stays.
    pub keep_since: Option<Timestamp>,
}

/// A stored snapshot whose checksum is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// How many events the state holds.
    pub version: Version,
    /// The position of the last of these events.
    pub position: Position,
    /// The end of the log when the state was captured.
    pub as_of: Position,
    /// The version of the state's serialized shape.
    pub state_version: u32,
    /// When it was taken.
    pub time: Timestamp,
    /// The state, in bytes only its owner understands.
    pub payload: Bytes,
    /// Whose clear text the state holds. A store leaves it empty; [`keys::guard`](crate::store::keyed)
    /// fills it in.
    pub subjects: Subjects,
}
