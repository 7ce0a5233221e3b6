use super::Host;
use crate::projection::rebuild::{Order, RebuildError};
use crate::projection::target::{Failed, Target};

impl<T: Target> Host<T> {
    /// Has the view built anew if someone may be in it who is forgotten by now, and says so when nobody
    /// is any more.
    pub(super) async fn erase(&mut self) {
        let forgotten = *self.forgotten.borrow_and_update();
        if self.rebuilding.is_some() {
            // It is looked at again at the end of that.
            return;
        }
        if self.serve_from.is_some() && forgotten > self.forgotten_at_opening {
            // An older view is read, of which nothing else is known here.
            self.begin_anew().await;
        }
        match self.cursor.as_ref().map(|cursor| cursor.target.must_erase()) {
            Some(true) if self.serve_from.is_none() => {
                self.begin_rebuild(Order::of_our_own()).await;
            }
            Some(false) => self.has_erased(forgotten).await,
            _ => {}
        }
    }

    /// After a rebuild: what it has made may hold someone who was forgotten meanwhile. When it failed the
    /// view that holds them is given up: to forget counts for more than to show.
    pub(super) async fn erase_after(&mut self, end: &Result<(), RebuildError>) {
        let must_erase = self.cursor.as_ref().is_some_and(|cursor| cursor.target.must_erase());
        if must_erase && end.is_err() {
            self.begin_anew().await;
        }
        self.erase_later();
    }

    /// Looks again at the next turn of the loop.
    fn erase_later(&mut self) {
        self.forgotten.mark_changed();
    }

    /// Opens what there is to go on with. A view that must go is not.
    async fn begin_anew(&mut self) {
        if let Err(error) = self.open().await {
            let at = self.shared.progress.position().next();
            self.failed(Failed::at(at, error)).await;
        }
    }

    async fn has_erased(&mut self, forgotten: u64) {
        // An older view that is read is one of the files that stay.
        let is_alone = forgotten == 0
            || self.serve_from.is_some()
            || self.with_target(T::clean_up).await == Some(true);
        if is_alone {
            self.shared.erased(forgotten);
        }
    }
}
