//! What a follower has to finish: of which aggregate types it receives events, and up to where it has.

use actuarius_domain::Position;

use super::shared::FollowerShared;
use super::{FollowerStatus, LaggingFollower, WaitError};

impl FollowerShared {
    /// Sets the aggregate types whose events it receives. Called once, before it starts.
    pub(crate) fn set_types<'a>(&self, types: impl IntoIterator<Item = &'a str>) {
        let _ = self.types.set(types.into_iter().map(Box::from).collect());
    }

    /// Returns whether it receives events of an aggregate type, or may, because it is only about to start.
    pub(crate) fn follows(&self, category: &str) -> bool {
        self.types.get().is_none_or(|types| types.iter().any(|it| **it == *category))
    }

    /// Returns whether it has finished the event at `position`, and so has the view that it builds, if there is one.
    pub(crate) fn has_finished(&self, position: Position) -> bool {
        self.finished() >= position
    }

    pub(crate) fn lagging(&self) -> LaggingFollower {
        let (name, status) = (self.name.clone(), self.status());
        LaggingFollower { name, status, position: self.finished() }
    }

    fn finished(&self) -> Position {
        let position = self.progress.position();
        self.building.position().map_or(position, |building| building.min(position))
    }

    /// Waits until it has finished the event at `position`, and so has the view that it builds, unless its rebuild fails.
    ///
    /// # Errors
    /// [`WaitError`], if it has halted before that or stops.
    pub(crate) async fn wait_for_all(&self, position: Position) -> Result<(), WaitError> {
        self.wait_for(position).await?;
        let has_ended = |status: &FollowerStatus| {
            matches!(status, FollowerStatus::Halted { .. } | FollowerStatus::Stopped)
        };
        let mut changes = self.building.changes();
        loop {
            let Some(building) = changes.borrow_and_update().clone() else { return Ok(()) };
            tokio::select! {
                biased;
                () = building.wait_for(position) => return Ok(()),
                status = self.until(has_ended) => return Err(self.ended(status)),
                // The rebuild has ended, and another one may have begun. `self` holds the sender.
                _ = changes.changed() => {}
            }
        }
    }
}
