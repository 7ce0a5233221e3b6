use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde::de::DeserializeOwned;

use crate::Recast;

/// What becomes of the events that an older release has stored: for each event type and schema version
/// that is not written any more, how it is read today.
///
/// The result of one may be the input of another, so that each release adds one step and never touches
/// those before it. Events of the current schema version do not come by here.
///
/// ```
/// use actuarius_domain::{Recast, Upcasters};
/// use serde::{Deserialize, Serialize};
///
/// /// As `Deposited` was in version 1.
/// #[derive(Deserialize)]
/// struct DepositedV1 { cents: i64 }
///
/// #[derive(Serialize)]
/// struct DepositedV2 { cents: i64, currency: String }
///
/// let upcasters = Upcasters::new()
///     .upcast("Deposited", 1, |old: DepositedV1| {
///         Recast::to(2, DepositedV2 { cents: old.cents, currency: "EUR".into() })
///     })
///     // A variant has another name now.
///     .rename("Shut", 1, "Closed", 1)
///     // Nobody wants to know any more.
///     .leave_out("Looked", 1);
/// assert_eq!(upcasters.len(), 3);
/// ```
#[derive(Default)]
pub struct Upcasters {
    /// By event type and schema version.
    sorted: Vec<Upcaster>,
    /// The newest schema version that any is for: what is newer is today's at a glance.
    newest: u32,
}

/// How one event type of one schema version is read today.
pub struct Upcaster {
    event_type: Cow<'static, str>,
    schema_version: u32,
    run: Run,
}

enum Run {
    /// It becomes this, whatever its content.
    Blindly(Box<dyn Fn() -> Recast + Send + Sync>),
    Reading(Box<ReadAndRecast>),
}

type ReadAndRecast = dyn Fn(&mut dyn erased_serde::Deserializer<'_>) -> Result<Recast, erased_serde::Error>
    + Send
    + Sync;

impl Upcasters {
    /// None: whatever is stored has the shape of today.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Events of this type and schema version are read as `Old`, and become what `recast` says.
    ///
    /// `Old` is the content of the variant as it was then: `()` of a unit variant, the value of a
    /// newtype variant, a tuple or tuple struct, a struct of the variant's fields. For JSON and
    /// MessagePack it may be a tree of values, like `serde_json::Value`; bincode refuses that.
    ///
    /// `recast` is pure, like `apply`: it gives the same each time. A panic is told as an event that
    /// does not decode. Of two for the same type and version the last counts.
    #[must_use]
    pub fn upcast<Old: DeserializeOwned>(
        self,
        event_type: impl Into<Cow<'static, str>>,
        schema_version: u32,
        recast: impl Fn(Old) -> Recast + Send + Sync + 'static,
    ) -> Self {
        let read = move |content: &mut dyn erased_serde::Deserializer<'_>| {
            erased_serde::deserialize::<Old>(content).map(&recast)
        };
        self.with(event_type.into(), schema_version, Run::Reading(Box::new(read)))
    }

    /// As [`upcast`](Self::upcast), for who wants to read the content in a way of their own.
    #[must_use]
    pub fn upcast_with(
        self,
        event_type: impl Into<Cow<'static, str>>,
        schema_version: u32,
        read: impl Fn(&mut dyn erased_serde::Deserializer<'_>) -> Result<Recast, erased_serde::Error>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.with(event_type.into(), schema_version, Run::Reading(Box::new(read)))
    }

    /// Events of this type and schema version have another name, or another version, and the same
    /// content.
    #[must_use]
    pub fn rename(
        self,
        event_type: impl Into<Cow<'static, str>>,
        schema_version: u32,
        new_type: impl Into<Cow<'static, str>>,
        new_version: u32,
    ) -> Self {
        let new_type = new_type.into();
        let blindly = move || Recast::relabelled(new_type.clone(), new_version);
        self.with(event_type.into(), schema_version, Run::Blindly(Box::new(blindly)))
    }

    /// Events of this type and schema version are as if they had never happened.
    #[must_use]
    pub fn leave_out(self, event_type: impl Into<Cow<'static, str>>, schema_version: u32) -> Self {
        let blindly = Box::new(Recast::dropped);
        self.with(event_type.into(), schema_version, Run::Blindly(blindly))
    }

    fn with(mut self, event_type: Cow<'static, str>, schema_version: u32, run: Run) -> Self {
        let place = self.sorted.binary_search_by(|it| it.compare(&event_type, schema_version));
        let upcaster = Upcaster { event_type, schema_version, run };
        self.newest = self.newest.max(schema_version);
        match place {
            Ok(place) => self.sorted[place] = upcaster,
            Err(place) => self.sorted.insert(place, upcaster),
        }
        self
    }

    /// The one for this event type and schema version.
    #[must_use]
    #[inline]
    pub fn find(&self, event_type: &str, schema_version: u32) -> Option<&Upcaster> {
        if schema_version > self.newest {
            return None;
        }
        let compare = |it: &Upcaster| it.compare(event_type, schema_version);
        let place = self.sorted.binary_search_by(compare).ok()?;
        Some(&self.sorted[place])
    }

    /// The event types and schema versions they are for.
    pub fn names(&self) -> impl Iterator<Item = (&str, u32)> {
        self.sorted.iter().map(|it| (&*it.event_type, it.schema_version))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }
}

impl Upcaster {
    /// Its name is compared last: most look-ups are for versions nobody upcasts.
    fn compare(&self, event_type: &str, schema_version: u32) -> Ordering {
        let by_version = self.schema_version.cmp(&schema_version);
        by_version.then_with(|| (*self.event_type).cmp(event_type))
    }

    /// What becomes of the event, if that does not depend on its content.
    #[must_use]
    pub fn recast_unread(&self) -> Option<Recast> {
        match &self.run {
            Run::Blindly(recast) => Some(recast()),
            Run::Reading(_) => None,
        }
    }

    /// What becomes of an event with this content.
    ///
    /// # Errors
    /// The content is not what the upcaster expects.
    pub fn recast(
        &self,
        content: &mut dyn erased_serde::Deserializer<'_>,
    ) -> Result<Recast, erased_serde::Error> {
        match &self.run {
            Run::Blindly(recast) => Ok(recast()),
            Run::Reading(recast) => recast(content),
        }
    }
}

impl fmt::Debug for Upcasters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(&self.sorted).finish()
    }
}

