//! Decides when the checkpoint and the notes of parked events are written.

use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::checkpoint::{Checkpoint, Mark};
use super::reading::EVENTS_IN_FLIGHT;
use super::state::SubscriptionState;
use crate::follow::followers::DesiredState;

impl SubscriptionState {
    /// Returns the mark up to which everything is finished.
    pub(super) fn finished(&self) -> Mark {
        match self.lanes.first() {
            Some((position, due)) => Mark::before(position, due.commit),
            None => self.reading.taken(),
        }
    }

    /// Returns why nothing can be made durable any more, if so.
    pub(super) fn failure(&self) -> Option<String> {
        let failed = |failure| format!("the store failed: {failure}");
        let broken = self.writing.broken().map(str::to_owned);
        broken.or_else(|| self.plan.engine.failure().map(failed))
    }

    /// Returns the checkpoint to store now.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        let store = self.writing.stored().store;
        let paused = self.plan.is_paused.load(Ordering::SeqCst);
        Checkpoint { store, mark: self.finished(), paused, resetting: false }
    }

    pub(super) fn write_if_due(&mut self) {
        if self.writing.is_under_way() {
            return;
        }
        if self.writing.broken().is_some() {
            // What was done since is not durable.
            return self.writing.give(self.retries.take_answers());
        }
        let checkpoint = self.checkpoint();
        if !self.parked.has_outdated() {
            let answers = self.retries.take_answers();
            self.writing.give(answers);
        }
        if self.is_stored(&checkpoint) {
            return;
        }
        let at = self.writing.next_at(self.plan.options.checkpoint_every);
        if self.is_urgent(&checkpoint) || at.is_none_or(|at| at <= Instant::now()) {
            let name = &self.plan.shared.name;
            let taken = self.parked.take_notes(name, checkpoint);
            let all = !self.parked.has_outdated();
            let answers = if all { self.retries.take_answers() } else { Vec::new() };
            self.writing.begin(&self.plan.engine, taken, answers);
        }
    }

    pub(super) fn is_stored(&self, checkpoint: &Checkpoint) -> bool {
        checkpoint == self.writing.stored() && !self.parked.has_outdated()
    }

    /// Whether to store at once: a caller waits for it, or memory holds too much.
    fn is_urgent(&self, checkpoint: &Checkpoint) -> bool {
        let is_quiet = self.attempts.is_empty();
        let is_ending = self.wanted != DesiredState::Run || self.halted.is_some();
        self.parked.has_outdated()
            || self.parked.unstored() >= EVENTS_IN_FLIGHT / 2
            || checkpoint.paused != self.writing.stored().paused
            || (is_quiet && is_ending)
    }
}
