use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use actuarius_domain::{CausationId, CommandId, CorrelationId, Id, Metadata, Position, Saga};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::sleep;

use super::claims::{Claims, Stepping};
use super::draft::Refused;
use super::instance::{Ask, Instance, Kind};
use super::instance_index::InstanceIndex;
use super::instance_state::Open;
use super::stage::{Stage, Stages};
use super::status::InstanceStatus;
use super::stored::EffectId;
use super::targets::Targets;
use super::tasks::Tasks;
use crate::aggregate::directory::Directory;
use crate::base::error::{ExecuteError, Failure};
use crate::base::telemetry::SagaMeters;
use crate::engine::Engine;
use crate::follow::followers::{FollowerShared, Retry};
use crate::projection::ViewReader;
use crate::request::execute::Execute;
use crate::request::query::Query;
use crate::subscription::Subscription;

/// How many instances may be busy at once: many enough that one group of the store holds many of their
/// steps, few enough that a flood of events waits in the log and not in memory.
const BUSY_MAX: usize = 4_096;

/// How often who waits for an end looks whether the store has failed: then there is none.
const LOOKS_AT_STORE_EVERY: Duration = Duration::from_secs(1);

/// How many deadlines may come at once: places of their own, because a deadline may be what frees the
/// other ones.
const COMING_MAX: usize = 1_024;

/// What everyone who works for a saga shares. It does not keep the runtime open.
pub(super) struct Host<S: Saga> {
    pub(super) engine: Arc<Engine>,
    pub(super) instances: Arc<Directory<Instance<S>>>,
    pub(super) targets: Arc<Targets<S>>,
    pub(super) index: ViewReader<InstanceIndex>,
    pub(super) shared: Arc<FollowerShared>,
    pub(super) retry: Retry,
    pub(super) busy: Arc<Semaphore>,
    pub(super) coming: Arc<Semaphore>,
    pub(super) claims: Claims,
    pub(super) stages: Stages,
    pub(super) tasks: Tasks,
    meters: SagaMeters,
    /// What brings the events, once it is there; none if the saga reacts to no events.
    pub(super) events: OnceLock<Subscription>,
    waiting: Mutex<HashMap<Arc<str>, Vec<oneshot::Sender<InstanceStatus>>>>,
}

