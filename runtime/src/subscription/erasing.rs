//! Drops what was decoded before a data subject was forgotten.

use std::sync::Arc;

use tokio::sync::watch;

use super::lanes::Lanes;
use super::routes::Due;
use crate::engine::keyring::Keyring;
use crate::follow::followers::FollowerShared;

/// Reports that the lanes hold no clear text of forgotten subjects. When this is dropped, nothing is in them.
pub(super) struct Erasing {
    shared: Arc<FollowerShared>,
    forgotten: watch::Receiver<u64>,
}

impl Erasing {
    pub(super) fn of(shared: &Arc<FollowerShared>, keyring: &Keyring) -> Self {
        let mut forgotten = keyring.changes();
        shared.erased(*forgotten.borrow_and_update());
        Self { shared: shared.clone(), forgotten }
    }

    /// Waits until a subject was forgotten. Cancel safe.
    pub(super) async fn due(&mut self) {
        // The engine holds the sender.
        let _ = self.forgotten.changed().await;
        self.forgotten.mark_changed();
    }

    /// Drops the first attempts in `lanes` that hold clear text if a subject was forgotten. Their events are read
    /// again when they are handled.
    pub(super) fn erase_if_due(&mut self, lanes: &mut Lanes<Due>) {
        if !self.forgotten.has_changed().unwrap_or(false) {
            return;
        }
        let forgotten = *self.forgotten.borrow_and_update();
        for due in lanes.all() {
            due.first_attempt.take_if(|attempt| attempt.holds_clear_text());
        }
        self.shared.erased(forgotten);
    }
}

impl Drop for Erasing {
    fn drop(&mut self) {
        self.shared.erased(u64::MAX);
    }
}
