//! Notes: small named values that are stored beside the log.

use bytes::Bytes;
use thiserror::Error;

/// The longest key of a note: 2,048 bytes.
///
/// It is enough for a name, a stream and some numbers. A store repeats keys in its index pages, so
/// longer keys would make those pages large.
pub const NOTE_KEY_BYTES_MAX: usize = 2_048;

/// The largest value of a note: 4,000 bytes.
///
/// With its checksum it fits into one value of every engine, so a note is never split. Store larger
/// data in an event or a snapshot.
pub const NOTE_VALUE_BYTES_MAX: usize = 4_000;

/// The largest size of one set of [`Notes`], counted as in [`Notes::bytes`]: 128 KiB.
///
/// A set is atomic because it is written with one sync, so it must fit into what an engine can write
/// between two syncs, beside the store's own work.
pub const NOTES_BYTES_MAX: usize = 128 * 1024;

/// The size that one change adds to [`Notes::bytes`] beside its key and its value.
///
/// A small change makes an engine rewrite data around it. With this allowance, even a set of scattered
/// changes stays within what an engine can write between two syncs.
pub const CHANGE_BYTES: usize = 1_024;

/// One note set to a value, or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteChange {
    /// The name of the note: 1 to [`NOTE_KEY_BYTES_MAX`] bytes.
    pub key: Bytes,
    /// The new value: at most [`NOTE_VALUE_BYTES_MAX`] bytes. `None` removes the note.
    pub value: Option<Bytes>,
}

impl NoteChange {
    fn bytes(&self) -> usize {
        CHANGE_BYTES + self.key.len() + self.value.as_ref().map_or(0, Bytes::len)
    }
}

/// An atomic set of changes of notes.
///
/// A note is a small named value beside the log, such as the position of a follower of the log.
/// There is one change per key: a later one replaces the earlier.
///
/// ```
/// # mod actuarius { pub mod store { pub use actuarius_persistence::*; } }
/// use actuarius::store::{Batch, Notes, memory};
///
/// let mut store = memory::open();
/// let mut notes = Notes::default();
/// notes.put("followers/mail", 17u64.to_be_bytes())?;
/// notes.remove("followers/mail/parked")?;
/// store.writer.commit(&Batch { notes: vec![notes], ..Batch::default() })?;
///
/// let found = store.reader.note(b"followers/mail")?;
/// assert_eq!(found.as_deref(), Some(&17u64.to_be_bytes()[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    changes: Vec<NoteChange>,
    bytes: usize,
}

impl Notes {
    /// Adds a change that sets the note `key` to `value`.
    ///
    /// # Errors
    /// Returns [`NoteTooLarge`] if key, value or set are too large. The set is then unchanged.
    pub fn put(
        &mut self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), NoteTooLarge> {
        let value = value.as_ref();
        if value.len() > NOTE_VALUE_BYTES_MAX {
            return Err(NoteTooLarge::Value { bytes: value.len() });
        }
        self.change(key.as_ref(), Some(Bytes::copy_from_slice(value)))
    }

    /// Adds a change that removes the note `key`. It is no error if there is no such note.
    ///
    /// # Errors
    /// Returns [`NoteTooLarge`] if key or set are too large. The set is then unchanged.
    pub fn remove(&mut self, key: impl AsRef<[u8]>) -> Result<(), NoteTooLarge> {
        self.change(key.as_ref(), None)
    }

    fn change(&mut self, key: &[u8], value: Option<Bytes>) -> Result<(), NoteTooLarge> {
        if key.is_empty() || key.len() > NOTE_KEY_BYTES_MAX {
            return Err(NoteTooLarge::Key { bytes: key.len() });
        }
        // A set has at most 127 changes, so a linear search is fast enough.
        let place = self.changes.iter().position(|change| change.key == key);
        let replaced = place.map_or(0, |place| self.changes[place].bytes());
        let change = NoteChange { key: Bytes::copy_from_slice(key), value };
        let bytes = self.bytes - replaced + change.bytes();
        if bytes > NOTES_BYTES_MAX {
            return Err(NoteTooLarge::Set { bytes });
        }
        self.bytes = bytes;
        match place {
            Some(place) => self.changes[place] = change,
            None => self.changes.push(change),
        }
        Ok(())
    }

