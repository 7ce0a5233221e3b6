use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actuarius_persistence::Notes;
use tokio::time::Instant;

use super::ParkedError;
use super::checkpoint::{Checkpoint, Mark};
use super::dispatcher::Work;
use super::reading::EVENTS_IN_FLIGHT;
use super::retrying::Answer;
use crate::base::deadline::Deadline;
use crate::commit::committer::NotStored;
use crate::engine::Engine;
use crate::follow::followers::DesiredState;

/// What is durable of a subscription, and what is on its way: one write at a time.
pub(super) struct Writing {
    stored: Checkpoint,
    under_way: Option<Write>,
    begun: Option<Instant>,
    /// Why nothing is stored any more.
    broken: Option<String>,
}

struct Write {
    checkpoint: Checkpoint,
    ends: Pin<Box<dyn Future<Output = Result<(), NotStored>> + Send>>,
    answers: Vec<Answer>,
}

impl Writing {
    pub(super) fn behind(stored: Checkpoint) -> Self {
        Self { stored, under_way: None, begun: None, broken: None }
    }

    pub(super) fn stored(&self) -> &Checkpoint {
        &self.stored
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    pub(super) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// From when on the next write may begin.
    pub(super) fn next_at(&self, every: Duration) -> Option<Instant> {
        self.begun.map(|begun| Deadline::after(begun, every).at())
    }

    /// Begins to write; `answers` are given when it is durable.
    pub(super) fn begin(
        &mut self,
        engine: &Engine,
        (notes, checkpoint): (Notes, Checkpoint),
        answers: Vec<Answer>,
    ) {
        let ends = Box::pin(engine.committer.store_notes(notes));
        self.begun = Some(Instant::now());
        self.under_way = Some(Write { checkpoint, ends, answers });
    }

    /// Gives answers to what needs no write, or can have none.
    fn give(&self, answers: Vec<Answer>) {
        give(answers, self.broken());
    }

    /// The end of the write under way, if there is one. May be dropped at any time.
    pub(super) async fn ended(&mut self) {
        let Some(write) = &mut self.under_way else { return pending().await };
        let outcome = (&mut write.ends).await;
        let Some(write) = self.under_way.take() else { return };
        match outcome {
            Ok(()) => self.stored = write.checkpoint,
            Err(error) => self.broken = Some(reason(error)),
        }
        give(write.answers, self.broken());
    }
}

fn give(answers: Vec<Answer>, broken: Option<&str>) {
    for (caller, answer) in answers {
        let answer = match broken {
            None => answer,
            Some(why) => Err(ParkedError::NotStored { why: why.to_owned() }),
        };
        // Who no longer waits has dropped the other end.
        let _ = caller.send(answer);
    }
}

fn reason(error: NotStored) -> String {
    match error {
        NotStored::Perhaps(failure) | NotStored::Poisoned(failure) => {
            format!("the store failed: {failure}")
        }
        NotStored::Conflict(conflict) => conflict.to_string(),
        NotStored::Stopped => "the store is closed".to_owned(),
    }
}

impl Work {
    /// Everything up to here is finished.
    pub(super) fn finished(&self) -> Mark {
        match self.lanes.first() {
            Some((position, due)) => Mark::before(position, due.commit),
            None => self.reading.taken(),
        }
    }

    /// Why nothing can be made durable any more.
    pub(super) fn failure(&self) -> Option<String> {
        let failed = |failure| format!("the store failed: {failure}");
        let broken = self.writing.broken().map(str::to_owned);
        broken.or_else(|| self.plan.engine.failure().map(failed))
    }

    /// What is to be stored now.
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
            // Whatever was done, it is not durable.
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

    /// Whether it is stored at once: someone waits for it, or too much waits in memory.
    fn is_urgent(&self, checkpoint: &Checkpoint) -> bool {
        let is_quiet = self.attempts.is_empty();
        let is_ending = self.wanted != DesiredState::Run || self.halted.is_some();
        self.parked.has_outdated()
            || self.parked.unstored() >= EVENTS_IN_FLIGHT / 2
            || checkpoint.paused != self.writing.stored().paused
            || (is_quiet && is_ending)
    }
}
