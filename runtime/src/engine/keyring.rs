//! [`Keyring`]: the keys of data subjects, and notifications when one of them is destroyed.

use std::sync::Arc;

use actuarius_persistence::keys::Keys;
use actuarius_persistence::personal::Sealer;
use actuarius_persistence::{ReadError, Reader};
use tokio::sync::watch;
use uuid::Uuid;

/// The key of the store's note that holds the identity of its key file.
pub(crate) const KEY_FILE: &[u8] = b"keys";

/// Returns the [identity](Keys::identity) of the key file that the store was written with; `None` if it
/// was never opened with personal data.
///
/// # Errors
/// [`ReadError`].
pub fn key_file(reader: &dyn Reader) -> Result<Option<Uuid>, ReadError> {
    let identity = reader.note(KEY_FILE)?;
    Ok(identity.and_then(|bytes| Uuid::from_slice(&bytes).ok()))
}

/// The keys of data subjects, if there are any, and a channel that notifies when one is destroyed.
pub(crate) struct Keyring {
    keys: Option<Arc<Keys>>,
    sealer: Option<Arc<dyn Sealer>>,
    forgotten: watch::Sender<u64>,
}

impl Keyring {
    pub(crate) fn of(keys: Option<Arc<Keys>>) -> Self {
        let forgotten = keys.as_ref().map_or(0, |keys| keys.forgotten());
        let sealer = keys.clone().map(|keys| keys as Arc<dyn Sealer>);
        Self { keys, sealer, forgotten: watch::Sender::new(forgotten) }
    }

    pub(crate) fn keys(&self) -> Option<&Arc<Keys>> {
        self.keys.as_ref()
    }

    /// Returns what seals and opens personal data, if there are keys.
    pub(crate) fn sealer(&self) -> Option<&Arc<dyn Sealer>> {
        self.sealer.as_ref()
    }

    /// Returns the number of forgotten subjects.
    pub(crate) fn forgotten(&self) -> u64 {
        self.keys.as_ref().map_or(0, |keys| keys.forgotten())
    }

    /// Notifies the holders of data that was derived from clear text.
    pub(crate) fn notify(&self) {
        self.forgotten.send_replace(self.forgotten());
    }

    /// Counts a forgotten subject in the metrics, if it had a key.
    pub(crate) fn count(&self, had_key: bool) {
        if had_key {
            metrics::counter!("actuarius_subjects_forgotten_total").increment(1);
        }
    }

    /// Returns a receiver of the number of forgotten subjects.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.forgotten.subscribe()
    }
}
