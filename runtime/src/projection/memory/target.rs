//! `MemoryTarget`: folds events into a view in memory, and saves it.

use std::sync::Arc;
use std::time::Duration;

use actuarius_domain::{Position, ReadModel};
use actuarius_persistence::Commit;
use actuarius_persistence::views::ViewError;
use tokio::time::Instant;

use super::saving::{SavedCopy, SavingCopy};
use super::shared_view::{SharedView, ViewState};
use crate::projection::erasure_taint::ErasureTaint;
use crate::projection::routes::Routes;
use crate::projection::saved::{States, Unsaved};
use crate::projection::target::{Failed, PORTION_TAKES, Target};

/// Folds events into a view in memory.
pub(crate) struct MemoryTarget<P> {
    routes: Routes<P>,
    states: Arc<States>,
    generation: u64,
    /// The view that events are folded into.
    own: SharedView<P>,
    /// The view that is read: the same, unless this one is built to replace it.
    current: SharedView<P>,
    save_every: Duration,
    last_save: LastSave,
    /// Makes a copy that is saved while events still change the view.
    copy: Option<fn(&P) -> P>,
    /// The copy that is being saved.
    saving: Option<SavingCopy>,
    /// Whether the state saved in its generation belongs to this view.
    is_saved: bool,
    is_current: bool,
    /// The commit that failed last. The view is copied before that commit is tried again.
    suspect: Option<Position>,
    /// What a failure has left half changed. It is never read, and is dropped on a thread that may block.
    partial: Option<ViewState<P>>,
    /// Whether the view before the failure is lost, so that the saved one must be loaded.
    must_reload: bool,
}

/// When the view was saved last, and how long that took.
struct LastSave {
    at: Instant,
    took: Duration,
    position: Position,
}

/// Saving takes at most this share of the time: 1 in 20.
const SAVING_SHARE: u32 = 20;

impl<P: ReadModel> MemoryTarget<P> {
    /// Creates a target over a view that is not saved.
    pub(crate) fn new(
        routes: Routes<P>,
        (states, generation): (Arc<States>, u64),
        (own, current): (SharedView<P>, SharedView<P>),
        save_every: Duration,
    ) -> Self {
        let position = own.read().position;
        Self {
            routes,
            states,
            generation,
            own,
            current,
            save_every,
            last_save: LastSave { at: Instant::now(), took: Duration::ZERO, position },
            copy: None,
            saving: None,
            is_saved: false,
            is_current: false,
            suspect: None,
            partial: None,
            must_reload: false,
        }
    }

    /// Lets the view be saved from copies.
    pub(crate) fn saved_from(self, copy: Option<fn(&P) -> P>) -> Self {
        Self { copy, ..self }
    }

    /// Starts to save a copy. Returns `None` if the view is to be saved itself.
    fn start_saving(&self) -> Option<SavingCopy> {
        let copy = self.copy?;
        let state = self.own.read();
        let ViewState { view, position, taint } = &*state;
        // What may have to be erased is not saved later.
        if *taint != ErasureTaint::default() || *position == self.last_save.position {
            return None;
        }
        let copy = ViewState { view: copy(view), position: *position, taint: *taint };
        drop(state);
        SavingCopy::start(&self.states, (self.generation, self.is_current), copy)
    }

    /// Waits until a copy is saved, if one is being saved.
    fn end_saving(&mut self) {
        let Some(SavedCopy { position, took, result }) = self.saving.take().map(SavingCopy::end)
        else {
            return;
        };
        match result {
            Ok(()) => {
                (self.is_saved, self.is_current) = (true, true);
                self.last_save = LastSave { at: Instant::now(), took, position };
                self.states.meters.saved();
            }
            Err(why) => {
                self.not_saved(&why);
                (self.last_save.at, self.last_save.took) = (Instant::now(), took);
            }
        }
    }

    /// Marks the view as the saved, current state of its generation, and removes the others.
    pub(crate) fn set_found(&mut self) {
        (self.is_saved, self.is_current) = (true, true);
        self.remove_others();
    }

    /// Lets the next start find only what this target saves.
    pub(crate) fn make_only_one(&mut self) -> Result<(), ViewError> {
        self.states.make_current(self.generation)?;
        self.is_current = true;
        self.remove_others();
        Ok(())
    }

    /// Saves the view. The next start finds it if its generation is current.
    ///
    /// The view that was decoded for the check is read and changed from here on, as it is after a start. A view
    /// that was not saved stays.
    fn save_state(&mut self) -> Result<(), Unsaved> {
        self.end_saving();
        let started = Instant::now();
        // Others can read at the same time.
        let state = self.own.read();
        let (position, taint) = (state.position, state.taint);
        let encoded = self.states.encode(&state.view, position, taint);
        drop(state);
        let (bytes, decoded) = encoded?;
        let saved = self.states.place.save_state(self.generation, &bytes);
        saved.map_err(|error| Unsaved::Failed(error.to_string()))?;
        // Only this target changes its view, so nothing has happened since it was encoded.
        self.own.put(ViewState { view: decoded.take(), position, taint });
        self.is_saved = true;
        self.last_save = LastSave { at: Instant::now(), took: started.elapsed(), position };
        self.states.meters.saved();
        Ok(())
    }

