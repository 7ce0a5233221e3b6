use actuarius_domain::StreamId;

use crate::{Codec, CodecError, EncodedEvent, EventView};

/// What a commit is to be in the new store.
#[derive(Debug, Default)]
pub struct Rewrite {
    pub(super) kept: bool,
    pub(super) stream: Option<StreamId>,
    pub(super) events: Vec<EncodedEvent>,
}

impl Rewrite {
    /// All of it stays as it is, byte by byte if its versions stay. Nothing else is put.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    /// This event is one of the commit's.
    pub fn put(&mut self, event: impl Into<EncodedEvent>) {
        self.events.push(event.into());
    }

    /// As [`put`](Rewrite::put), for an event that is not encoded yet.
    ///
    /// # Errors
    /// [`CodecError`] when it cannot be encoded; nothing was put.
    pub fn encode<E: serde::Serialize>(
        &mut self,
        event: &E,
        schema_version: impl FnOnce(&str) -> u32,
        codec: Codec,
    ) -> Result<(), CodecError> {
        self.events.push(EncodedEvent::encode(event, schema_version, codec)?);
        Ok(())
    }

    /// The commit belongs to this stream from now on. Several streams may become one, in the order of the log.
    pub fn rename(&mut self, stream: StreamId) {
        self.stream = Some(stream);
    }

    /// The events are those of the commit.
    pub(super) fn fill<'a>(&mut self, events: impl Iterator<Item = EventView<'a>>) {
        self.events = events.map(|event| EncodedEvent::from(&event)).collect();
    }
}
