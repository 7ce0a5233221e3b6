use std::collections::BTreeMap;
use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::views::{CHANGES_BYTES_MAX, Changes, Table, ViewError};
use actuarius_persistence::{Codec, Commit};

use super::generations::{Generation, Generations};
use super::moves::Moves;
use crate::panics::guarded;
use crate::projection::routes::Routes;
use crate::projection::target::{Failed, Target};
use crate::view::{Draft, Shown, Staged, View};

/// How many changed rows are stored at once, at most, apart from those of one command: enough to
/// share the cost of a sync, few enough that it takes milliseconds.
const ROWS_AT_ONCE: usize = 1_000;

/// How many events that change nothing may pass before the position is stored on its own: at the next
/// start as many are read again.
const PASSED_BY_MAX: u64 = 65_536;

/// Folds events into a table, exactly once: rows and position are stored in one step.
pub(crate) struct KeyedTarget<V: View> {
    pub(super) routes: Routes<Draft<V>>,
    pub(super) generations: Arc<Generations>,
    pub(super) generation: u64,
    pub(super) codec: Codec,
    /// What is read, and who hears of it: by this target only when it is the one that is read.
    pub(super) outputs: (Shown<V>, Moves<V>),
    pub(super) is_shown: bool,
    /// None after a failed commit, until the table was opened again.
    open: Option<Open<V>>,
    /// Everything up to here is stored, as far as it changes anything.
    position: Position,
    /// What the table says.
    stored: Position,
}

/// A table, and what is about to be stored in it.
struct Open<V: View> {
    table: Table,
    draft: Draft<V>,
    batch: Batch<V>,
}

struct Batch<V: View> {
    changes: Changes,
    /// The rows that change, by their keys' bytes.
    keys: BTreeMap<Vec<u8>, V::Key>,
}

impl<V: View> Default for Batch<V> {
    fn default() -> Self {
        Self { changes: Changes::new(), keys: BTreeMap::new() }
    }
}

impl<V: View> Open<V> {
    fn of(table: Table) -> Self {
        let draft = Draft::over(table.reader());
        Self { table, draft, batch: Batch::default() }
    }

    fn is_full(&self) -> bool {
        let Self { draft, batch, .. } = self;
        batch.changes.is_full() || batch.keys.len() >= ROWS_AT_ONCE || draft.is_full()
    }

    /// What a commit does to the table, beside the `changes` there are; how many of its events
    /// concern the view. After a failure it does nothing.
    fn fold(
        &mut self,
        commit: &Commit,
        routes: &Routes<Draft<V>>,
        (changes, codec): (Changes, Codec),
    ) -> Result<(u64, Staged<V>), Failed> {
        let folded = routes.project(&mut self.draft, commit);
        // It may be what a panic comes from.
        if let Some((at, error)) = self.draft.failure() {
            self.draft.discard();
            return Err(Failed::at(at, error));
        }
        let staged = folded.and_then(|events| {
            let staged = guarded(|| self.draft.stage(codec, changes));
            let staged = staged.unwrap_or_else(|panic| Err(format!("the view panicked: {panic}")));
            Ok((events, staged.map_err(|why| Failed::at(commit.position(), why))?))
        });
        if staged.is_err() {
            self.draft.discard();
        }
        staged
    }

    fn add(&mut self, staged: Staged<V>) -> Result<(), ViewError> {
        let Staged { changes, keys } = staged;
        self.batch.keys.extend(keys);
        if self.batch.changes.is_empty() {
            self.batch.changes = changes;
            return Ok(());
        }
        for (place, value) in changes {
            let Some((&space, key)) = place.split_first() else { continue };
            match value {
                Some(value) => self.batch.changes.put(space, key, &value)?,
                None => self.batch.changes.remove(space, key)?,
            }
        }
        Ok(())
    }
}

impl<V: View> KeyedTarget<V> {
    pub(super) fn over(
        generation: Generation,
        (routes, generations): (Routes<Draft<V>>, Arc<Generations>),
        codec: Codec,
        outputs: (Shown<V>, Moves<V>),
    ) -> Self {
        let position = generation.meta.map_or(Position::NONE, |meta| meta.position);
        Self {
            routes,
            generations,
            generation: generation.number,
            codec,
            outputs,
            is_shown: false,
            open: Some(Open::of(generation.table)),
            position,
            stored: position,
        }
    }

    /// Has this one be read from now on.
    pub(super) fn show(&mut self) {
        if let Some(open) = &self.open {
            self.outputs.0.show(open.table.reader());
            self.is_shown = true;
        }
    }

