//! One stored event, borrowed from its commit.

use std::sync::Arc;

use actuarius_domain::{Position, Version};

use super::codec::{Codec, CodecError, catch_all};
use crate::personal::scope;
use crate::personal::sealer::Sealer;
use crate::wire::{Cursor, Malformed};

/// Codec, event type, schema version and payload.
pub(super) type RawEvent<'a> = (u8, &'a str, u32, &'a [u8]);

/// Takes the event at the front of `cursor`.
pub(super) fn take_event<'a>(cursor: &mut Cursor<'a>) -> Result<RawEvent<'a>, Malformed> {
    let length = cursor.u32()? as usize;
    let payload = cursor.bytes(length)?;
    let codec = cursor.byte()?;
    let event_type = cursor.text()?;
    let schema_version =
        u32::try_from(cursor.varint()?).map_err(|_| Malformed("a schema version is too large"))?;
    Ok((codec, event_type, schema_version, payload))
}

/// One stored event, borrowed from its commit.
#[derive(Debug, Clone, Copy)]
pub struct EventView<'a> {
    /// The number of the event in its stream.
    pub version: Version,
    /// The number of the event in the whole log.
    pub position: Position,
    /// The name of its variant.
    pub event_type: &'a str,
    /// The schema version of that variant.
    pub schema_version: u32,
    pub(super) codec: u8,
    pub(super) payload: &'a [u8],
    pub(super) sealer: Option<&'a Arc<dyn Sealer>>,
}

impl<'a> EventView<'a> {
    /// Creates an event that is not in a store, from encoded content. For tests and tools.
    #[must_use]
    pub fn detached(
        event_type: &'a str,
        schema_version: u32,
        codec: Codec,
        payload: &'a [u8],
    ) -> Self {
        let (version, position, codec) = (Version::new(1), Position::new(1), codec.byte());
        Self { version, position, event_type, schema_version, codec, payload, sealer: None }
    }

    /// Returns the byte of the [`Codec`] that wrote the payload.
    #[must_use]
    pub fn codec_byte(&self) -> u8 {
        self.codec
    }

    /// Returns the content of the variant, as that codec wrote it.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Decodes the event.
    ///
    /// # Errors
    /// Returns [`CodecError`] if the codec is unknown, the variant does not exist, or its content does
    /// not decode. The stored event is untouched.
    pub fn decode<E: serde::de::DeserializeOwned>(&self) -> Result<E, CodecError> {
        let codec = Codec::from_byte(self.codec)?;
        scope::within(self.sealer, || codec.decode_event(self.event_type, self.payload))
    }

    /// Returns the catch-all variant (`#[serde(other)]`) of an event type that has one, if the event is
    /// none of its other variants. Its content is not read, so such an event must not be encoded again.
    #[must_use]
    pub fn catch_all<E: serde::de::DeserializeOwned>(&self) -> Option<E> {
        catch_all(self.event_type)
    }
}
