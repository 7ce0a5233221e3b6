use std::path::Path;
use std::sync::Arc;

use actuarius_persistence::keys::{KeyError, Keys, MasterKeys};
use actuarius_persistence::personal::Sealer;
use actuarius_persistence::views::Views;
use actuarius_persistence::{Batch, Notes, OpenError, Store, guard, guard_with_its_own, memory};
use tokio::runtime::Handle;

use crate::base::clock::{Clock, SystemClock};
use crate::base::telemetry::{self, CommitMeters};
use crate::commit::admission::Admission;
use crate::commit::committer::Committer;
use crate::commit::tail::Tail;
use crate::engine::keyring::{KEY_FILE, Keyring, key_file};
use crate::engine::recovery_pool::RecoveryPool;
use crate::engine::supervision::Supervision;
use crate::engine::{Engine, SharedReader};
use crate::inner::Inner;
use crate::operations::deletion;
use crate::runtime::Runtime;

/// How a runtime is opened.
#[must_use = "a builder does nothing until it opens"]
pub struct Builder {
    pending_limit: usize,
    concurrent_recoveries: usize,
    clock: Arc<dyn Clock>,
    views: Option<Views>,
    personal_data: Option<PersonalData>,
}

/// Where the keys of data subjects come from.
enum PersonalData {
    /// From the store's directory, or memory.
    Wrapped(Arc<dyn MasterKeys>),
    Open(Arc<Keys>),
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            pending_limit: 65_536,
            concurrent_recoveries: 64,
            clock: Arc::new(SystemClock),
            views: None,
            personal_data: None,
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
    pub fn concurrent_recoveries(mut self, recovery_pool: usize) -> Self {
        self.concurrent_recoveries = recovery_pool.max(1);
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

    /// Lets events, states and views hold [`Personal`](crate::Personal) data: it is sealed with a key
    /// for each data subject, which is destroyed when that is [forgotten](Runtime::forget). The keys are
    /// kept in the folder `keys` beside the durable store, wrapped with the master key; otherwise in
    /// memory.
    pub fn personal_data(mut self, master: impl MasterKeys) -> Self {
        self.personal_data = Some(PersonalData::Wrapped(Arc::new(master)));
        self
    }

    /// Like [`personal_data`](Builder::personal_data), with keys that are open already, from a place of
    /// one's own.
    pub fn personal_data_with(mut self, keys: Arc<Keys>) -> Self {
        self.personal_data = Some(PersonalData::Open(keys));
        self
    }

    /// Opens the durable store in `directory`, which is made if it does not exist.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed in the store.
    pub async fn open(mut self, directory: impl AsRef<Path>) -> Result<Runtime, OpenError> {
        let directory = directory.as_ref().to_owned();
        let place = directory.clone();
        let personal_data = self.personal_data.take();
        let opening = move || {
            let store = actuarius_sled::open(&place)?;
            keyed(store, personal_data, Some(&place.join("keys")))
        };
        let opened = tokio::task::spawn_blocking(opening).await;
        let (store, keys) = opened.map_err(|panic| OpenError::Damaged {
            path: directory.clone(),
            what: format!("opening it panicked: {panic}"),
        })??;
        self.views.get_or_insert_with(|| actuarius_sled::views(directory.join("views")));
        let started = self.start(store, keys).await;
        started.map_err(|source| OpenError::Io { path: directory, source })
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
    pub async fn on_store(mut self, store: Store) -> Result<Runtime, OpenError> {
        let (store, keys) = keyed(store, self.personal_data.take(), None)?;
        self.start(store, keys).await.map_err(|source| OpenError::Io { path: "".into(), source })
    }

    async fn start(self, store: Store, keys: Option<Arc<Keys>>) -> std::io::Result<Runtime> {
        telemetry::describe();
        let engine = self.engine(store, keys.clone()).await?;
        deletion::resume(&engine).await;
        let views = self.views.unwrap_or_else(Views::in_memory);
        let views = keys.into_iter().fold(views, |views, keys| views.with_sealer(keys));
        Ok(Runtime::of(Inner::new(engine, views)))
    }

    pub(crate) async fn engine(
        &self,
        store: Store,
        keys: Option<Arc<Keys>>,
    ) -> std::io::Result<Arc<Engine>> {
        let supervision = Supervision::start_managers().await.map_err(std::io::Error::other)?;
        let admission = Admission::new(self.pending_limit);
        let meters = CommitMeters::new();
        let tail = Tail::with_sealer(
            store.reader.head(),
            keys.clone().map(|keys| keys as Arc<dyn Sealer>),
        );
        Ok(Arc::new(Engine {
            committer: Committer::start(store.writer, admission.clone(), tail.clone(), meters)?,
            admission,
            store: SharedReader::new(store.reader),
            keyring: Keyring::of(keys),
            tail,
            clock: self.clock.clone(),
            supervision,
            recovery_pool: RecoveryPool::new(Handle::current(), self.concurrent_recoveries),
        }))
    }
}

/// The store with its keys, if it is to have any: those in `directory`, or in memory.
fn keyed(
    mut store: Store,
    personal_data: Option<PersonalData>,
    directory: Option<&Path>,
) -> Result<(Store, Option<Arc<Keys>>), OpenError> {
    let Some(personal_data) = personal_data else { return Ok((store, None)) };
    let path = directory.unwrap_or(Path::new("")).to_owned();
    let failed = |source| OpenError::Keys { path: path.clone(), source };
    let expected = key_file(&*store.reader).map_err(|error| failed(unreadable(error)))?;
    let is_its_own = matches!(personal_data, PersonalData::Wrapped(_));
    let keys = match (personal_data, directory) {
        (PersonalData::Open(keys), _) => keys,
        (PersonalData::Wrapped(master), None) => Keys::in_memory(master).map_err(failed)?,
        (PersonalData::Wrapped(master), Some(directory)) => match expected {
            // A new file would hide that the right one is missing.
            Some(expected) if !Keys::exist_in(directory) => {
                let found = "but there is none".to_owned();
                return Err(failed(KeyError::OtherFile { expected, found }));
            }
            _ => Keys::open(directory, master)?,
        },
    };
    match expected {
        Some(expected) if expected != keys.identity() => {
            let found = format!("not with {}", keys.identity());
            return Err(failed(KeyError::OtherFile { expected, found }));
        }
        Some(_) => {}
        None => {
            let mut notes = Notes::default();
            // It fits: 4 bytes, and 16.
            let _ = notes.put(KEY_FILE, keys.identity().as_bytes());
            let batch = Batch { notes: vec![notes], ..Batch::default() };
            store.writer.commit(&batch).map_err(|error| failed(unreadable(error)))?;
        }
    }
    let guarded = match is_its_own {
        true => guard_with_its_own(store, keys.clone()),
        false => guard(store, keys.clone()),
    };
    Ok((guarded, Some(keys)))
}

fn unreadable(error: impl std::fmt::Display) -> KeyError {
    KeyError::Unreadable { what: error.to_string() }
}
