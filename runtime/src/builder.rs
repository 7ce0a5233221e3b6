//! [`RuntimeBuilder`]: the options of a runtime, and how it is opened.

use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use actuarius_domain::Position;
use actuarius_persistence::files::absolute;
use actuarius_persistence::views::Views;
use actuarius_persistence::{OpenError, PageLimit, Store, memory};
#[cfg(feature = "archive")]
use tokio::sync::Semaphore;

use crate::base::clock::{Clock, SystemClock};
use crate::base::guarded_clock::GuardedClock;
use crate::base::home_runtime::HomeRuntime;
use crate::base::telemetry::{self, CommitMeters};
use crate::base::timer::Timer;
use crate::commit::admission::Admission;
use crate::commit::committer::Committer;
use crate::commit::tail::Tail;
#[cfg(feature = "archive")]
use crate::engine::OPERATIONS_AT_ONCE;
use crate::engine::deletions::Deletions;
use crate::engine::folding::Folding;
use crate::engine::keyring::{Keyring, StoreGuard};
use crate::engine::pool::Pool;
use crate::engine::supervision::Supervision;
use crate::engine::{Engine, SharedReader};
use crate::inner::Inner;
use crate::operations::deletion;
use crate::runtime::Runtime;
use crate::schema::recorded::StoreShapes;

/// How much earlier than the last event the clock may be without being logged: the clocks of two machines differ by
/// less.
const CLOCK_BEHIND_MAX: Duration = Duration::from_secs(60);

impl Runtime {
    /// Opens the durable store in `directory` with default options. The directory is created if it does not
    /// exist.
    ///
    /// # Errors
    /// [`OpenError`]; nothing that was stored is lost by the attempt. [`OpenError::AsyncRuntime`] outside of a tokio
    /// runtime, or in one without timers. For the latter, tokio has no question that does not panic: the panic is
    /// caught, but the panic hook has printed it before this returns.
    #[cfg(feature = "sled")]
    pub async fn open(directory: impl AsRef<Path>) -> Result<Self, OpenError> {
        RuntimeBuilder::default().open(directory).await
    }

    /// Opens a store in memory with default options. Nothing survives the process.
    ///
    /// # Errors
    /// [`OpenError::Io`] if the system refuses a thread; [`OpenError::AsyncRuntime`] outside of a tokio
    /// runtime, or in one without timers.
    pub async fn in_memory() -> Result<Self, OpenError> {
        RuntimeBuilder::default().in_memory().await
    }

    /// Returns a builder for other options.
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::default()
    }
}

/// The options of a runtime. Created by [`Runtime::builder`]; opens the runtime with
/// [`open`](RuntimeBuilder::open), [`in_memory`](RuntimeBuilder::in_memory) or
/// [`on_store`](RuntimeBuilder::on_store).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use actuarius::Runtime;
///
/// # let directory = tempfile::tempdir()?;
/// let runtime = Runtime::builder().pending_limit(10_000).open(directory.path()).await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until it opens"]
pub struct RuntimeBuilder {
    pending_limit: usize,
    concurrent_recoveries: usize,
    concurrent_folds: usize,
    clock: Arc<dyn Clock>,
    views: Option<Views>,
    pub(crate) guard: Option<Box<dyn StoreGuard>>,
}

impl Default for RuntimeBuilder {
    fn default() -> Self {
        Self {
            pending_limit: 65_536,
            concurrent_recoveries: 64,
            concurrent_folds: available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
            clock: Arc::new(SystemClock),
            views: None,
            guard: None,
        }
    }
}

impl RuntimeBuilder {
    /// Sets how many requests may be inside the runtime, waiting or in flight, at least 1; more are
    /// refused with [`Failure::Overloaded`](crate::Failure::Overloaded). Default: 65,536, about a quarter
    /// of a second of work.
    pub fn pending_limit(mut self, requests: usize) -> Self {
        self.pending_limit = requests.max(1);
        self
    }

    /// Sets how many aggregates may be recovered at once, at least 1. Each recovery uses a thread and a
    /// page of events. Default: 64.
    pub fn concurrent_recoveries(mut self, recoveries: usize) -> Self {
        self.concurrent_recoveries = recoveries.max(1);
        self
    }

    /// Sets how many views may fold events at the same moment, at least 1; the others wait for their turn. Default: half
    /// of the processors.
    ///
    /// So many processors at most are taken from the commands by views, while they follow and while they are built. A
    /// view that a caller waits for takes its events at once, and a fold that takes longer than 10 ms does not count: it
    /// probably waits for a disk. With fewer, views lag more under load.
    pub fn concurrent_folds(mut self, folds: usize) -> Self {
        self.concurrent_folds = folds.max(1);
        self
    }

    /// Sets the clock that the time of events comes from. Default: the system's clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets where views are stored: views on disk, and the saved states of views in memory. Default: the
    /// folder `views` in the directory of the durable store; in memory for any other store.
    pub fn views(mut self, views: Views) -> Self {
        self.views = Some(views);
        self
    }

