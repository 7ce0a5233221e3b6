//! Dispatches durable commands: each is carried out once, however many attempts it takes, and its outcome
//! is recorded in the instance.

use std::sync::Arc;

use actuarius_domain::{CausationId, CommandId, Id, Saga};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::sleep;

use super::claims::Claim;
use super::draft::Refused;
use super::host::{Host, StepError, StepOutcome, TraceIds, command_id};
use super::instance::{Instance, Kind};
use super::instance_state::Open;
use super::origin::carrying;
use super::stage::Stage;
use super::stored::{At, EffectId, Trouble};
use super::targets::{Delivery, Dispatched};
use crate::base::error::Place;
use crate::base::error::{ExecuteError, Failure, Unavailable};

/// A permit to be one of the busy instances, shared by all tasks of one instance.
pub(super) type Permit = Arc<OwnedSemaphorePermit>;

/// A command to be sent, and the claim to it.
struct OutgoingCommand {
    open: Open,
    command: CommandId,
    trace: TraceIds,
    /// What has caused the step that sends it, or `None` if that is to be looked up.
    cause: Option<CausationId>,
    /// The command may have been carried out before.
    may_be_done: bool,
    _claim: Claim,
}

/// How an attempt at a command ended.
enum Attempt {
    /// The outcome is recorded, and this follows.
    Trigger(StepOutcome),
    /// Another task recorded the outcome, or the instance takes no input now.
    Done,
    /// The command is to be tried again.
    Retry(RetryCause),
}

/// Why a command is tried again.
pub(super) enum RetryCause {
    /// The cause is outside the saga.
    External(String),
    /// The reaction panicked, or its effects cannot be encoded.
    Poison(String),
    /// No later attempt to deliver the command can succeed.
    Undeliverable(String),
}

impl RetryCause {
    /// Returns what a command is blocked at.
    fn at(&self, effect: EffectId) -> At {
        match self {
            Self::Undeliverable(_) => At::Delivery(effect),
            Self::External(_) | Self::Poison(_) => At::Answer(effect),
        }
    }
}

impl<S: Saga> Host<S> {
    /// Waits for a permit. Returns `None` once the saga ends.
    pub(super) async fn permit(&self) -> Option<Permit> {
        Some(Arc::new(self.busy.clone().acquire_owned().await.ok()?))
    }

    /// Dispatches the commands of a step, and what follows from them, in their own tasks.
    pub(super) fn dispatch_step(
        self: &Arc<Self>,
        id: &Id<Instance<S>>,
        outcome: StepOutcome,
        permit: &Permit,
    ) {
        for outgoing in self.outgoing_commands(id, outcome) {
            self.begin(id, outgoing, permit);
        }
    }

    /// Dispatches commands that were left open, and may have been carried out before.
    pub(super) fn resume(self: &Arc<Self>, id: &Id<Instance<S>>, open: Vec<Open>, permit: &Permit) {
        let trace = TraceIds::of(id);
        for open in open {
            if let Some(claim) = self.claims.take_left(id.shared(), open.effect) {
                let command = command_id(id, open.effect);
                let (cause, may_be_done) = (None, true);
                let outgoing =
                    OutgoingCommand { open, command, trace, cause, may_be_done, _claim: claim };
                self.begin(id, outgoing, permit);
            }
        }
    }

    /// Claims the commands of a step. A compensating step also returns older commands that no task dispatches.
    fn outgoing_commands(
        &self,
        id: &Id<Instance<S>>,
        outcome: StepOutcome,
    ) -> Vec<OutgoingCommand> {
        let StepOutcome { step, sent, trace, cause, stepping, .. } = outcome;
        let outgoing = |open: Open| {
            let may_be_done = open.effect.step < step;
            let claim = match may_be_done {
                true => self.claims.take_older(&stepping, open.effect)?,
                false => self.claims.take(id.shared(), open.effect)?,
            };
            let command = command_id(id, open.effect);
            let cause = (open.effect.step == step).then_some(cause);
            Some(OutgoingCommand { open, command, trace, cause, may_be_done, _claim: claim })
        };
        let outgoing_commands = sent.into_iter().filter_map(outgoing).collect();
        drop(stepping);
        outgoing_commands
    }

