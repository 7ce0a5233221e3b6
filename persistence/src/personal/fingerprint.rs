//! What stands for a data subject where its name must not.

use std::fmt;

use uuid::Uuid;

/// Stands for a subject in the key file: a keyed hash of its name, so the file holds no names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub(crate) [u8; 16]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", Uuid::from_bytes(self.0).simple())
    }
}
