//! [`Undecodable`]: the error for a stored event that does not decode.

use actuarius_domain::{Position, Version};
use actuarius_persistence::{CodecError, CommitView, EventView};
use thiserror::Error;

/// A stored event that this program cannot read. The event is untouched: repair the program (an upcaster,
/// the codec or the variant), then read it again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "event {version} of {stream} at position {position}, stored as `{event_type}` with schema version \
     {schema_version}: {error}"
)]
#[non_exhaustive]
pub struct Undecodable {
    /// The stream of the event, as `type/id`.
    pub stream: String,
    /// The event's number in its stream.
    pub version: Version,
    /// The event's number in the whole log.
    pub position: Position,
    /// The stored name of the event's variant.
    pub event_type: String,
    /// The stored schema version of that variant.
    pub schema_version: u32,
    /// The error of the codec or of an upcaster.
    #[source]
    pub error: CodecError,
}

impl Undecodable {
    pub(crate) fn of(commit: &CommitView<'_>, event: &EventView<'_>, error: CodecError) -> Self {
        Self {
            stream: format!("{}/{}", commit.category, commit.id),
            version: event.version,
            position: event.position,
            event_type: event.event_type.to_owned(),
            schema_version: event.schema_version,
            error,
        }
    }
}
