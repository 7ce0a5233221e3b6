//! Carries the note that names the key file of a store with personal data.
//!
//! Without it a copy would be opened with a new key file, and then refuse the right one.

use uuid::Uuid;

use crate::error::{ReadError, StoreFailure};
use crate::personal::KEY_FILE;
use crate::record::note::Notes;
use crate::store::{Batch, Reader, Store};

/// Returns the identity of the key file that the store was written with.
pub(super) fn of(reader: &dyn Reader) -> Result<Option<Uuid>, ReadError> {
    let identity = reader.note(KEY_FILE)?;
    Ok(identity.and_then(|bytes| Uuid::from_slice(&bytes).ok()))
}

/// Returns the key file of a target that has values sealed with another one than this. A store has one key file, so
/// that the copied values could never be read there.
pub(super) fn other(identity: Uuid, to: &Store) -> Result<Option<Uuid>, ReadError> {
    Ok(of(&*to.reader)?.filter(|of_target| *of_target != identity))
}

/// Records in `to` that it has values that were sealed with this key file. A store with personal data of its own
/// keeps its key file.
pub(super) fn carry(identity: Uuid, to: &mut Store) -> Result<(), NotCarried> {
    if of(&*to.reader)?.is_some() {
        return Ok(());
    }
    let mut notes = Notes::default();
    // A single short note always fits.
    let _ = notes.put(KEY_FILE, identity.as_bytes());
    to.writer.commit(&Batch { notes: vec![notes], ..Batch::default() })?;
    Ok(())
}

/// Why the note was not carried.
pub(super) enum NotCarried {
    Read(ReadError),
    Store(StoreFailure),
}

impl From<ReadError> for NotCarried {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<StoreFailure> for NotCarried {
    fn from(error: StoreFailure) -> Self {
        Self::Store(error)
    }
}
