//! Two releases that apply the same events, and where their states first differ.

use std::fmt;

use actuarius_domain::{Position, StreamId, Version};
use actuarius_persistence::{CommitView, EventView};
use serde::Serialize;
use serde_json::Value;

use crate::base::panics::guarded;
use crate::history::{FieldChange, as_value, changes};
use crate::testing::fail::fail;

/// The first event after which two releases differ.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Divergence {
    /// The stream of the event, as `type/id`.
    pub stream: String,
    /// The version of the event in its stream.
    pub version: Version,
    /// The position of the event in the log.
    pub position: Position,
    /// The name of the event's variant, as it is stored.
    pub event_type: String,
    /// The event as JSON, if either release can read it: a list if it is upcast to several events or to none.
    pub event: Option<Value>,
    /// The state of the old release as JSON, or why there is none.
    pub old: Result<Value, String>,
    /// The state of the new release as JSON, or why there is none.
    pub new: Result<Value, String>,
}

impl Divergence {
    /// Returns the fields that differ; none if one of the releases failed.
    #[must_use]
    pub fn changes(&self) -> Vec<FieldChange> {
        match (&self.old, &self.new) {
            (Ok(old), Ok(new)) => changes(old, new),
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, version, position, event_type, event, .. } = self;
        write!(formatter, "{stream}, version {version}, position {position}: `{event_type}`")?;
        if let Some(event) = event {
            write!(formatter, " {event}")?;
        }
        for (side, state) in [("old", &self.old), ("new", &self.new)] {
            if let Err(why) = state {
                write!(formatter, "\n  the {side} one failed: {why}")?;
            }
        }
        self.changes().iter().try_for_each(|change| write!(formatter, "\n  {change}"))
    }
}

/// Applies one stored event to a state, or returns why it cannot.
pub(super) type Fold<'a, S> =
    dyn Fn(&mut S, &CommitView<'_>, &EventView<'_>) -> Result<(), String> + 'a;

/// Whether two states are equal.
pub(super) type Alike<S, T> = Box<dyn Fn(&S, &T) -> bool>;

/// Two states that are folded from the same events.
pub(super) struct Pair<'a, S, T> {
    pub(super) old: (S, &'a Fold<'a, S>),
    pub(super) new: (T, &'a Fold<'a, T>),
    pub(super) alike: Option<&'a Alike<S, T>>,
    /// Returns the event as JSON, for a reader of the divergence.
    pub(super) event_json: &'a dyn Fn(&CommitView<'_>, &EventView<'_>) -> Option<Value>,
}

impl<S: Serialize, T: Serialize> Pair<'_, S, T> {
    /// Applies an event, and returns a divergence if the states differ. If they are not to be compared, only
    /// a failure to apply the event counts.
    pub(super) fn take(
        &mut self,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
        compare: bool,
    ) -> Option<Box<Divergence>> {
        let old = (self.old.1)(&mut self.old.0, commit, event);
        let new = (self.new.1)(&mut self.new.0, commit, event);
        if old.is_ok() && new.is_ok() && (!compare || self.agrees()) {
            return None;
        }
        Some(Box::new(Divergence {
            stream: format!("{}/{}", commit.category, commit.id),
            version: event.version,
            position: event.position,
            event_type: event.event_type.to_owned(),
            event: (self.event_json)(commit, event),
            old: old.and_then(|()| value(&self.old.0)),
            new: new.and_then(|()| value(&self.new.0)),
        }))
    }

    /// Whether the two states are equal: as JSON by default. States that cannot be written as JSON are not.
    fn agrees(&self) -> bool {
        let (old, new) = (&self.old.0, &self.new.0);
        match self.alike {
            Some(alike) => alike(old, new),
            None => value(old).is_ok_and(|old| value(new).is_ok_and(|new| old == new)),
        }
    }
}

pub(super) fn value(state: &impl Serialize) -> Result<Value, String> {
    guarded(|| as_value(state)).and_then(|value| value)
}

/// Fails the test if there is a divergence.
#[track_caller]
pub(super) fn must_be_none(found: Result<Option<Divergence>, actuarius_persistence::ReadError>) {
    match found {
        Ok(None) => {}
        Ok(Some(divergence)) => fail(&format!("the first divergence: {divergence}")),
        Err(error) => fail(&format!("the history could not be read: {error}")),
    }
}

pub(super) fn stream_of(category: &str, id: &str) -> Option<StreamId> {
    StreamId::new(category, id).ok()
}
