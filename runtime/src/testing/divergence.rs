//! Two ways to fold the same history, and where they first come to something else.

mod aggregates;
mod views;

use std::fmt;

use actuarius_domain::{Position, StreamId, Version};
use actuarius_persistence::{CommitView, EventView};
use serde::Serialize;
use serde_json::Value;

use crate::base::panics::guarded;
use crate::history::{FieldChange, as_value, changes};

pub use aggregates::{Divergences, divergence};
pub use views::{ViewDivergences, view_divergence};

/// The first event behind which two ways to fold a history do not agree.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Divergence {
    /// Whose event it is, as `type/id`.
    pub stream: String,
    /// Its number in its stream.
    pub version: Version,
    /// Its number in the whole log.
    pub position: Position,
    /// The name of its variant, as it is stored.
    pub event_type: String,
    /// The event as JSON, if either of the two can read it: a list when it has become several, or none.
    pub event: Option<Value>,
    /// What the old way has made of it, as JSON; or why it could not.
    pub old: Result<Value, String>,
    /// What the new way has made of it, as JSON; or why it could not.
    pub new: Result<Value, String>,
}

impl Divergence {
    /// The fields that the two do not agree on; none when one of them came to nothing.
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
                write!(formatter, "\n  the {side} one came to nothing: {why}")?;
            }
        }
        self.changes().iter().try_for_each(|change| write!(formatter, "\n  {change}"))
    }
}

/// Makes one stored event part of a state, or says why it cannot.
type Fold<'a, S> = dyn Fn(&mut S, &CommitView<'_>, &EventView<'_>) -> Result<(), String> + 'a;

/// Whether two states are alike.
type Alike<S, T> = Box<dyn Fn(&S, &T) -> bool>;

/// Two states on their way through the same events.
struct Pair<'a, S, T> {
    old: (S, &'a Fold<'a, S>),
    new: (T, &'a Fold<'a, T>),
    alike: Option<&'a Alike<S, T>>,
    /// The event as JSON, for whoever looks at it.
    told: &'a dyn Fn(&CommitView<'_>, &EventView<'_>) -> Option<Value>,
}

impl<S: Serialize, T: Serialize> Pair<'_, S, T> {
    /// Takes an event, and tells where the two do not agree. Where they do not have to be compared, only
    /// what cannot be folded is told.
    fn take(
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
            event: (self.told)(commit, event),
            old: old.and_then(|()| value(&self.old.0)),
            new: new.and_then(|()| value(&self.new.0)),
        }))
    }

    /// Whether the two states are alike: as JSON, if nothing else was said. Those that cannot be written as
    /// JSON are not.
    fn agrees(&self) -> bool {
        let (old, new) = (&self.old.0, &self.new.0);
        match self.alike {
            Some(alike) => alike(old, new),
            None => value(old).is_ok_and(|old| value(new).is_ok_and(|new| old == new)),
        }
    }
}

fn value(state: &impl Serialize) -> Result<Value, String> {
    guarded(|| as_value(state)).and_then(|value| value)
}

/// Says no, in the words of the kit.
#[track_caller]
fn must_be_none(found: Result<Option<Divergence>, actuarius_persistence::ReadError>) {
    match found {
        Ok(None) => {}
        Ok(Some(divergence)) => super::fail(&format!("the first divergence: {divergence}")),
        Err(error) => super::fail(&format!("the history could not be read: {error}")),
    }
}

fn stream_of(category: &str, id: &str) -> Option<StreamId> {
    StreamId::new(category, id).ok()
}
