use std::any::Any;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use actuarius_domain::{Aggregate, MAX_TYPE_BYTES, Position};
use actuarius_persistence::{OpenError, ReadError, Reader, Store, disk, memory};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::admission::Admission;
use crate::aggregates::Aggregates;
use crate::clock::{Clock, SystemClock};
use crate::committer::Committer;
use crate::directory::{Directory, Hosted};
use crate::engine::{Engine, Library};
use crate::health::{Health, Status};
use crate::home::Home;
use crate::hosting::Hosting;
use crate::recoveries::Recoveries;
use crate::supervision::Supervision;
use crate::telemetry::{self, CommitMeters};

/// How often idle aggregates are looked for, at most and at least, whatever the idle time is.
const SWEEP_EVERY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(5));

/// How long a shutdown waits for the group that is being written at its deadline.
const LAST_GROUP: Duration = Duration::from_millis(500);

/// How often a shutdown looks whether it is done.
const SHUTDOWN_LOOKS_EVERY: Duration = Duration::from_millis(1);

/// An open store with the aggregates hosted on it. Cheap to clone.
///
/// When the last handle (this one, and every [`Aggregates`]) is dropped, the runtime closes on its
/// own: what is acknowledged is durable, what is in flight may be lost. Call
/// [`shutdown`](Runtime::shutdown) to drain it first.
#[derive(Clone)]
pub struct Runtime {
    alive: Arc<Alive>,
}

/// Keeps the runtime running; ends it when dropped.
struct Alive {
    engine: Arc<Engine>,
    /// By [`Aggregate::TYPE`].
    hosts: Mutex<HashMap<&'static str, HostEntry>>,
}

/// A hosted type, once for those who know the type and once for those who do not.
type HostEntry = (Arc<dyn Any + Send + Sync>, Arc<dyn Hosted>);

/// How a runtime is opened.
#[must_use = "a builder does nothing until it opens"]
pub struct Builder {
    pending_limit: usize,
    concurrent_recoveries: usize,
    clock: Arc<dyn Clock>,
}

impl Default for Builder {
    fn default() -> Self {
        Self { pending_limit: 65_536, concurrent_recoveries: 64, clock: Arc::new(SystemClock) }
    }
}

impl Builder {
    /// How many requests may be inside the runtime, waiting or in flight, before callers get
    /// `Overloaded`. Default: 65,536, about a quarter of a second of work.
    pub fn pending_limit(mut self, requests: usize) -> Self {
        self.pending_limit = requests.max(1);
        self
    }

    /// How many aggregates may be recovered at once. Each holds a thread and a page of events.
    /// Default: 64.
    pub fn concurrent_recoveries(mut self, recoveries: usize) -> Self {
        self.concurrent_recoveries = recoveries.max(1);
        self
    }

    /// Where the time of events comes from. Default: the system's clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Opens the durable store in `directory`, which is made if it does not exist.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed in the store.
    pub async fn open(self, directory: impl AsRef<Path>) -> Result<Runtime, OpenError> {
        let directory = directory.as_ref().to_owned();
        let place = directory.clone();
        let opened = tokio::task::spawn_blocking(move || disk::open(place)).await;
        let store = opened.map_err(|panic| OpenError::Damaged {
            path: directory.clone(),
            what: format!("opening it panicked: {panic}"),
        })??;
        self.start(store).await.map_err(|source| OpenError::Io { path: directory, source })
    }

    /// Runs on a store in memory: nothing survives the process.
    ///
    /// # Errors
    /// [`OpenError::Io`] when the system refuses a thread.
    pub async fn in_memory(self) -> Result<Runtime, OpenError> {
        self.on_store(memory::open()).await
    }

    /// Runs on any store that keeps the [contract](crate::persistence::contract).
    ///
    /// # Errors
    /// [`OpenError::Io`] when the system refuses a thread.
    pub async fn on_store(self, store: Store) -> Result<Runtime, OpenError> {
        self.start(store).await.map_err(|source| OpenError::Io { path: "".into(), source })
    }

    async fn start(self, store: Store) -> std::io::Result<Runtime> {
        telemetry::describe();
        let supervision = Supervision::start_managers().await.map_err(std::io::Error::other)?;
        let admission = Admission::new(self.pending_limit);
        let meters = CommitMeters::new();
        let engine = Engine {
            committer: Committer::start(store.writer, admission.clone(), meters)?,
            admission,
            library: Library::new(store.reader),
            clock: self.clock,
            supervision,
            recoveries: Recoveries::new(Handle::current(), self.concurrent_recoveries),
        };
        let alive = Alive { engine: Arc::new(engine), hosts: Mutex::default() };
        Ok(Runtime { alive: Arc::new(alive) })
    }
}

