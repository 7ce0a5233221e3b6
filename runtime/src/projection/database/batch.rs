use actuarius_domain::{Aggregate, Envelope, Header, Id, Position, Timestamp, Version};
use actuarius_persistence::{CodecError, Commit, CommitView, EventView};

use crate::schema::decoding::{Envelopes, Undecodable, envelopes};

/// Events to be projected in one transaction, and the position they lead to.
pub struct EventBatch<'a> {
    commits: &'a [&'a Commit],
    position: Position,
    events: u64,
}

impl<'a> EventBatch<'a> {
    pub(super) fn of(commits: &'a [&'a Commit], position: Position) -> Self {
        let events = commits.iter().map(|commit| commit.view().events).sum();
        Self { commits, position, events }
    }

    /// The position to store together with what the events do. It may be behind the last of them,
    /// because events of other types have passed by.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events as usize
    }

    /// Whether there is only a position to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// The events, in the order of their positions; those of one command are all here.
    pub fn events(&self) -> impl Iterator<Item = StoredEvent<'a>> + use<'a> {
        self.commits.iter().flat_map(|commit| {
            let commit = commit.view();
            commit.events().map(move |event| StoredEvent { commit, event })
        })
    }
}

/// One stored event of any type, not yet decoded.
pub struct StoredEvent<'a> {
    commit: CommitView<'a>,
    event: EventView<'a>,
}

impl<'a> StoredEvent<'a> {
    /// Its number in the whole log.
    #[must_use]
    pub fn position(&self) -> Position {
        self.event.position
    }

    /// Its number in its stream.
    #[must_use]
    pub fn version(&self) -> Version {
        self.event.version
    }

    /// When it was decided.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.commit.time
    }

    /// The type of its aggregate.
    #[must_use]
    pub fn aggregate_type(&self) -> &'a str {
        self.commit.category
    }

    /// The id of its aggregate.
    #[must_use]
    pub fn id(&self) -> &'a str {
        self.commit.id
    }

    /// The name of its variant, as it is stored.
    #[must_use]
    pub fn event_type(&self) -> &'a str {
        self.event.event_type
    }

    /// Everything known about it beside its content, as it is stored.
    #[must_use]
    pub fn header(&self) -> Header {
        self.commit.header(&self.event)
    }

    /// What it is today, if it is of an `A`; nothing when it is of another aggregate type. One event
    /// mostly: none or several only when the [upcasters](crate::Upcasters) of `A` say so. Those share
    /// its position, and each has an id of its own.
    ///
    /// # Errors
    /// [`Undecodable`]: it is of an `A`, and does not decode as `A::Event`. The stored event is
    /// untouched.
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
        Ok(envelopes(&id, commit, event)?.into_iter())
    }
}
