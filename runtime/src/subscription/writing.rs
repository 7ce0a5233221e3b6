//! Writes checkpoints and notes, one set at a time.

use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use actuarius_persistence::Notes;
use tokio::time::Instant;

use super::checkpoint::Checkpoint;
use super::error::ParkedError;
use super::retries::Answer;
use crate::base::deadline;
use crate::commit::committer::NotStored;
use crate::engine::Engine;

/// What is durable of a subscription, and the one write under way.
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
    pub(super) fn after(stored: Checkpoint) -> Self {
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

    /// Returns when the next write may begin.
    pub(super) fn next_at(&self, every: Duration) -> Option<Instant> {
        self.begun.map(|begun| deadline::after(begun, every))
    }

    /// Begins a write; `answers` are sent when it is durable.
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

    /// Sends answers that need no write, or can have none.
    pub(super) fn give(&self, answers: Vec<Answer>) {
        give(answers, self.broken());
    }

    /// Waits for the end of the write under way, if there is one. Cancel safe.
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
        // A caller that gave up has dropped the other end.
        let _ = caller.send(answer);
    }
}

fn reason(error: NotStored) -> String {
    match error {
        NotStored::Perhaps(failure) | NotStored::Poisoned(failure) => {
            format!("the store failed: {failure}")
        }
        NotStored::Conflict(conflict) => conflict.to_string(),
        NotStored::Unreadable(error) => error.to_string(),
        NotStored::Stopped => "the store is closed".to_owned(),
    }
}
