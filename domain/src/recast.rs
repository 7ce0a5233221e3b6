use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

/// What an old event has become: one event of another shape, of another name, none, or several.
///
/// A result may be old itself, when it has another [upcaster](crate::Upcasters); else its schema
/// version must be the one that the program has now.
pub struct Recast(Vec<Recasted>);

/// One event that an old one has become.
pub struct Recasted {
    /// The name of its variant; none if it has kept it.
    pub event_type: Option<Cow<'static, str>>,
    /// The version of its shape.
    pub schema_version: u32,
    /// The variant's content, as it is to be stored; none if it is as it was.
    pub content: Option<Content>,
}

/// The content of an event whose type is forgotten.
pub type Content = Box<dyn erased_serde::Serialize>;

impl Recast {
    /// The same kind of event in another shape: what its variant holds in the given schema version.
    ///
    /// The content is what stands inside the variant: the value of a newtype variant, a tuple, a
    /// struct with the variant's fields, `()` of a unit variant.
    pub fn to(schema_version: u32, content: impl Serialize + 'static) -> Self {
        Self::one(None, schema_version, Some(Box::new(content)))
    }

    /// An event of another name; its content is as in [`to`](Self::to).
    pub fn renamed(
        event_type: impl Into<Cow<'static, str>>,
        schema_version: u32,
        content: impl Serialize + 'static,
    ) -> Self {
        Self::one(Some(event_type.into()), schema_version, Some(Box::new(content)))
    }

    /// Nothing: it is as if it had never happened, but its version and position stay taken.
    #[must_use]
    pub fn dropped() -> Self {
        Self(Vec::new())
    }

    /// Several events, in this order. They share the version and the position of the old one.
    pub fn several(events: impl IntoIterator<Item = Self>) -> Self {
        Self(events.into_iter().flat_map(|event| event.0).collect())
    }

    /// Another name or schema version, and the content as it was.
    pub(crate) fn relabelled(event_type: Cow<'static, str>, schema_version: u32) -> Self {
        Self::one(Some(event_type), schema_version, None)
    }

    /// The events, in order.
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
