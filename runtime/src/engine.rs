pub(crate) mod keyring;
pub(crate) mod recovery_pool;
pub(crate) mod supervision;

use std::sync::{Arc, PoisonError, RwLock};

use actuarius_domain::Position;
use actuarius_persistence::{ReadError, Reader, StoreFailure};

use crate::base::clock::Clock;
use crate::commit::admission::Admission;
use crate::commit::committer::Committer;
use crate::commit::tail::Tail;
use keyring::Keyring;
use recovery_pool::RecoveryPool;
use supervision::Supervision;

/// What all hosted types share.
pub(crate) struct Engine {
    pub(crate) admission: Arc<Admission>,
    pub(crate) committer: Committer,
    pub(crate) store: SharedReader,
    pub(crate) keyring: Keyring,
    pub(crate) tail: Arc<Tail>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) supervision: Supervision,
    pub(crate) recovery_pool: Arc<RecoveryPool>,
}

impl Engine {
    /// The failure that poisoned the store, if one has.
    pub(crate) fn failure(&self) -> Option<&StoreFailure> {
        self.committer.failure()
    }

    /// Reads from the store where waiting for a disk holds nobody up.
    ///
    /// # Errors
    /// What `look` says; and that the store is closed.
    pub(crate) async fn read<R, E>(
        &self,
        look: impl FnOnce(&dyn Reader) -> Result<R, E> + Send + 'static,
    ) -> Result<R, E>
    where
        R: Send + 'static,
        E: From<ReadError> + Send + 'static,
    {
        let reader = self.store.reader()?;
        let read = tokio::task::spawn_blocking(move || look(&*reader));
        read.await.unwrap_or_else(|error| {
            Err(match error.is_panic() {
                true => ReadError::Io(Arc::new(std::io::Error::other(error))),
                // The runtime of tokio ends.
                false => ReadError::Closed,
            }
            .into())
        })
    }
}

/// The reader, until the store is closed: then the last use of it ends, and the store lets go of
/// its files.
pub(crate) struct SharedReader(RwLock<Option<Arc<dyn Reader>>>);

impl SharedReader {
    pub(crate) fn new(reader: Arc<dyn Reader>) -> Self {
        Self(RwLock::new(Some(reader)))
    }

    pub(crate) fn reader(&self) -> Result<Arc<dyn Reader>, ReadError> {
        let reader = self.0.read().unwrap_or_else(PoisonError::into_inner);
        reader.clone().ok_or(ReadError::Closed)
    }

    /// The last durable position; none once closed.
    pub(crate) fn head(&self) -> Position {
        self.reader().map_or(Position::NONE, |reader| reader.head())
    }

    /// Takes the reader away from here on; the last one to drop it closes the store.
    pub(crate) fn close(&self) -> Option<Arc<dyn Reader>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).take()
    }
}
