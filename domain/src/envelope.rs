//! A stored event with its header.

use std::fmt;

use crate::{
    Aggregate, CausationId, CommandId, CorrelationId, EventId, Id, Metadata, Position, Timestamp,
    Version,
};

/// A stored event with its header.
pub struct Envelope<A: Aggregate> {
    /// The aggregate that the event belongs to.
    pub id: Id<A>,
    /// Everything known about the event except its content.
    pub header: Header,
    /// The event.
    pub event: A::Event,
}

/// Everything known about a stored event except its content.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// The id of the event, derived from command, stream and version, so it never changes. If
    /// upcasting makes several events of one stored event, the first keeps the id, and the ids of the
    /// others are derived from it.
    pub event_id: EventId,
    /// The number of the event in its stream.
    pub version: Version,
    /// The number of the event in the whole log.
    pub position: Position,
    /// The name of the event's variant.
    pub event_type: String,
    /// The schema version of that variant.
    pub schema_version: u32,
    /// The stored event that this one was upcast from, or `None` if it is stored as it is.
    pub stored_as: Option<StoredAs>,
    /// The time of the decision.
    pub time: Timestamp,
    /// The command that the event results from.
    pub command_id: CommandId,
    /// The cause of the command.
    pub causation_id: Option<CausationId>,
    /// The id shared by all commands and events of one workflow.
    pub correlation_id: CorrelationId,
    /// The metadata of the request.
    pub metadata: Metadata,
}

/// The stored form of an event that was [upcast](crate::Upcasters).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredAs {
    /// The name of the stored event's variant.
    pub event_type: String,
    /// The schema version of the stored event.
    pub schema_version: u32,
    /// The index of this event among those that the stored event was upcast to: 0, 1, 2 …
    pub part: u32,
}

impl StoredAs {
    /// Creates a reference to a part of a stored event.
    #[must_use]
    pub fn new(event_type: impl Into<String>, schema_version: u32, part: u32) -> Self {
        Self { event_type: event_type.into(), schema_version, part }
    }
}

impl Header {
    /// Creates a header with the given identity, version and position. The other fields are empty.
    #[must_use]
    pub fn new(event_id: EventId, version: Version, position: Position) -> Self {
        Self {
            event_id,
            version,
            position,
            event_type: String::new(),
            schema_version: 1,
            stored_as: None,
            time: Timestamp::default(),
            command_id: CommandId::default(),
            causation_id: None,
            correlation_id: CorrelationId::default(),
            metadata: Metadata::default(),
        }
    }
}

impl<A: Aggregate> fmt::Debug for Envelope<A>
where
    A::Event: fmt::Debug,
{
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Envelope")
            .field("id", &self.id)
            .field("header", &self.header)
            .field("event", &self.event)
            .finish()
    }
}

impl<A: Aggregate> Clone for Envelope<A>
where
    A::Event: Clone,
{
    fn clone(&self) -> Self {
        Self { id: self.id.clone(), header: self.header.clone(), event: self.event.clone() }
    }
}
