use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actuarius_domain::{Aggregate, MAX_TYPE_BYTES, Position, ReadModel, Saga, Timestamp};
use actuarius_persistence::keys::Keys;
use actuarius_persistence::{OpenError, ReadError, Reader};

use crate::aggregate::hosting::Hosting;
use crate::aggregates::Aggregates;
use crate::base::deadline::Deadline;
use crate::builder::Builder;
use crate::erasure::forget::{self, ForgetError, Forgotten};
use crate::follow::followers::{FollowerShared, WaitError};
use crate::health::{Health, Status};
use crate::history::{LogMoment, fold_log};
use crate::inner::{Inner, ShutdownReport};
use crate::operations::backup::TakeBackup;
use crate::projection::rows::View;
use crate::projection::{Database, InDatabase, InMemory, Keyed, ProjectionBuilder};
use crate::saga::{SagaBuilder, SchedulesBuilder};
use crate::subscription::SubscriptionBuilder;

/// An open store with the aggregates hosted on it. Cheap to clone.
///
/// When the last handle (this one, and every [`Aggregates`]) is dropped, the runtime closes on its
/// own: what is acknowledged is durable, what is in flight may be lost. Call
/// [`shutdown`](Runtime::shutdown) to drain it first.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

impl Runtime {
    pub(crate) fn of(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// Opens the durable store in `directory`, with defaults that need no reading.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed in the store.
    ///
    /// # Panics
    /// Outside of a tokio runtime, like everything that opens.
    pub async fn open(directory: impl AsRef<Path>) -> Result<Self, OpenError> {
        Builder::default().open(directory).await
    }

    /// Runs on a store in memory: nothing survives the process.
    ///
    /// # Errors
    /// [`OpenError::Io`] when the system refuses a thread.
    pub async fn in_memory() -> Result<Self, OpenError> {
        Builder::default().in_memory().await
    }

    /// Opens with other than the defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Hosts an aggregate type with the default [`Hosting`].
    ///
    /// # Panics
    /// When another Rust type was hosted under the same [`Aggregate::TYPE`], and outside of a tokio
    /// runtime.
    #[must_use]
    pub fn host<A: Aggregate>(&self) -> Aggregates<A> {
        self.host_with(Hosting::default())
    }

    /// Hosts an aggregate type. Hosting it again gives the same aggregates; the first options stay.
    ///
    /// # Panics
    /// When another Rust type was hosted under the same [`Aggregate::TYPE`], and outside of a tokio
    /// runtime.
    #[must_use]
    pub fn host_with<A: Aggregate>(&self, hosting: Hosting) -> Aggregates<A> {
        const {
            assert!(!A::TYPE.is_empty(), "Aggregate::TYPE must not be empty");
            assert!(A::TYPE.len() <= MAX_TYPE_BYTES, "Aggregate::TYPE is too long");
        }
        Aggregates::new(self.inner.host(hosting), self.inner.clone())
    }

    /// Returns the builder of a projection into a value in memory. The name is unique among the followers.
    pub fn projection<P: ReadModel>(
        &self,
        name: impl Into<String>,
    ) -> ProjectionBuilder<InMemory<P>> {
        ProjectionBuilder::in_memory(self.inner.clone(), name.into())
    }

    /// Returns the builder of a projection into rows by key, stored on disk. The name is unique among the
    /// followers.
    pub fn keyed<V: View>(&self, name: impl Into<String>) -> ProjectionBuilder<Keyed<V>> {
        ProjectionBuilder::keyed(self.inner.clone(), name.into())
    }

    /// Returns the builder of a projection into a database of your own. The name is unique among the
    /// followers.
    pub fn database<D: Database>(
        &self,
        name: impl Into<String>,
        database: D,
    ) -> ProjectionBuilder<InDatabase<D>> {
        ProjectionBuilder::in_database(self.inner.clone(), name.into(), database)
    }

    /// Describes a durable subscription called `name`: its handlers hear of every event at least
    /// once, in order. It goes on where it was when it is started again under the same name.
    pub fn subscribe(&self, name: impl Into<String>) -> SubscriptionBuilder {
        let (engine, followers) = (self.inner.engine.clone(), self.inner.followers.clone());
        SubscriptionBuilder::new(engine, followers, name.into())
    }

    /// Describes a saga: say what it reacts to and where it sends commands, then start it.
    pub fn saga<S: Saga>(&self) -> SagaBuilder<S> {
        SagaBuilder::new(self.inner.clone())
    }

    /// Describes commands for later: say whom they may be sent to, then start it.
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use actuarius::{Aggregate, Context, Id, InstanceStatus, Runtime, Timestamp};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Default, Serialize, Deserialize)]
    /// # struct Reminder(bool);
    /// # #[derive(Serialize, Deserialize)]
    /// # enum Rang { Rang }
    /// # impl Aggregate for Reminder {
    /// #     const TYPE: &'static str = "reminder";
    /// #     type Command = ();
    /// #     type Event = Rang;
    /// #     type Error = Infallible;
    /// #     fn decide(&self, (): (), _: &Context) -> Result<Vec<Rang>, Infallible> { Ok(vec![Rang::Rang]) }
    /// #     fn apply(&mut self, _: &Rang) { self.0 = true; }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let runtime = Runtime::in_memory().await?;
    /// # let midnight = Timestamp::default();
    /// let reminders = runtime.host::<Reminder>();
    /// let schedules = runtime.schedules().sends_to(&reminders).start().await?;
    ///
    /// let name = schedules.schedule(&Id::<Reminder>::new("dentist")?, (), midnight).await?; // durable now
    /// assert_eq!(schedules.end_of(&name).await?, InstanceStatus::Completed);
    /// # Ok(())
    /// # }
    /// ```
    pub fn schedules(&self) -> SchedulesBuilder {
        SchedulesBuilder::new(self.inner.clone())
    }

    /// How the runtime is.
    #[must_use]
    pub fn health(&self) -> Health {
        let engine = &self.inner.engine;
        let hosted = self.inner.hosted();
        Health {
            status: match engine.failure() {
                Some(failure) => Status::Poisoned(failure.clone()),
                None if engine.admission.is_closed() => Status::ShuttingDown,
                None => Status::Running,
            },
            head: engine.store.head(),
            pending: engine.admission.inside(),
            resident: hosted.iter().map(|host| host.resident()).sum(),
            quarantined: hosted.iter().flat_map(|host| host.quarantined()).collect(),
            keys: engine.keyring.keys().map(|keys| keys.figures()),
            followers: self.inner.followers.all().iter().map(|it| it.health()).collect(),
        }
    }

    /// Forgets a data subject: destroys its key, durably, and then removes its clear text from everything
    /// that was derived from it.
    ///
    /// When this returns, [`Personal`](crate::Personal) values of the subject read as erased wherever they
    /// are stored, in backups of the log, too, and nothing more is written about it. Aggregates that held
    /// its clear text were rebuilt from what is stored; snapshots that did can be opened by nobody;
    /// projections that did were rebuilt beside, replaced, and their files removed; views that no
    /// projection is at work on were removed. So it takes as long as those rebuilds do. It goes on when it
    /// is not waited for; when the process ends meanwhile, the key stays destroyed, each view that holds
    /// the subject is built anew at its next start, and forgetting it once more sees to the others.
    ///
    /// What left the runtime is not its to take back: rows in a [`Database`](crate::Database) of your own,
    /// what handlers have sent, copies of the key file.
    ///
    /// # Errors
    /// [`ForgetError`]; forget it again.
    pub async fn forget(&self, subject: impl Into<String>) -> Result<Forgotten, ForgetError> {
        forget::forget(self.inner.clone(), subject.into()).await
    }

    /// The keys of data subjects, if the runtime was opened with
    /// [`Builder::personal_data`](crate::Builder::personal_data): to rotate the master key, for instance.
    #[must_use]
    pub fn keys(&self) -> Option<Arc<Keys>> {
        self.inner.engine.keyring.keys().cloned()
    }

    /// Waits until every projection and subscription that runs has finished all
    /// events that are durable now. For tests, and before a planned shutdown.
    ///
    /// # Errors
    /// [`WaitError`]: one of them is not there within `time`, has halted or was stopped.
    pub async fn caught_up(&self, time: Duration) -> Result<(), WaitError> {
        let (head, until) = (self.head(), Deadline::within(time));
        let running = |follower: &Arc<FollowerShared>| !follower.has_stopped();
        for follower in self.inner.followers.all().into_iter().filter(running) {
            follower.wait_for(head, until.remaining()).await?;
        }
        Ok(())
    }

    /// Takes a backup into the directory `to`, while everything goes on: all events the first time,
    /// later what is new, and the checkpoints of subscriptions. Views are made again from events, so
    /// they are not in it. See [`backup`](crate::persistence::backup) for how it is restored.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let (data, saved) = (directory.path().join("data"), directory.path().join("saved"));
    /// let runtime = actuarius::Runtime::open(data).await?;
    /// let run = runtime.backup(&saved).await?;
    /// println!("keep this elsewhere: {}", run.to);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// It is stopped by a shutdown, and by dropping its future; then nothing of it is left.
    pub fn backup(&self, to: impl Into<PathBuf>) -> TakeBackup {
        TakeBackup::new(self.inner.engine.clone(), to.into())
    }

    /// The last durable position.
    #[must_use]
    pub fn head(&self) -> Position {
        self.inner.engine.store.head()
    }

    /// Where the log ended at a time: up to, and not including, the first commit that was decided later.
    /// So what several aggregates and views were then can be asked for by one position, which is one
    /// moment for all of them.
    ///
    /// The log is read from its beginning for it, a page at a time: clocks step back, so only whoever has
    /// seen all commits knows which one is the first.
    ///
    /// # Errors
    /// [`ReadError`]; nothing was changed.
    pub async fn position_at(&self, time: Timestamp) -> Result<Position, ReadError> {
        let moment = LogMoment::Time(time);
        let ((), position) =
            fold_log(&self.inner.engine, moment, (), |(), _| Ok::<_, ReadError>(())).await?;
        Ok(position)
    }

    /// The store's reader, for tools that look below the runtime. While it is held, the store stays
    /// open, even after [`shutdown`](Runtime::shutdown).
    ///
    /// # Errors
    /// [`ReadError::Closed`] after a shutdown.
    pub fn reader(&self) -> Result<Arc<dyn Reader>, ReadError> {
        self.inner.engine.store.reader()
    }

    /// Closes the runtime, step by step: subscriptions finish what is being handled and store how far
    /// they have come; nothing more is taken, and what is inside is answered; every aggregate leaves
    /// memory through its snapshot; projections take what was stored last (if that is no more than
    /// about a second of work) and keep their views; the store is closed. A second call waits for the
    /// same.
    ///
    /// The `deadline` is one for all steps, in this order. Of it, handlers get half at most, so that
    /// one which never ends does not take it all; and projections get half of what is left then, to
    /// take what was stored last. After the deadline it closes all the same: requests that still
    /// wait are answered `Unavailable`, aggregates still in memory leave without a snapshot, and
    /// followers still at work are cut off, as if the process had been killed: what they have not
    /// finished they do again after the next start. The group that is being written then is given
    /// half a second more; if the store stands still, its callers hear when it moves again. Nothing
    /// acknowledged is lost either way.
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        self.inner.shut_down(deadline).await
    }
}
