//! The changes of a keyed view that are not stored yet.

use std::collections::BTreeMap;

use actuarius_persistence::views::{Changes, Table, ViewError};
use actuarius_persistence::{Codec, Commit};

use super::super::rows::{Draft, Staged, View};
use crate::base::panics::guarded;
use crate::projection::routes::Routes;
use crate::projection::target::Failed;

/// How many changed rows are stored at once, except those of one command: enough to share the cost of a sync,
/// few enough that it takes milliseconds.
const ROWS_AT_ONCE: usize = 4_096;

/// An open table, with the changes that are not stored yet.
pub(super) struct OpenTable<V: View> {
    pub(super) table: Table,
    pub(super) draft: Draft<V>,
    pub(super) batch: Batch<V>,
}

pub(super) struct Batch<V: View> {
    pub(super) changes: Changes,
    /// The rows that change, by their keys' bytes.
    pub(super) keys: BTreeMap<Vec<u8>, V::Key>,
}

impl<V: View> Default for Batch<V> {
    fn default() -> Self {
        Self { changes: Changes::new(), keys: BTreeMap::new() }
    }
}

impl<V: View> OpenTable<V> {
    pub(super) fn of(table: Table) -> Self {
        let draft = Draft::over(table.reader());
        Self { table, draft, batch: Batch::default() }
    }

    pub(super) fn is_full(&self) -> bool {
        let Self { draft, batch, .. } = self;
        batch.changes.is_full() || batch.keys.len() >= ROWS_AT_ONCE || draft.is_full()
    }

    /// Projects the events of a commit, and returns how many of them the view follows. After a failure they
    /// have changed nothing.
    pub(super) fn project(
        &mut self,
        commit: &Commit,
        routes: &Routes<Draft<V>>,
    ) -> Result<u64, Failed> {
        let projected = routes.project(&mut self.draft, commit);
        // A row that could not be read may have caused a panic.
        let projected = match self.draft.failure() {
            Some((at, error)) => Err(Failed::at(at, error)),
            None => projected,
        };
        if projected.is_err() {
            self.draft.discard();
        }
        projected
    }

    /// Returns `changes` with those of the commit that was projected. After a failure the commit changes
    /// nothing.
    pub(super) fn stage(&mut self, changes: Changes, codec: Codec) -> Result<Staged<V>, String> {
        let staged = guarded(|| self.draft.stage(codec, changes))
            .unwrap_or_else(|panic| Err(format!("the view panicked: {panic}")));
        if staged.is_err() {
            self.draft.discard();
        }
        staged
    }

    pub(super) fn add(&mut self, staged: Staged<V>) -> Result<(), ViewError> {
        let Staged { changes, keys } = staged;
        self.batch.keys.extend(keys);
        if self.batch.changes.is_empty() {
            self.batch.changes = changes;
            return Ok(());
        }
        self.batch.changes.append(changes)
    }
}
