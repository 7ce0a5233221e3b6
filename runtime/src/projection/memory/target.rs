//! `MemoryTarget`: folds events into a view in memory, and saves it.

use std::sync::Arc;
use std::time::Duration;

use actuarius_domain::{Position, ReadModel};
use actuarius_persistence::Commit;
use actuarius_persistence::views::ViewError;
use tokio::time::Instant;

use super::cell::{Cell, Held};
use crate::projection::routes::Routes;
use crate::projection::saved::States;
use crate::projection::target::{Failed, PORTION_TAKES, Target};

/// Folds events into a view in memory.
pub(crate) struct MemoryTarget<P> {
    routes: Routes<P>,
    states: Arc<States>,
    generation: u64,
    /// What is folded into.
    cell: Cell<P>,
    /// What is read: the same, unless this is built beside it.
    shown: Cell<P>,
    save_every: Duration,
    last_save: LastSave,
    /// Whether the state that is saved in its generation, if any, is one of this view.
    is_saved: bool,
    is_current: bool,
    /// The commit that failed last: the view is copied before it is tried again.
    suspect: Option<Position>,
    /// What a failure has left half changed. Nobody reads it; it is dropped where that may take long.
    spoilt: Option<Held<P>>,
    /// Whether what it was before the failure is not known.
    must_reload: bool,
}

/// When the view was saved last, and what that took.
struct LastSave {
    at: Instant,
    took: Duration,
    position: Position,
}

/// Saving may take this share of the time at most: 1 in 20.
const SAVING_SHARE: u32 = 20;

impl<P: ReadModel> MemoryTarget<P> {
    /// One that has what is in the cell, of which nothing is saved.
    pub(crate) fn new(
        routes: Routes<P>,
        (states, generation): (Arc<States>, u64),
        (cell, shown): (Cell<P>, Cell<P>),
        save_every: Duration,
    ) -> Self {
        let position = cell.read().position;
        Self {
            routes,
            states,
            generation,
            cell,
            shown,
            save_every,
            last_save: LastSave { at: Instant::now(), took: Duration::ZERO, position },
            is_saved: false,
            is_current: false,
            suspect: None,
            spoilt: None,
            must_reload: false,
        }
    }

    /// Says that it was found as the current state of its generation. The others go.
    pub(crate) fn was_found(&mut self) {
        (self.is_saved, self.is_current) = (true, true);
        self.remove_others();
    }

    /// Has nothing found at the next start but what this one saves.
    pub(crate) fn forget_others(&mut self) -> Result<(), ViewError> {
        self.states.make_current(self.generation)?;
        self.is_current = true;
        self.remove_others();
        Ok(())
    }

    /// Saves the view, which is found at the next start if its generation is current.
    fn save_state(&mut self) -> Result<(), String> {
        let started = Instant::now();
        // Others can read meanwhile.
        let held = self.cell.read();
        let (position, taint) = (held.position, held.taint);
        let state = self.states.encode(&held.view, position, taint)?;
        drop(held);
        self.states.save(self.generation, &state).map_err(|error| error.to_string())?;
        self.is_saved = true;
        self.last_save = LastSave { at: Instant::now(), took: started.elapsed(), position };
        Ok(())
    }

    fn remove_others(&self) {
        self.states.remove(|it| it != self.generation);
    }

    fn make_current(&mut self) -> Result<(), String> {
        if !self.is_current {
            let made = self.states.make_current(self.generation);
            made.map_err(|error| error.to_string())?;
            self.is_current = true;
        }
        Ok(())
    }

    /// The view as it was when this target saved it last, or empty. What others may have left in its
    /// generation is not of this view.
    fn last_saved(&self) -> Held<P> {
        let saved = if self.is_saved { self.states.load(self.generation) } else { Ok(None) };
        let saved = saved.unwrap_or_else(|error| self.states.reject(error));
        let held = saved.and_then(|saved| {
            let decoded = Held::saved(&saved);
            decoded.map_or_else(|why| self.states.reject(why), Some)
        });
        held.unwrap_or_default()
    }

