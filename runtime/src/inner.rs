//! [`Inner`]: what a running runtime owns, and the order of its shutdown.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use actuarius_domain::Aggregate;
use actuarius_persistence::Reader;
use actuarius_persistence::views::Views;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::aggregate::directory::{Directory, Hosted};
use crate::aggregate::hosted_type::HostedType;
use crate::aggregate::timed_hosting::TimedHosting;
use crate::base::deadline::Deadline;
use crate::base::panics::guarded;
use crate::base::schema_error::HostError;
use crate::engine::Engine;
use crate::follow::followers::{DesiredState, FollowerKind, FollowerShared, Followers};
use crate::schema::names;
use crate::timers;

/// The shortest and the longest interval of the search for idle aggregates, whatever the idle time is.
const SWEEP_EVERY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(5));

/// The largest lag that a shutdown lets a projection catch up, in events: about a second of work.
const LAG_CAUGHT_UP: u64 = 100_000;

/// How long a shutdown waits for the group that is being written when its deadline is over.
const LAST_GROUP: Duration = Duration::from_millis(500);

/// How often a shutdown checks its conditions.
const SHUTDOWN_CHECKS_EVERY: Duration = Duration::from_millis(1);

/// What a running runtime owns. Dropping it ends the runtime.
pub(crate) struct Inner {
    pub(crate) engine: Arc<Engine>,
    pub(crate) followers: Arc<Followers>,
    pub(crate) views: Views,
    /// By [`Aggregate::TYPE`].
    hosts: Mutex<HashMap<&'static str, HostEntry>>,
    /// What the first shutdown left, once it has ended everything.
    leftovers: OnceLock<Leftovers>,
    /// Whether closing the store's files succeeded, once they are closed.
    closed: watch::Sender<Option<bool>>,
}

/// What was answered in time, and what still ran when everything was ended.
struct Leftovers {
    drained: usize,
    unanswered: usize,
    still_resident: usize,
    still_following: usize,
}

/// The directory of a hosted type, with and without its Rust type.
type HostEntry = (Arc<dyn Any + Send + Sync>, Arc<dyn Hosted>);

impl Inner {
    pub(crate) fn new(engine: Arc<Engine>, views: Views) -> Self {
        let followers = Arc::new(Followers::of(&engine.tail, &engine.timer));
        engine.home.spawn(Followers::report_lags(Arc::downgrade(&followers)));
        let following = Arc::downgrade(&followers);
        engine.home.at_end(move || {
            if let Some(followers) = following.upgrade() {
                followers.end();
            }
        });
        Self {
            engine,
            followers,
            views,
            hosts: Mutex::default(),
            leftovers: OnceLock::new(),
            closed: watch::Sender::new(None),
        }
    }

    /// Returns the directory of an aggregate type, and hosts the type if it is not hosted yet.
    ///
    /// # Errors
    /// [`HostError`]; the type is not hosted.
    pub(crate) fn host<A: Aggregate>(
        &self,
        hosting: impl Into<TimedHosting<A>>,
    ) -> Result<Arc<Directory<A>>, HostError> {
        let hosting = hosting.into();
        names::check::<A>()?;
        hosting.check()?;
        let found = self.hosts().get(A::TYPE).map(|(directory, _)| directory.clone());
        let timers = hosting.timer_names();
        let directory = found.unwrap_or_else(|| {
            // Before the lock, because it runs code of the user's: a metrics recorder, and `Deserialize`.
            let hosted = HostedType::<A>::new(self.engine.clone(), hosting);
            self.add_host(Arc::new(Directory::new(hosted)))
        });
        let directory = directory.downcast::<Directory<A>>();
        let directory = directory.map_err(|_| HostError::NameTaken(A::TYPE))?;
        directory.check_timers(&timers)?;
        Ok(directory)
    }

    /// Adds a directory, and returns it, or the one that another thread has added first.
    fn add_host<A: Aggregate>(&self, directory: Arc<Directory<A>>) -> Arc<dyn Any + Send + Sync> {
        let mut hosts = self.hosts();
        let (directory, _) = hosts.entry(A::TYPE).or_insert_with(|| {
            self.engine.home.spawn(sweep(Arc::downgrade(&directory.hosted)));
            if let Some(timers) = directory.hosted.timers.clone() {
                self.engine.home.spawn(timers::run(Arc::downgrade(&directory), timers));
            }
            (directory.clone(), directory)
        });
        directory.clone()
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<&'static str, HostEntry>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn hosted(&self) -> Vec<Arc<dyn Hosted>> {
        self.hosts().values().map(|(_, hosted)| hosted.clone()).collect()
    }

