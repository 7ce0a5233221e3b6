//! Whether clear text of data subjects may be in a view, so that a forgotten one is erased from it.

use std::sync::Arc;

use actuarius_persistence::personal::{Sealer, Subjects, collecting};

use super::types::take;

/// Whether clear text of data subjects may be in a view.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ErasureTaint {
    has_any: bool,
    /// How many subjects were forgotten when the first clear text came in: it belongs to none of these.
    forgotten: u64,
}

impl ErasureTaint {
    /// Runs what events do to a view, and records whether clear text came in.
    pub(crate) fn watch<R>(
        &mut self,
        keys: Option<&Arc<dyn Sealer>>,
        work: impl FnOnce() -> R,
    ) -> R {
        // A subject that is forgotten from here on may be in it.
        let (forgotten, mut subjects) =
            (keys.map_or(0, |keys| keys.forgotten()), Subjects::default());
        let done = collecting(keys, &mut subjects, work);
        if !subjects.is_empty() && !self.has_any {
            *self = Self { has_any: true, forgotten };
        }
        done
    }

    /// Returns whether it may hold one of the first `forgotten` subjects that were forgotten.
    pub(crate) fn must_erase(self, forgotten: u64) -> bool {
        self.has_any && forgotten > self.forgotten
    }

    /// Appends `has any u8 | forgotten u64`, little-endian.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        out.push(u8::from(self.has_any));
        out.extend_from_slice(&self.forgotten.to_le_bytes());
    }

    /// Reads what was written from the front of `bytes`; `None` if it is something else.
    pub(crate) fn read(bytes: &mut &[u8]) -> Option<Self> {
        let [has_any] = take(bytes)?;
        Some(Self { has_any: has_any != 0, forgotten: u64::from_le_bytes(take(bytes)?) })
    }
}
