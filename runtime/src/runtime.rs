//! [`Runtime`]: the handle of an open store with its hosted aggregates and followers.

use std::sync::Arc;
use std::time::Duration;

use actuarius_domain::{Aggregate, MAX_TYPE_BYTES, Position, ReadModel, Timestamp};
use actuarius_persistence::{ReadError, Reader};

use crate::aggregate::hosting::Hosting;
use crate::aggregate::timed_hosting::TimedHosting;
use crate::aggregates::Aggregates;
use crate::base::clock_watch;
use crate::base::deadline::Deadline;
use crate::base::schema_error::HostError;
use crate::follow::followers::{FollowerShared, WaitError};
use crate::health::{Health, Status};
use crate::history::{LogSearch, PositionAtError, TimePolicy, position_at, position_at_with};
use crate::inner::{Inner, ShutdownReport};
use crate::projection::rows::View;
use crate::projection::{Database, InDatabase, InMemory, Keyed, ProjectionBuilder};
use crate::subscription::SubscriptionBuilder;

/// The handle of an open store with its hosted aggregates and followers. Cheap to clone.
///
/// When the last handle (this one, and every handle of aggregates, projections and sagas) is dropped, the runtime
/// closes: what is
/// acknowledged is durable, what is in flight may be lost. Call [`shutdown`](Runtime::shutdown) to finish it
/// first.
#[derive(Clone)]
pub struct Runtime {
    pub(crate) inner: Arc<Inner>,
}