impl Runtime {
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
        let mut hosts = self.alive.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let (directory, _) = hosts.entry(A::TYPE).or_insert_with(|| {
            let home = Home::<A>::new(self.alive.engine.clone(), hosting);
            let directory = Arc::new(Directory::new(home));
            tokio::spawn(sweep(Arc::downgrade(&directory.home)));
            (directory.clone(), directory)
        });
        match directory.clone().downcast::<Directory<A>>() {
            Ok(directory) => Aggregates::new(directory, self.alive.clone()),
            Err(_) => panic!("two aggregate types are called {:?}", A::TYPE),
        }
    }

    /// How the runtime is.
    #[must_use]
    pub fn health(&self) -> Health {
        let engine = &self.alive.engine;
        let hosted = self.alive.hosted();
        Health {
            status: match engine.failure() {
                Some(failure) => Status::Poisoned(failure.clone()),
                None if engine.admission.is_closed() => Status::ShuttingDown,
                None => Status::Running,
            },
            head: engine.library.head(),
            pending: engine.admission.inside(),
            resident: hosted.iter().map(|host| host.resident()).sum(),
            quarantined: hosted.iter().flat_map(|host| host.quarantined()).collect(),
        }
    }

    /// The last durable position.
    #[must_use]
    pub fn head(&self) -> Position {
        self.alive.engine.library.head()
    }

    /// The store's reader, for tools that look below the runtime. While it is held, the store stays
    /// open, even after [`shutdown`](Runtime::shutdown).
    ///
    /// # Errors
    /// [`ReadError::Closed`] after a shutdown.
    pub fn reader(&self) -> Result<Arc<dyn Reader>, ReadError> {
        self.alive.engine.library.reader()
    }

    /// Closes the runtime: takes nothing more, answers what is inside, lets every aggregate leave
    /// memory through its snapshot, and closes the store.
    ///
    /// After `deadline` it closes all the same: requests that still wait are answered `Unavailable`,
    /// and aggregates still in memory leave without a snapshot. The group that is being written
    /// then is given half a second more; if the store stands still, its callers hear when it moves
    /// again. Nothing acknowledged is lost either way.
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        let until = Instant::now() + deadline;
        let engine = &self.alive.engine;
        engine.admission.close();
        let pending = engine.admission.inside();
        wait_until(until, || engine.admission.inside() == 0).await;
        let unanswered = engine.admission.inside();
        let resident = self.alive.passivate_all(until).await;
        // The committer writes the last snapshots, then drops the writer.
        engine.committer.stop();
        wait_until(until.max(Instant::now() + LAST_GROUP), || engine.committer.has_stopped()).await;
        let reader = self.alive.end();
        let closed = tokio::task::spawn_blocking(move || drop(reader)).await;
        if let Err(error) = closed {
            tracing::error!(target: "actuarius::shutdown", %error, "closing the store panicked");
        }
        ShutdownReport {
            drained: pending.saturating_sub(unanswered),
            unanswered,
            still_resident: resident,
        }
    }
}

impl Alive {
    fn hosted(&self) -> Vec<Arc<dyn Hosted>> {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.values().map(|(_, hosted)| hosted.clone()).collect()
    }

    async fn passivate_all(&self, until: Instant) -> usize {
        let hosted = self.hosted();
        let resident = || hosted.iter().map(|host| host.resident()).sum::<usize>();
        for host in &hosted {
            host.passivate_all();
        }
        wait_until(until, || resident() == 0).await;
        resident()
    }
}

impl Alive {
    /// Ends everything that still runs, and answers what still waits. Dropping the reader closes
    /// the store's files, which takes a moment that no task should be held up by.
    #[must_use = "dropping it closes the store's files"]
    fn end(&self) -> Option<Arc<dyn Reader>> {
        self.engine.recoveries.close();
        self.engine.supervision.stop();
        for hosted in self.hosted() {
            hosted.end_all();
        }
        self.engine.library.close()
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.engine.admission.close();
        self.engine.committer.stop();
        let reader = self.end();
        // Without a thread it is dropped here.
        let _ = std::thread::Builder::new().spawn(move || drop(reader));
    }
}

/// What a shutdown found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Requests that were inside when it began and got their answer.
    pub drained: usize,
    /// Requests that were still inside at the deadline. Their callers hear of it.
    pub unanswered: usize,
    /// Aggregates that were still in memory at the deadline, and so left without a snapshot.
    pub still_resident: usize,
}

impl ShutdownReport {
    /// Whether everything was answered and every aggregate left memory in good order.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.unanswered == 0 && self.still_resident == 0
    }
}

async fn wait_until(until: Instant, done: impl Fn() -> bool) {
    while !done() && Instant::now() < until {
        sleep(SHUTDOWN_LOOKS_EVERY).await;
    }
}

/// Looks for idle aggregates of one type, as long as the type is hosted.
async fn sweep<A: Aggregate>(home: Weak<Home<A>>) {
    let Some(idle) = home.upgrade().map(|home| home.hosting.passivate_after) else { return };
    let every = idle.unwrap_or(SWEEP_EVERY.1) / 8;
    let every = every.clamp(SWEEP_EVERY.0, SWEEP_EVERY.1);
    loop {
        sleep(every).await;
        let Some(home) = home.upgrade() else { return };
        if home.engine.library.reader().is_err() {
            return;
        }
        home.residency.sweep(idle);
    }
}
