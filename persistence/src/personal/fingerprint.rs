//! Fingerprints: identify data subjects where their names must not be stored.

use std::fmt;

use uuid::Uuid;

/// Identifies a subject in the key file: a keyed hash of its name, so the file contains no names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub(crate) [u8; 16]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", Uuid::from_bytes(self.0).simple())
    }
}
