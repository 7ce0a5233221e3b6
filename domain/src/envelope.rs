use std::fmt;

use crate::{
    Aggregate, CausationId, CommandId, CorrelationId, EventId, Id, Metadata, Position, Timestamp,
    Version,
};

/// A stored event with its header.
pub struct Envelope<A: Aggregate> {
    /// Whose event it is.
    pub id: Id<A>,
    /// Everything known about the event beside its content.
    pub header: Header,
    /// What happened.
    pub event: A::Event,
}

/// Everything known about a stored event beside its content.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// The event's own name, derived from command, stream and version: the same event has the
    /// same id for ever. When one stored event has become several, the first keeps its id, and those
    /// of the others are derived from it.
    pub event_id: EventId,
    /// Its number in its stream.
    pub version: Version,
    /// Its number in the whole log.
    pub position: Position,
    /// The name of the event's variant.
    pub event_type: String,
    /// The version of that variant's shape.
    pub schema_version: u32,
    /// As what it is stored, if that is not what it is today.
    pub stored_as: Option<StoredAs>,
    /// When it was decided.
    pub time: Timestamp,
    /// The request it followed from.
    pub command_id: CommandId,
    /// What caused the request.
    pub causation_id: Option<CausationId>,
    /// The story it belongs to.
    pub correlation_id: CorrelationId,
    /// What the caller sent along.
    pub metadata: Metadata,
}

/// What stands in the store in place of an event that has been [upcast](crate::Upcasters).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredAs {
    /// The name of the stored event's variant.
    pub event_type: String,
    /// The version of its shape.
    pub schema_version: u32,
    /// Which of the events that it has become this is: 0, 1, 2 …
    pub part: u32,
}

impl StoredAs {
    /// A part of a stored event.
    #[must_use]
    pub fn new(event_type: impl Into<String>, schema_version: u32, part: u32) -> Self {
        Self { event_type: event_type.into(), schema_version, part }
    }
}

impl Header {
    /// A header with the given identity and place; the remaining fields start empty.
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
