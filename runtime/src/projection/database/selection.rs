//! `Selection`: which events are handed over to a database, and what is recorded of that.

use actuarius_persistence::{CommitView, ReadError};

use crate::engine::Engine;
use crate::follow::deleted_aggregate::is_end;
use crate::follow::followers::StartError;
use crate::follow::scope::Scope;
use crate::projection::types::Types;

/// Which events are handed over, and how many at once.
pub(super) struct Selection {
    pub(super) categories: Vec<&'static str>,
    /// The aggregate types the ends of whose streams are handed over.
    pub(super) ends: Vec<&'static str>,
    pub(super) batch_events: u64,
}

impl Default for Selection {
    fn default() -> Self {
        Self { categories: vec![], ends: vec![], batch_events: 1_000 }
    }
}

impl Selection {
    pub(super) fn types(&self) -> Types {
        Types::of(self.categories.iter().chain(&self.ends).copied())
    }

    pub(super) fn has(&self, commit: &CommitView<'_>) -> bool {
        let (events, ends) = (&self.categories, &self.ends);
        let (events, ends) = (events.contains(&commit.category), ends.contains(&commit.category));
        (events || ends) && if is_end(commit) { ends } else { events }
    }

    /// Reads what was recorded at the last start of the projection `name`.
    pub(super) async fn recorded(
        &self,
        engine: &Engine,
        name: &str,
    ) -> Result<Option<Scope>, StartError> {
        let of = recorded_as(name);
        engine.read(move |reader| Scope::read(reader, &of)).await.map_err(|error| match error {
            ReadError::Closed => StartError::ShuttingDown,
            source => StartError::Checkpoint { name: name.to_owned(), source },
        })
    }

    /// Returns what it has and the recorded one does not.
    pub(super) fn beyond(&self, recorded: Option<&Scope>) -> Vec<String> {
        recorded.map(|recorded| self.scope().beyond(recorded)).unwrap_or_default()
    }

    /// Records it, unless the same is recorded.
    pub(super) async fn record(&self, engine: &Engine, name: &str, recorded: Option<&Scope>) {
        let scope = self.scope();
        if !recorded.is_some_and(|recorded| scope.is(recorded)) {
            // If the store fails or is closed now, the next start compares with what was recorded before.
            let _ = engine.committer.store_notes(scope.notes(&recorded_as(name))).await;
        }
    }

    fn scope(&self) -> Scope {
        let mut scope = Scope::default();
        self.categories.iter().for_each(|category| scope.add_all(category));
        self.ends.iter().for_each(|category| scope.add_ends(category));
        scope
    }
}

/// Returns the name under which it is recorded. Names have no colon, so that of no subscription is the same.
fn recorded_as(name: &str) -> String {
    format!("database:{name}")
}