    fn begin(self: &Arc<Self>, id: &Id<Instance<S>>, outgoing: OutgoingCommand, permit: &Permit) {
        let (host, id, permit) = (self.clone(), id.clone(), permit.clone());
        self.tasks.spawn(async move { host.run(id, outgoing, permit).await });
    }

    /// Dispatches one command after the other; each further command of a step gets its own task.
    async fn run(
        self: Arc<Self>,
        id: Id<Instance<S>>,
        mut outgoing: OutgoingCommand,
        permit: Permit,
    ) {
        while let Some(outcome) = self.dispatch(&id, &outgoing).await {
            self.stages.reached(Stage::Answered, id.as_str());
            let mut outgoing_commands = self.outgoing_commands(&id, outcome);
            let Some(next) = outgoing_commands.pop() else { return };
            for beside in outgoing_commands {
                self.begin(&id, beside, &permit);
            }
            outgoing = next;
        }
    }

    /// Carries out one command, and records its outcome in the instance. Returns `None` if nothing more is to
    /// be done now: what is left is resumed later.
    async fn dispatch(
        &self,
        id: &Id<Instance<S>>,
        outgoing: &OutgoingCommand,
    ) -> Option<StepOutcome> {
        for attempts in 1.. {
            let forgotten = self.engine.keyring.forgotten();
            let cause = match self.attempt(id, outgoing, outgoing.may_be_done || attempts > 1).await
            {
                Attempt::Trigger(outcome) => return Some(outcome),
                Attempt::Done => break,
                Attempt::Retry(_) if self.is_outdated(forgotten) => continue,
                Attempt::Retry(cause) => cause,
            };
            // A command that was left open has had its retries.
            match self.retry.wait_after(attempts).filter(|_| !outgoing.may_be_done) {
                Some(wait) => sleep(wait).await,
                None => {
                    let at = cause.at(outgoing.open.effect);
                    self.give_up(id, at, cause, Vec::new()).await;
                    break;
                }
            }
        }
        None
    }

    async fn attempt(
        &self,
        id: &Id<Instance<S>>,
        outgoing: &OutgoingCommand,
        may_be_done: bool,
    ) -> Attempt {
        let delivery = match self.targets.delivery(&outgoing.open.outgoing.aggregate) {
            Ok(delivery) => delivery,
            Err(why) => return Attempt::Retry(RetryCause::External(why)),
        };
        let dispatched = match self.dispatched(id, outgoing, delivery, may_be_done).await {
            Ok(Some(dispatched)) => dispatched,
            Ok(None) => return Attempt::Done,
            Err(failure) => return undelivered(failure),
        };
        self.stages.reached(Stage::Dispatched, id.as_str());
        let Dispatched { outcome, reaction } = dispatched;
        let OutgoingCommand { open, command, trace, .. } = outgoing;
        let kind = Kind::Answer { effect: open.effect, outcome, reaction };
        let cause = carrying(trace.because_of(Some(*command)), open.origin.as_ref());
        match self.step(id, kind, cause).await {
            Ok(Some(outcome)) => Attempt::Trigger(outcome),
            Ok(None) => Attempt::Done,
            Err(error) => not_taken(error).map_or(Attempt::Done, Attempt::Retry),
        }
    }

