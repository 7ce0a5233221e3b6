//! What stored events are today, after the upcasters of their type.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use actuarius_domain::{Content, Recasted, Upcaster, Upcasters};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _};

use super::EventView;
use super::codec::{Codec, CodecError};
use crate::personal::scope;
use crate::personal::sealer::Sealer;

/// How many events may be made of one, those between steps included. More is a mistake: each is held in
/// memory, and takes part in an effect that is done whole or again.
const PARTS_MAX: usize = 4_096;

/// One of the events that a stored one has become.
#[derive(Clone)]
pub struct Part<'a> {
    /// The name of its variant.
    pub event_type: Cow<'a, str>,
    /// The version of that variant's shape.
    pub schema_version: u32,
    codec: Codec,
    payload: Cow<'a, [u8]>,
    sealer: Option<&'a Arc<dyn Sealer>>,
    /// How many upcasters it took.
    steps: usize,
}

impl Part<'_> {
    /// The event itself.
    ///
    /// # Errors
    /// [`CodecError`] as for [`EventView::decode`].
    pub fn decode<E: DeserializeOwned>(&self) -> Result<E, CodecError> {
        scope::within(self.sealer, || self.codec.decode_event(&self.event_type, &self.payload))
    }
}

impl<'a> EventView<'a> {
    /// Whether it has the shape that events of its type have today, so that no upcaster is needed.
    /// `schema_version` tells the version of today.
    ///
    /// # Errors
    /// [`CodecError::MissingUpcaster`]: it has another version, and there is no upcaster for it.
    pub fn is_current(
        &self,
        upcasters: &Upcasters,
        schema_version: impl Fn(&str) -> u32,
    ) -> Result<bool, CodecError> {
        if self.deletion().is_some() {
            return Ok(false);
        }
        if !upcasters.is_empty() && upcasters.find(self.event_type, self.schema_version).is_some() {
            return Ok(false);
        }
        check_current(self.event_type, self.schema_version, schema_version).map(|()| true)
    }

    /// The events that it is today: itself, or what its upcasters have made of it, in order. The end of a
    /// stream is [none](EventView::deletion).
    ///
    /// # Errors
    /// [`CodecError`] when an upcaster is missing, refuses the content, or makes no end. The stored
    /// event is untouched.
    pub fn parts(
        &self,
        upcasters: &Upcasters,
        schema_version: impl Fn(&str) -> u32,
    ) -> Result<Vec<Part<'a>>, CodecError> {
        if self.deletion().is_some() {
            return Ok(vec![]);
        }
        let stored = Part {
            event_type: self.event_type.into(),
            schema_version: self.schema_version,
            codec: Codec::from_byte(self.codec)?,
            payload: self.payload.into(),
            sealer: self.sealer,
            steps: 0,
        };
        // The last is the next: what it becomes takes its place.
        let (mut open, mut parts, mut made) = (vec![stored], Vec::new(), 0);
        while let Some(part) = open.pop() {
            match upcasters.find(&part.event_type, part.schema_version) {
                // Each upcaster that another leads to is another one, unless they go round.
                Some(_) if part.steps >= upcasters.len() => return Err(part.endless()),
                Some(upcaster) => {
                    let become_now = part.recast(upcaster)?;
                    made += become_now.len();
                    if made > PARTS_MAX {
                        return Err(CodecError::TooManyParts { most: PARTS_MAX });
                    }
                    open.extend(become_now.into_iter().rev());
                }
                None => {
                    check_current(&part.event_type, part.schema_version, &schema_version)?;
                    parts.push(part);
                }
            }
        }
        Ok(parts)
    }
}

fn check_current(
    event_type: &str,
    stored: u32,
    schema_version: impl Fn(&str) -> u32,
) -> Result<(), CodecError> {
    let current = schema_version(event_type);
    if stored == current {
        return Ok(());
    }
    Err(CodecError::MissingUpcaster { event_type: event_type.to_owned(), stored, current })
}

impl<'a> Part<'a> {
    fn endless(self) -> CodecError {
        let (event_type, schema_version) = (self.event_type.into_owned(), self.schema_version);
        CodecError::EndlessUpcasters { event_type, schema_version }
    }

    /// Values about persons are opened and sealed again on the way; those of who was forgotten meanwhile
    /// are erased.
    fn recast(self, upcaster: &Upcaster) -> Result<Vec<Self>, CodecError> {
        scope::deriving(self.sealer, || self.recast_here(upcaster))
    }

    fn recast_here(&self, upcaster: &Upcaster) -> Result<Vec<Self>, CodecError> {
        let recast = match upcaster.recast_unread() {
            Some(recast) => recast,
            None => self.codec.decode_seed(Reads(upcaster), &self.payload)?,
        };
        recast.into_events().into_iter().map(|event| self.become_one(event)).collect()
    }

    fn become_one(&self, event: Recasted) -> Result<Self, CodecError> {
        let payload = match event.content {
            Some(content) => self.codec.content_bytes(&content)?.into(),
            None => self.payload.clone(),
        };
        Ok(Self {
            event_type: event.event_type.unwrap_or_else(|| self.event_type.clone()),
            schema_version: event.schema_version,
            codec: self.codec,
            payload,
            sealer: self.sealer,
            steps: self.steps + 1,
        })
    }
}

impl Codec {
    fn content_bytes(self, content: &Content) -> Result<Vec<u8>, CodecError> {
        let mut bytes = Vec::new();
        self.encode(content, &mut bytes)?;
        Ok(bytes)
    }
}

/// Has an upcaster read the content.
struct Reads<'a>(&'a Upcaster);

impl<'de> DeserializeSeed<'de> for Reads<'_> {
    type Value = actuarius_domain::Recast;

    fn deserialize<D: Deserializer<'de>>(self, content: D) -> Result<Self::Value, D::Error> {
        let mut content = <dyn erased_serde::Deserializer<'_>>::erase(content);
        self.0.recast(&mut content).map_err(D::Error::custom)
    }
}

impl fmt::Debug for Part<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Part")
            .field("event_type", &self.event_type)
            .field("schema_version", &self.schema_version)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
