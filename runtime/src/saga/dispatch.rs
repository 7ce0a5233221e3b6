//! Carrying out what is durable: each command once, however often it takes, and its answer back into the
//! instance.

use std::sync::Arc;

use actuarius_domain::{CommandId, Id, Saga};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::sleep;

use super::claims::Claim;
use super::draft::Refused;
use super::host::{Host, StepError, StepOutcome, TraceIds, command_id};
use super::instance::{Instance, Kind};
use super::instance_state::Open;
use super::stage::Stage;
use super::stored::{At, Trouble};
use super::targets::{Dispatched, Target};
use crate::base::error::Place as Code;
use crate::base::error::{ExecuteError, Failure, Unavailable};

/// A place among the busy instances, shared by all that is done for one.
pub(super) type Place = Arc<OwnedSemaphorePermit>;

/// A command to be carried out, and the right to do so.
struct OutgoingCommand {
    open: Open,
    command: CommandId,
    trace: TraceIds,
    /// It may have been carried out before.
    is_doubtful: bool,
    _mine: Claim,
}

/// How an attempt at a command ended.
enum Attempt {
    /// The saga has heard of it, and this follows.
    Heard(StepOutcome),
    /// Somebody else has told it, or it takes nothing now.
    Over,
    /// It is tried again.
    Again(RetryCause),
}

/// What is in the way.
pub(super) enum RetryCause {
    /// Not the saga's fault.
    Outside(String),
    /// Its reaction panicked, or wants what cannot be written down.
    Poison(String),
}

impl<S: Saga> Host<S> {
    /// A place among the busy instances, as soon as there is one; none once everything ends.
    pub(super) async fn place(&self) -> Option<Place> {
        Some(Arc::new(self.busy.clone().acquire_owned().await.ok()?))
    }

    /// Carries out what a step has sent, and what follows from that, in tasks of their own.
    pub(super) fn dispatch_step(
        self: &Arc<Self>,
        id: &Id<Instance<S>>,
        outcome: StepOutcome,
        place: &Place,
    ) {
        for command_out in self.commands_out(id, outcome) {
            self.begin(id, command_out, place);
        }
    }

    /// Carries out commands that were left, and may have been carried out before.
    pub(super) fn resume(self: &Arc<Self>, id: &Id<Instance<S>>, open: Vec<Open>, place: &Place) {
        let trace = TraceIds::of(id);
        for open in open {
            if let Some(mine) = self.claims.take_left(id.shared(), open.effect) {
                let command = command_id(id, open.effect);
                let command_out =
                    OutgoingCommand { open, command, trace, is_doubtful: true, _mine: mine };
                self.begin(id, command_out, place);
            }
        }
    }

    /// What a step has sent, and nobody else is at work on. While it compensates that may be older.
    fn commands_out(&self, id: &Id<Instance<S>>, outcome: StepOutcome) -> Vec<OutgoingCommand> {
        let StepOutcome { step, sent, trace, stepping, .. } = outcome;
        let command_out = |open: Open| {
            let is_doubtful = open.effect.step < step;
            let mine = match is_doubtful {
                true => self.claims.take_older(&stepping, open.effect)?,
                false => self.claims.take(id.shared(), open.effect)?,
            };
            let command = command_id(id, open.effect);
            Some(OutgoingCommand { open, command, trace, is_doubtful, _mine: mine })
        };
        let commands_out = sent.into_iter().filter_map(command_out).collect();
        drop(stepping);
        commands_out
    }

    fn begin(self: &Arc<Self>, id: &Id<Instance<S>>, command_out: OutgoingCommand, place: &Place) {
        let (host, id, place) = (self.clone(), id.clone(), place.clone());
        self.tasks.spawn(async move { host.run(id, command_out, place).await });
    }

    /// One command after the other; what is sent beside them goes its own way.
    async fn run(
        self: Arc<Self>,
        id: Id<Instance<S>>,
        mut command_out: OutgoingCommand,
        place: Place,
    ) {
        while let Some(outcome) = self.dispatch(&id, &command_out).await {
            self.stages.reached(Stage::Answered, id.as_str());
            let mut commands_out = self.commands_out(&id, outcome);
            let Some(next) = commands_out.pop() else { return };
            for beside in commands_out {
                self.begin(&id, beside, &place);
            }
            command_out = next;
        }
    }

    /// Carries out one command, and tells the instance of its end. None if there is nothing more to do
    /// now: what is left is found again by and by.
    async fn dispatch(
        &self,
        id: &Id<Instance<S>>,
        command_out: &OutgoingCommand,
    ) -> Option<StepOutcome> {
        for attempts in 1.. {
            let cause = match self
                .attempt(id, command_out, command_out.is_doubtful || attempts > 1)
                .await
            {
                Attempt::Heard(outcome) => return Some(outcome),
                Attempt::Over => break,
                Attempt::Again(cause) => cause,
            };
            // What was left has been waited for already.
            match self.retry.wait_after(attempts).filter(|_| !command_out.is_doubtful) {
                Some(wait) => sleep(wait).await,
                None => {
                    self.give_up(id, At::Answer(command_out.open.effect), cause, Vec::new()).await;
                    break;
                }
            }
        }
        None
    }

