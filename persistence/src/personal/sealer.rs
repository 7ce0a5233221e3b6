//! The seam between personal values and the keys that seal them.

use std::fmt;

use zeroize::Zeroizing;

use super::error::{KeyError, PersonalError};
use super::subjects::Subjects;

/// Seals and opens personal data with a key for each data subject.
pub trait Sealer: fmt::Debug + Send + Sync {
    /// Seals the encoded value of a subject. Creates the subject's key if there is none.
    ///
    /// # Errors
    /// Returns [`PersonalError`] if nothing was sealed.
    fn seal(&self, subject: &str, clear: &[u8]) -> Result<Vec<u8>, PersonalError>;

    /// Opens a sealed value of a subject. Returns `None` if the subject was forgotten.
    ///
    /// # Errors
    /// Returns [`PersonalError`] if the value cannot be opened.
    fn unseal(
        &self,
        subject: &str,
        sealed: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, PersonalError>;

    /// Seals bytes that contain clear text of all these subjects. Forgetting any one of them erases
    /// the sealed bytes. Returns `None` if one of them is already forgotten.
    ///
    /// # Errors
    /// Returns [`KeyError`] if a key is not available.
    fn seal_for(&self, subjects: &Subjects, clear: &[u8]) -> Result<Option<Vec<u8>>, KeyError>;

    /// Opens bytes that [`seal_for`](Sealer::seal_for) sealed.
    ///
    /// # Errors
    /// Returns [`KeyError`] if a key is not available.
    fn open_for(&self, sealed: &[u8]) -> Result<Opened, KeyError>;

    /// Returns how many subjects are forgotten. The number only grows.
    fn forgotten(&self) -> u64;

    /// Makes new keys durable. Nothing sealed with them may be acknowledged before.
    ///
    /// # Errors
    /// Returns [`KeyError::Failed`] if a write failed. Every later call fails, too.
    fn flush(&self) -> Result<(), KeyError>;

    /// Does the work that [`flush`](Sealer::flush) postponed.
    ///
    /// # Errors
    /// Returns the same errors as [`flush`](Sealer::flush).
    fn settle(&self) -> Result<(), KeyError>;

    /// Releases the key file. Later calls open and seal nothing.
    ///
    /// # Errors
    /// Returns the same errors as [`flush`](Sealer::flush). The file is released in any case.
    fn close(&self) -> Result<(), KeyError>;
}

/// The result of opening bytes that were sealed for several subjects.
#[derive(Debug, PartialEq, Eq)]
pub enum Opened {
    /// The bytes were never sealed.
    Unsealed,
    /// The clear text, and the subjects it was sealed for.
    Clear(Zeroizing<Vec<u8>>, Subjects),
    /// One of the subjects was forgotten, so the bytes cannot be opened any more.
    Erased,
    /// The bytes differ from what was sealed.
    Altered,
}