    /// Folds commits for the time of a portion.
    fn fold_some(&mut self, held: &mut Held<P>, commits: &[Commit]) -> Result<u64, Failed> {
        let until = std::time::Instant::now() + PORTION_TAKES;
        let (mut events, mut folded) = (0, 0);
        for commit in commits {
            let some = self.fold(held, commit)?;
            events += some;
            folded += u32::from(some > 0);
            // A look at the clock takes a tenth of what a quick event does: after the first, and then
            // after every fourth.
            if some > 0 && folded % 4 == 1 && std::time::Instant::now() >= until {
                break;
            }
        }
        Ok(events)
    }

    /// Folds one commit. When that fails, the view is as it was before, if the commit was suspect;
    /// otherwise it is empty until it is [recovered](Target::recover).
    fn fold(&mut self, held: &mut Held<P>, commit: &Commit) -> Result<u64, Failed> {
        let is_suspect = self.suspect == Some(commit.position());
        let copy = if is_suspect { self.copy(held) } else { None };
        let Held { view, taint, .. } = held;
        match taint.watch(self.states.sealer(), || self.routes.project(view, commit)) {
            Ok(events) => {
                held.position = commit.last_position();
                if is_suspect {
                    self.suspect = None;
                }
                Ok(events)
            }
            Err(failed) => {
                self.suspect = Some(commit.position());
                self.must_reload = copy.is_none();
                self.spoilt = Some(std::mem::replace(held, copy.unwrap_or_default()));
                Err(failed)
            }
        }
    }

    fn copy(&self, held: &Held<P>) -> Option<Held<P>> {
        let copy = self.states.encode(&held.view, held.position, held.taint).ok()?;
        Held::saved(&self.states.parse(copy).ok()?).ok()
    }
}

impl<P: ReadModel> Target for MemoryTarget<P> {
    fn position(&self) -> Position {
        self.cell.read().position
    }

    fn take(&mut self, commits: &[Commit]) -> Result<u64, Failed> {
        let cell = self.cell.clone();
        let mut held = cell.write();
        self.fold_some(&mut held, commits)
    }

    fn take_at_once(&mut self, commits: &[Commit]) -> Option<Result<u64, Failed>> {
        if self.suspect.is_some() {
            return None;
        }
        let cell = self.cell.clone();
        let mut held = cell.write_at_once()?;
        Some(self.fold_some(&mut held, commits))
    }

    /// The events since the last save are replayed.
    fn recover(&mut self) {
        self.spoilt = None;
        if std::mem::take(&mut self.must_reload) {
            self.cell.put(self.last_saved());
        }
    }

    fn save_at(&self) -> Option<Instant> {
        let is_saved = self.position() == self.last_save.position;
        let rest = self.save_every.max(self.last_save.took * SAVING_SHARE);
        if is_saved { None } else { self.last_save.at.checked_add(rest) }
    }

    /// A failure is logged and tried again at the next time: the events are all in the log, so it
    /// costs a longer start at most.
    fn save(&mut self) {
        if self.position() == self.last_save.position {
            return;
        }
        let started = Instant::now();
        if let Err(why) = self.save_state().and_then(|()| self.make_current()) {
            let name = &self.states.name;
            tracing::warn!(target: "actuarius::projection", name, why, "the view was not saved");
            (self.last_save.at, self.last_save.took) = (Instant::now(), started.elapsed());
        }
    }

    fn prepare(&mut self) -> Result<(), Failed> {
        self.save_state().map_err(|why| Failed::at(self.position().next(), why))
    }

    fn serve(&mut self) -> Result<(), Failed> {
        if !self.is_saved {
            self.prepare()?;
        }
        self.make_current().map_err(|why| Failed::at(self.position().next(), why))?;
        std::mem::swap(&mut *self.shown.write(), &mut *self.cell.write());
        self.cell = self.shown.clone();
        Ok(())
    }

    fn must_erase(&self) -> bool {
        self.states.must_erase(self.cell.read().taint)
    }

    fn clean_up(&mut self) -> bool {
        self.remove_others();
        self.states.has_only(self.generation)
    }

    fn look_again(&mut self) {
        // The other one may have been made current all the same.
        self.is_current = false;
    }

    fn discard(self) {
        self.states.remove(|it| it == self.generation);
    }
}
