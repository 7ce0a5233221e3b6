//! [`Engine`]: what all hosted types share, and [`SharedReader`], the store's reader until it is closed.

pub(crate) mod decoded;
pub(crate) mod deletions;
pub(crate) mod folding;
pub(crate) mod handed_out;
pub(crate) mod keyring;
pub(crate) mod pool;
pub(crate) mod supervision;

use std::sync::{Arc, PoisonError, RwLock};

use actuarius_domain::Position;
use actuarius_persistence::{ReadError, Reader, StoreFailure};
#[cfg(feature = "archive")]
use tokio::sync::Semaphore;

use crate::base::guarded_clock::GuardedClock;
use crate::base::home_runtime::HomeRuntime;
use crate::base::timer::Timer;
use crate::commit::admission::Admission;
use crate::commit::committer::Committer;
use crate::commit::tail::Tail;
use crate::schema::recorded::StoreShapes;
use deletions::Deletions;
use folding::Folding;
use keyring::Keyring;
use pool::Pool;
use supervision::Supervision;

/// What all hosted types share.
pub(crate) struct Engine {
    /// The tokio runtime that opened the store, in which all tasks run.
    pub(crate) home: Arc<HomeRuntime>,
    /// For waits of callers.
    pub(crate) timer: Timer,
    pub(crate) admission: Arc<Admission>,
    pub(crate) committer: Committer,
    pub(crate) store: SharedReader,
    pub(crate) shapes: Arc<StoreShapes>,
    pub(crate) keyring: Keyring,
    pub(crate) tail: Arc<Tail>,
    /// The streams that are being removed from the log.
    pub(crate) deletions: Deletions,
    pub(crate) clock: GuardedClock,
    pub(crate) supervision: Supervision,
    /// For recoveries of aggregates.
    pub(crate) recovery_pool: Pool,
    /// For reads of callers and followers, a page at a time.
    pub(crate) read_pool: Pool,
    /// The places of views that fold events.
    pub(crate) folding: Folding,
    /// For everything that may take long or wait, such as views and backups.
    pub(crate) work_pool: Pool,
    /// Permits to read the whole store.
    #[cfg(feature = "archive")]
    pub(crate) operations: Arc<Semaphore>,
}

/// How many backups and archivings run at once. Each holds a thread and reads the disk from end to end, so more would
/// only slow each other down; further calls wait.
#[cfg(feature = "archive")]
pub(crate) const OPERATIONS_AT_ONCE: usize = 8;

impl Engine {
    /// Returns the failure that poisoned the store, if there was one.
    pub(crate) fn failure(&self) -> Option<&StoreFailure> {
        self.committer.failure()
    }

    /// Reads from the store on a thread of the read pool, so that waiting for a disk delays no task. A read that
    /// nobody waits for any more is skipped.
    ///
    /// # Errors
    /// The errors of `read`, and [`ReadError::Closed`] once the store is closed.
    pub(crate) async fn read<R, E>(
        &self,
        read: impl FnOnce(&dyn Reader) -> Result<R, E> + Send + 'static,
    ) -> Result<R, E>
    where
        R: Send + 'static,
        E: From<ReadError> + Send + 'static,
    {
        let store = self.store.clone();
        let reading = self.read_pool.run_if_awaited(move || read(&*store.reader()?));
        reading.await.map_err(ReadError::from)?
    }

    /// Runs a backup or another operation on the whole store, once few enough of them run.
    ///
    /// # Errors
    /// [`NotDone`](pool::NotDone): it panicked, or the pool was closed before it ran.
    #[cfg(feature = "archive")]
    pub(crate) async fn operate<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, pool::NotDone> {
        let permit = self.operations.clone().acquire_owned().await;
        let permit = permit.map_err(|_| pool::NotDone::Closed)?;
        // It continues even if nobody waits for it any more, so it keeps the permit itself.
        let operation = move || {
            let _permit = permit;
            work()
        };
        self.work_pool.run(operation).await
    }

    /// Ends the threads, once their current jobs are done. What waits for one is dropped.
    pub(crate) fn close_pools(&self) {
        self.recovery_pool.close();
        self.read_pool.close();
        self.work_pool.close();
        #[cfg(feature = "archive")]
        self.operations.close();
    }
}

/// The store's reader, until the store is closed. Once it is closed and the last clone is dropped, the
/// store releases its files.
#[derive(Clone)]
pub(crate) struct SharedReader(Arc<RwLock<Option<Arc<dyn Reader>>>>);

impl SharedReader {
    pub(crate) fn new(reader: Arc<dyn Reader>) -> Self {
        Self(Arc::new(RwLock::new(Some(reader))))
    }

    pub(crate) fn reader(&self) -> Result<Arc<dyn Reader>, ReadError> {
        let reader = self.0.read().unwrap_or_else(PoisonError::into_inner);
        reader.clone().ok_or(ReadError::Closed)
    }

    /// Returns the last durable position; [`Position::NONE`] once closed.
    pub(crate) fn head(&self) -> Position {
        self.reader().map_or(Position::NONE, |reader| reader.head())
    }

    /// Takes the reader out. Dropping its last clone closes the store.
    pub(crate) fn close(&self) -> Option<Arc<dyn Reader>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).take()
    }
}