/// What a step has left to do, told right behind it.
pub(super) struct StepOutcome {
    pub(super) position: Position,
    pub(super) step: u64,
    pub(super) sent: Vec<Open>,
    pub(super) trace: TraceIds,
    /// Nobody else begins with what it has sent.
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
        Self {
            engine,
            instances,
            targets,
            index,
            shared,
            retry,
            busy: Arc::new(Semaphore::new(BUSY_MAX)),
            coming: Arc::new(Semaphore::new(COMING_MAX)),
            claims: Claims::default(),
            stages,
            tasks: Tasks::default(),
            meters: SagaMeters::of(S::TYPE),
            events: OnceLock::new(),
            waiting: Mutex::default(),
        }
    }

    /// Takes a step; none if the input does not concern the instance. Durable when this returns.
    pub(super) async fn step(
        &self,
        id: &Id<Instance<S>>,
        kind: Kind<S>,
        cause: Metadata,
    ) -> Result<Option<StepOutcome>, StepError> {
        let trace = cause.correlation.map_or_else(|| TraceIds::of(id), TraceIds);
        let stepping = self.claims.stepping(id.shared());
        let head = self.engine.tail.head();
        let creates = kind.creates();
        let ask = Ask { kind, targets: self.targets.clone(), head };
        let execute = Execute::new(self.instances.clone(), Ok(id.clone()), ask);
        let execute = execute.metadata(cause).creating(creates);
        let look = |instance: &Instance<S>| {
            let over = instance.instance_state.is_over().then(|| instance.status());
            ((instance.instance_state.steps, instance.to_carry()), over)
        };
        let (receipt, ((step, sent), over)) = execute.telling(look).await?;
        if let Some(status) = over {
            self.ended(id, &status);
        }
        self.stages.reached(Stage::Committed, id.as_str());
        Ok((receipt.events > 0).then_some(StepOutcome {
            position: receipt.position,
            step,
            sent,
            trace,
            stepping,
        }))
    }

    /// Looks at an instance, behind every step that was asked for before.
    pub(super) async fn look<R: Send + 'static>(
        &self,
        id: &Id<Instance<S>>,
        look: impl FnOnce(&Instance<S>) -> R + Send + 'static,
    ) -> Result<R, Failure> {
        Query::new(self.instances.clone(), Ok(id.clone()), look).await
    }

    fn ended(&self, id: &Id<Instance<S>>, status: &InstanceStatus) {
        for waiting in self.waiting().remove(id.as_str()).into_iter().flatten() {
            // Who no longer waits has dropped the other end.
            let _ = waiting.send(status.clone());
        }
        self.instances.passivate(id);
    }

    /// Waits until an instance has ended.
    pub(super) async fn end_of(&self, id: &Id<Instance<S>>) -> Result<InstanceStatus, Failure> {
        let ending = self.ending(id);
        // It may have ended before we were in the list.
        let look =
            |instance: &Instance<S>| instance.instance_state.is_over().then(|| instance.status());
        match self.look(id, look).await? {
            Some(status) => {
                self.ended(id, &status);
                Ok(status)
            }
            None => self.heard(ending).await,
        }
    }

    /// Waits for an end, as long as there may be one.
    pub(super) async fn heard(
        &self,
        mut ending: oneshot::Receiver<InstanceStatus>,
    ) -> Result<InstanceStatus, Failure> {
        loop {
            tokio::select! {
                status = &mut ending => return status.map_err(|_| Failure::shutting_down()),
                () = sleep(LOOKS_AT_STORE_EVERY) => {}
            }
            if let Some(failure) = self.engine.failure() {
                return Err(Failure::Poisoned(failure.clone()));
            }
        }
    }

    /// Tells of the end of an instance, if it comes from here on.
    pub(super) fn ending(&self, id: &Id<Instance<S>>) -> oneshot::Receiver<InstanceStatus> {
        let (sender, ending) = oneshot::channel();
        let mut waiting = self.waiting();
        let all = waiting.entry(id.shared().clone()).or_default();
        // They are never more than callers.
        all.retain(|waiting| !waiting.is_closed());
        all.push(sender);
        ending
    }

    /// Tells the figures of all instances.
    pub(super) fn tell(&self) {
        let counts = self.index.read(InstanceIndex::counts);
        self.meters.living(counts.live, counts.in_trouble, counts.commands_under_way);
        self.meters.ended(counts.completed, counts.compensated, counts.failed);
    }

    /// Forgets who waited for an end and has given up.
    pub(super) fn forget_who_gave_up(&self) {
        self.waiting().retain(|_, all| {
            all.retain(|waiting| !waiting.is_closed());
            !all.is_empty()
        });
    }

    /// Nobody hears of ends any more.
    pub(super) fn give_up_waiting(&self) {
        self.waiting().clear();
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Arc<str>, Vec<oneshot::Sender<InstanceStatus>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id of a command: the same one for the same effect, for ever.
pub(super) fn command_id<S: Saga>(id: &Id<Instance<S>>, effect: EffectId) -> CommandId {
    let EffectId { step, index } = effect;
    CommandId::from(format!("saga/{}/{id}/{step}/{index}", S::TYPE))
}

/// The story of an instance: everything that follows from it belongs to it.
#[derive(Clone, Copy)]
pub(super) struct TraceIds(CorrelationId);

impl TraceIds {
    pub(super) fn of<S: Saga>(id: &Id<Instance<S>>) -> Self {
        Self(CorrelationId::from(format!("saga/{}/{id}", S::TYPE)))
    }

    pub(super) fn because_of(self, cause: impl Into<CausationId>) -> Metadata {
        Metadata { causation: Some(cause.into()), ..self.for_no_cause() }
    }

    pub(super) fn for_no_cause(self) -> Metadata {
        Metadata { correlation: Some(self.0), ..Metadata::default() }
    }
}