    /// Returns whether the set has no changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Returns the number of changes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Returns the size that the set counts in a batch: its keys and values, and 1,024 bytes for each
    /// change. So a set has at most 127 changes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the changes, one for each key.
    pub fn iter(&self) -> std::slice::Iter<'_, NoteChange> {
        self.changes.iter()
    }
}

impl<'a> IntoIterator for &'a Notes {
    type Item = &'a NoteChange;
    type IntoIter = std::slice::Iter<'a, NoteChange>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A stored note with a valid checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The name of the note.
    pub key: Bytes,
    /// The value of the note.
    pub value: Bytes,
}

/// Why a set of [`Notes`] refused a change. Nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoteTooLarge {
    /// The key is empty or too long. Choose another.
    #[error("a note's key has {bytes} bytes; 1 to {NOTE_KEY_BYTES_MAX} are allowed")]
    Key {
        /// Its size in bytes.
        bytes: usize,
    },
    /// The value is too large. Store it in another place, and store a reference in the note.
    #[error("a note's value has {bytes} bytes; at most {NOTE_VALUE_BYTES_MAX} are allowed")]
    Value {
        /// Its size in bytes.
        bytes: usize,
    },
    /// The set would become too large. Add the change to another set.
    #[error("a set of notes would have {bytes} bytes; at most {NOTES_BYTES_MAX} are allowed")]
    Set {
        /// Its size with the change, in bytes.
        bytes: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_change_of_a_key_replaces_the_earlier() {
        let mut notes = Notes::default();
        assert!(notes.is_empty() && notes.bytes() == 0);
        notes.put("a", "long ago").expect("small");
        notes.put("b", "").expect("small");
        let before = notes.bytes();
        notes.put("a", "now").expect("small");
        assert_eq!((notes.len(), notes.bytes()), (2, before - 5));
        notes.remove("b").expect("small");
        let changes: Vec<_> = notes.iter().map(|it| (&it.key[..], it.value.as_deref())).collect();
        assert_eq!(changes, [(&b"a"[..], Some(&b"now"[..])), (b"b", None)]);
    }

    #[test]
    fn too_large_changes_are_refused_and_leave_the_set_unchanged() {
        let mut notes = Notes::default();
        assert_eq!(notes.put("", "x"), Err(NoteTooLarge::Key { bytes: 0 }));
        assert_eq!(notes.remove([7; 2_049]), Err(NoteTooLarge::Key { bytes: 2_049 }));
        assert_eq!(notes.put("a", [7; 4_001]), Err(NoteTooLarge::Value { bytes: 4_001 }));
        assert_eq!(notes, Notes::default());
        notes.put([7; NOTE_KEY_BYTES_MAX], [7; NOTE_VALUE_BYTES_MAX]).expect("just small enough");
    }

    #[test]
    fn a_full_set_refuses_new_keys_but_still_replaces() {
        let mut notes = Notes::default();
        let mut number = 0u32;
        let refused = loop {
            if let Err(error) = notes.put(number.to_be_bytes(), [7; 100]) {
                break error;
            }
            number += 1;
        };
        assert!(matches!(refused, NoteTooLarge::Set { bytes } if bytes > NOTES_BYTES_MAX));
        assert!(notes.bytes() <= NOTES_BYTES_MAX && notes.len() == number as usize);
        let before = notes.clone();
        assert!(notes.remove("one more, and longer than the room that is left").is_err());
        assert_eq!(notes, before);
        notes.put(0u32.to_be_bytes(), [8; 100]).expect("as large as before");
        notes.remove(1u32.to_be_bytes()).expect("smaller than before");
    }
}