    pub(crate) async fn shut_down(&self, time: Duration) -> ShutdownReport {
        let until = Deadline::within(time);
        let engine = &self.engine;
        let followers = self.followers.close();
        // First, because handlers may send commands. A handler that never ends leaves half of the
        // time to the others.
        self.stop(&followers, FollowerKind::Subscription, until.half()).await;
        // Unfinished steps are durable, and are resumed at the next start.
        self.stop(&followers, FollowerKind::Saga, until.half()).await;
        self.stop_timers(until.half()).await;
        engine.admission.close();
        let pending = engine.admission.inside();
        self.wait_for_tasks(until, || engine.admission.inside() == 0).await;
        let unanswered = engine.admission.inside();
        let still_resident = self.passivate_all(until).await;
        // Last, because only now no more events are stored.
        self.catch_up_projections(&followers, until.half()).await;
        self.stop(&followers, FollowerKind::Projection, until).await;
        self.announce_closing();
        // The committer writes the last snapshots, then drops the writer.
        engine.committer.stop();
        self.wait_until(until.max(Deadline::within(LAST_GROUP)), || engine.committer.has_stopped())
            .await;
        // Followers that are still running are cut off now.
        let still_following = followers.iter().filter(|it| !it.has_stopped()).count();
        let drained = pending.saturating_sub(unanswered);
        let left = Leftovers { drained, unanswered, still_resident, still_following };
        // Of several shutdowns, the first one to get here ends what is left, and all report it.
        let Leftovers { drained, unanswered, still_resident, still_following } =
            *self.leftovers.get_or_init(|| left);
        self.close(self.end());
        let is_closed = self.is_closed(until.max(Deadline::within(LAST_GROUP))).await;
        let store_failed = is_closed == Some(false) || engine.failure().is_some();
        let still_closing = is_closed.is_none() || !engine.committer.has_stopped();
        ShutdownReport {
            drained,
            unanswered,
            still_resident,
            still_following,
            store_failed,
            still_closing,
        }
    }

    /// Returns whether a shutdown has ended, except for what it cuts off. The store's files may still be being closed.
    pub(crate) fn has_ended(&self) -> bool {
        self.leftovers.get().is_some()
    }

    /// Stops delivering timers, and waits until those under way are delivered. They are repeated otherwise.
    async fn stop_timers(&self, until: Deadline) {
        let hosted = self.hosted();
        hosted.iter().for_each(|host| host.stop_timers());
        self.wait_for_tasks(until, || hosted.iter().all(|it| it.timers_under_way() == 0)).await;
    }

    async fn passivate_all(&self, until: Deadline) -> usize {
        let hosted = self.hosted();
        let resident = || hosted.iter().map(|host| host.resident()).sum::<usize>();
        for host in &hosted {
            host.passivate_all();
        }
        self.wait_for_tasks(until, || resident() == 0).await;
        resident()
    }

    /// Stops all followers of one kind and waits until they have finished their current work.
    async fn stop(&self, followers: &[Arc<FollowerShared>], kind: FollowerKind, until: Deadline) {
        for follower in followers.iter().filter(|follower| follower.kind == kind) {
            follower.want(DesiredState::Stop);
        }
        let stopped = |it: &Arc<FollowerShared>| it.kind != kind || it.has_stopped();
        self.wait_for_tasks(until, || followers.iter().all(stopped)).await;
    }

    /// Waits until the projections have processed the last events, so that their saved views are complete and the
    /// next start replays nothing. A projection that is halted, or has more lag, continues at the next start.
    async fn catch_up_projections(&self, followers: &[Arc<FollowerShared>], until: Deadline) {
        let is_catching_up = |it: &Arc<FollowerShared>| {
            it.kind == FollowerKind::Projection
                && it.is_advancing()
                && (1..=LAG_CAUGHT_UP).contains(&it.lag())
        };
        let caught_up = || {
            let lagging = followers.iter().filter(|it| is_catching_up(it));
            lagging.inspect(|it| it.progress.demand()).count() == 0
        };
        self.wait_for_tasks(until, caught_up).await;
    }

