use std::path::Path;
use std::sync::Arc;

use actuarius_persistence::views::Views;
use actuarius_persistence::{OpenError, Store, disk, memory};
use tokio::runtime::Handle;

use crate::admission::Admission;
use crate::alive::Alive;
use crate::clock::{Clock, SystemClock};
use crate::committer::Committer;
use crate::deletion;
use crate::engine::{Engine, Library};
use crate::recoveries::Recoveries;
use crate::runtime::Runtime;
use crate::supervision::Supervision;
use crate::tail::Tail;
use crate::telemetry::{self, CommitMeters};

/// How a runtime is opened.
#[must_use = "a builder does nothing until it opens"]
pub struct Builder {
    pending_limit: usize,
    concurrent_recoveries: usize,
    clock: Arc<dyn Clock>,
    views: Option<Views>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            pending_limit: 65_536,
            concurrent_recoveries: 64,
            clock: Arc::new(SystemClock),
            views: None,
        }
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

    /// Where views are kept: those on disk, and the saved states of those in memory. Default: in
    /// the folder `views` beside the durable store, otherwise in memory.
    pub fn views(mut self, views: Views) -> Self {
        self.views = Some(views);
        self
    }

    /// Opens the durable store in `directory`, which is made if it does not exist.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed in the store.
    pub async fn open(mut self, directory: impl AsRef<Path>) -> Result<Runtime, OpenError> {
        let directory = directory.as_ref().to_owned();
        let place = directory.clone();
        let opened = tokio::task::spawn_blocking(move || disk::open(place)).await;
        let store = opened.map_err(|panic| OpenError::Damaged {
            path: directory.clone(),
            what: format!("opening it panicked: {panic}"),
        })??;
        self.views.get_or_insert_with(|| Views::on_disk(directory.join("views")));
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
        let engine = self.engine(store).await?;
        tokio::spawn(deletion::resume(engine.clone()));
        Ok(Runtime::of(Alive::new(engine, self.views.unwrap_or_else(Views::in_memory))))
    }

    pub(crate) async fn engine(&self, store: Store) -> std::io::Result<Arc<Engine>> {
        let supervision = Supervision::start_managers().await.map_err(std::io::Error::other)?;
        let admission = Admission::new(self.pending_limit);
        let meters = CommitMeters::new();
        let tail = Tail::at(store.reader.head());
        Ok(Arc::new(Engine {
            committer: Committer::start(store.writer, admission.clone(), tail.clone(), meters)?,
            admission,
            library: Library::new(store.reader),
            tail,
            clock: self.clock.clone(),
            supervision,
            recoveries: Recoveries::new(Handle::current(), self.concurrent_recoveries),
        }))
    }
}