    fn fold(&mut self, commit: &Commit) -> Result<u64, Failed> {
        let Some(open) = &mut self.open else { return Ok(0) };
        let failed = |error| Failed::at(commit.position(), error);
        let mut changes = Changes::new();
        let meta = self.generations.meta(commit.last_position());
        meta.add_to(&mut changes).map_err(failed)?;
        let (events, staged) = open.fold(commit, &self.routes, (changes, self.codec))?;
        if !staged.keys.is_empty() {
            self.add(staged)?;
        }
        self.position = commit.last_position();
        if self.open.as_ref().is_some_and(Open::is_full) {
            self.close()?;
        }
        Ok(events)
    }

    fn add(&mut self, staged: Staged<V>) -> Result<(), Failed> {
        let has_room = |open: &Open<V>| {
            open.batch.changes.bytes() + staged.changes.bytes() <= CHANGES_BYTES_MAX
        };
        if !self.open.as_ref().is_some_and(has_room) {
            self.close()?;
        }
        match &mut self.open {
            Some(open) => open.add(staged).map_err(|error| self.give_up(error)),
            None => Ok(()),
        }
    }

    /// Throws away what is not stored, and closes the table. It is opened again before anything else.
    fn give_up(&mut self, error: ViewError) -> Failed {
        self.open = None;
        self.position = self.stored;
        Failed::at(self.stored.next(), error)
    }

    /// Stores what there is to store. When that fails, it is not known what the table holds.
    fn close(&mut self) -> Result<(), Failed> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let Batch { mut changes, keys } = std::mem::take(&mut open.batch);
        if !changes.is_empty() {
            // In place of that of the last commit that changed rows.
            let added = self.generations.meta(self.position).add_to(&mut changes);
            added.map_err(|error| self.give_up(error))?;
            let Some(open) = &mut self.open else { return Ok(()) };
            open.table.commit(changes).map_err(|error| self.give_up(error))?;
            self.stored = self.position;
            if self.is_shown {
                self.outputs.1.changed(self.position, keys);
            }
        }
        if let Some(open) = &mut self.open {
            open.draft.stored();
        }
        Ok(())
    }

    fn open_again(&mut self) -> Result<(), Failed> {
        if self.open.is_some() {
            return Ok(());
        }
        if self.is_shown {
            self.outputs.0.hide();
        }
        let opened = self.generations.open(self.generation);
        let generation = opened.map_err(|error| Failed::at(self.stored.next(), error))?;
        let meta = generation.meta.filter(|meta| self.generations.is_usable(meta));
        let Some(meta) = meta else {
            return Err(Failed::at(self.stored.next(), "the table does not say what it is"));
        };
        (self.position, self.stored) = (meta.position, meta.position);
        self.open = Some(Open::of(generation.table));
        if self.is_shown {
            self.show();
            self.outputs.1.all_changed();
        }
        Ok(())
    }

    fn store_position(&mut self) -> Result<(), Failed> {
        if let Some(open) = &mut self.open {
            let meta = self.generations.meta(self.position);
            let added = meta.add_to(&mut open.batch.changes);
            added.map_err(|error| Failed::at(self.position, error))?;
        }
        self.close()
    }
}

impl<V: View> Target for KeyedTarget<V> {
    const WAITS: bool = true;

    fn position(&self) -> Position {
        self.position
    }

    fn take(&mut self, commits: &[Commit]) -> Result<u64, Failed> {
        self.open_again()?;
        let mut events = 0;
        for commit in commits {
            // A commit that seemed to fail may be found stored when the table is opened again.
            if commit.last_position() <= self.position {
                continue;
            }
            match self.fold(commit) {
                Ok(some) => events += some,
                Err(failed) => {
                    // What came before it counts.
                    self.close()?;
                    return Err(failed);
                }
            }
        }
        self.close()?;
        Ok(events)
    }

    fn is_save_due(&self) -> bool {
        self.position.get().saturating_sub(self.stored.get()) >= PASSED_BY_MAX
    }

    /// The rows are all stored; this is about the events that have passed by since. A failure costs a
    /// longer start at most.
    fn save(&mut self) {
        if self.position > self.stored
            && let Err(Failed { why, .. }) = self.store_position()
        {
            let name = self.generations.name();
            tracing::warn!(target: "actuarius::projection", name, why, "the position was not stored");
        }
    }

    fn serve(&mut self) -> Result<(), Failed> {
        self.open_again()?;
        let made = self.generations.make_current(self.generation);
        made.map_err(|error| Failed::at(self.position.next(), error))?;
        self.show();
        self.outputs.1.all_changed();
        self.generations.remove_all_but(&[]);
        Ok(())
    }
}
