//! A parked event as a note.
//!
//! The note `parked/<name>/<key>/<position, 20 digits>` says `layout u8 = 1 | commit u64 | parked at
//! i64 | attempts u32 | category text | id text | event type text | error text`; integers
//! little-endian, a text behind its length as a u16.

use std::sync::Arc;

use actuarius_domain::{Position, StreamId, Timestamp};
use actuarius_persistence::{Note, ReadError};
use bytes::{Buf, Bytes};

use super::Entry;
use crate::subscription::routes::whole_characters;

const LAYOUT: u8 = 1;

/// How much of an error's text, and of an event type's name, is kept: enough to know it again.
const TEXT_BYTES_MAX: usize = 500;

/// What the names of all notes of a subscription's parked events begin with.
pub(in crate::subscription) fn prefix(name: &str) -> String {
    format!("parked/{name}/")
}

/// The name of the note. A key may hold any character: the position's width is fixed, so it is
/// clear where the key ends.
pub(super) fn key(name: &str, key: &str, position: Position) -> String {
    format!("parked/{name}/{key}/{:020}", position.get())
}

pub(super) fn error_text(text: &str) -> Arc<str> {
    cut(text).into()
}

pub(super) fn value(entry: &Entry) -> Vec<u8> {
    let mut out = vec![LAYOUT];
    out.extend_from_slice(&entry.commit.get().to_le_bytes());
    out.extend_from_slice(&entry.parked_at.as_micros().to_le_bytes());
    out.extend_from_slice(&entry.attempts.to_le_bytes());
    put_text(&mut out, entry.stream.category());
    put_text(&mut out, entry.stream.id());
    put_text(&mut out, cut(&entry.event_type));
    put_text(&mut out, cut(&entry.error));
    out
}

fn cut(text: &str) -> &str {
    &text[..whole_characters(text, TEXT_BYTES_MAX)]
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    // All of them are shorter than 64 KiB.
    out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn decode(name: &str, note: &Note) -> Result<(Arc<str>, Entry), ReadError> {
    let decoded = place(name, &note.key)
        .and_then(|(key, position)| Some((key, entry(position, note.value.clone())?)));
    decoded.ok_or_else(|| ReadError::DamagedNote {
        key: note.key.clone(),
        what: "it is no parked event this release can read".to_owned(),
    })
}

fn place(name: &str, key: &[u8]) -> Option<(Arc<str>, Position)> {
    let key = std::str::from_utf8(key).ok()?.strip_prefix(&prefix(name))?;
    let (key, position) = key.rsplit_once('/')?;
    Some((key.into(), Position::new(position.parse().ok()?)))
}

fn entry(position: Position, mut value: Bytes) -> Option<Entry> {
    if value.try_get_u8().ok()? != LAYOUT {
        return None;
    }
    let commit = Position::new(value.try_get_u64_le().ok()?);
    let parked_at = Timestamp::from_micros(value.try_get_i64_le().ok()?);
    let attempts = value.try_get_u32_le().ok()?;
    let (category, id) = (take_text(&mut value)?, take_text(&mut value)?);
    let stream = StreamId::new(category, id).ok()?;
    let (event_type, error) = (take_text(&mut value)?, take_text(&mut value)?);
    let entry = Entry { position, commit, stream, event_type, attempts, error, parked_at };
    (value.is_empty() && commit <= position).then_some(entry)
}

fn take_text(value: &mut Bytes) -> Option<Arc<str>> {
    let length = usize::from(value.try_get_u16_le().ok()?);
    if length > value.len() {
        return None;
    }
    let text = value.split_to(length);
    Some(std::str::from_utf8(&text).ok()?.into())
}
