//! `RecordedShape`: the note that records the shape of an event type, as it was when its first event was stored.

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128;

use super::Reader;
use crate::error::ReadError;
use crate::record::note::{NOTE_VALUE_BYTES_MAX, Note, Notes};
use crate::wire::{Cursor, Malformed};

/// The prefix of the keys of these notes.
pub(crate) const PREFIX: &str = "shape/";

/// How many notes are read at once. A commit with notes waits until they are read.
const AT_ONCE: usize = 256;

/// The value is the whole shape.
const WHOLE: u8 = 1;
/// The value is the hash of the shape, and its beginning.
const CUT: u8 = 2;

/// The longest shape that is stored whole.
const WORDS_MAX: usize = 3_936;
const _: () = assert!(1 + 16 + WORDS_MAX <= NOTE_VALUE_BYTES_MAX);

/// The shape that an event type of one schema version had when its first event was stored with a codec that
/// is not self-describing.
///
/// Such a codec stores values without names and kinds, so the bytes of one shape may decode as another one.
/// The shape is recorded in a note, no later than the first event is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedShape {
    /// The aggregate type.
    pub aggregate: String,
    /// The event type.
    pub event_type: String,
    /// Its schema version.
    pub schema_version: u32,
    words: String,
    hash: u128,
    is_whole: bool,
}

impl RecordedShape {
    /// Creates the record of a shape, described in canonical words.
    #[must_use]
    pub fn new(aggregate: &str, event_type: &str, schema_version: u32, shape: &str) -> Self {
        let (aggregate, event_type) = (aggregate.to_owned(), event_type.to_owned());
        let (hash, words) = (xxh3_128(shape.as_bytes()), cut(shape).to_owned());
        let is_whole = words.len() == shape.len();
        Self { aggregate, event_type, schema_version, words, hash, is_whole }
    }

    /// Returns the shape in words, or its beginning if it has more than about 4,000 bytes.
    #[must_use]
    pub fn words(&self) -> &str {
        &self.words
    }

    /// Returns whether [`words`](Self::words) is the whole shape.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Returns whether it is this shape.
    #[must_use]
    pub fn is(&self, shape: &str) -> bool {
        self.hash == xxh3_128(shape.as_bytes())
    }

    /// Returns whether a codec that stores no names reads what was stored with the shape `recorded` as the same
    /// values with the shape `current`: they are equal, or enums have further variants at their ends.
    #[must_use]
    pub fn reads(recorded: &str, current: &str) -> bool {
        let (mut old, mut new) = (recorded, current);
        loop {
            match (old.chars().next(), new.chars().next()) {
                (None, None) => return true,
                (Some(one), Some(other)) if one == other => {
                    (old, new) = (&old[one.len_utf8()..], &new[other.len_utf8()..]);
                }
                (Some(')'), Some('|')) => new = &new[end_of_group(new)..],
                _ => return false,
            }
        }
    }

    /// Returns whether it is this shape, or one that [reads](Self::reads) it.
    #[must_use]
    pub fn is_read_as(&self, current: &str) -> bool {
        self.is(current) || self.is_whole && Self::reads(&self.words, current)
    }

    /// Returns whether it is the shape `current` with further variants at the ends of enums, as a later release of
    /// a program has recorded it.
    #[must_use]
    pub fn extends(&self, current: &str) -> bool {
        self.is_whole && Self::reads(current, &self.words)
    }

    /// Returns the key of its note.
    #[must_use]
    pub fn key(&self) -> String {
        Self::key_of(&self.aggregate, &self.event_type, self.schema_version)
    }

    pub(crate) fn key_of(aggregate: &str, event_type: &str, schema_version: u32) -> String {
        format!("{PREFIX}{}/{aggregate}{schema_version}/{event_type}", aggregate.len())
    }

    /// Returns the value of its note.
    #[must_use]
    pub fn value(&self) -> Vec<u8> {
        if self.is_whole {
            return [&[WHOLE], self.words.as_bytes()].concat();
        }
        [&[CUT], &self.hash.to_le_bytes()[..], self.words.as_bytes()].concat()
    }

