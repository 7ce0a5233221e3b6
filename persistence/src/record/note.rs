use bytes::Bytes;
use thiserror::Error;

/// The longest key of a note: 2,048 bytes.
///
/// Room for a name, a stream and some numbers. A store repeats keys in the pages it finds its notes
/// by, so a longer one would make each of those large.
pub const NOTE_KEY_BYTES_MAX: usize = 2_048;

/// The largest value of a note: 4,000 bytes.
///
/// With its checksum it is one value of every engine, so that a note is never in parts. What is
/// larger is no note: it belongs into an event or a snapshot.
pub const NOTE_VALUE_BYTES_MAX: usize = 4_000;

/// The most bytes of one set of [`Notes`], counted as [`Notes::bytes`] does: 128 KiB.
///
/// A set is whole because it is written with one sync, so it must fit what may lie between two of
/// them, beside the store's own work.
pub const NOTES_BYTES_MAX: usize = 128 * 1024;

/// What one change counts in [`Notes::bytes`] beside its key and its value.
///
/// A small change far from the others makes an engine write some of what stands around it again.
/// Counted like this, the most scattered set stays within what may lie between two syncs.
pub const CHANGE_BYTES: usize = 1_024;

/// One note set to a value, or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteChange {
    /// The note's name: 1 to [`NOTE_KEY_BYTES_MAX`] bytes.
    pub key: Bytes,
    /// What it says from now on: at most [`NOTE_VALUE_BYTES_MAX`] bytes. None removes the note.
    pub value: Option<Bytes>,
}

impl NoteChange {
    fn bytes(&self) -> usize {
        CHANGE_BYTES + self.key.len() + self.value.as_ref().map_or(0, Bytes::len)
    }
}

/// Changes of notes that happen all or not at all.
///
/// A note is a small named value beside the log, such as how far a follower of the log has come.
/// There is one change per key: a later one replaces the earlier.
///
/// ```
/// use actuarius_persistence::{Batch, Notes, memory};
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
    /// Adds: the note `key` says `value`, whatever it said before.
    ///
    /// # Errors
    /// [`NoteTooLarge`]; the set is as it was before.
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

    /// Adds: there is no note `key`. Removing what is not there is no error.
    ///
    /// # Errors
    /// [`NoteTooLarge`]; the set is as it was before.
    pub fn remove(&mut self, key: impl AsRef<[u8]>) -> Result<(), NoteTooLarge> {
        self.change(key.as_ref(), None)
    }

    fn change(&mut self, key: &[u8], value: Option<Bytes>) -> Result<(), NoteTooLarge> {
        if key.is_empty() || key.len() > NOTE_KEY_BYTES_MAX {
            return Err(NoteTooLarge::Key { bytes: key.len() });
        }
        // A set has 127 changes at most, so looking through them is quick enough.
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

    /// Whether there is nothing to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// How many notes are changed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// What the set counts in a batch: its keys and values, and 1,024 bytes for each change, so that it has 127 at most.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The changes, one for each key.
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

/// A stored note whose checksum is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The note's name.
    pub key: Bytes,
    /// What it says.
    pub value: Bytes,
}

/// A change that a set of [`Notes`] does not take. Nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoteTooLarge {
    /// The key is empty or too long. Choose another.
    #[error("a note's key has {bytes} bytes; 1 to {NOTE_KEY_BYTES_MAX} are allowed")]
    Key {
        /// How many it has.
        bytes: usize,
    },
    /// The value is too large. Store it elsewhere, and note where.
    #[error("a note's value has {bytes} bytes; at most {NOTE_VALUE_BYTES_MAX} are allowed")]
    Value {
        /// How many it has.
        bytes: usize,
    },
    /// The set would become too large. Put the change into another set.
    #[error("a set of notes would have {bytes} bytes; at most {NOTES_BYTES_MAX} are allowed")]
    Set {
        /// How many it would have.
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
    fn what_is_too_large_is_refused_and_changes_nothing() {
        let mut notes = Notes::default();
        assert_eq!(notes.put("", "x"), Err(NoteTooLarge::Key { bytes: 0 }));
        assert_eq!(notes.remove([7; 2_049]), Err(NoteTooLarge::Key { bytes: 2_049 }));
        assert_eq!(notes.put("a", [7; 4_001]), Err(NoteTooLarge::Value { bytes: 4_001 }));
        assert_eq!(notes, Notes::default());
        notes.put([7; NOTE_KEY_BYTES_MAX], [7; NOTE_VALUE_BYTES_MAX]).expect("just small enough");
    }

    #[test]
    fn a_full_set_takes_no_more_but_still_replaces() {
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
