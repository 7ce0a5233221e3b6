//! The result of a transform: the new events of a commit.

use actuarius_domain::StreamId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::record::codec::{Codec, CodecError};
use crate::record::note::Notes;
use crate::record::{CommitView, EncodedEvent, EventView};

/// The form of a commit in the new store.
#[derive(Debug, Default)]
pub struct Rewrite {
    pub(super) kept: bool,
    pub(super) stream: Option<StreamId>,
    pub(super) events: Vec<EncodedEvent>,
    pub(super) shapes: Vec<Notes>,
}

impl Rewrite {
    /// Keeps the commit unchanged, byte by byte if its versions are unchanged. Put no events in addition.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    /// Adds an event to the commit.
    pub fn put(&mut self, event: impl Into<EncodedEvent>) {
        self.events.push(event.into());
    }

    /// Like [`put`](Rewrite::put), for an event that is not encoded yet. It is decoded again, so that nothing is
    /// stored that does not read back.
    ///
    /// # Errors
    /// Returns [`CodecError`] if the event cannot be encoded, or does not read back as the same event. Nothing was
    /// added.
    pub fn encode<E: Serialize + DeserializeOwned>(
        &mut self,
        event: &E,
        schema_version: impl FnOnce(&str) -> u32,
        codec: Codec,
    ) -> Result<(), CodecError> {
        self.events.push(EncodedEvent::encode(event, schema_version, codec)?);
        Ok(())
    }

    /// Records the shape of an event type, no later than the events of the commit are stored: the
    /// [notes](crate::RecordedShape::notes) of a [`RecordedShape`](crate::RecordedShape). Without it, events that
    /// a codec stores without names are not protected from being misread.
    pub fn record(&mut self, shape: Notes) {
        self.shapes.push(shape);
    }

    /// Moves the commit to this stream. Several streams may be merged, in the order of the log.
    pub fn rename(&mut self, stream: StreamId) {
        self.stream = Some(stream);
    }

    /// Returns whether the commit is [kept](Self::keep) unchanged.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// Returns the stream that the commit is moved to, if it is [renamed](Self::rename).
    #[must_use]
    pub fn stream(&self) -> Option<&StreamId> {
        self.stream.as_ref()
    }

    /// Returns the events that were put so far: none if the commit is kept.
    #[must_use]
    pub fn events(&self) -> &[EncodedEvent] {
        &self.events
    }

    /// Takes the events that were put so far: of a commit that is kept, its own.
    pub fn take_events(&mut self, commit: &CommitView<'_>) -> Vec<EncodedEvent> {
        if std::mem::take(&mut self.kept) {
            self.fill(commit.events());
        }
        std::mem::take(&mut self.events)
    }

    /// Sets the events of the original commit.
    pub(super) fn fill<'a>(&mut self, events: impl Iterator<Item = EventView<'a>>) {
        self.events = events.map(|event| EncodedEvent::from(&event)).collect();
    }
}
