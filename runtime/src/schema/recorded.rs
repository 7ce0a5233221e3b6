//! [`StoreShapes`]: the shapes of event types that are recorded in a store, and those that this program cannot
//! read because its types have another shape.

use std::any::TypeId;
use std::collections::HashMap;

use actuarius_domain::{Aggregate, Upcaster};
use actuarius_persistence::{Codec, CodecError, EventView, ReadError, Reader, RecordedShape};
use dashmap::DashMap;
use serde::de::DeserializeOwned;

use super::decoding::upcasters;
use super::shape::{self, Node};
use crate::base::panics::guarded;

/// The shapes that are recorded in a store, as of its opening. What this program records has its own shapes.
#[derive(Default)]
pub(crate) struct StoreShapes {
    /// By aggregate type.
    recorded: HashMap<String, Vec<RecordedShape>>,
    others: DashMap<TypeId, &'static [OtherShape], foldhash::fast::RandomState>,
}

/// An event type that is not read, because it was recorded with another shape.
pub(crate) struct OtherShape {
    event_type: String,
    schema_version: u32,
    error: CodecError,
}

impl StoreShapes {
    /// Reads the recorded shapes of a store. A damaged record is reported in the log and left out; it is
    /// written again with the next event.
    ///
    /// # Errors
    /// [`ReadError`] if they cannot be read at all.
    pub(crate) fn read(reader: &dyn Reader) -> Result<Self, ReadError> {
        let damaged = |error: ReadError| {
            tracing::error!(target: "actuarius::schema", %error, "the record of a shape is damaged");
        };
        let mut shapes = Self::default();
        for shape in RecordedShape::all(reader, damaged)? {
            shapes.recorded.entry(shape.aggregate.clone()).or_default().push(shape);
        }
        Ok(shapes)
    }

    /// Returns the recorded shape of an event type.
    pub(super) fn find(
        &self,
        aggregate: &str,
        event_type: &str,
        schema_version: u32,
    ) -> Option<&RecordedShape> {
        let all = self.recorded.get(aggregate)?;
        all.iter().find(|it| it.event_type == event_type && it.schema_version == schema_version)
    }

    /// Returns the event types of `A` that have another shape than what is recorded: usually none.
    pub(crate) fn others<A: Aggregate>(&self) -> &'static [OtherShape] {
        let Some(recorded) = self.recorded.get(A::TYPE) else { return &[] };
        let id = TypeId::of::<A>();
        if let Some(known) = self.others.get(&id) {
            return *known;
        }
        // The user's code runs while no part of the map is locked.
        let found: Vec<_> = recorded.iter().filter_map(other::<A>).collect();
        let found: &'static [OtherShape] = match found.is_empty() {
            true => &[],
            // Few, and only while a program does not fit its store.
            false => Box::leak(found.into_boxed_slice()),
        };
        *self.others.entry(id).or_insert(found)
    }
}

impl OtherShape {
    /// Checks that an event is not one of `others`.
    ///
    /// # Errors
    /// [`CodecError::OtherShape`] or [`CodecError::UpcasterReadsOtherShape`].
    #[inline]
    pub(super) fn check(others: &[Self], event: &EventView<'_>) -> Result<(), CodecError> {
        if others.is_empty() || event.codec_byte() != Codec::Bincode.byte() {
            return Ok(());
        }
        let is_it = |it: &&Self| {
            it.schema_version == event.schema_version && it.event_type == event.event_type
        };
        others.iter().find(is_it).map_or(Ok(()), |other| Err(other.error.clone()))
    }
}

/// Compares a recorded shape with what reads it today.
fn other<A: Aggregate>(recorded: &RecordedShape) -> Option<OtherShape> {
    let (event_type, schema_version) = (recorded.event_type.clone(), recorded.schema_version);
    let error = match upcasters::<A>().find(&event_type, schema_version) {
        Some(upcaster) => other_input::<A>(recorded, upcaster)?,
        None => {
            let current = guarded(|| A::schema_version(&event_type)).ok()?;
            (current == schema_version).then_some(())?;
            compare::<A::Event>(recorded)?
        }
    };
    Some(OtherShape { event_type, schema_version, error })
}

