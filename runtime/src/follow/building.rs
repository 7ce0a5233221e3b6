//! The progress of a view that is built to replace the one that is read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actuarius_domain::Position;

use super::progress::Progress;

/// The progress of a view that is built to replace the one that is read, if there is one.
#[derive(Clone, Default)]
pub(crate) struct Building(Arc<Mutex<Option<Progress>>>);

impl Building {
    pub(crate) fn begins(&self, progress: Progress) {
        self.set(Some(progress));
    }

    pub(crate) fn ends(&self) {
        self.set(None);
    }

    pub(crate) fn reached(&self, position: Position) {
        if let Some(progress) = &*self.lock() {
            progress.reached(position);
        }
    }

    /// Returns the progress, if there is one.
    pub(super) fn progress(&self) -> Option<Progress> {
        self.lock().clone()
    }

    pub(crate) fn position(&self) -> Option<Position> {
        self.lock().as_ref().map(Progress::position)
    }

    fn set(&self, building: Option<Progress>) {
        *self.lock() = building;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Progress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