    /// Returns the set that stores its note, or `None` if the names are too long for a key.
    #[must_use]
    pub fn notes(&self) -> Option<Notes> {
        let mut notes = Notes::default();
        notes.put(self.key(), self.value()).ok().map(|()| notes)
    }

    fn read(note: &Note) -> Result<Self, ReadError> {
        let damaged = |what: Malformed| ReadError::DamagedNote {
            key: note.key.clone(),
            what: what.to_string(),
        };
        Self::parse(&note.key, &note.value).map_err(damaged)
    }

    fn parse(key: &[u8], value: &[u8]) -> Result<Self, Malformed> {
        let bad = || Malformed("it is no record of a shape");
        let key = std::str::from_utf8(key).map_err(|_| bad())?;
        let (length, rest) =
            key.strip_prefix(PREFIX).and_then(|it| it.split_once('/')).ok_or_else(bad)?;
        let length = length.parse().map_err(|_| bad())?;
        let (aggregate, rest) = rest.split_at_checked(length).ok_or_else(bad)?;
        let (version, event_type) = rest.split_once('/').ok_or_else(bad)?;
        let schema_version = version.parse().map_err(|_| bad())?;
        let mut cursor = Cursor(value);
        let layout = cursor.byte()?;
        let hash = match layout {
            WHOLE => None,
            CUT => Some(u128::from_le_bytes(cursor.array()?)),
            _ => return Err(Malformed("another layout")),
        };
        let words = std::str::from_utf8(cursor.0).map_err(|_| bad())?;
        let whole = Self::new(aggregate, event_type, schema_version, words);
        Ok(match hash {
            None => whole,
            Some(hash) => Self { hash, is_whole: false, ..whole },
        })
    }

    /// Returns all records of a store. A damaged one is passed to `damaged` and left out.
    ///
    /// # Errors
    /// Returns [`ReadError`] if the notes cannot be read at all.
    pub fn all(
        reader: &dyn Reader,
        mut damaged: impl FnMut(ReadError),
    ) -> Result<Vec<Self>, ReadError> {
        let (mut found, mut after): (Vec<Self>, Option<Bytes>) = (Vec::new(), None);
        loop {
            let page = match reader.notes(PREFIX.as_bytes(), after.as_deref(), AT_ONCE) {
                Err(ReadError::DamagedNote { key, what }) => {
                    after = Some(key.clone());
                    damaged(ReadError::DamagedNote { key, what });
                    continue;
                }
                page => page?,
            };
            for note in &page {
                match Self::read(note) {
                    Ok(shape) => found.push(shape),
                    Err(error) => damaged(error),
                }
            }
            if page.len() < AT_ONCE {
                return Ok(found);
            }
            after = page.last().map(|note| note.key.clone());
        }
    }
}

/// Returns the beginning of `shape` that fits into a note.
fn cut(shape: &str) -> &str {
    if shape.len() <= WORDS_MAX {
        return shape;
    }
    let end = (0..=WORDS_MAX).rev().find(|end| shape.is_char_boundary(*end)).unwrap_or(0);
    &shape[..end]
}

