//! `RawEvent`: a stored event of any aggregate type, before it is decoded.

use std::fmt;

use actuarius_domain::{Aggregate, Envelope, Header, Id, Metadata, Position, Timestamp, Version};
use actuarius_persistence::{CodecError, CommitView, EventView};

use crate::schema::decoding::{Decoder, Envelopes, Undecodable};
use crate::schema::recorded::StoreShapes;

/// A stored event of any aggregate type that is not decoded yet.
///
/// [`Database::project`](crate::projection::Database::project) receives such events, and the key function of
/// [`ordered_by`](crate::subscription::SubscriptionBuilder::ordered_by) does.
#[derive(Clone, Copy)]
pub struct RawEvent<'a> {
    commit: CommitView<'a>,
    event: EventView<'a>,
    shapes: &'a StoreShapes,
}

impl<'a> RawEvent<'a> {
    pub(crate) fn of(
        commit: CommitView<'a>,
        event: EventView<'a>,
        shapes: &'a StoreShapes,
    ) -> Self {
        Self { commit, event, shapes }
    }

    /// Returns its number in the whole log.
    #[must_use]
    pub fn position(&self) -> Position {
        self.event.position
    }

    /// Returns its number in its stream.
    #[must_use]
    pub fn version(&self) -> Version {
        self.event.version
    }

    /// Returns when it was decided.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.commit.time
    }

    /// Returns the type of its aggregate.
    #[must_use]
    pub fn aggregate_type(&self) -> &'a str {
        self.commit.category
    }

    /// Returns the id of its aggregate.
    #[must_use]
    pub fn id(&self) -> &'a str {
        self.commit.id
    }

    /// Returns the name of its variant, as it is stored.
    #[must_use]
    pub fn event_type(&self) -> &'a str {
        self.event.event_type
    }

    /// Returns whether it is the end of its stream: the aggregate was deleted. It decodes to no event. Only those
    /// receive it that have registered `on_deleted`.
    #[must_use]
    pub fn is_deletion(&self) -> bool {
        self.event.deletion().is_some()
    }

    /// Returns the metadata that the caller of the command passed.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        self.commit.metadata()
    }

    /// Returns everything that is known about it except its content, as it is stored.
    #[must_use]
    pub fn header(&self) -> Header {
        self.commit.header(&self.event)
    }

    /// Decodes it into its form of today, if its aggregate is an `A`. Yields nothing for another aggregate
    /// type.
    ///
    /// Mostly it yields one event. The [upcasters](crate::schema::Upcasters) of `A` may make none or several of a
    /// stored one. Those share its position, and each has an id of its own.
    ///
    /// # Errors
    /// [`Undecodable`]: it does not decode as `A::Event`. The stored event is untouched.
    pub fn decode<A: Aggregate>(
        &self,
    ) -> Result<impl Iterator<Item = Envelope<A>> + use<A>, Undecodable> {
        if self.commit.category != A::TYPE {
            return Ok(Envelopes::new().into_iter());
        }
        let (commit, event) = (&self.commit, &self.event);
        let id = Id::try_from(commit.id).map_err(|invalid| {
            Undecodable::of(commit, event, CodecError::Decode(invalid.to_string()))
        })?;
        Ok(Decoder::of(self.shapes).envelopes(&id, commit, event)?.into_iter())
    }
}

impl fmt::Debug for RawEvent<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RawEvent")
            .field("aggregate_type", &self.aggregate_type())
            .field("id", &self.id())
            .field("event_type", &self.event_type())
            .field("version", &self.version())
            .field("position", &self.position())
            .finish()
    }
}
