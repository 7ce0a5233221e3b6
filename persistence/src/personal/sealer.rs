//! The seam between personal values and the keys that seal them.

use std::fmt;

use zeroize::Zeroizing;

use super::error::{KeyError, PersonalError};
use super::subjects::Subjects;

/// Seals and opens what is personal, with a key for each data subject.
pub trait Sealer: fmt::Debug + Send + Sync {
    /// Seals the encoded value of a subject. Creates the subject's key if there is none.
    ///
    /// # Errors
    /// [`PersonalError`]: nothing was sealed.
    fn seal(&self, subject: &str, clear: &[u8]) -> Result<Vec<u8>, PersonalError>;

    /// Opens what was sealed for a subject. Returns `None` if the subject was forgotten.
    ///
    /// # Errors
    /// [`PersonalError`]: the value stays sealed.
    fn unseal(
        &self,
        subject: &str,
        sealed: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, PersonalError>;

    /// Seals bytes that hold the clear text of all these subjects. Forgetting any one of them erases
    /// what was sealed. Returns `None` if one of them is forgotten already.
    ///
    /// # Errors
    /// [`KeyError`]: a key is not available.
    fn seal_for(&self, subjects: &Subjects, clear: &[u8]) -> Result<Option<Vec<u8>>, KeyError>;

    /// Opens what [`seal_for`](Sealer::seal_for) sealed.
    ///
    /// # Errors
    /// [`KeyError`]: a key is not available.
    fn open_for(&self, sealed: &[u8]) -> Result<Opened, KeyError>;

    /// Returns how many subjects are forgotten. The number only grows.
    fn forgotten(&self) -> u64;

    /// Makes new keys durable. Nothing sealed with them may be acknowledged before.
    ///
    /// # Errors
    /// [`KeyError::Failed`]; every later call fails, too.
    fn flush(&self) -> Result<(), KeyError>;

    /// Does the work that [`flush`](Sealer::flush) postponed.
    ///
    /// # Errors
    /// As for [`flush`](Sealer::flush).
    fn settle(&self) -> Result<(), KeyError>;

    /// Releases the key file. Later calls open and seal nothing.
    ///
    /// # Errors
    /// As for [`flush`](Sealer::flush); the file is released all the same.
    fn close(&self) -> Result<(), KeyError>;
}

/// What bytes that were sealed for several subjects turn out to be.
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
