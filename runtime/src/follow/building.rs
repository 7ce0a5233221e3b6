//! The progress of a view that is built to replace the one that is read.

use std::sync::Arc;

use actuarius_domain::Position;
use tokio::sync::watch;

use super::progress::Progress;

/// The progress of a view that is built to replace the one that is read, if there is one.
#[derive(Clone, Default)]
pub(crate) struct Building(Arc<watch::Sender<Option<Progress>>>);

impl Building {
    pub(crate) fn begins(&self, progress: Progress) {
        self.set(Some(progress));
    }

    pub(crate) fn ends(&self) {
        self.set(None);
    }

    pub(crate) fn reached(&self, position: Position) {
        if let Some(progress) = &*self.0.borrow() {
            progress.reached(position);
        }
    }

    /// Returns a receiver of the progress, which is `None` once the view is built or its rebuild has failed.
    pub(super) fn changes(&self) -> watch::Receiver<Option<Progress>> {
        self.0.subscribe()
    }

    pub(crate) fn position(&self) -> Option<Position> {
        self.0.borrow().as_ref().map(Progress::position)
    }

    fn set(&self, building: Option<Progress>) {
        self.0.send_replace(building);
    }
}