    /// Returns the outcome of the command, which is sent unless it was carried out already. Returns `None` if
    /// the instance does not wait for it any more.
    async fn dispatched(
        &self,
        id: &Id<Instance<S>>,
        OutgoingCommand { open, command, trace, cause, .. }: &OutgoingCommand,
        delivery: &dyn Delivery<S>,
        may_be_done: bool,
    ) -> Result<Option<Dispatched<S>>, Failure> {
        let (effect, outgoing, command) = (open.effect, &open.outgoing, *command);
        if may_be_done {
            let is_abandoned = move |instance: &Instance<S>| instance.is_abandoned(effect);
            let Some(is_abandoned) = self.read(id, is_abandoned).await? else { return Ok(None) };
            let found = match delivery.find(outgoing, command, open.as_of).await {
                // What it has done is deleted, too.
                Err(Failure::Deleted | Failure::Removed { .. }) if is_abandoned => None,
                found => found?,
            };
            if let Some(dispatched) = found {
                return Ok(Some(dispatched));
            }
            if is_abandoned {
                return Ok(Some(Dispatched::abandoned()));
            }
        }
        let cause = match cause {
            Some(cause) => Some(*cause),
            None => self.cause_of(id, effect.step).await,
        };
        self.stages.reached(Stage::Sending, id.as_str());
        let metadata = carrying(trace.because_of(cause), open.origin.as_ref());
        Ok(Some(delivery.send(outgoing, command, metadata).await?))
    }

    /// Whether a data subject was forgotten since `forgotten` of them were. Clear text that was decoded before cannot be
    /// stored any more, which is no fault of the saga: it is decoded again.
    pub(super) fn is_outdated(&self, forgotten: u64) -> bool {
        self.engine.keyring.forgotten() != forgotten
    }

    /// Stops trying for now: an external cause is retried later, and poison quarantines the instance.
    pub(super) async fn give_up(
        &self,
        id: &Id<Instance<S>>,
        at: At,
        cause: RetryCause,
        keys: Vec<String>,
    ) {
        let (saga, id) = (S::TYPE, id);
        match cause {
            RetryCause::External(why) => {
                tracing::warn!(target: "actuarius::saga", saga, %id, why, "a command or reaction failed, retried later");
            }
            RetryCause::Poison(why) | RetryCause::Undeliverable(why) => {
                tracing::error!(target: "actuarius::saga", saga, %id, why, "quarantined");
                let kind = Kind::Poison { trouble: Trouble { at, why }, keys };
                if let Err(error) = self.step(id, kind, TraceIds::of(id).for_no_cause()).await {
                    // The instance meets the same poison again, and is quarantined then.
                    tracing::error!(target: "actuarius::saga", saga, %id, %error, "not quarantined");
                }
            }
        }
    }
}

/// Maps the failure of a delivery to another attempt, or to the end of all work.
fn undelivered(failure: Failure) -> Attempt {
    match failure {
        // No later attempt can succeed: an operator decides what to do.
        Failure::Deleted => Attempt::Retry(RetryCause::Undeliverable(failure.to_string())),
        Failure::Removed { .. } => {
            let why = "the aggregate was deleted since the command was sent, and its history no longer says \
                       whether it was carried out";
            Attempt::Retry(RetryCause::Undeliverable(why.to_owned()))
        }
        Failure::Unstorable(error) => {
            let why =
                format!("the command does not decode, or its events cannot be stored: {error}");
            Attempt::Retry(RetryCause::Undeliverable(why))
        }
        failure => external(failure).map_or(Attempt::Done, Attempt::Retry),
    }
}

fn external(failure: Failure) -> Option<RetryCause> {
    match failure {
        // What is durable is resumed after the next start.
        Failure::Unavailable(Unavailable::ShuttingDown) | Failure::Poisoned(_) => None,
        // As above, of the instance itself.
        Failure::Deleted => Some(RetryCause::Poison(failure.to_string())),
        other => Some(RetryCause::External(other.to_string())),
    }
}

/// Returns why a step was not taken, or `None` if nothing can be done about it now.
pub(super) fn not_taken(error: StepError) -> Option<RetryCause> {
    match error {
        ExecuteError::Rejected(Refused::InTrouble(_)) => None,
        ExecuteError::Rejected(Refused::Unwritable(why)) => Some(RetryCause::Poison(why)),
        ExecuteError::Failed(Failure::Panicked { place: Place::Decide, message }) => {
            Some(RetryCause::Poison(format!("the reaction panicked: {message}")))
        }
        ExecuteError::Failed(Failure::Unstorable(error)) => {
            Some(RetryCause::Poison(error.to_string()))
        }
        ExecuteError::Failed(failure) => external(failure),
    }
}
