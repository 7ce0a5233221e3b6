//! [`Keyring`]: what seals personal data, and notifications when the key of a data subject is destroyed.

use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "erasure")]
use actuarius_persistence::keys::Keys;
use actuarius_persistence::personal::{KEY_FILE, Sealer};
use actuarius_persistence::{OpenError, ReadError, Reader, Store};
use tokio::sync::watch;
use uuid::Uuid;

use super::handed_out::HandedOut;

/// Returns the identity of the key file that the store was written with; `None` if it was never opened
/// with personal data.
///
/// # Errors
/// [`ReadError`].
pub fn key_file(reader: &dyn Reader) -> Result<Option<Uuid>, ReadError> {
    let identity = reader.note(KEY_FILE)?;
    Ok(identity.and_then(|bytes| Uuid::from_slice(&bytes).ok()))
}

/// Puts keys around a store while a runtime opens it.
pub(crate) trait StoreGuard: Send + Sync {
    fn guard(
        self: Box<Self>,
        store: Store,
        directory: Option<&Path>,
    ) -> Result<(Store, Keyring), OpenError>;
}

/// The keys of data subjects, if there are any, and a channel that notifies when one is destroyed.
pub(crate) struct Keyring {
    sealer: Option<Arc<dyn Sealer>>,
    #[cfg(feature = "erasure")]
    keys: Option<Arc<Keys>>,
    forgotten: watch::Sender<u64>,
    pub(crate) handed_out: Arc<HandedOut>,
    /// Held while a thread destroys a key or removes views: one at a time.
    #[cfg(feature = "erasure")]
    pub(crate) forgetting: tokio::sync::Mutex<()>,
}

impl Keyring {
    /// No keys: the runtime keeps no personal data.
    pub(crate) fn none() -> Self {
        Self {
            sealer: None,
            #[cfg(feature = "erasure")]
            keys: None,
            forgotten: watch::Sender::new(0),
            handed_out: Arc::default(),
            #[cfg(feature = "erasure")]
            forgetting: tokio::sync::Mutex::default(),
        }
    }

    #[cfg(feature = "erasure")]
    pub(crate) fn of(keys: Arc<Keys>) -> Self {
        let forgotten = watch::Sender::new(keys.forgotten());
        Self {
            sealer: Some(keys.clone()),
            keys: Some(keys),
            forgotten,
            handed_out: Arc::default(),
            forgetting: tokio::sync::Mutex::default(),
        }
    }

    #[cfg(feature = "erasure")]
    pub(crate) fn keys(&self) -> Option<&Arc<Keys>> {
        self.keys.as_ref()
    }

    /// Returns what seals and opens personal data, if there are keys.
    pub(crate) fn sealer(&self) -> Option<&Arc<dyn Sealer>> {
        self.sealer.as_ref()
    }

    /// Returns the number of forgotten subjects.
    pub(crate) fn forgotten(&self) -> u64 {
        self.sealer.as_ref().map_or(0, |sealer| sealer.forgotten())
    }

    /// Notifies the holders of data that was derived from clear text.
    pub(crate) fn notify(&self) {
        self.forgotten.send_replace(self.forgotten());
    }

    /// Returns a receiver of the number of forgotten subjects.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.forgotten.subscribe()
    }
}
