//! What the tasks of a running saga share: takes steps of instances and reports their ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use actuarius_domain::{CausationId, CommandId, CorrelationId, Id, Metadata, Position, Saga};
use tokio::sync::{Semaphore, oneshot};

use super::claims::{Claims, Stepping};
use super::draft::Refused;
use super::instance::{Instance, InstanceCommand, Kind};
use super::instance_index::{InstanceIndex, SagaCounts};
use super::instance_state::Open;
use super::stage::{Stage, Stages};
use super::status::InstanceStatus;
use super::stored::{EffectId, Life};
use super::targets::Targets;
use super::tasks::Tasks;
use super::unreadable::Unreadable;
use crate::aggregate::directory::Directory;
use crate::base::error::{ExecuteError, Failure};
use crate::base::telemetry::SagaMeters;
use crate::engine::Engine;
use crate::follow::followers::{FollowerShared, FollowerStatus, Retry};
use crate::projection::ViewReader;
use crate::request::execute::Execute;
use crate::request::query::Query;
use crate::subscription::Subscription;

/// How many instances may be busy at once: many enough that one group commit holds many of their
/// steps, few enough that a flood of events waits in the log and not in memory.
const BUSY_MAX: usize = 4_096;

/// How often a waiter checks for store failure, after which no end will come.
const STORE_CHECK_EVERY: Duration = Duration::from_secs(1);

/// How many deadlines may be delivered at once. They have permits of their own, because a deadline may be
/// what frees the other ones.
const DUE_MAX: usize = 1_024;

/// What the tasks of a saga share. It does not keep the runtime open.
pub(super) struct Host<S: Saga> {
    pub(super) engine: Arc<Engine>,
    pub(super) instances: Arc<Directory<Instance<S>>>,
    pub(super) targets: Arc<Targets<S>>,
    pub(super) index: ViewReader<InstanceIndex>,
    pub(super) shared: Arc<FollowerShared>,
    pub(super) retry: Retry,
    pub(super) busy: Arc<Semaphore>,
    pub(super) due_permits: Arc<Semaphore>,
    pub(super) claims: Claims,
    pub(super) stages: Stages,
    pub(super) tasks: Tasks,
    pub(super) unreadable: Unreadable,
    meters: SagaMeters,
    /// The subscription that delivers the events, once it is started; empty if the saga reacts to no events.
    pub(super) events: OnceLock<Subscription>,
    waiting: Mutex<HashMap<Arc<str>, Vec<oneshot::Sender<InstanceStatus>>>>,
}

/// What a step has left to do, reported when the step is durable.
pub(super) struct StepOutcome {
    pub(super) position: Position,
    pub(super) step: u64,
    pub(super) sent: Vec<Open>,
    /// Whether the instance does not continue after it.
    pub(super) gives_up: bool,
    pub(super) trace: TraceIds,
    /// What has caused the step, and so what it sends.
    pub(super) cause: CausationId,
    /// Keeps other tasks from claiming what the step has sent.
    pub(super) stepping: Stepping,
}

/// Why a step was not taken.
pub(super) type StepError = ExecuteError<Refused>;

impl<S: Saga> Host<S> {
    pub(super) fn new(
        engine: Arc<Engine>,
        instances: Arc<Directory<Instance<S>>>,
        targets: Arc<Targets<S>>,
        index: ViewReader<InstanceIndex>,
        shared: Arc<FollowerShared>,
        retry: Retry,
    ) -> Self {
        let stages = targets.stages.clone();
        let tasks = Tasks::on(engine.home.clone());
        Self {
            engine,
            instances,
            targets,
            index,
            shared,
            retry,
            busy: Arc::new(Semaphore::new(BUSY_MAX)),
            due_permits: Arc::new(Semaphore::new(DUE_MAX)),
            claims: Claims::default(),
            stages,
            tasks,
            unreadable: Unreadable::default(),
            meters: SagaMeters::of(S::TYPE),
            events: OnceLock::new(),
            waiting: Mutex::default(),
        }
    }

    /// Takes a step and returns when it is durable. Returns `None` if the input does not concern the instance.
    pub(super) async fn step(
        &self,
        id: &Id<Instance<S>>,
        kind: Kind<S>,
        cause: Metadata,
    ) -> Result<Option<StepOutcome>, StepError> {
        let trace = cause.correlation.map_or_else(|| TraceIds::of(id), TraceIds);
        let causation = cause.causation;
        let stepping = self.claims.stepping(id.shared());
        let head = self.engine.tail.head();
        let assume_new = kind.assumes_new();
        let command = InstanceCommand { kind, targets: self.targets.clone(), head };
        let execute = Execute::new(self.instances.clone(), Ok(id.clone()), command);
        let execute = execute.metadata(cause).assume_new(assume_new);
        let read = |instance: &Instance<S>| {
            let over = instance.state.is_over().then(|| instance.status());
            let gives_up = instance.state.life != Life::Running;
            ((instance.state.steps, instance.to_dispatch(), gives_up), over)
        };
        let stepped = execute.returning_with_receipt(read).await;
        match &stepped {
            Err(ExecuteError::Failed(failure)) => self.unreadable.failed(id.shared(), failure),
            _ => self.unreadable.answered(id.as_str()),
        }
        let (receipt, ((step, sent, gives_up), over)) = stepped?;
        if let Some(status) = over {
            self.ended(id, &status);
        }
        self.stages.reached(Stage::Committed, id.as_str());
        Ok((receipt.events > 0).then_some(StepOutcome {
            position: receipt.position,
            step,
            sent,
            gives_up,
            trace,
            cause: causation.unwrap_or_else(|| receipt.command_id.into()),
            stepping,
        }))
    }

