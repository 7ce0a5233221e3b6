//! Upcasting: the current form of stored events, after the upcasters of their type.

mod reading;
mod value;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use actuarius_domain::{Content, Recast, Recasted, Upcaster, Upcasters};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _};

use super::EventView;
use super::codec::{Codec, CodecError, derived, read_event_from, read_from};
use crate::personal::scope;
use crate::personal::sealer::Sealer;
use value::Value;

/// The most events that one stored event may be upcast to, including those of intermediate steps. More
/// is a mistake: each is held in memory, and all of them are processed together or retried together.
const PARTS_MAX: usize = 4_096;

/// One of the events that a stored event is upcast to.
#[derive(Clone)]
pub struct Part<'a> {
    /// The name of its variant.
    pub event_type: Cow<'a, str>,
    /// The schema version of that variant.
    pub schema_version: u32,
    payload: Payload<'a>,
    sealer: Option<&'a Arc<dyn Sealer>>,
    /// The number of upcasters applied so far.
    steps: usize,
}

/// The content of a part.
#[derive(Clone)]
enum Payload<'a> {
    /// As the codec writes it.
    Encoded(Codec, Cow<'a, [u8]>),
    /// What an upcaster returned for an event whose codec stores no names: in its bytes, a field could be read
    /// as another one.
    Value(Arc<Value>),
}

impl Part<'_> {
    /// Decodes the event.
    ///
    /// # Errors
    /// Returns [`CodecError`] as [`EventView::decode`].
    pub fn decode<E: DeserializeOwned>(&self) -> Result<E, CodecError> {
        scope::within(self.sealer, || match &self.payload {
            Payload::Encoded(codec, bytes) => codec.decode_event(&self.event_type, bytes),
            Payload::Value(value) => read_event_from(&self.event_type, &**value),
        })
    }
}

impl<'a> EventView<'a> {
    /// Returns whether the event has the current schema version of its type and no upcaster.
    /// `schema_version` returns the current version of an event type.
    ///
    /// # Errors
    /// Returns [`CodecError::MissingUpcaster`] if it has another version and no upcaster.
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

    /// Returns the current form of the event: itself, or the events that its upcasters return, in order.
    /// Empty for the [end of a stream](EventView::deletion).
    ///
    /// # Errors
    /// Returns [`CodecError`] if an upcaster is missing or refuses the content, or if the upcasters form
    /// a cycle. The stored event is untouched.
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
            payload: Payload::Encoded(Codec::from_byte(self.codec)?, self.payload.into()),
            sealer: self.sealer,
            steps: 0,
        };
        // A stack: the results of a part replace it.
        let (mut pending, mut parts, mut made) = (vec![stored], Vec::new(), 0);
        while let Some(part) = pending.pop() {
            match upcasters.find(&part.event_type, part.schema_version) {
                // More steps than upcasters means that one was applied twice.
                Some(_) if part.steps >= upcasters.len() => return Err(part.endless()),
                Some(upcaster) => {
                    let results = part.recast(upcaster)?;
                    made += results.len();
                    if made > PARTS_MAX {
                        return Err(CodecError::TooManyParts { most: PARTS_MAX });
                    }
                    pending.extend(results.into_iter().rev());
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

    /// Applies an upcaster. Personal values are opened and sealed again; those of subjects that were
    /// forgotten since are erased.
    fn recast(self, upcaster: &Upcaster) -> Result<Vec<Self>, CodecError> {
        scope::deriving(self.sealer, || self.recast_in_scope(upcaster))
    }

    fn recast_in_scope(&self, upcaster: &Upcaster) -> Result<Vec<Self>, CodecError> {
        let recast = match upcaster.recast_without_content() {
            Some(recast) => recast,
            None => self.payload.read(RecastSeed(upcaster))?,
        };
        recast.into_events().into_iter().map(|event| self.with(event)).collect()
    }

    fn with(&self, event: Recasted) -> Result<Self, CodecError> {
        let payload = match event.content {
            Some(content) => self.payload.like(&content)?,
            None => self.payload.clone(),
        };
        Ok(Self {
            event_type: event.event_type.unwrap_or_else(|| self.event_type.clone()),
            schema_version: event.schema_version,
            payload,
            sealer: self.sealer,
            steps: self.steps + 1,
        })
    }
}

impl Payload<'_> {
    fn read(&self, seed: RecastSeed<'_>) -> Result<Recast, CodecError> {
        match self {
            Self::Encoded(codec, bytes) => codec.decode_seed(seed, bytes),
            Self::Value(value) => read_from(seed, &**value),
        }
    }

    /// Returns other content, in a form that does not lose its names.
    fn like(&self, content: &Content) -> Result<Self, CodecError> {
        match self {
            Self::Encoded(codec, _) if codec.is_self_describing() => {
                let mut bytes = Vec::new();
                codec.encode_derived(content, &mut bytes)?;
                Ok(Self::Encoded(*codec, bytes.into()))
            }
            _ => Ok(Self::Value(Arc::new(derived(|| Value::of(content))?))),
        }
    }
}

/// Deserializes the content with an upcaster.
struct RecastSeed<'a>(&'a Upcaster);

impl<'de> DeserializeSeed<'de> for RecastSeed<'_> {
    type Value = Recast;

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
