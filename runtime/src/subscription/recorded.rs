use std::fmt;

use actuarius_domain::{Aggregate, Metadata, Position, Timestamp, Version};
use actuarius_persistence::{CommitView, EventView};

use crate::schema::decoding::{Decoder, Facts, Undecodable};

/// A stored event that is not decoded yet, as [`ordered_by`](super::SubscriptionBuilder::ordered_by) sees it.
#[derive(Clone, Copy)]
pub struct Recorded<'a> {
    commit: &'a CommitView<'a>,
    event: &'a EventView<'a>,
}

impl<'a> Recorded<'a> {
    pub(super) fn new(commit: &'a CommitView<'a>, event: &'a EventView<'a>) -> Self {
        Self { commit, event }
    }

    /// The aggregate type.
    #[must_use]
    pub fn category(&self) -> &'a str {
        self.commit.category
    }

    /// The aggregate's id.
    #[must_use]
    pub fn id(&self) -> &'a str {
        self.commit.id
    }

    /// The name of the event's variant, as it is stored.
    #[must_use]
    pub fn event_type(&self) -> &'a str {
        self.event.event_type
    }

    /// Its number in its stream.
    #[must_use]
    pub fn version(&self) -> Version {
        self.event.version
    }

    /// Its number in the whole log.
    #[must_use]
    pub fn position(&self) -> Position {
        self.event.position
    }

    /// When it was decided.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.commit.time
    }

    /// What the caller sent along.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        self.commit.metadata()
    }

    /// What the event is today, as one of an `A`: one event mostly, none or several only when the
    /// [upcasters](crate::Upcasters) of `A` say so.
    ///
    /// # Errors
    /// [`Undecodable`] when it does not decode as `A::Event`; nothing was changed.
    pub fn decode<A: Aggregate>(
        &self,
    ) -> Result<impl Iterator<Item = A::Event> + use<A>, Undecodable> {
        let facts = Decoder::<A>::new().facts(self.event);
        facts
            .map(Facts::<A>::into_iter)
            .map_err(|error| Undecodable::of(self.commit, self.event, error))
    }
}

impl fmt::Debug for Recorded<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Recorded")
            .field("category", &self.category())
            .field("id", &self.id())
            .field("event_type", &self.event_type())
            .field("version", &self.version())
            .field("position", &self.position())
            .finish()
    }
}
