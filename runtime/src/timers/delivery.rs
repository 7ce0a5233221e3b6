//! One attempt to deliver a timer that is due.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actuarius_domain::{Aggregate, CommandId, Id};
use actuarius_persistence::Reader;

use super::history::{cause, was_carried_out};
use crate::aggregate::directory::Directory;
use crate::aggregate::timers::{DueTimer, Ended, Timers};
use crate::base::error::{ExecuteError, Failure, Written};
use crate::request::execute::Execute;
use crate::request::query::Query;

/// Delivers a timer: asks the aggregate, and sends the command if its state still says the time.
///
/// # Errors
/// [`Failure`]: nothing has ended, and the delivery must be tried again.
pub(super) async fn deliver<A: Aggregate>(
    directory: &Arc<Directory<A>>,
    timers: &Arc<Timers<A>>,
    due: &DueTimer,
) -> Result<(), Failure> {
    // A stored id was valid when it was stored.
    let ended = match Id::new(due.id.clone()) {
        Ok(id) => Delivery { directory, timers, due, id }.run().await?,
        Err(_) => Ended::Missing,
    };
    timers.ended(due, ended).await;
    Ok(())
}

struct Delivery<'a, A: Aggregate> {
    directory: &'a Arc<Directory<A>>,
    timers: &'a Arc<Timers<A>>,
    due: &'a DueTimer,
    id: Id<A>,
}

/// What the state said when the command was decided.
#[derive(Clone, Copy, PartialEq)]
enum Answer {
    /// There is no state.
    None,
    /// Another time, or none.
    NotDue,
    /// The time. The command was decided.
    Due,
}

fn lock(answer: &Mutex<Answer>) -> MutexGuard<'_, Answer> {
    answer.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<A: Aggregate> Delivery<'_, A> {
    async fn run(self) -> Result<Ended, Failure> {
        if !self.is_still_due().await? {
            self.timers.meters.not_due();
            return Ok(Ended::NotDue);
        }
        if self.timers.may_have_been_sent(self.due) && self.was_sent().await? {
            return Ok(Ended::Delivered { again: true });
        }
        self.send().await
    }

    /// Asks the aggregate for the time of the timer. Its answer comes after every request that was sent before.
    async fn is_still_due(&self) -> Result<bool, Failure> {
        let (timers, due) = (self.timers.clone(), self.due.clone());
        let ask = move |state: &A| {
            let at = timers.due(due.timer, state);
            timers.says(&due.id, due.timer, at);
            at == Some(due.at)
        };
        Query::new(self.directory.clone(), Ok(self.id.clone()), ask).await
    }

    /// Always the same for the same time, so that a repetition is recognized.
    fn command_id(&self) -> CommandId {
        let (name, at) = (self.timers.name(self.due.timer), self.due.at.as_micros());
        CommandId::from(format!("timer/{}/{}/{at}/{name}", A::TYPE, self.id))
    }

    async fn was_sent(&self) -> Result<bool, Failure> {
        let (stream, command, since) = (self.id.stream(), self.command_id(), self.due.at);
        let search = move |reader: &dyn Reader| was_carried_out(reader, &stream, command, since);
        Ok(self.timers.engine.read(search).await?)
    }

    async fn send(&self) -> Result<Ended, Failure> {
        let stream = self.id.stream();
        let metadata = self.timers.engine.read(move |reader| cause(reader, &stream)).await?;
        let answer = Arc::new(Mutex::new(Answer::None));
        self.timers.asks(self.due);
        let execute = self.execute(answer.clone()).command_id(self.command_id());
        let meters = &self.timers.meters;
        match execute.metadata(metadata).await {
            Ok(receipt) => {
                let answer = *lock(&answer);
                if receipt.repeated || answer == Answer::Due {
                    meters.delivered();
                    return Ok(Ended::Delivered { again: receipt.events == 0 });
                }
                meters.not_due();
                Ok(if answer == Answer::None { Ended::Missing } else { Ended::NotDue })
            }
            Err(ExecuteError::Rejected(_)) => {
                meters.rejected();
                Ok(Ended::Delivered { again: true })
            }
            Err(ExecuteError::Failed(failure)) => {
                if failure.written() != Written::No {
                    self.timers.perhaps_sent(self.due);
                }
                Err(failure)
            }
        }
    }

    /// The command, made of the state on which it is decided, if that still says the time.
    fn execute(&self, answer: Arc<Mutex<Answer>>) -> Execute<A> {
        let (timers, due) = (self.timers.clone(), self.due.clone());
        let derive = move |state: &A| {
            let at = timers.due(due.timer, state);
            if at != Some(due.at) {
                timers.says(&due.id, due.timer, at);
                *lock(&answer) = Answer::NotDue;
                return None;
            }
            let command = timers.command(due.timer, state);
            timers.fires(&due);
            *lock(&answer) = Answer::Due;
            Some(command)
        };
        Execute::deriving(self.directory.clone(), self.id.clone(), Box::new(derive))
    }
}
