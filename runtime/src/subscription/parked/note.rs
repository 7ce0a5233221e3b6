//! The notes of parked events. Integers are little-endian; a text follows its length as a u16.
//!
//! - `parked/<name>/<key>/<position, 20 digits>`, a parked event: `layout u8 = 1 | commit u64 | parked at
//!   i64 | attempts u32 | category text | id text | event type text | error text`.
//! - `parked/<name>/<key>/rest`, all parked events of the key from one on: `layout u8 = 1 | position u64 |`,
//!   then of the first of them the same from `commit` on.
//! - `parked/<name>/<key>/skipped-<position, 20 digits>`, an event that is not handled although it is read
//!   again: `layout u8 = 1`.

use std::sync::Arc;

use actuarius_domain::{Position, StreamId, Timestamp};
use actuarius_persistence::{Note, ReadError};
use bytes::{Buf, Bytes};

use super::event::Entry;
use crate::subscription::route::whole_characters;

const LAYOUT: u8 = 1;
const REST: &str = "rest";
const SKIPPED: &str = "skipped-";

/// How many bytes of an error's text and of an event type's name are kept: enough to recognise them.
const TEXT_BYTES_MAX: usize = 500;

/// The notes under one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Parked(Position),
    Overflow,
    Skipped(Position),
}

/// The content of a note.
pub(super) enum NoteContent {
    Parked(Entry),
    /// The event, and all later ones of its key.
    Overflow(Entry),
    Skipped(Position),
}

/// Returns the prefix of the names of all notes of a subscription's parked events.
pub(in crate::subscription) fn prefix(name: &str) -> String {
    format!("parked/{name}/")
}

/// Returns the name of the note. A key may hold any character, because no slash follows the one that ends it.
pub(super) fn key(name: &str, key: &str, which: Name) -> String {
    match which {
        Name::Parked(position) => format!("parked/{name}/{key}/{:020}", position.get()),
        Name::Overflow => format!("parked/{name}/{key}/{REST}"),
        Name::Skipped(position) => format!("parked/{name}/{key}/{SKIPPED}{:020}", position.get()),
    }
}

pub(super) fn error_text(text: &str) -> Arc<str> {
    cut(text).into()
}

/// Encodes a note about a parked event.
pub(super) fn value(name: Name, entry: &Entry) -> Vec<u8> {
    let mut out = vec![LAYOUT];
    if name == Name::Overflow {
        out.extend_from_slice(&entry.position.get().to_le_bytes());
    }
    put_entry(&mut out, entry);
    out
}

pub(super) fn skipped() -> Vec<u8> {
    vec![LAYOUT]
}

fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    out.extend_from_slice(&entry.commit.get().to_le_bytes());
    out.extend_from_slice(&entry.parked_at.as_micros().to_le_bytes());
    out.extend_from_slice(&entry.attempts.to_le_bytes());
    put_text(out, entry.stream.category());
    put_text(out, entry.stream.id());
    put_text(out, cut(&entry.event_type));
    put_text(out, cut(&entry.error));
}

fn cut(text: &str) -> &str {
    &text[..whole_characters(text, TEXT_BYTES_MAX)]
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    // All texts are shorter than 64 KiB.
    out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Decodes the key that a note belongs to, and its content.
pub(super) fn decode(name: &str, note: &Note) -> Result<(Arc<str>, NoteContent), ReadError> {
    let decoded =
        place(name, &note.key).and_then(|(key, which)| Some((key, content(which, &note.value)?)));
    decoded.ok_or_else(|| ReadError::DamagedNote {
        key: note.key.clone(),
        what: "it is not a note of a parked event that this release can read".to_owned(),
    })
}

fn place(name: &str, key: &[u8]) -> Option<(Arc<str>, Name)> {
    let key = std::str::from_utf8(key).ok()?.strip_prefix(&prefix(name))?;
    let (key, which) = key.rsplit_once('/')?;
    let position = |digits: &str| Some(Position::new(digits.parse().ok()?));
    let which = match which.strip_prefix(SKIPPED) {
        Some(digits) => Name::Skipped(position(digits)?),
        None if which == REST => Name::Overflow,
        None => Name::Parked(position(which)?),
    };
    Some((key.into(), which))
}

fn content(which: Name, value: &Bytes) -> Option<NoteContent> {
    let mut value = value.clone();
    if value.try_get_u8().ok()? != LAYOUT {
        return None;
    }
    let content = match which {
        Name::Parked(position) => NoteContent::Parked(take_entry(position, &mut value)?),
        Name::Overflow => {
            let position = Position::new(value.try_get_u64_le().ok()?);
            NoteContent::Overflow(take_entry(position, &mut value)?)
        }
        Name::Skipped(position) => NoteContent::Skipped(position),
    };
    value.is_empty().then_some(content)
}

fn take_entry(position: Position, value: &mut Bytes) -> Option<Entry> {
    let commit = Position::new(value.try_get_u64_le().ok()?);
    let parked_at = Timestamp::from_micros(value.try_get_i64_le().ok()?);
    let attempts = value.try_get_u32_le().ok()?;
    let (category, id) = (take_text(value)?, take_text(value)?);
    let stream = StreamId::new(category, id).ok()?;
    let (event_type, error) = (take_text(value)?, take_text(value)?);
    let entry = Entry { position, commit, stream, event_type, attempts, error, parked_at };
    (commit <= position).then_some(entry)
}

fn take_text(value: &mut Bytes) -> Option<Arc<str>> {
    let length = usize::from(value.try_get_u16_le().ok()?);
    if length > value.len() {
        return None;
    }
    let text = value.split_to(length);
    Some(std::str::from_utf8(&text).ok()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actuarius_persistence::mutations::Mutations;

    #[test]
    fn no_mutated_note_of_a_parked_event_panics_or_allocates_without_a_bound() {
        let entry = Entry {
            position: Position::new(17),
            commit: Position::new(15),
            stream: StreamId::new("account", "ada").expect("valid"),
            event_type: "Opened".into(),
            attempts: 3,
            error: error_text("no"),
            parked_at: Timestamp::from_micros(5),
        };
        let names = [Name::Parked(entry.position), Name::Overflow, Name::Skipped(entry.position)];
        for which in names {
            let whole = if which == Name::Skipped(entry.position) {
                skipped()
            } else {
                value(which, &entry)
            };
            let name = key("mailer", "a key", which).into_bytes();
            // The name of the note, its length in front, and the value.
            let sample = [&[name.len() as u8], &name[..], &whole].concat();
            Mutations::of("a note of a parked event", [sample]).run(
                |work| allocation_counter::measure(work).bytes_max,
                |bytes| {
                    let Some((&length, rest)) = bytes.split_first() else { return };
                    let Some((key, value)) = rest.split_at_checked(usize::from(length)) else {
                        return;
                    };
                    let (key, value) = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
                    let _ = decode("mailer", &Note { key, value });
                },
            );
        }
    }
}
