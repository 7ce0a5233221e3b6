use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use actuarius_domain::{Position, ReadModel};
use actuarius_persistence::{Codec, Commit};

use super::routes::Routes;
use super::saved::{Saved, Shelf};
use super::target::{Failed, Target};

/// A view in memory, with the position up to which it has all events. Shared by those who read it.
pub(crate) struct Cell<P>(Arc<RwLock<Held<P>>>);

pub(crate) struct Held<P> {
    pub(crate) view: P,
    pub(crate) position: Position,
}

impl<P> Clone for Cell<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P: ReadModel> Default for Cell<P> {
    fn default() -> Self {
        Self(Arc::new(RwLock::new(Held { view: P::default(), position: Position::NONE })))
    }
}

impl<P> Cell<P> {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Held<P>> {
        // A reader that panics changes nothing, and a projection's panic is caught below the lock.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Held<P>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put(&self, view: P, position: Position) {
        *self.write() = Held { view, position };
    }
}

/// Folds events into a view in memory.
pub(crate) struct Memory<P> {
    pub(crate) routes: Routes<P>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) generation: u64,
    /// What is folded into.
    pub(crate) cell: Cell<P>,
    /// What is read: the same, unless this is a rebuild.
    pub(crate) shown: Cell<P>,
    pub(crate) codec: Codec,
    pub(crate) save_every: Duration,
    pub(crate) last_save: LastSave,
    /// The commit that failed last: the view is copied before it is tried again.
    suspect: Option<Position>,
    is_current: bool,
}

/// When the view was saved last, and what that took.
pub(crate) struct LastSave {
    at: Instant,
    took: Duration,
    position: Position,
}

impl LastSave {
    pub(crate) fn now(position: Position) -> Self {
        Self { at: Instant::now(), took: Duration::ZERO, position }
    }
}

/// Saving may take this share of the time at most: 1 in 20.
const SAVING_SHARE: u32 = 20;

impl<P: ReadModel> Memory<P> {
    pub(crate) fn new(
        routes: Routes<P>,
        shelf: Arc<Shelf>,
        generation: u64,
        (cell, shown): (Cell<P>, Cell<P>),
        (codec, save_every): (Codec, Duration),
    ) -> Self {
        let last_save = LastSave::now(cell.read().position);
        let (suspect, is_current) = (None, false);
        Self {
            routes,
            shelf,
            generation,
            cell,
            shown,
            codec,
            save_every,
            last_save,
            suspect,
            is_current,
        }
    }

    fn encode(&self, held: &Held<P>) -> Result<Vec<u8>, String> {
        self.shelf.encode(&held.view, held.position, self.codec)
    }

    /// Saves the view as the one that is found at the next start.
    fn keep(&mut self) -> Result<(), String> {
        let state = self.encode(&self.cell.read())?;
        self.shelf.save(self.generation, &state)?;
        if !self.is_current {
            self.shelf.make_current(self.generation)?;
            self.is_current = true;
        }
        Ok(())
    }

    /// The view as it was at the last save, or empty: what a failure may have left half changed is
    /// thrown away, and replayed.
    fn last_saved(&self) -> Held<P> {
        let saved = self.shelf.load(self.generation).ok().flatten();
        let decoded = saved.and_then(|saved: Saved| saved.decode().ok());
        let (view, position) = decoded.unwrap_or_default();
        Held { view, position }
    }

    /// Folds one commit. When that fails, the view is as it was before: at once if the commit was
    /// suspect, after a replay otherwise.
    fn fold(&mut self, held: &mut Held<P>, commit: &Commit) -> Result<u64, Failed> {
        let is_suspect = self.suspect == Some(commit.position());
        let copy = if is_suspect { self.encode(held).ok() } else { None };
        match self.routes.project(&mut held.view, commit) {
            Ok(events) => {
                held.position = commit.last_position();
                if is_suspect {
                    self.suspect = None;
                }
                Ok(events)
            }
            Err(failed) => {
                self.suspect = Some(commit.position());
                let before = copy.and_then(|copy| Saved::parse(copy).ok()?.decode().ok());
                *held = match before {
                    Some((view, position)) => Held { view, position },
                    None => self.last_saved(),
                };
                Err(failed)
            }
        }
    }
}

impl<P: ReadModel> Target for Memory<P> {
    const WAITS: bool = false;

    fn position(&self) -> Position {
        self.cell.read().position
    }

    fn take(&mut self, commits: &[Commit]) -> Result<u64, Failed> {
        let cell = self.cell.clone();
        let mut held = cell.write();
        let mut events = 0;
        for commit in commits {
            events += self.fold(&mut held, commit)?;
        }
        Ok(events)
    }

    fn is_save_due(&self) -> bool {
        let rest = self.save_every.max(self.last_save.took * SAVING_SHARE);
        self.last_save.at.elapsed() >= rest
    }

    /// A failure is logged and tried again at the next time: the events are all in the log, so it
    /// costs a longer start at most.
    fn save(&mut self) {
        let started = Instant::now();
        let position = self.position();
        if position == self.last_save.position {
            return;
        }
        if let Err(why) = self.keep() {
            let name = &self.shelf.name;
            tracing::warn!(target: "actuarius::projection", name, why, "the view was not saved");
        }
        self.last_save = LastSave { at: Instant::now(), took: started.elapsed(), position };
    }

    fn serve(&mut self) -> Result<(), Failed> {
        self.keep().map_err(|why| Failed::at(self.position().next(), why))?;
        std::mem::swap(&mut *self.shown.write(), &mut *self.cell.write());
        self.cell = self.shown.clone();
        Ok(())
    }
}
