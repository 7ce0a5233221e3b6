//! Snapshots: the state of an aggregate at a version.

use actuarius_domain::{Position, StreamId, Timestamp, Version};
use bytes::Bytes;

use crate::personal::subjects::Subjects;

/// A snapshot to be stored: the state of an aggregate at a version that is already durable.
///
/// It replaces the one at the same version, and never replaces a newer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSnapshot {
    /// The stream of the aggregate.
    pub stream: StreamId,
    /// How many events the state holds.
    pub version: Version,
    /// The position of the last of these events.
    pub position: Position,
    /// The end of the log when the state was captured: up to this position, the stream has no event
    /// after `version`. A reader can skip the part of the index before it.
    pub as_of: Position,
    /// The version of the state's serialized shape.
    pub state_version: u32,
    /// When it was taken.
    pub time: Timestamp,
    /// The state, in bytes only its owner understands.
    pub payload: Bytes,
    /// How many snapshots of this stream to keep, including this one; at least 1.
    pub keep: u32,
    /// Removes older snapshots that were taken before this moment, whatever their number. `None` if
    /// age does not matter. This snapshot stays.
    pub keep_since: Option<Timestamp>,
}

/// A stored snapshot with a valid checksum.
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
    /// The subjects whose clear text the state contains. An engine leaves it empty; the
    /// [keyed store](crate::with_sealer) fills it in.
    pub subjects: Subjects,
}

impl From<&NewSnapshot> for Snapshot {
    fn from(new: &NewSnapshot) -> Self {
        Self {
            version: new.version,
            position: new.position,
            as_of: new.as_of,
            state_version: new.state_version,
            time: new.time,
            payload: new.payload.clone(),
            subjects: Subjects::default(),
        }
    }
}