impl fmt::Debug for Upcaster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.event_type, self.schema_version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recast(upcaster: &Upcaster, json: &str) -> Result<Recast, String> {
        let mut json = serde_json::Deserializer::from_str(json);
        let mut content = <dyn erased_serde::Deserializer<'_>>::erase(&mut json);
        upcaster.recast(&mut content).map_err(|error| error.to_string())
    }

    #[test]
    fn one_is_found_by_name_and_version_and_the_last_for_both_counts() {
        let upcasters = Upcasters::new()
            .leave_out("B", 2)
            .leave_out("A", 2)
            .upcast("B", 1, |old: u8| Recast::to(2, old + 1))
            .rename("A", 2, "C", 7);
        assert_eq!(upcasters.len(), 3);
        let found = |name, version| upcasters.find(name, version);
        assert!(found("A", 1).is_none() && found("C", 7).is_none() && found("B", 3).is_none());
        let renamed = found("A", 2).and_then(Upcaster::recast_unread).unwrap().into_events();
        assert_eq!(renamed[0].event_type.as_deref(), Some("C"));
        assert!(renamed[0].content.is_none());
        assert!(found("B", 2).and_then(Upcaster::recast_unread).unwrap().into_events().is_empty());
        assert!(found("B", 1).unwrap().recast_unread().is_none());
    }

    #[test]
    fn old_content_of_every_shape_is_read() {
        #[derive(serde::Deserialize)]
        struct Fields {
            a: u8,
        }
        let upcasters = Upcasters::new()
            .upcast("Unit", 1, |(): ()| Recast::to(2, 1))
            .upcast("Newtype", 1, |old: u8| Recast::to(2, old))
            .upcast("Tuple", 1, |(a, b): (u8, u8)| Recast::to(2, a + b))
            .upcast("Struct", 1, |old: Fields| Recast::to(2, old.a));
        for (name, json) in
            [("Unit", "null"), ("Newtype", "1"), ("Tuple", "[1, 0]"), ("Struct", r#"{"a": 1}"#)]
        {
            let recast = recast(upcasters.find(name, 1).unwrap(), json).unwrap();
            let content = recast.into_events().remove(0).content.unwrap();
            assert_eq!(serde_json::to_string(&content).unwrap(), "1");
        }
        assert!(recast(upcasters.find("Struct", 1).unwrap(), "{}").is_err());
    }

    #[test]
    fn several_are_in_the_order_in_which_they_are_said_and_none_is_none() {
        let several = Recast::several([
            Recast::renamed("A", 1, ()),
            Recast::dropped(),
            Recast::several([Recast::renamed("B", 1, ()), Recast::renamed("C", 1, ())]),
        ]);
        let names: Vec<_> =
            several.into_events().into_iter().filter_map(|event| event.event_type).collect();
        assert_eq!(names, ["A", "B", "C"]);
    }
}
