//! `EventBatch`: the events that a database of the user stores in one transaction.

use actuarius_domain::Position;
use actuarius_persistence::Commit;
use uuid::Uuid;

use crate::follow::raw_event::RawEvent;
use crate::schema::recorded::StoreShapes;

/// Events to store in one transaction, with the position after them.
pub struct EventBatch<'a> {
    commits: &'a [&'a Commit],
    position: Position,
    events: u64,
    store: Uuid,
    shapes: &'a StoreShapes,
}

impl<'a> EventBatch<'a> {
    pub(super) fn of(
        commits: &'a [&'a Commit],
        (position, store): (Position, Uuid),
        shapes: &'a StoreShapes,
    ) -> Self {
        let events = commits.iter().map(|commit| commit.view().events).sum();
        Self { commits, position, events, store, shapes }
    }

    /// Returns the position to store together with the effects of the events. It may be after the last of
    /// them, because events of other types follow.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Returns the identity of the store of the events. Store it beside the position, and return it from
    /// [`Database::store`](super::Database::store): positions of another store mean other events.
    #[must_use]
    pub fn store(&self) -> Uuid {
        self.store
    }

    /// Returns how many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events as usize
    }

    /// Returns whether there is only a position to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// Returns the events, in the order of their positions. All events of one command are in one batch.
    pub fn events(&self) -> impl Iterator<Item = RawEvent<'a>> + use<'a> {
        let shapes = self.shapes;
        self.commits.iter().flat_map(move |commit| {
            let commit = commit.view();
            commit.events().map(move |event| RawEvent::of(commit, event, shapes))
        })
    }
}
