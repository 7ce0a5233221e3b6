//! Describes and starts a saga.

use std::sync::Arc;

use actuarius_domain::{Aggregate, MAX_TYPE_BYTES, ReactsTo, Saga, Sends};
use actuarius_persistence::Codec;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::coordinator::Coordinator;
use super::delivery::ToAggregates;
use super::handle::Sagas;
use super::host::Host;
use super::instance::Instance;
use super::stage::{Stage, Stages};
use super::starting::{StartingIndex, check_targets, start_events};
use super::targets::{DEFAULT_CODEC, Targets};
use super::triggers::Triggers;
use crate::aggregate::hosting::Hosting;
use crate::aggregates::Aggregates;
use crate::base::schema_error::{HostError, SchemaError};
use crate::follow::followers::{self, FollowerKind, Retry, StartError};
use crate::inner::Inner;
use crate::runtime::Runtime;
use crate::schema::names;
use crate::subscription::{SubscriptionBuilder, Widening};

impl Runtime {
    /// Returns the builder of a saga: set what it reacts to and where it sends commands, then start it.
    pub fn saga<S: Saga>(&self) -> SagaBuilder<S> {
        SagaBuilder::new(self.inner.clone())
    }
}

/// Describes a saga before it is started; see [`Runtime::saga`](crate::Runtime::saga).
///
/// ```
/// use actuarius::Runtime;
/// use actuarius::saga::{Effects, InstanceStatus, Saga};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Default, Clone, Serialize, Deserialize)]
/// # struct Transfer;
/// # impl Saga for Transfer {
/// #     const TYPE: &'static str = "transfer";
/// #     type Deadline = ();
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
///
/// let runtime = Runtime::in_memory().await?;
/// // `reacts_to::<A>()` and `sends_to(&aggregates)` name the aggregate types of the saga.
/// let transfers = runtime.saga::<Transfer>().workers(64).start().await?;
/// let status = transfers.run("t-1", |_| Effects::complete()).await?;
/// assert_eq!(status, InstanceStatus::Completed);
/// # Ok(())
/// # }
/// ```
#[must_use = "a saga does nothing before `start`"]
pub struct SagaBuilder<S: Saga> {
    inner: Arc<Inner>,
    hosting: Hosting,
    targets: Vec<Box<AddTarget<S>>>,
    triggers: Vec<Box<AddTrigger<S>>>,
    sends_nothing: bool,
    from_end: bool,
    widening: Widening,
    workers: usize,
    retry: Retry,
    stages: Stages,
    /// Why an aggregate type that it reacts to does not fit.
    mistake: Option<SchemaError>,
}

/// Adds an aggregate type that commands are sent to.
type AddTarget<S> = dyn FnOnce(&mut Targets<S>) + Send;

/// Adds an aggregate type whose events the saga reacts to.
type Subscribing<S> = Box<dyn FnOnce(&Arc<Host<S>>) -> Option<SubscriptionBuilder> + Send>;
type AddTrigger<S> = dyn FnOnce(SubscriptionBuilder, &Triggers<S>) -> SubscriptionBuilder + Send;

