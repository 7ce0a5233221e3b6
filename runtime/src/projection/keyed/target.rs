//! `KeyedTarget`: folds events into a table, exactly once.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::views::{CHANGES_BYTES_MAX, Changes, ViewError};
use actuarius_persistence::{Codec, Commit};

use super::super::erasure_taint::ErasureTaint;
use super::super::rows::{CurrentTable, Draft, Staged, View};
use super::batch::{Batch, OpenTable};
use super::change_feed::ChangeFeed;
use super::generations::{Generation, Generations, put_origin};
use crate::projection::routes::Routes;
use crate::projection::target::{Failed, Target, is_position_due, not_yet_taken};

/// Folds events into a table exactly once: rows and position are stored in one step.
pub(crate) struct KeyedTarget<V: View> {
    pub(super) routes: Routes<Draft<V>>,
    pub(super) generations: Arc<Generations>,
    pub(super) generation: u64,
    pub(super) codec: Codec,
    /// The table that is read, and the feed of its changes. Used only while this target's table is read.
    pub(super) outputs: (CurrentTable<V>, ChangeFeed<V>),
    pub(super) is_current: bool,
    /// `None` after a failed commit, until the table is opened again.
    open: Option<OpenTable<V>>,
    /// All changes of rows up to here are stored.
    position: Position,
    /// The position that is stored in the table.
    stored: Position,
    /// Whether clear text may be in it.
    taint: ErasureTaint,
}

impl<V: View> KeyedTarget<V> {
    pub(super) fn over(
        generation: Generation,
        (routes, generations): (Routes<Draft<V>>, Arc<Generations>),
        codec: Codec,
        outputs: (CurrentTable<V>, ChangeFeed<V>),
    ) -> Self {
        let origin = generation.origin.as_ref();
        let position = origin.map_or(Position::NONE, |origin| origin.position);
        let taint = origin.map_or_else(ErasureTaint::default, |origin| origin.taint);
        Self {
            routes,
            generations,
            generation: generation.number,
            codec,
            outputs,
            is_current: false,
            open: Some(OpenTable::of(generation.table)),
            position,
            stored: position,
            taint,
        }
    }

    /// Makes this table the one that is read.
    pub(super) fn show(&mut self) {
        if let Some(open) = &self.open {
            self.outputs.0.set(open.table.reader());
            self.is_current = true;
        }
    }

    fn fold(&mut self, commit: &Commit) -> Result<u64, Failed> {
        let Some(open) = &mut self.open else { return Ok(0) };
        let (keys, routes) = (self.generations.sealer(), &self.routes);
        let events = self.taint.watch(keys, || open.project(commit, routes))?;
        if open.draft.is_touched() {
            let staged = open.stage(Changes::of_command(), self.codec);
            self.add(staged.map_err(|why| Failed::at(commit.position(), why))?)?;
        }
        self.position = commit.last_position();
        if self.open.as_ref().is_some_and(OpenTable::is_full) {
            self.store_batch()?;
        }
        Ok(events)
    }

    /// Adds the changes of a commit to the batch. If they do not fit, the batch is stored first.
    fn add(&mut self, staged: Staged<V>) -> Result<(), Failed> {
        let has_room = |open: &OpenTable<V>| {
            open.batch.changes.bytes() + staged.changes.bytes() <= CHANGES_BYTES_MAX
        };
        if !self.open.as_ref().is_some_and(has_room) {
            self.store_batch()?;
        }
        match &mut self.open {
            Some(open) => open.add(staged).map_err(|error| self.close_table(error)),
            None => Ok(()),
        }
    }

    /// Discards what is not stored, and closes the table. It is opened again before it is used.
    fn close_table(&mut self, error: ViewError) -> Failed {
        self.open = None;
        self.position = self.stored;
        Failed::at(self.stored.next(), error)
    }

    /// Stores the batch. After a failure the content of the table is unknown.
    fn store_batch(&mut self) -> Result<(), Failed> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let Batch { mut changes, keys } = std::mem::take(&mut open.batch);
        if !changes.is_empty() {
            let origin = self.generations.origin(self.position, self.taint);
            let stored =
                put_origin(&origin, &mut changes).and_then(|()| open.table.commit(changes));
            stored.map_err(|error| self.close_table(error))?;
            self.stored = self.position;
            if self.is_current {
                self.outputs.1.changed(self.position, keys);
            }
        }
        if let Some(open) = &mut self.open {
            open.draft.stored();
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), Failed> {
        if self.open.is_some() {
            return Ok(());
        }
        if self.is_current {
            // Until then the rows are read as they are in the failed table: as before the failure, or with the whole
            // batch if its journal had been written.
            let can_open = self.generations.place.can_open(self.generation);
            can_open.map_err(|error| Failed::at(self.stored.next(), error))?;
            self.outputs.0.clear();
        }
        let opened = self.generations.open(self.generation);
        let generation = opened.map_err(|error| Failed::at(self.stored.next(), error))?;
        let origin = generation.origin.filter(|origin| self.generations.is_usable(origin));
        let Some(origin) = origin else {
            return Err(Failed::at(self.stored.next(), "the table has no origin that can be read"));
        };
        (self.position, self.stored, self.taint) = (origin.position, origin.position, origin.taint);
        self.open = Some(OpenTable::of(generation.table));
        if self.is_current {
            self.show();
            self.outputs.1.all_changed();
        }
        Ok(())
    }

    fn store_position(&mut self) -> Result<(), Failed> {
        if let Some(open) = &mut self.open {
            let origin = self.generations.origin(self.position, self.taint);
            let added = put_origin(&origin, &mut open.batch.changes);
            added.map_err(|error| Failed::at(self.position, error))?;
        }
        self.store_batch()
    }
}

impl<V: View> Target for KeyedTarget<V> {
    fn position(&self) -> Position {
        self.position
    }

    fn take(&mut self, commits: &[Commit]) -> Result<u64, Failed> {
        self.reopen()?;
        let mut events = 0;
        for commit in not_yet_taken(commits, self.position, "table")? {
            match self.fold(commit) {
                Ok(some) => events += some,
                Err(failed) => {
                    // The commits before it are stored.
                    self.store_batch()?;
                    return Err(failed);
                }
            }
        }
        self.store_batch()?;
        Ok(events)
    }

    fn is_save_due(&self) -> bool {
        is_position_due(self.position, self.stored)
    }

    /// Stores the position alone. All rows are stored, and after a failure at most the next start takes
    /// longer.
    fn save(&mut self) {
        if self.position > self.stored
            && let Err(Failed { why, .. }) = self.store_position()
        {
            let name = &self.generations.name;
            tracing::warn!(target: "actuarius::projection", name, why, "the position was not stored");
        }
    }

    fn serve(&mut self) -> Result<(), Failed> {
        self.reopen()?;
        let made = self.generations.place.make_current(self.generation);
        made.map_err(|error| Failed::at(self.position.next(), error))?;
        self.show();
        self.outputs.1.all_changed();
        self.generations.remove_all_but(&[]);
        Ok(())
    }

    fn must_erase(&self) -> bool {
        self.generations.must_erase(self.taint)
    }

    fn clean_up(&mut self) -> bool {
        self.generations.remove_all_but(&[self.generation]);
        self.generations.has_only(self.generation)
    }

    fn discard(self) {
        let generations = self.generations.clone();
        drop(self);
        generations.remove_all_but(&[]);
    }
}