impl Runtime {
    pub(crate) fn of(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// Hosts an aggregate type with the default [`Hosting`], and returns its handle.
    ///
    /// # Panics
    /// With the message of a [`HostError`]: if another Rust type is hosted under the same
    /// [`Aggregate::TYPE`], or if its event types, schema versions and upcasters do not fit together.
    /// [`try_host`](Self::try_host) returns the error instead.
    #[must_use]
    pub fn host<A: Aggregate>(&self) -> Aggregates<A> {
        self.host_with(Hosting::default())
    }

    /// Hosts an aggregate type with these options, which may have [timers](Hosting::timer), and returns its handle.
    /// Hosting a type again returns a handle of the same
    /// aggregates, with the options of the first call.
    ///
    /// # Panics
    /// With the message of a [`HostError`], as [`host`](Self::host).
    #[must_use]
    pub fn host_with<A: Aggregate>(&self, hosting: impl Into<TimedHosting<A>>) -> Aggregates<A> {
        match self.try_host_with(hosting) {
            Ok(aggregates) => aggregates,
            Err(error) => panic!("{error}"),
        }
    }

    /// Like [`host`](Self::host), but returns an error instead of a panic.
    ///
    /// # Errors
    /// [`HostError`]; the type is not hosted, and nothing was changed.
    pub fn try_host<A: Aggregate>(&self) -> Result<Aggregates<A>, HostError> {
        self.try_host_with(Hosting::default())
    }

    /// Like [`host_with`](Self::host_with), but returns an error instead of a panic.
    ///
    /// # Errors
    /// [`HostError`]; the type is not hosted, and nothing was changed.
    pub fn try_host_with<A: Aggregate>(
        &self,
        hosting: impl Into<TimedHosting<A>>,
    ) -> Result<Aggregates<A>, HostError> {
        const {
            assert!(!A::TYPE.is_empty(), "Aggregate::TYPE must not be empty");
            assert!(A::TYPE.len() <= MAX_TYPE_BYTES, "Aggregate::TYPE is too long");
        }
        let (directory, followers) = (self.inner.host(hosting)?, self.inner.followers.clone());
        Ok(Aggregates::new(directory, followers, self.inner.clone()))
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

    /// Returns the builder of a durable subscription called `name`. Its handlers receive every event at
    /// least once, in order. Started again under the same name, it resumes where it stopped.
    pub fn subscribe(&self, name: impl Into<String>) -> SubscriptionBuilder {
        let (engine, followers) = (self.inner.engine.clone(), self.inner.followers.clone());
        SubscriptionBuilder::new(engine, followers, name.into())
    }

    /// Returns the state of the runtime.
    #[must_use]
    pub fn health(&self) -> Health {
        let engine = &self.inner.engine;
        let hosted = self.inner.hosted();
        let quarantined: Vec<_> = hosted.iter().map(|host| host.quarantined()).collect();
        Health {
            status: match engine.failure() {
                Some(failure) => Status::Poisoned(failure.clone()),
                None if self.inner.has_ended() => Status::Closed,
                None if engine.admission.is_closed() => Status::ShuttingDown,
                None if engine.home.has_ended() => Status::TokioRuntimeEnded,
                None => Status::Running,
            },
            head: engine.store.head(),
            pending: engine.admission.inside(),
            resident: hosted.iter().map(|host| host.resident()).sum(),
            more_quarantined: quarantined.iter().map(|(_, more)| more).sum(),
            quarantined: quarantined.into_iter().flat_map(|(listed, _)| listed).collect(),
            #[cfg(feature = "erasure")]
            keys: engine.keyring.keys().map(|keys| keys.figures()),
            timers: hosted.iter().filter_map(|host| host.timers()).collect(),
            followers: self.inner.followers.all().iter().map(|it| it.health()).collect(),
            clock_jump: clock_watch::last_jump(),
        }
    }

    /// Waits until every running projection, subscription and saga has processed all events that are durable
    /// now. For tests, and before a planned shutdown.
    ///
    /// # Errors
    /// [`WaitError`] if one of them does not get there within `time`, has halted or was stopped.
    pub async fn caught_up(&self, time: Duration) -> Result<(), WaitError> {
        let (head, until) = (self.head(), Deadline::within(time));
        let running = |follower: &Arc<FollowerShared>| !follower.has_stopped();
        for follower in self.inner.followers.all().into_iter().filter(running) {
            follower.wait_for_within(head, until.remaining()).await?;
        }
        Ok(())
    }

    /// Returns the last durable position.
    #[must_use]
    pub fn head(&self) -> Position {
        self.inner.engine.store.head()
    }

    /// Searches the log for events by aggregate type, event type, time or correlation; see [`LogSearch`].
    pub fn search_log(&self) -> LogSearch {
        LogSearch::over(self.inner.engine.clone())
    }

    /// Returns the position at which the log ended at a time: up to, and not including, the first commit that
    /// was decided later. With one position, several aggregates and views can be read at the same moment.
    ///
    /// Reads the whole log, page by page, because only all commits together show whether their times are in
    /// order.
    ///
    /// # Errors
    /// [`PositionAtError::Ambiguous`] if commits that had been decided by then are stored after a commit that was
    /// decided more than five seconds later. It names the commits; choose with
    /// [`position_at_with`](Runtime::position_at_with). [`PositionAtError::Unreadable`] if the log cannot be
    /// read. Nothing was changed.
    pub async fn position_at(&self, time: Timestamp) -> Result<Position, PositionAtError> {
        position_at(&self.inner.engine, time).await
    }

    /// Returns the position at which the log ended at a time, for a log whose commits are out of order.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use actuarius::history::{PositionAtError, TimePolicy};
    ///
    /// # let (runtime, noon) = (actuarius::Runtime::in_memory().await?, actuarius::Timestamp::from_micros(0));
    /// let position = match runtime.position_at(noon).await {
    ///     Err(PositionAtError::Ambiguous(which)) => {
    ///         println!("{which}");
    ///         runtime.position_at_with(noon, TimePolicy::AfterLastEarlier).await?
    ///     }
    ///     found => found?,
    /// };
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ReadError`]; nothing was changed.
    pub async fn position_at_with(
        &self,
        time: Timestamp,
        policy: TimePolicy,
    ) -> Result<Position, ReadError> {
        position_at_with(&self.inner.engine, time, policy).await
    }

    /// Returns the store's reader, for tools that work below the runtime. While it is held, the store stays
    /// open, even after [`shutdown`](Runtime::shutdown).
    ///
    /// # Errors
    /// [`ReadError::Closed`] after a shutdown.
    pub fn reader(&self) -> Result<Arc<dyn Reader>, ReadError> {
        self.inner.engine.store.reader()
    }

    /// Closes the runtime in this order:
    ///
    /// 1. Subscriptions finish the current events and store their progress. Then sagas stop where they are; what
    ///    is in flight is durable in their steps, and continues at the next start.
    /// 2. Timers are no longer delivered; those that are due are at the next start. New requests are refused, and requests inside are answered.
    /// 3. Every aggregate is unloaded after its snapshot.
    /// 4. Projections process the last events, if these are no more than about a second of work, and save
    ///    their views.
    /// 5. The store is closed.
    ///
    /// A second call waits for the same, and reports the same counts. If the future of the first call was dropped, the
    /// second call completes what it had begun: until then the runtime may refuse requests without being closed.
    ///
    /// Do not await it in a handler of a subscription, which it waits for: the handler would be cut off when its
    /// part of the deadline is over, and the code after the await would not run. Start it in a task of its own.
    ///
    /// All steps share one `deadline`. Handlers get at most half of it, so that one that never ends does not
    /// use it up; projections get half of what is left then to process the last events. After the deadline
    /// the runtime closes anyway: waiting requests fail with `Unavailable`, aggregates in memory are
    /// unloaded without a snapshot, and running followers are cut off as if the process had been killed, so
    /// they repeat unfinished work after the next start. The group that is being written then gets half a
    /// second more; if the store hangs, its callers get their result when it continues. Nothing
    /// acknowledged is lost in any case.
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        self.inner.shut_down(deadline).await
    }
}
