use std::sync::Arc;

use actuarius_persistence::keys::Keys;
use actuarius_persistence::{ReadError, Reader};
use tokio::sync::watch;
use uuid::Uuid;

/// The note in a store that names the key file it was written with.
pub(crate) const KEY_FILE: &[u8] = b"keys";

/// The [identity](Keys::identity) of the key file that the store was written with; none when it was never
/// opened with personal data.
///
/// # Errors
/// [`ReadError`].
pub fn key_file(reader: &dyn Reader) -> Result<Option<Uuid>, ReadError> {
    let said = reader.note(KEY_FILE)?;
    Ok(said.and_then(|said| Uuid::from_slice(&said).ok()))
}

/// The keys of data subjects, if there are any, and who hears when one is forgotten.
pub(crate) struct Keyring {
    keys: Option<Arc<Keys>>,
    forgotten: watch::Sender<u64>,
}

impl Keyring {
    pub(crate) fn of(keys: Option<Arc<Keys>>) -> Self {
        let forgotten = keys.as_ref().map_or(0, |keys| keys.forgotten());
        Self { keys, forgotten: watch::Sender::new(forgotten) }
    }

    pub(crate) fn keys(&self) -> Option<&Arc<Keys>> {
        self.keys.as_ref()
    }

    /// How many subjects are forgotten.
    pub(crate) fn forgotten(&self) -> u64 {
        self.keys.as_ref().map_or(0, |keys| keys.forgotten())
    }

    /// Tells whoever keeps what was derived from clear text.
    pub(crate) fn tell(&self) {
        self.forgotten.send_replace(self.forgotten());
    }

    /// Counts one who was forgotten.
    pub(crate) fn count(&self, had_key: bool) {
        if had_key {
            metrics::counter!("actuarius_subjects_forgotten_total").increment(1);
        }
    }

    /// How many subjects are forgotten, now and later.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.forgotten.subscribe()
    }
}
