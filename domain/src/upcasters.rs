//! Upcasters: how events stored by older releases are read.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::{Bound, RangeBounds, RangeInclusive};

use serde::de::DeserializeOwned;

use crate::Recast;

/// How events stored by older releases are read: one upcaster for each event type and schema version
/// that is not written any more.
///
/// The result of one upcaster may be the input of another, so each release adds one step and does not
/// change earlier ones. Events of the current schema version are not upcast.
///
/// ```
/// # mod actuarius { pub mod schema { pub use actuarius_domain::*; } }
/// use actuarius::schema::{Recast, Upcasters};
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
///     // The variant has another name.
///     .rename("Shut", 1, "Closed", 1)
///     // The event has no meaning any more.
///     .leave_out("Viewed", 1);
/// assert_eq!(upcasters.len(), 3);
/// ```
#[derive(Default)]
pub struct Upcasters {
    /// Sorted by schema version and event type.
    sorted: Vec<Upcaster>,
    /// The highest schema version that has an upcaster. Newer events need no search.
    newest: u32,
    /// Schema versions of event types that were never stored.
    never_stored: Vec<(Cow<'static, str>, RangeInclusive<u32>)>,
}

/// How one event type of one schema version is read.
pub struct Upcaster {
    event_type: Cow<'static, str>,
    schema_version: u32,
    run: Run,
}

enum Run {
    /// The result does not depend on the content.
    WithoutContent(Box<dyn Fn() -> Recast + Send + Sync>),
    WithContent(Box<ReadAndRecast>),
}

type ReadAndRecast = dyn Fn(&mut dyn erased_serde::Deserializer<'_>) -> Result<Recast, erased_serde::Error>
    + Send
    + Sync;

impl Upcasters {
    /// Creates an empty set: all stored events have their current shape.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads events of this type and schema version as `Old`, and replaces them by the result of
    /// `recast`.
    ///
    /// `Old` is the content of the variant at that schema version: `()` for a unit variant, the value
    /// of a newtype variant, a tuple or tuple struct, or a struct with the variant's fields. For JSON
    /// and MessagePack it may be a tree of values, like `serde_json::Value`; bincode does not support
    /// that.
    ///
    /// `recast` is pure, like `apply`: it returns the same each time. A panic is reported as an event
    /// that does not decode. Of two upcasters for the same type and version, the last one is used.
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
        self.with(event_type.into(), schema_version, Run::WithContent(Box::new(read)))
    }

    /// Like [`upcast`](Self::upcast), with a function that reads the content itself.
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
        self.with(event_type.into(), schema_version, Run::WithContent(Box::new(read)))
    }

    /// Gives events of this type and schema version another name or schema version, with the same
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
        let run = move || Recast::relabelled(new_type.clone(), new_version);
        self.with(event_type.into(), schema_version, Run::WithoutContent(Box::new(run)))
    }

    /// Skips events of this type and schema version.
    #[must_use]
    pub fn leave_out(self, event_type: impl Into<Cow<'static, str>>, schema_version: u32) -> Self {
        let run = Box::new(Recast::dropped);
        self.with(event_type.into(), schema_version, Run::WithoutContent(run))
    }

    /// Declares that no event of this type was ever stored with these schema versions, so that no upcaster
    /// needs to read them: for an event type whose first schema version is greater than 1.
    ///
    /// Every schema version from 1 up to today's has either an upcaster or this declaration. If one is missing,
    /// the aggregate type is not hosted: the error would otherwise appear when the first old event is read.
    ///
    /// ```
    /// # mod actuarius { pub mod schema { pub use actuarius_domain::*; } }
    /// use actuarius::schema::Upcasters;
    ///
    /// // The first release that wrote `Charged` wrote it with schema version 3.
    /// let upcasters = Upcasters::new().never_stored("Charged", 1..3);
    /// assert!(upcasters.is_never_stored("Charged", 2) && !upcasters.is_never_stored("Charged", 3));
    /// ```
    #[must_use]
    pub fn never_stored(
        mut self,
        event_type: impl Into<Cow<'static, str>>,
        schema_versions: impl RangeBounds<u32>,
    ) -> Self {
        let first = match schema_versions.start_bound() {
            Bound::Included(first) => Some(*first),
            Bound::Excluded(before) => before.checked_add(1),
            Bound::Unbounded => Some(0),
        };
        let last = match schema_versions.end_bound() {
            Bound::Included(last) => Some(*last),
            Bound::Excluded(after) => after.checked_sub(1),
            Bound::Unbounded => Some(u32::MAX),
        };
        if let (Some(first), Some(last)) = (first, last) {
            self.never_stored.push((event_type.into(), first..=last));
        }
        self
    }

    /// Returns whether it was [declared](Self::never_stored) that no event of this type was ever stored with
    /// this schema version.
    #[must_use]
    pub fn is_never_stored(&self, event_type: &str, schema_version: u32) -> bool {
        let mut declared = self.never_stored.iter().filter(|(name, _)| name == event_type);
        declared.any(|(_, versions)| versions.contains(&schema_version))
    }

    /// Returns the first schema version of an event type, from 1 up to and not including `current`, that has
    /// neither an upcaster nor a declaration that it was never stored.
    #[must_use]
    pub fn first_unread(&self, event_type: &str, current: u32) -> Option<u32> {
        let mut version = 1;
        while version < current {
            let declared = self.never_stored.iter().filter(|(name, _)| name == event_type);
            let covered = declared.filter(|(_, versions)| versions.contains(&version));
            // A declared range is passed in one step, since it may be large.
            version = match covered.map(|(_, versions)| *versions.end()).max() {
                Some(last) => last.checked_add(1)?,
                None if self.find(event_type, version).is_some() => version + 1,
                None => return Some(version),
            };
        }
        None
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

    /// Returns the upcaster for this event type and schema version.
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

    /// Returns the event types and schema versions that have an upcaster.
    pub fn names(&self) -> impl Iterator<Item = (&str, u32)> {
        self.sorted.iter().map(|it| (&*it.event_type, it.schema_version))
    }

    /// Takes over what `other` [declares](Self::never_stored) to be never stored.
    #[must_use]
    pub fn never_stored_as_in(mut self, other: &Self) -> Self {
        self.never_stored.extend(other.never_stored.iter().cloned());
        self
    }

    /// Returns the number of upcasters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Returns whether there are no upcasters.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }
}

