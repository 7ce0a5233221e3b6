use actuarius_domain::{Position, Version};
use actuarius_persistence::{CodecError, CommitView, EventView};
use thiserror::Error;

/// A stored event that this program cannot read. The event is untouched: mend the program (an upcaster,
/// the codec, the variant), and read it again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "event {version} of {stream} at position {position}, stored as `{event_type}` with schema version \
     {schema_version}: {error}"
)]
#[non_exhaustive]
pub struct Undecodable {
    /// Whose event it is, as `type/id`.
    pub stream: String,
    /// Its number in its stream.
    pub version: Version,
    /// Its number in the whole log.
    pub position: Position,
    /// The name of its variant, as it is stored.
    pub event_type: String,
    /// The version of that variant's shape, as it is stored.
    pub schema_version: u32,
    /// What the codec or an upcaster said.
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