impl<S: Saga> SagaBuilder<S> {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        // An ended instance is not read again, and a live one has few steps.
        let hosting = Hosting::default().snapshot_on_passivation(false).snapshot_every(100);
        let hosting = hosting.codec(DEFAULT_CODEC).snapshot_codec(DEFAULT_CODEC);
        Self {
            inner,
            hosting,
            targets: Vec::new(),
            triggers: Vec::new(),
            sends_nothing: false,
            from_end: false,
            widening: Widening::default(),
            workers: 1_024,
            retry: Retry::default(),
            stages: Stages::default(),
            mistake: None,
        }
    }

    /// Lets the saga react to the events of an aggregate type; call it for each type.
    pub fn reacts_to<A: Aggregate>(mut self) -> Self
    where
        S: ReactsTo<A>,
    {
        let add =
            |subscribe: SubscriptionBuilder, it: &Triggers<S>| subscribe.on_routed::<A>(it.clone());
        self.mistake = self.mistake.take().or(names::check::<A>().err());
        self.triggers.push(Box::new(add));
        self
    }

    /// Lets the saga send commands to the aggregates of a type; call it for each type.
    pub fn sends_to<A>(mut self, aggregates: &Aggregates<A>) -> Self
    where
        A: Aggregate<Command: Serialize + DeserializeOwned>,
        S: Sends<A>,
    {
        let directory = aggregates.directory().clone();
        self.targets.push(Box::new(move |targets| {
            targets.add::<A>(Some(Box::new(ToAggregates::of(directory))));
        }));
        self
    }

    /// States that the saga sends no commands, though it reacts to events. Without it, a saga that reacts to events and
    /// names no type with [`sends_to`](Self::sends_to) is refused, because the call was probably forgotten.
    pub fn sends_nothing(mut self) -> Self {
        self.sends_nothing = true;
        self
    }

    /// Begins with the events that are stored after the very first start. Default: with the first event
    /// in the log.
    ///
    /// A saga cannot begin again, or after a position: its instances remember what they have handled. To act on old
    /// events again, give the saga another [`Saga::TYPE`].
    pub fn from_end(mut self) -> Self {
        self.from_end = true;
        self
    }

    /// Sets what happens if it has been started before and now reacts to another aggregate type, of which it has passed
    /// the earlier events. Default: it is refused. If it begins again, each instance ignores the events that
    /// are before those that it has received.
    pub fn on_widening(mut self, widening: Widening) -> Self {
        self.widening = widening;
        self
    }

    /// Sets the codec of instances, their commands and their deadlines. Default: MessagePack, which, like
    /// JSON, still reads live instances after fields of the state were added (with a serde default) or
    /// removed. With bincode, which is faster, the fields must not change while steps of any instance are read.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.hosting = self.hosting.codec(codec).snapshot_codec(codec);
        self
    }

    /// Changes how instances are held in memory. The defaults of sagas apply to what is not changed: a
    /// [snapshot every](Hosting::snapshot_every) 100 steps, none when an instance is unloaded, and a
    /// [resident limit](Hosting::resident_limit) of 100,000 instances, above which the least recently used are
    /// unloaded. Instances that are not in memory still receive their events and deadlines.
    pub fn hosting(mut self, change: impl FnOnce(Hosting) -> Hosting) -> Self {
        self.hosting = change(self.hosting);
        self
    }

    /// Sets how often a command that wrote nothing, or a reaction, is tried again at once. After that, a
    /// command is tried again every 10 seconds for as long as the instance wants it, and a reaction that
    /// fails quarantines its instance.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Sets how many events may be handled at once. Default: 1,024, at least 1.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Calls `watcher` at each [`Stage`] of the work, with the instance's id, for tests that stop the process
    /// there. The work waits for the call, so it must return at once.
    pub fn watched_by(mut self, watcher: impl Fn(Stage, &str) + Send + Sync + 'static) -> Self {
        self.stages = Stages::notifying(watcher);
        self
    }

    /// Starts the saga: resumes the commands that were open when it last ended, and delivers the deadlines
    /// that are due by now. Returns once the index holds every live instance.
    ///
    /// # Errors
    /// [`StartError`]; no instance received an input, nothing runs, and the name is free. Fix the cause and start again.
    /// A saga that reacts to events is refused without [`sends_to`](Self::sends_to), and so is one with a live instance
    /// that may have to send to another type than those.
    ///
    /// # Panics
    /// If another type is hosted under the same [`Saga::TYPE`].
    pub async fn start(self) -> Result<Sagas<S>, StartError> {
        const {
            assert!(!S::TYPE.is_empty(), "Saga::TYPE must not be empty");
            assert!(S::TYPE.len() <= MAX_TYPE_BYTES - 32, "Saga::TYPE is too long");
        }
        let name = format!("saga.{}", S::TYPE);
        if let Some(source) = self.mistake {
            return Err(StartError::Schema { name, source });
        }
        if !self.triggers.is_empty() && self.targets.is_empty() && !self.sends_nothing {
            return Err(StartError::NoTargets(S::TYPE.to_owned()));
        }
        let inner = self.inner.clone();
        let registration = inner.followers.register(&name, FollowerKind::Saga)?;
        let (retry, hosting) = (self.retry.clone(), self.hosting.clone());
        let (targets, subscription) = self.into_parts(name.clone() + ".events");
        let instances = match inner.host::<Instance<S>>(hosting) {
            Ok(instances) => instances,
            Err(HostError::Schema(source)) => return Err(StartError::Schema { name, source }),
            Err(error) => panic!("{error}"),
        };
        let (index, running) = StartingIndex::start::<S>(&inner, &name).await?;
        if let Err(error) = check_targets(&index, &instances, &targets).await {
            running.stop().await;
            return Err(error);
        }
        let (engine, shared) = (&inner.engine, registration.shared().clone());
        let host = Host::new(engine.clone(), instances, Arc::new(targets), index, shared, retry);
        let host = Arc::new(host);
        if let Err(error) = start_events(&host, subscription(&host)).await {
            running.stop().await;
            return Err(error);
        }
        running.keep();
        // Nothing fails from here on.
        followers::start(engine, registration.keep(), Coordinator::of(host.clone()));
        let left = host.clone();
        host.tasks.spawn(async move {
            left.check_suspects().await;
            left.retry_all_parked().await;
        });
        Ok(Sagas::new(host, inner))
    }

    /// Returns the targets, and what makes the subscription to the events, if the saga reacts to any.
    fn into_parts(self, name: String) -> (Targets<S>, Subscribing<S>) {
        let Self { inner, hosting, targets, triggers, workers, stages, from_end, widening, .. } =
            self;
        let mut all = Targets::new(hosting.codec);
        targets.into_iter().for_each(|add| add(&mut all));
        all.stages = stages;
        let subscription: Subscribing<S> = Box::new(move |host| {
            if triggers.is_empty() {
                return None;
            }
            let (engine, followers) = (inner.engine.clone(), inner.followers.clone());
            let subscribe = SubscriptionBuilder::new(engine, followers, name);
            // The saga retries an event itself, because it knows the cause.
            let subscribe = subscribe.workers(workers).retry(Retry::default().attempts(1));
            let subscribe = subscribe.on_widening(widening);
            let subscribe = if from_end { subscribe.from_end() } else { subscribe };
            let all = Triggers::of(host.clone());
            Some(triggers.into_iter().fold(subscribe, |it, add| add(it, &all)))
        });
        (all, subscription)
    }
}