/// Returns where the group that `words` is in the middle of ends.
fn end_of_group(words: &str) -> usize {
    let mut depth = 0;
    for (place, character) in words.char_indices() {
        match character {
            '(' => depth += 1,
            ')' if depth == 0 => return place,
            ')' => depth -= 1,
            _ => {}
        }
    }
    words.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutations::Mutations;

    fn back(shape: &RecordedShape) -> Result<RecordedShape, Malformed> {
        RecordedShape::parse(shape.key().as_bytes(), &shape.value())
    }

    #[test]
    fn a_recorded_shape_round_trips_whatever_its_names_are() {
        for (aggregate, event_type) in
            [("account", "Paid"), ("a/b", "c/d"), ("7/", "1/x"), ("ä", "")]
        {
            let shape = RecordedShape::new(aggregate, event_type, 3, "{cents: u64}");
            assert_eq!(back(&shape).as_ref(), Ok(&shape));
            assert!(shape.is("{cents: u64}") && !shape.is("{cents: i64}"));
        }
    }

    #[test]
    fn a_long_shape_is_cut_between_characters_and_still_recognized() {
        let long = "ä".repeat(NOTE_VALUE_BYTES_MAX);
        let shape = RecordedShape::new("account", "Paid", 1, &long);
        assert!(shape.notes().is_some(), "it fits into a note");
        let back = back(&shape).expect("readable");
        assert!(back.is(&long) && !back.is_whole() && !back.is(back.words()));
        assert_eq!(back, shape);
    }

    #[test]
    fn other_notes_are_no_records_of_shapes() {
        for (key, value) in [
            ("shape/", "\u{1}"),
            ("shape/9/account1/Paid", "\u{1}u8"),
            ("shape/7/accountx/Paid", "\u{1}u8"),
            ("shape/7/account1/Paid", ""),
            ("shape/7/account1/Paid", "\u{9}u8"),
        ] {
            assert!(RecordedShape::parse(key.as_bytes(), value.as_bytes()).is_err(), "{key}");
        }
    }

    /// The currency of 500 euros was read as francs, after francs had been inserted before the euro. Only what
    /// leaves each stored number its meaning is read on.
    #[test]
    fn only_variants_added_at_the_end_leave_stored_bytes_their_meaning() {
        let before = "{cur: enum(Eur|Usd(u64)), all: [enum(A|B)]}";
        for same in [
            before,
            "{cur: enum(Eur|Usd(u64)|Chf), all: [enum(A|B)]}",
            "{cur: enum(Eur|Usd(u64)|Chf(enum(X|Y))|Gbp{a: (u8, u8)}), all: [enum(A|B|C)]}",
        ] {
            assert!(RecordedShape::reads(before, same), "{same}");
        }
        for other in [
            "{cur: enum(Chf|Eur|Usd(u64)), all: [enum(A|B)]}",
            "{cur: enum(Eur|Chf|Usd(u64)), all: [enum(A|B)]}",
            "{cur: enum(Euro|Usd(u64)), all: [enum(A|B)]}",
            "{cur: enum(Usd(u64)|Eur), all: [enum(A|B)]}",
            "{cur: enum(Eur|Usd(i64)), all: [enum(A|B)]}",
            "{cur: enum(Eur), all: [enum(A|B)]}",
            "{cur: enum(Eur|Usd(u64)), all: [enum(A|Bc)]}",
            "{all: [enum(A|B)], cur: enum(Eur|Usd(u64))}",
            "{cur: enum(Eur|Usd(u64)), all: [enum(A|B)], more: u8}",
        ] {
            assert!(!RecordedShape::reads(before, other), "{other}");
        }
        assert!(
            !RecordedShape::reads("(u8, u64)", "(u8, u64, u8)")
                && !RecordedShape::reads("enum(A(u8))", "enum(A(u8, u8))")
        );
    }

    #[test]
    fn a_shape_extends_what_it_adds_variants_to() {
        let shape = RecordedShape::new("account", "Paid", 1, "{cur: enum(Eur|Usd|Chf)}");
        assert!(shape.extends("{cur: enum(Eur|Usd)}") && !shape.is_read_as("{cur: enum(Eur|Usd)}"));
        assert!(
            !shape.extends("{cur: enum(Usd|Eur)}") && !shape.extends("{cur: enum(Eur|Usd), n: u8}")
        );
        let long = format!("{{cur: enum(Eur|Usd|{})}}", "x".repeat(NOTE_VALUE_BYTES_MAX));
        assert!(!RecordedShape::new("account", "Paid", 1, &long).extends("{cur: enum(Eur|Usd)}"));
    }

    #[test]
    fn no_mutated_shape_panics_or_allocates_without_a_bound() {
        let long = "ä".repeat(NOTE_VALUE_BYTES_MAX);
        let shapes = ["{cents: u64}", &long].map(|it| RecordedShape::new("a/b", "Paid", 3, it));
        // The key, its length in front, and the value.
        let samples = shapes.map(|shape| {
            let key = shape.key();
            [&[key.len() as u8], key.as_bytes(), &shape.value()].concat()
        });
        Mutations::of("the shape of an event", samples).run(
            |work| allocation_counter::measure(work).bytes_max,
            |bytes| {
                let Some((&length, rest)) = bytes.split_first() else { return };
                if let Some((key, value)) = rest.split_at_checked(usize::from(length)) {
                    drop(RecordedShape::parse(key, value));
                }
            },
        );
    }
}