    /// Waits for what tasks do. If their tokio runtime has ended, nothing more is done.
    async fn wait_for_tasks(&self, until: Deadline, done: impl Fn() -> bool) {
        self.wait_until(until, || self.engine.home.has_ended() || done()).await;
    }

    async fn wait_until(&self, until: Deadline, done: impl Fn() -> bool) {
        while !done() && !until.is_over() {
            self.engine.timer.after(SHUTDOWN_CHECKS_EVERY).await;
        }
    }

    /// From now on, opening the store again waits until it is closed here.
    fn announce_closing(&self) {
        if let Ok(reader) = self.engine.store.reader() {
            reader.announce_closing();
        }
    }

    /// Ends everything that still runs, and answers the waiting requests. Dropping the reader closes the
    /// store's files, which may block and must not delay a task.
    #[must_use = "dropping it closes the store's files"]
    fn end(&self) -> Option<Arc<dyn Reader>> {
        self.engine.supervision.stop();
        self.engine.close_pools();
        for hosted in self.hosted() {
            hosted.end_all();
        }
        self.engine.store.close()
    }

    /// Drops the reader on a thread of its own. Does nothing if another shutdown closes the store.
    fn close(&self, reader: Option<Arc<dyn Reader>>) {
        let (Some(reader), closed) = (reader, self.closed.clone()) else { return };
        let work = move || {
            let dropped = guarded(|| drop(reader));
            if let Err(panic) = &dropped {
                let _ = guarded(|| {
                    tracing::error!(target: "actuarius::shutdown", panic, "closing the store panicked");
                });
            }
            closed.send_replace(Some(dropped.is_ok()));
        };
        let thread = std::thread::Builder::new().name("actuarius-closing".to_owned()).spawn(work);
        if thread.is_err() {
            // The closure was dropped, and the reader with it.
            self.closed.send_replace(Some(true));
        }
    }

    /// Waits until the store's files are closed, and returns whether that succeeded; `None` if the deadline
    /// is over before.
    async fn is_closed(&self, until: Deadline) -> Option<bool> {
        let mut closed = self.closed.subscribe();
        let closed = async move { closed.wait_for(Option::is_some).await.ok().and_then(|it| *it) };
        self.engine.timer.until(until.moment(), closed).await.flatten()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for follower in self.followers.close() {
            follower.want(DesiredState::Stop);
        }
        self.engine.admission.close();
        self.announce_closing();
        self.engine.committer.stop();
        self.close(self.end());
    }
}

/// The result of a shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Requests that were inside when it began and were answered.
    pub drained: usize,
    /// Requests that were still inside at the deadline. Their callers receive
    /// [`Failure::Unavailable`](crate::Failure::Unavailable), or
    /// [`Indeterminate`](crate::Failure::Indeterminate) if their events may have been written.
    pub unanswered: usize,
    /// Aggregates that were still in memory at the deadline, and so were unloaded without a snapshot.
    pub still_resident: usize,
    /// Subscriptions, projections and sagas that were still running at the deadline. They repeat
    /// unfinished work after the next start.
    pub still_following: usize,
    /// The store has failed, before or while it was closed. What is acknowledged is durable, but work that
    /// was not acknowledged yet, such as the last snapshots, may be lost. Repair the cause, and
    /// open the store again.
    pub store_failed: bool,
    /// The store was still being written or closed half a second after the deadline, because its disk
    /// does not answer. That continues in threads of its own. Its end is not reported any more; a failure is
    /// logged. Opening the store again in this process waits for it.
    pub still_closing: bool,
}

impl ShutdownReport {
    /// Returns whether all requests were answered, all aggregates unloaded, all followers stopped and the
    /// store closed without a failure.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.unanswered == 0
            && self.still_resident == 0
            && self.still_following == 0
            && !self.store_failed
            && !self.still_closing
    }
}

/// Unloads idle aggregates of one type, while the type is hosted.
async fn sweep<A: Aggregate>(hosted: Weak<HostedType<A>>) {
    let Some(idle) = hosted.upgrade().map(|hosted| hosted.hosting.passivate_after) else { return };
    let every = idle.unwrap_or(SWEEP_EVERY.1) / 8;
    let every = every.clamp(SWEEP_EVERY.0, SWEEP_EVERY.1);
    loop {
        sleep(every).await;
        let Some(hosted) = hosted.upgrade() else { return };
        if hosted.engine.store.reader().is_err() {
            return;
        }
        hosted.residency.sweep(idle);
    }
}