impl Upcaster {
    /// Compares the name last, because most lookups are for versions without an upcaster.
    fn compare(&self, event_type: &str, schema_version: u32) -> Ordering {
        let by_version = self.schema_version.cmp(&schema_version);
        by_version.then_with(|| (*self.event_type).cmp(event_type))
    }

    /// Returns the result, or `None` if it depends on the content of the event.
    #[must_use]
    pub fn recast_without_content(&self) -> Option<Recast> {
        match &self.run {
            Run::WithoutContent(recast) => Some(recast()),
            Run::WithContent(_) => None,
        }
    }

    /// Returns the result for an event with this content.
    ///
    /// # Errors
    /// Returns an error if the content does not have the shape that the upcaster expects.
    pub fn recast(
        &self,
        content: &mut dyn erased_serde::Deserializer<'_>,
    ) -> Result<Recast, erased_serde::Error> {
        match &self.run {
            Run::WithoutContent(recast) => Ok(recast()),
            Run::WithContent(recast) => recast(content),
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
    fn upcasters_are_found_by_name_and_version_and_the_last_one_is_used() {
        let upcasters = Upcasters::new()
            .leave_out("B", 2)
            .leave_out("A", 2)
            .upcast("B", 1, |old: u8| Recast::to(2, old + 1))
            .rename("A", 2, "C", 7);
        assert_eq!(upcasters.len(), 3);
        let found = |name, version| upcasters.find(name, version);
        assert!(found("A", 1).is_none() && found("C", 7).is_none() && found("B", 3).is_none());
        let renamed =
            found("A", 2).and_then(Upcaster::recast_without_content).unwrap().into_events();
        assert_eq!(renamed[0].event_type.as_deref(), Some("C"));
        assert!(renamed[0].content.is_none());
        assert!(
            found("B", 2)
                .and_then(Upcaster::recast_without_content)
                .unwrap()
                .into_events()
                .is_empty()
        );
        assert!(found("B", 1).unwrap().recast_without_content().is_none());
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
    fn the_first_schema_version_that_nothing_reads_is_found() {
        let upcasters = Upcasters::new()
            .leave_out("A", 1)
            .leave_out("A", 3)
            .leave_out("B", 1)
            .never_stored("B", 2..=u32::MAX)
            .never_stored("C", ..3)
            .never_stored("D", 5..5);
        let unread = |name, current| upcasters.first_unread(name, current);
        assert_eq!((unread("A", 1), unread("A", 2), unread("A", 3)), (None, None, Some(2)));
        assert_eq!((unread("A", 4), unread("Missing", 7)), (Some(2), Some(1)));
        assert_eq!((unread("B", 9), unread("B", u32::MAX)), (None, None));
        assert_eq!((unread("C", 3), unread("C", 4), unread("D", 6)), (None, Some(3), Some(1)));
        assert!(upcasters.is_never_stored("C", 0) && !upcasters.is_never_stored("D", 5));
    }

    #[test]
    fn several_events_keep_their_order_and_dropped_ones_disappear() {
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