    /// Opens the durable store in `directory`, which is created if it does not exist. A relative path is
    /// resolved now: the process may change its directory later.
    ///
    /// # Errors
    /// [`OpenError`]; nothing that was stored is lost by the attempt. [`OpenError::AsyncRuntime`] outside of a tokio
    /// runtime, or in one without timers. For the latter, tokio has no question that does not panic: the panic is
    /// caught, but the panic hook has printed it before this returns.
    #[cfg(feature = "sled")]
    pub async fn open(mut self, directory: impl AsRef<Path>) -> Result<Runtime, OpenError> {
        let home = HomeRuntime::current()?;
        let directory = absolute(directory.as_ref());
        let path = directory.clone();
        let guard = self.guard.take();
        let opening = move || {
            let store = actuarius_sled::open(&path)?;
            guarded(store, guard, Some(&path.join("keys")))
        };
        let no_thread = |source| OpenError::Io { path: directory.clone(), source };
        let work_pool = Pool::for_work(&home).map_err(no_thread)?;
        let opened = work_pool.run(opening).await;
        let (store, keyring) = opened.map_err(|error| OpenError::Damaged {
            path: directory.clone(),
            what: format!("it could not be opened: {error}"),
        })??;
        self.views.get_or_insert_with(|| actuarius_sled::views(directory.join("views")));
        let started = self.start(home, work_pool, store, keyring).await;
        started.map_err(|source| OpenError::Io { path: directory, source })
    }

    /// Opens a store in memory. Nothing survives the process.
    ///
    /// # Errors
    /// [`OpenError::Io`] if the system refuses a thread; [`OpenError::AsyncRuntime`] outside of a tokio
    /// runtime, or in one without timers.
    pub async fn in_memory(self) -> Result<Runtime, OpenError> {
        self.on_store(memory::open()).await
    }

    /// Opens any store that satisfies the [contract](crate::store::contract).
    ///
    /// # Errors
    /// [`OpenError::Io`] if the system refuses a thread; [`OpenError::Keys`] if the keys do not belong to the
    /// store; [`OpenError::AsyncRuntime`] outside of a tokio runtime, or in one without timers.
    pub async fn on_store(mut self, store: Store) -> Result<Runtime, OpenError> {
        let home = HomeRuntime::current()?;
        let (store, keyring) = guarded(store, self.guard.take(), None)?;
        let failed = |source| OpenError::Io { path: "".into(), source };
        let work_pool = Pool::for_work(&home).map_err(failed)?;
        self.start(home, work_pool, store, keyring).await.map_err(failed)
    }

    async fn start(
        self,
        home: Arc<HomeRuntime>,
        work_pool: Pool,
        store: Store,
        keyring: Keyring,
    ) -> std::io::Result<Runtime> {
        telemetry::describe();
        let sealer = keyring.sealer().cloned();
        let engine = self.engine(home, work_pool, store, keyring).await?;
        deletion::resume(&engine).await;
        compare_clock(&engine).await;
        let views = self.views.unwrap_or_else(Views::in_memory);
        let views = sealer.into_iter().fold(views, Views::with_sealer);
        Ok(Runtime::of(Inner::new(engine, views)))
    }

    pub(crate) async fn engine(
        &self,
        home: Arc<HomeRuntime>,
        work_pool: Pool,
        store: Store,
        keyring: Keyring,
    ) -> std::io::Result<Arc<Engine>> {
        let supervision =
            Supervision::start(home.handle().clone()).await.map_err(std::io::Error::other)?;
        let reader = store.reader.clone();
        let shapes = work_pool.run(move || StoreShapes::read(&*reader)).await;
        let shapes = shapes.map_err(std::io::Error::other)?.map_err(std::io::Error::other)?;
        let shapes = Arc::new(shapes);
        let admission = Admission::new(self.pending_limit);
        let meters = CommitMeters::new();
        let tail = Tail::with_sealer(store.reader.head(), keyring.sealer().cloned());
        Ok(Arc::new(Engine {
            committer: Committer::start(store.writer, admission.clone(), tail.clone(), meters)?,
            admission,
            store: SharedReader::new(store.reader),
            shapes,
            keyring,
            tail,
            deletions: Deletions::default(),
            clock: GuardedClock::new(self.clock.clone()),
            supervision,
            recovery_pool: Pool::for_recoveries(&home, self.concurrent_recoveries)?,
            read_pool: Pool::for_reads(&home)?,
            folding: Folding::at_once(self.concurrent_folds),
            work_pool,
            #[cfg(feature = "archive")]
            operations: Arc::new(Semaphore::new(OPERATIONS_AT_ONCE)),
            home,
            timer: Timer::start()?,
        }))
    }
}

/// Logs a clock that is earlier than the last event: it is wrong now, or was wrong then.
async fn compare_clock(engine: &Engine) {
    let before = Position::new(engine.store.head().get().saturating_sub(1));
    let limit = PageLimit { commits: 1, bytes: 1 };
    let page = engine.read(move |reader| reader.maintenance().read_raw(before, limit)).await;
    let last = page.ok().and_then(|page| page.commits.last().map(|last| last.view().time));
    let now = engine.clock.now();
    if let Some(last) = last.filter(|last| *last > now.plus(CLOCK_BEHIND_MAX)) {
        tracing::warn!(
            target: "actuarius::clock",
            %now,
            %last,
            "the clock is earlier than the time of the last event; until it reaches that time, times are out of order"
        );
    }
}

/// Guards the store with the keys of data subjects, if there are to be any.
fn guarded(
    store: Store,
    guard: Option<Box<dyn StoreGuard>>,
    directory: Option<&Path>,
) -> Result<(Store, Keyring), OpenError> {
    match guard {
        Some(guard) => guard.guard(store, directory),
        None => Ok((store, Keyring::none())),
    }
}