    async fn attempt(
        &self,
        id: &Id<Instance<S>>,
        command_out: &OutgoingCommand,
        is_doubtful: bool,
    ) -> Attempt {
        let target = match self.targets.target(&command_out.open.outgoing.aggregate) {
            Ok(target) => target,
            Err(why) => return Attempt::Again(RetryCause::Outside(why)),
        };
        let carried = match self.carried(id, command_out, target, is_doubtful).await {
            Ok(Some(carried)) => carried,
            Ok(None) => return Attempt::Over,
            Err(failure) => return again(failure),
        };
        self.stages.reached(Stage::Dispatched, id.as_str());
        let Dispatched { told, reaction } = carried;
        let OutgoingCommand { open, command, trace, .. } = command_out;
        let kind = Kind::Answer { effect: open.effect, told, reaction };
        match self.step(id, kind, trace.because_of(*command)).await {
            Ok(Some(outcome)) => Attempt::Heard(outcome),
            Ok(None) => Attempt::Over,
            Err(error) => not_taken(error).map_or(Attempt::Over, Attempt::Again),
        }
    }

    /// The end of the command, which is sent unless it is known to have been carried out; none if the
    /// instance does not wait for it any more.
    async fn carried(
        &self,
        id: &Id<Instance<S>>,
        OutgoingCommand { open, command, trace, .. }: &OutgoingCommand,
        target: &dyn Target<S>,
        is_doubtful: bool,
    ) -> Result<Option<Dispatched<S>>, Failure> {
        let (effect, outgoing, command) = (open.effect, &open.outgoing, *command);
        if is_doubtful {
            let look = move |instance: &Instance<S>| instance.is_abandoned(effect);
            let Some(is_abandoned) = self.look(id, look).await? else { return Ok(None) };
            if let Some(carried) = target.find(outgoing, command, open.as_of).await? {
                return Ok(Some(carried));
            }
            if is_abandoned {
                return Ok(Some(Dispatched::abandoned()));
            }
        }
        self.stages.reached(Stage::Sending, id.as_str());
        let cause = trace.because_of(command);
        Ok(Some(target.send(outgoing, command, cause).await?))
    }

    /// Leaves it: what is outside is tried again by and by, what is poison waits for a person.
    pub(super) async fn give_up(
        &self,
        id: &Id<Instance<S>>,
        at: At,
        cause: RetryCause,
        keys: Vec<String>,
    ) {
        let (saga, id) = (S::TYPE, id);
        match cause {
            RetryCause::Outside(why) => {
                tracing::warn!(target: "actuarius::saga", saga, %id, why, "is tried again later");
            }
            RetryCause::Poison(why) => {
                tracing::error!(target: "actuarius::saga", saga, %id, why, "quarantined");
                let kind = Kind::Poison { trouble: Trouble { at, why }, keys };
                if let Err(error) = self.step(id, kind, TraceIds::of(id).for_no_cause()).await {
                    // It meets the same poison again, and is quarantined then.
                    tracing::error!(target: "actuarius::saga", saga, %id, %error, "not quarantined");
                }
            }
        }
    }
}

/// What a failure means: to try again, or that everything ends.
fn again(failure: Failure) -> Attempt {
    outside(failure).map_or(Attempt::Over, Attempt::Again)
}

fn outside(failure: Failure) -> Option<RetryCause> {
    match failure {
        // What is durable is found again after the next start.
        Failure::Unavailable(Unavailable::ShuttingDown) | Failure::Poisoned(_) => None,
        // No later try will fare better: a person has to say what now.
        Failure::Deleted => Some(RetryCause::Poison(failure.to_string())),
        other => Some(RetryCause::Outside(other.to_string())),
    }
}

/// Why a step was not taken; none if there is nothing to be done about it now.
pub(super) fn not_taken(error: StepError) -> Option<RetryCause> {
    match error {
        ExecuteError::Rejected(Refused::Troubled(_)) => None,
        ExecuteError::Rejected(Refused::Unwritable(why)) => Some(RetryCause::Poison(why)),
        ExecuteError::Failed(Failure::Panicked { place: Code::Decide, message }) => {
            Some(RetryCause::Poison(format!("the reaction panicked: {message}")))
        }
        ExecuteError::Failed(Failure::Unstorable(error)) => {
            Some(RetryCause::Poison(error.to_string()))
        }
        ExecuteError::Failed(failure) => outside(failure),
    }
}
