//! [`Decoded`]: what was decoded for code of the user's.
//!
//! A subject may be forgotten between the decoding of an event and the handing over. So what is handed over is
//! recorded first, and then checked: either the erasure finds the record and waits, or the check finds the erasure.

use std::sync::Arc;

use actuarius_persistence::personal::{Subjects, collecting};

use super::handed_out::Lent;
use super::keyring::Keyring;

/// Something that was decoded, and the subjects whose clear text it holds.
pub(crate) struct Decoded<T> {
    value: T,
    subjects: Subjects,
    /// How many subjects were forgotten before it was decoded.
    forgotten: u64,
}

impl<T> Decoded<T> {
    pub(crate) fn by(keyring: &Keyring, decode: impl FnOnce() -> T) -> Self {
        let (forgotten, mut subjects) = (keyring.forgotten(), Subjects::default());
        let value = collecting(keyring.sealer(), &mut subjects, decode);
        Self { value, subjects, forgotten }
    }

    pub(crate) fn holds_clear_text(&self) -> bool {
        !self.subjects.is_empty()
    }

    /// Records that it is handed to the follower `to`. Returns `None` if a subject was forgotten since it was
    /// decoded: then decode it again.
    pub(crate) fn lend(self, keyring: &Keyring, to: &Arc<str>) -> Option<(T, Option<Lent>)> {
        if !self.holds_clear_text() {
            return Some((self.value, None));
        }
        let lent = keyring.handed_out.lend(to, self.subjects, self.forgotten);
        (keyring.forgotten() == self.forgotten).then_some((self.value, Some(lent)))
    }
}