    /// Reports a view that was not saved. All events are in the log, so at most the next start takes longer.
    fn not_saved(&self, why: &str) {
        let name = &self.states.name;
        tracing::warn!(target: "actuarius::projection", name, why, "the view was not saved");
        self.states.meters.dropped();
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

    /// Returns the view as this target saved it last, or an empty one. Files of its generation that another
    /// target wrote do not belong to this view.
    fn last_saved(&self) -> ViewState<P> {
        let saved = if self.is_saved { self.states.load(self.generation) } else { Ok(None) };
        let saved = saved.unwrap_or_else(|error| self.states.reject(error));
        let state = saved.and_then(|saved| {
            let decoded = ViewState::saved(&saved);
            decoded.map_or_else(|why| self.states.reject(why), Some)
        });
        state.unwrap_or_default()
    }

    /// Folds commits for the time of one portion.
    fn fold_some(&mut self, state: &mut ViewState<P>, commits: &[Commit]) -> Result<u64, Failed> {
        let until = std::time::Instant::now() + PORTION_TAKES;
        let (mut events, mut folded) = (0, 0);
        for commit in commits {
            let some = self.fold(state, commit)?;
            events += some;
            folded += u32::from(some > 0);
            // Reading the clock costs a tenth of a quick event, so it is read after the first event and
            // after every fourth.
            if some > 0 && folded % 4 == 1 && std::time::Instant::now() >= until {
                break;
            }
        }
        Ok(events)
    }

    /// Folds one commit. After a failure the view is as it was before, if the commit was suspect. Otherwise
    /// it is empty until [`recover`](Target::recover).
    fn fold(&mut self, state: &mut ViewState<P>, commit: &Commit) -> Result<u64, Failed> {
        let is_suspect = self.suspect == Some(commit.position());
        let copy = if is_suspect { self.copy(state) } else { None };
        let ViewState { view, taint, .. } = state;
        match taint.watch(self.states.sealer(), || self.routes.project(view, commit)) {
            Ok(events) => {
                state.position = commit.last_position();
                if is_suspect {
                    self.suspect = None;
                }
                Ok(events)
            }
            Err(failed) => {
                self.suspect = Some(commit.position());
                self.must_reload = copy.is_none();
                self.partial = Some(std::mem::replace(state, copy.unwrap_or_default()));
                Err(failed)
            }
        }
    }

    fn copy(&self, state: &ViewState<P>) -> Option<ViewState<P>> {
        let ViewState { view, position, taint } = state;
        let (_, copy) = self.states.encode(view, *position, *taint).ok()?;
        Some(ViewState { view: copy.take(), position: *position, taint: *taint })
    }
}

impl<P: ReadModel> Target for MemoryTarget<P> {
    fn position(&self) -> Position {
        self.own.read().position
    }

    fn take(&mut self, commits: &[Commit]) -> Result<u64, Failed> {
        let own = self.own.clone();
        let mut state = own.write();
        self.fold_some(&mut state, commits)
    }

    fn take_at_once(&mut self, commits: &[Commit]) -> Option<Result<u64, Failed>> {
        if self.suspect.is_some() {
            return None;
        }
        let own = self.own.clone();
        let mut state = own.write_at_once()?;
        Some(self.fold_some(&mut state, commits))
    }

    /// The events since the last save are replayed.
    fn recover(&mut self) {
        self.end_saving();
        self.partial = None;
        if std::mem::take(&mut self.must_reload) {
            self.own.put(self.last_saved());
        }
    }

    fn save_at(&self) -> Option<Instant> {
        if let Some(saving) = &self.saving {
            return Some(saving.check_at());
        }
        let is_saved = self.position() == self.last_save.position;
        let rest = self.save_every.max(self.last_save.took * SAVING_SHARE);
        if is_saved { None } else { self.last_save.at.checked_add(rest) }
    }

    /// Reports a failure, and tries again at the next save.
    fn save(&mut self) {
        self.end_saving();
        if self.position() == self.last_save.position {
            return;
        }
        let started = Instant::now();
        let saved = self.save_state().map_err(|error| error.to_string());
        if let Err(why) = saved.and_then(|()| self.make_current()) {
            self.not_saved(&why);
            (self.last_save.at, self.last_save.took) = (Instant::now(), started.elapsed());
        }
    }

    fn save_soon(&mut self) {
        if let Some(saving) = &mut self.saving {
            if saving.has_ended() {
                self.end_saving();
            }
            return;
        }
        self.saving = self.start_saving();
        if self.saving.is_none() {
            self.save();
        }
    }

    /// A view that does not read back is read all the same: at the next start it is computed from the log.
    fn prepare(&mut self) -> Result<(), Failed> {
        match self.save_state() {
            Ok(()) => Ok(()),
            Err(Unsaved::Unstorable(why)) => {
                self.not_saved(&why);
                Ok(())
            }
            Err(Unsaved::Failed(why)) => Err(Failed::at(self.position().next(), why)),
        }
    }

    fn serve(&mut self) -> Result<(), Failed> {
        if !self.is_saved {
            self.prepare()?;
        }
        if !self.is_current {
            let replaced = self.states.replace_by(self.generation);
            replaced.map_err(|error| Failed::at(self.position().next(), error))?;
            self.is_current = true;
        }
        std::mem::swap(&mut *self.current.write(), &mut *self.own.write());
        self.own = self.current.clone();
        Ok(())
    }

    fn must_erase(&self) -> bool {
        self.states.must_erase(self.own.read().taint)
    }

    fn clean_up(&mut self) -> bool {
        self.remove_others();
        self.states.has_only(self.generation)
    }

    fn recheck(&mut self) {
        // The other view may have been made current although it failed.
        self.is_current = false;
    }

    fn discard(mut self) {
        // A copy that is still being saved would come after the removal.
        drop(self.saving.take());
        self.states.remove(|it| it == self.generation);
    }
}
