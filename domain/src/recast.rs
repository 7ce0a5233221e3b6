//! The result of an upcaster: the events that an old event is read as.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

/// The events that an old event is read as: one of another shape or name, none, or several.
///
/// A result may itself be old, if there is an [upcaster](crate::Upcasters) for it. Otherwise its schema
/// version must be the current one.
pub struct Recast(Vec<Recasted>);

/// One event that an old event is read as.
pub struct Recasted {
    /// The name of its variant, or `None` if it is unchanged.
    pub event_type: Option<Cow<'static, str>>,
    /// Its schema version.
    pub schema_version: u32,
    /// The content of the variant, as it would be stored, or `None` if it is unchanged.
    pub content: Option<Content>,
}

/// The content of an event, with its type erased.
pub type Content = Box<dyn erased_serde::Serialize>;

impl Recast {
    /// Returns an event of the same name, with the content of its variant in the given schema version.
    ///
    /// The content is what the variant contains: the value of a newtype variant, a tuple, a
    /// struct with the variant's fields, or `()` for a unit variant.
    pub fn to(schema_version: u32, content: impl Serialize + 'static) -> Self {
        Self::one(None, schema_version, Some(Box::new(content)))
    }

    /// Returns an event of another name. Its content is as in [`to`](Self::to).
    pub fn renamed(
        event_type: impl Into<Cow<'static, str>>,
        schema_version: u32,
        content: impl Serialize + 'static,
    ) -> Self {
        Self::one(Some(event_type.into()), schema_version, Some(Box::new(content)))
    }

    /// Returns no event: the old event is skipped, but keeps its version and position.
    #[must_use]
    pub fn dropped() -> Self {
        Self(Vec::new())
    }

    /// Returns several events in this order. They share the version and the position of the old one.
    pub fn several(events: impl IntoIterator<Item = Self>) -> Self {
        Self(events.into_iter().flat_map(|event| event.0).collect())
    }

    /// Returns an event of another name or schema version, with its content unchanged.
    pub(crate) fn relabelled(event_type: Cow<'static, str>, schema_version: u32) -> Self {
        Self::one(Some(event_type), schema_version, None)
    }

    /// Returns the events in order.
    #[must_use]
    pub fn into_events(self) -> Vec<Recasted> {
        self.0
    }

    fn one(
        event_type: Option<Cow<'static, str>>,
        schema_version: u32,
        content: Option<Content>,
    ) -> Self {
        Self(vec![Recasted { event_type, schema_version, content }])
    }
}

impl fmt::Debug for Recast {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(&self.0).finish()
    }
}

impl fmt::Debug for Recasted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Recasted")
            .field("event_type", &self.event_type)
            .field("schema_version", &self.schema_version)
            .finish_non_exhaustive()
    }
}
