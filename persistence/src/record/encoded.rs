//! Events that are encoded already: of a commit that is written once more, somewhere else.

use super::append::{Append, NewCommit};
use super::codec::{Codec, CodecError};
use super::event::EventView;
use crate::wire::{put_text, put_varint};

/// An event as it stands in a commit: what it is called, which shape it has, and its content as a codec
/// wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedEvent {
    /// The name of its variant.
    pub event_type: String,
    /// The version of that variant's shape.
    pub schema_version: u32,
    codec: u8,
    payload: Vec<u8>,
}

impl EncodedEvent {
    /// The event `event_type` with the content `payload`, which `codec` has written.
    #[must_use]
    pub fn new(
        event_type: impl Into<String>,
        schema_version: u32,
        codec: Codec,
        payload: impl Into<Vec<u8>>,
    ) -> Self {
        Self::of_byte(event_type, schema_version, codec.byte(), payload)
    }

    pub(crate) fn of_byte(
        event_type: impl Into<String>,
        schema_version: u32,
        codec: u8,
        payload: impl Into<Vec<u8>>,
    ) -> Self {
        let (event_type, payload) = (event_type.into(), payload.into());
        Self { event_type, schema_version, codec, payload }
    }

    /// A typed event, written by `codec`.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn encode<E: serde::Serialize>(
        event: &E,
        schema_version: impl FnOnce(&str) -> u32,
        codec: Codec,
    ) -> Result<Self, CodecError> {
        let mut payload = Vec::new();
        let event_type = codec.encode_event(event, &mut payload)?;
        Ok(Self::new(event_type, schema_version(event_type), codec, payload))
    }

    /// The byte of the [`Codec`] that wrote the payload.
    #[must_use]
    pub fn codec_byte(&self) -> u8 {
        self.codec
    }

    /// The variant's content, as that codec wrote it.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    fn put(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let length = u32::try_from(self.payload.len()).map_err(|_| CodecError::TooLarge)?;
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&self.payload);
        out.push(self.codec);
        put_text(out, &self.event_type);
        put_varint(out, u64::from(self.schema_version));
        Ok(())
    }
}

impl From<&EventView<'_>> for EncodedEvent {
    fn from(event: &EventView<'_>) -> Self {
        Self::of_byte(event.event_type, event.schema_version, event.codec, event.payload)
    }
}

impl Append {
    /// Adds one command's events, which are encoded already; on an error the append is as before. Without
    /// events there is nothing to store, so nothing is added.
    ///
    /// # Errors
    /// [`CodecError::TooLarge`].
    pub fn push_encoded(
        &mut self,
        commit: NewCommit<'_>,
        events: &[EncodedEvent],
    ) -> Result<(), CodecError> {
        if events.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for event in events {
            event.put(&mut bytes)?;
        }
        self.push_events(commit, events.len() as u32, &bytes)
    }
}
