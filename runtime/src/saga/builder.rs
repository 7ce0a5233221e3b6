use std::sync::Arc;
use std::time::Duration;

use actuarius_domain::{Aggregate, MAX_TYPE_BYTES, ReactsTo, Saga, Sends};
use actuarius_persistence::Codec;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::coordinator::Coordinator;
use super::handle::Sagas;
use super::host::Host;
use super::instance::Instance;
use super::instance_index::InstanceIndex;
use super::stage::{Stage, Stages};
use super::targets::Targets;
use super::triggers::Triggers;
use crate::aggregate::hosting::Hosting;
use crate::aggregates::Aggregates;
use crate::follow::followers::{self, FollowerKind, Retry, StartError};
use crate::inner::Inner;
use crate::projection::{InMemory, ProjectionBuilder, ViewReader};
use crate::subscription::Subscribe;

/// How long a start waits before it looks again whether the board halts.
const LOOKS_AT_BOARD_EVERY: Duration = Duration::from_secs(1);

/// A saga that is being described; see [`Runtime::saga`](crate::Runtime::saga).
#[must_use = "a saga does nothing before `start`"]
pub struct Conduct<S: Saga> {
    inner: Arc<Inner>,
    hosting: Hosting,
    targets: Vec<Box<AddTarget<S>>>,
    triggers: Vec<Box<AddTrigger<S>>>,
    from_end: bool,
    workers: usize,
    retry: Retry,
    stages: Stages,
}

/// Adds an aggregate type to those that commands are sent to.
type AddTarget<S> = dyn FnOnce(&mut Targets<S>) + Send;

/// Adds an aggregate type to those whose events are heard.
type AddTrigger<S> = dyn FnOnce(Subscribe, &Triggers<S>) -> Subscribe + Send;

impl<S: Saga> Conduct<S> {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        // What has ended is not asked again, and what lives has few steps. Instances live longer than
        // releases, so what they are stored with can be read by the next one.
        let hosting = Hosting::default().snapshot_on_passivation(false).snapshot_every(100);
        let hosting = hosting.codec(Codec::MessagePack);
        Self {
            inner,
            hosting,
            targets: Vec::new(),
            triggers: Vec::new(),
            from_end: false,
            workers: 1_024,
            retry: Retry::default(),
            stages: Stages::default(),
        }
    }

    /// Lets the saga react to the events of an aggregate type; call it for each type.
    pub fn reacts_to<A: Aggregate>(mut self) -> Self
    where
        S: ReactsTo<A>,
    {
        let add = |subscribe: Subscribe, it: &Triggers<S>| subscribe.on_routed::<A>(it.clone());
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
        self.targets.push(Box::new(move |targets| targets.add(directory)));
        self
    }

    /// Begins with the events that are stored after the very first start. Default: with the first event
    /// there is.
    pub fn from_end(mut self) -> Self {
        self.from_end = true;
        self
    }

    /// With which codec instances, their commands and their deadlines are stored. Default: MessagePack,
    /// which, like JSON, goes on to read what lives when fields of the state come (with a serde default)
    /// or go. With bincode, which is faster, they must not change while any instance's steps are read.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.hosting = self.hosting.codec(codec);
        self
    }

    /// Changes how instances are held in memory. What is not changed stays as sagas have it: no snapshot
    /// of who leaves memory, one every 100 steps.
    pub fn hosting(mut self, change: impl FnOnce(Hosting) -> Hosting) -> Self {
        self.hosting = change(self.hosting);
        self
    }

    /// How often it is tried at once what failed: a command that wrote nothing, or a reaction. After
    /// that a command is tried again every 10 seconds, as long as the instance wants it; a reaction that
    /// fails quarantines its instance.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// How many events may be heard at once. Default: 1,024, at least 1.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Tells `watcher` where the work stands, with the instance's id: for tests that stop the world in
    /// the middle. It is called on the way of the work, so it must return at once.
    pub fn watched_by(mut self, watcher: impl Fn(Stage, &str) + Send + Sync + 'static) -> Self {
        self.stages = Stages::told_to(watcher);
        self
    }

    /// Starts it: what was under way when it ended last is taken up, deadlines that have come meanwhile
    /// come now.
    ///
    /// # Errors
    /// [`StartError`]; no instance heard of anything.
    ///
    /// # Panics
    /// When something else is hosted under the same [`Saga::TYPE`].
    pub async fn start(self) -> Result<Sagas<S>, StartError> {
        const {
            assert!(!S::TYPE.is_empty(), "Saga::TYPE must not be empty");
            assert!(S::TYPE.len() <= MAX_TYPE_BYTES - 32, "Saga::TYPE is too long");
        }
        let Self { inner, hosting, targets, triggers, from_end, workers, retry, stages } = self;
        let name = format!("saga.{}", S::TYPE);
        let registration = inner.followers.register(&name, FollowerKind::Saga)?;
        let mut all = Targets::new(hosting.codec);
        targets.into_iter().for_each(|add| add(&mut all));
        all.stages = stages;
        let instances = inner.host::<Instance<S>>(hosting);
        let index = index::<S>(&inner, &name).await?;
        let shared = registration.keep();
        let engine = &inner.engine;
        let host =
            Host::new(engine.clone(), instances, Arc::new(all), index, shared.clone(), retry);
        let host = Arc::new(host);
        followers::start(engine, shared, Coordinator::of(host.clone()));
        let sagas = Sagas::new(host.clone(), inner.clone());
        if triggers.is_empty() {
            return Ok(sagas);
        }
        let subscribe = Subscribe::new(engine.clone(), inner.followers.clone(), name + ".events");
        // An event is tried again by the saga, which knows whose fault it is.
        let subscribe = subscribe.workers(workers).retry(Retry::default().attempts(1));
        let subscribe = if from_end { subscribe.from_end() } else { subscribe };
        let all = Triggers::of(host.clone());
        let subscribe = triggers.into_iter().fold(subscribe, |it, add| add(it, &all));
        let events = subscribe.start().await?;
        // Nobody else has set it.
        let _ = host.events.set(events);
        let left = host.clone();
        host.tasks.spawn(async move { left.hand_over_all().await });
        Ok(sagas)
    }
}

/// The board, once it shows everything: what is under way is known before anything is begun.
async fn index<S: Saga>(
    inner: &Arc<Inner>,
    name: &str,
) -> Result<ViewReader<InstanceIndex>, StartError> {
    let name = format!("{name}.board");
    let index = ProjectionBuilder::<InMemory<InstanceIndex>>::in_memory(inner.clone(), name);
    let index = index.on::<Instance<S>>().start().await?;
    let (view_reader, head) = (index.view_reader(), inner.engine.tail.head());
    while let Err(error) = view_reader.shared.wait_for(head, LOOKS_AT_BOARD_EVERY).await {
        if !matches!(error, followers::WaitError::TimedOut { .. }) {
            return Err(StartError::Instances { name: S::TYPE.to_owned(), source: error });
        }
    }
    Ok(view_reader)
}
