use std::sync::Arc;

use actuarius_persistence::keys::Keys;
use tokio::sync::watch;

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
