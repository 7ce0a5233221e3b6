//! How the host erases a view that may hold clear text of a forgotten subject.

use super::Host;
use crate::projection::rebuild::{Order, RebuildError};
use crate::projection::target::Target;

impl<T: Target> Host<T> {
    /// Rebuilds the view if it may hold clear text of a forgotten subject, and reports when it holds none.
    pub(super) async fn erase(&mut self) {
        let forgotten = *self.forgotten.borrow_and_update();
        if self.rebuilding.is_some() {
            // It is checked again at the end of the rebuild.
            return;
        }
        if self.serve_from.is_some() && forgotten > self.forgotten_at_opening {
            // An older view is read, and its taint is not known here.
            self.reopen_view().await;
        }
        match self.cursor.as_ref().map(|cursor| cursor.target.must_erase()) {
            Some(true) if self.serve_from.is_none() => {
                let (order, _unawaited) = Order::new(None);
                self.start_rebuild(order).await;
            }
            Some(false) => self.report_erased(forgotten).await,
            _ => {}
        }
    }

    /// Checks again after a rebuild, because a subject may have been forgotten since. If the rebuild failed,
    /// a view that must be erased is discarded: erasure takes precedence over reads.
    pub(super) async fn erase_after(&mut self, end: &Result<(), RebuildError>) {
        let must_erase = self.cursor.as_ref().is_some_and(|cursor| cursor.target.must_erase());
        if must_erase && end.is_err() {
            self.reopen_view().await;
        }
        self.check_erasure_again();
    }

    /// Checks again in the next turn of the loop.
    fn check_erasure_again(&mut self) {
        self.forgotten.mark_changed();
    }

    /// Opens the view to continue with. A view that must be erased is not opened.
    ///
    /// # Panics
    /// If that fails: the actor fails, and is restarted, which tries it again, or halts.
    pub(super) async fn reopen_view(&mut self) {
        if let Err(error) = self.open().await {
            std::panic::resume_unwind(Box::new(format!("the view could not be opened: {error}")));
        }
    }

    async fn report_erased(&mut self, forgotten: u64) {
        // An older view that is read keeps its files.
        let is_alone = forgotten == 0
            || self.serve_from.is_some()
            || self.with_target(T::clean_up).await == Some(true);
        if is_alone {
            self.shared.erased(forgotten);
        }
    }
}