    /// Reads an instance after every step that was requested before.
    pub(super) async fn read<R: Send + 'static>(
        &self,
        id: &Id<Instance<S>>,
        read: impl FnOnce(&Instance<S>) -> R + Send + 'static,
    ) -> Result<R, Failure> {
        let read = Query::new(self.instances.clone(), Ok(id.clone()), read).await;
        match &read {
            Ok(_) => self.unreadable.answered(id.as_str()),
            Err(failure) => self.unreadable.failed(id.shared(), failure),
        }
        read
    }

    /// Finds out which of the instances can be read whose stored steps could not be read before.
    pub(super) async fn check_suspects(&self) {
        let ids: Vec<_> = self.index.read(|it| it.suspects().map(str::to_owned).collect());
        for id in ids.into_iter().filter_map(|id| Id::new(id).ok()) {
            if let Err(error) = self.read(&id, |_| ()).await {
                tracing::error!(target: "actuarius::saga", saga = S::TYPE, %id, %error, "an instance cannot be read");
            }
        }
    }

    /// Returns how many instances have each status.
    pub(super) fn counts(&self) -> SagaCounts {
        let unreadable = self.unreadable.ids();
        self.index.read(|index| {
            let unnoticed = unreadable.iter().filter(|id| index.is_well(id)).count() as u64;
            let counts = index.counts();
            SagaCounts { in_trouble: counts.in_trouble + unnoticed, ..counts }
        })
    }

    fn ended(&self, id: &Id<Instance<S>>, status: &InstanceStatus) {
        for waiting in self.waiting().remove(id.as_str()).into_iter().flatten() {
            // A waiter that gave up has dropped the other end.
            let _ = waiting.send(status.clone());
        }
        self.instances.passivate(id);
    }

    /// Waits until an instance has ended.
    pub(super) async fn end_of(&self, id: &Id<Instance<S>>) -> Result<InstanceStatus, Failure> {
        let ending = self.ending(id);
        // It may have ended before the waiter was registered.
        let status = |instance: &Instance<S>| instance.state.is_over().then(|| instance.status());
        match self.read(id, status).await? {
            Some(status) => {
                self.ended(id, &status);
                Ok(status)
            }
            None => self.wait_for_end(ending).await,
        }
    }

    /// Waits for an end until the store fails or the saga stops.
    pub(super) async fn wait_for_end(
        &self,
        mut ending: oneshot::Receiver<InstanceStatus>,
    ) -> Result<InstanceStatus, Failure> {
        loop {
            tokio::select! {
                status = &mut ending => return status.map_err(|_| self.over()),
                // A waiter that comes after the stop is never notified.
                _ = self.shared.until(|status| *status == FollowerStatus::Stopped) => {
                    return Err(self.over());
                }
                () = self.engine.timer.after(STORE_CHECK_EVERY) => {}
            }
            if let Some(failure) = self.engine.failure() {
                return Err(Failure::Poisoned(failure.clone()));
            }
        }
    }

    /// Returns why no instance ends any more: the saga has stopped.
    pub(super) fn over(&self) -> Failure {
        match self.engine.home.has_ended() {
            true => Failure::tokio_runtime_ended(),
            false => Failure::shutting_down(),
        }
    }

    /// Returns a receiver for the end of an instance, if it ends from here on.
    pub(super) fn ending(&self, id: &Id<Instance<S>>) -> oneshot::Receiver<InstanceStatus> {
        let (sender, ending) = oneshot::channel();
        let mut waiting = self.waiting();
        let all = waiting.entry(id.shared().clone()).or_default();
        // There are never more entries than callers.
        all.retain(|waiting| !waiting.is_closed());
        all.push(sender);
        ending
    }

    /// Reports the counts of all instances as metrics.
    pub(super) fn report_counts(&self) {
        let counts = self.counts();
        self.shared.in_trouble(counts.in_trouble);
        self.meters.instances(counts.live, counts.in_trouble, counts.commands_under_way);
        self.meters.ended(counts.completed, counts.compensated, counts.failed);
    }

    /// Removes waiters that have given up.
    pub(super) fn drop_closed_waiters(&self) {
        self.waiting().retain(|_, all| {
            all.retain(|waiting| !waiting.is_closed());
            !all.is_empty()
        });
    }

    /// Removes all waiters; each receives the error that the runtime is shutting down.
    pub(super) fn drop_waiters(&self) {
        self.waiting().clear();
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Arc<str>, Vec<oneshot::Sender<InstanceStatus>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the id of a command: always the same one for the same effect.
pub(super) fn command_id<S: Saga>(id: &Id<Instance<S>>, effect: EffectId) -> CommandId {
    effect.command(S::TYPE, id.as_str())
}

/// The correlation id of an instance, shared by everything that follows from it.
#[derive(Clone, Copy)]
pub(super) struct TraceIds(CorrelationId);

impl TraceIds {
    pub(super) fn of<S: Saga>(id: &Id<Instance<S>>) -> Self {
        Self(CorrelationId::from(format!("saga/{}/{id}", S::TYPE)))
    }

    pub(super) fn because_of(self, cause: Option<impl Into<CausationId>>) -> Metadata {
        Metadata { causation: cause.map(Into::into), ..self.for_no_cause() }
    }

    pub(super) fn for_no_cause(self) -> Metadata {
        Metadata { correlation: Some(self.0), ..Metadata::default() }
    }
}
