#[cfg(test)]
mod tests;

use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::views::{CHANGES_BYTES_MAX, Changes, ViewError};
use actuarius_persistence::{Codec, Commit};

use super::super::erasure_taint::ErasureTaint;
use super::super::rows::{CurrentTable, Draft, Staged, View};
use super::batch::{Batch, Open};
use super::generations::{Generation, Generations, put_origin};
use super::moves::Moves;
use crate::projection::routes::Routes;
use crate::projection::target::{Failed, Target};

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
    pub(super) outputs: (CurrentTable<V>, Moves<V>),
    pub(super) is_current: bool,
    /// None after a failed commit, until the table was opened again.
    open: Option<Open<V>>,
    /// Everything up to here is stored, as far as it changes anything.
    position: Position,
    /// What the table says.
    stored: Position,
    /// Whose clear text may be in it.
    taint: ErasureTaint,
}

impl<V: View> KeyedTarget<V> {
    pub(super) fn over(
        generation: Generation,
        (routes, generations): (Routes<Draft<V>>, Arc<Generations>),
        codec: Codec,
        outputs: (CurrentTable<V>, Moves<V>),
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
            open: Some(Open::of(generation.table)),
            position,
            stored: position,
            taint,
        }
    }

    /// Has this one be read from now on.
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
            let mut changes = Changes::new();
            let origin = self.generations.origin(commit.last_position(), self.taint);
            let staged = put_origin(&origin, &mut changes).map_err(|error| error.to_string());
            let staged = staged.and_then(|()| open.stage(changes, self.codec));
            self.add(staged.map_err(|why| Failed::at(commit.position(), why))?)?;
        }
        self.position = commit.last_position();
        if self.open.as_ref().is_some_and(Open::is_full) {
            self.close()?;
        }
        Ok(events)
    }

    /// Adds what a commit does to the batch, behind a batch of its own if it does not fit.
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
            let origin = self.generations.origin(self.position, self.taint);
            let stored =
                put_origin(&origin, &mut changes).and_then(|()| open.table.commit(changes));
            stored.map_err(|error| self.give_up(error))?;
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

    fn open_again(&mut self) -> Result<(), Failed> {
        if self.open.is_some() {
            return Ok(());
        }
        if self.is_current {
            self.outputs.0.clear();
        }
        let opened = self.generations.open(self.generation);
        let generation = opened.map_err(|error| Failed::at(self.stored.next(), error))?;
        let origin = generation.origin.filter(|origin| self.generations.is_usable(origin));
        let Some(origin) = origin else {
            return Err(Failed::at(self.stored.next(), "the table does not say what it is"));
        };
        (self.position, self.stored, self.taint) = (origin.position, origin.position, origin.taint);
        self.open = Some(Open::of(generation.table));
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
        self.close()
    }
}

impl<V: View> Target for KeyedTarget<V> {
    fn position(&self) -> Position {
        self.position
    }

    fn take(&mut self, commits: &[Commit]) -> Result<u64, Failed> {
        self.open_again()?;
        // A commit that seemed to fail may be found stored when the table is opened again.
        let known = commits.partition_point(|commit| commit.last_position() <= self.position);
        let (rest, mut events) = (&commits[known..], 0);
        if let Some(first) = rest.first()
            && first.position() != self.position.next()
        {
            // Whoever brings them goes back to where the table is.
            return Err(Failed::at(self.position.next(), "the table was at another position"));
        }
        for commit in rest {
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
            let name = &self.generations.name;
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