/// Returns why this program must neither read nor write events of a type with this recorded shape.
pub(super) fn compare<E: DeserializeOwned>(recorded: &RecordedShape) -> Option<CodecError> {
    let name = &*recorded.event_type;
    let current = match today::<E>(name)? {
        Ok(words) if recorded.is_read_as(&words) => return None,
        // A later release has stored events. Its further variants are errors of the events that have them, unless
        // something takes them for others.
        Ok(words) if recorded.extends(&words) && !shape::variant_has_catch_all::<E>(name) => {
            return None;
        }
        Ok(words) => words,
        Err(unknown) => unknown,
    };
    Some(CodecError::OtherShape {
        name: recorded.event_type.clone(),
        schema_version: recorded.schema_version,
        recorded: recorded.words().to_owned(),
        current,
    })
}

/// Returns the shape of today's content of a variant, or a text that says why it is not known. `None` if it is
/// not read at all.
fn today<E: DeserializeOwned>(name: &str) -> Option<Result<String, String>> {
    let variant = shape::variant::<E>(name);
    let stored = EventView::detached(name, 0, Codec::Bincode, &[]);
    if variant.exists == Some(false) || stored.catch_all::<E>().is_some() {
        // Reading reports that there is no such event type, or does not read its content.
        return None;
    }
    let words = variant.words;
    Some(words.map_err(|unknown| format!("one that is not known, because {unknown}")))
}

/// Compares a recorded shape with what its upcaster reads.
fn other_input<A: Aggregate>(recorded: &RecordedShape, upcaster: &Upcaster) -> Option<CodecError> {
    let (read_by, relabelled) = read_by::<A>(upcaster)?;
    let reads = match read_by {
        ReadBy::Event(name) => match today::<A::Event>(&name)? {
            Ok(words) if is_read_renamed(recorded, &words) => return None,
            Ok(words) | Err(words) => words,
        },
        ReadBy::Upcaster(upcaster) => {
            let read = |node: Node<'_>| {
                let mut content = <dyn erased_serde::Deserializer<'_>>::erase(node);
                upcaster.recast(&mut content).is_ok()
            };
            // An upcaster that reads what cannot be seen knows what it does.
            let words = shape::words_of(&read).ok()?;
            if is_read_renamed(recorded, &words) {
                return None;
            }
            words
        }
    };
    Some(CodecError::UpcasterReadsOtherShape {
        event_type: recorded.event_type.clone(),
        schema_version: recorded.schema_version,
        recorded: recorded.words().to_owned(),
        reads: relabelled.map_or(reads.clone(), |name| format!("{reads}, as `{name}`")),
    })
}

/// What reads the content of an event that has an upcaster.
enum ReadBy<'a> {
    Upcaster(&'a Upcaster),
    /// Today's variant of this name.
    Event(String),
}

/// Returns what reads the content that an upcaster receives, and the name it is relabelled to, if it is. `None` if
/// nothing reads it.
fn read_by<A: Aggregate>(first: &Upcaster) -> Option<(ReadBy<'_>, Option<String>)> {
    let upcasters = upcasters::<A>();
    let (mut upcaster, mut relabelled) = (first, None);
    // More steps than upcasters are a circle, which is reported when an event is read.
    for _ in 0..=upcasters.len() {
        let Some(recast) = guarded(|| upcaster.recast_without_content()).ok()? else {
            return Some((ReadBy::Upcaster(upcaster), relabelled));
        };
        // Left out, or relabelled to one event.
        let event = recast.into_events().pop()?;
        let name = event.event_type?.into_owned();
        match upcasters.find(&name, event.schema_version) {
            Some(next) => (upcaster, relabelled) = (next, Some(name)),
            None => return Some((ReadBy::Event(name.clone()), Some(name))),
        }
    }
    None
}

/// Returns whether these words read a recorded shape, whose fields may have had other names.
fn is_read_renamed(recorded: &RecordedShape, words: &str) -> bool {
    // Of a long shape, only the hash is known.
    recorded.is(words) || recorded.is_whole() && shape::reads_renamed(recorded.words(), words)
}
