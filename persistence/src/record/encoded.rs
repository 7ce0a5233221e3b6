//! Events that are already encoded, for commits that are rewritten to another store.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::append::{Append, NewCommit};
use super::codec::{Codec, CodecError};
use super::event::EventView;
use crate::wire::{put_text, put_varint};

/// An event as it is stored in a commit: its name, its schema version, and its encoded content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedEvent {
    /// The name of its variant.
    pub event_type: String,
    /// The schema version of that variant.
    pub schema_version: u32,
    codec: u8,
    payload: Vec<u8>,
}

impl EncodedEvent {
    /// Creates the event `event_type` with the content `payload`, which `codec` encoded.
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

    /// Encodes a typed event with `codec`, and decodes it again.
    ///
    /// # Errors
    /// Returns [`CodecError`] if the event cannot be encoded, or does not read back as the same event.
    pub fn encode<E: Serialize + DeserializeOwned>(
        event: &E,
        schema_version: impl FnOnce(&str) -> u32,
        codec: Codec,
    ) -> Result<Self, CodecError> {
        let mut payload = Vec::new();
        let event_type = codec.encode_derived_event(event, &mut payload)?;
        Ok(Self::new(event_type, schema_version(event_type), codec, payload))
    }

    /// Returns the byte of the [`Codec`] that wrote the payload.
    #[must_use]
    pub fn codec_byte(&self) -> u8 {
        self.codec
    }

    /// Returns the content of the variant, as that codec wrote it.
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
    /// Adds the events of one command, which are already encoded. If there are no events, nothing is
    /// added.
    ///
    /// # Errors
    /// Returns [`CodecError::TooLarge`] if they are too large. The append is then unchanged.
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
