//! [`RuntimeBuilder`]: the options of a runtime, and how it is opened.

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
    clock: Arc<dyn Clock>,
    views: Option<Views>,
    personal_data: Option<PersonalData>,
}

/// The source of the keys of data subjects.
enum PersonalData {
    /// A key file in the store's directory, or keys in memory, wrapped by the master keys.
    Wrapped(Arc<dyn MasterKeys>),
    /// Keys that the caller has opened.
    Open(Arc<Keys>),
}

impl Default for RuntimeBuilder {
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

    /// Allows [`Personal`](crate::Personal) data in events, states and views. It is sealed with a key for
    /// each data subject, which is destroyed when the subject is [forgotten](Runtime::forget). The keys
    /// are stored in the folder `keys` in the directory of the durable store, wrapped with the master key;
    /// in memory for any other store.
    pub fn personal_data(mut self, master: impl MasterKeys) -> Self {
        self.personal_data = Some(PersonalData::Wrapped(Arc::new(master)));
        self
    }

    /// Like [`personal_data`](RuntimeBuilder::personal_data), with keys that you have opened from a place of
    /// your own.
    pub fn personal_data_with(mut self, keys: Arc<Keys>) -> Self {
        self.personal_data = Some(PersonalData::Open(keys));
        self
    }

    /// Opens the durable store in `directory`, which is created if it does not exist.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed in the store.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn open(mut self, directory: impl AsRef<Path>) -> Result<Runtime, OpenError> {
        let directory = directory.as_ref().to_owned();
        let path = directory.clone();
        let personal_data = self.personal_data.take();
        let opening = move || {
            let store = actuarius_sled::open(&path)?;
            keyed(store, personal_data, Some(&path.join("keys")))
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

    /// Opens a store in memory. Nothing survives the process.
    ///
    /// # Errors
    /// [`OpenError::Io`] if the system refuses a thread.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn in_memory(self) -> Result<Runtime, OpenError> {
        self.on_store(memory::open()).await
    }

    /// Opens any store that satisfies the [contract](crate::store::contract).
    ///
    /// # Errors
    /// [`OpenError::Io`] if the system refuses a thread; [`OpenError::Keys`] if the keys do not belong to the
    /// store.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
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

/// Opens the keys, if personal data is allowed, and guards the store with them: keys in `directory`, or in
/// memory.
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
            // Creating a new file would hide that the right one is missing.
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
            // A key of 4 bytes and a value of 16 bytes always fit.
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
