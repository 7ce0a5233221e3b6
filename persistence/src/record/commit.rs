//! Commits: framed bytes decoded to fields and events.

use std::sync::Arc;

use actuarius_domain::{
    CausationId, CommandId, CorrelationId, EventId, Header, Metadata, Position, StoredAs, StreamId,
    Timestamp, Version,
};
use bytes::Bytes;
use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3;

use super::event::{EventView, take_event};
use super::gone::{self, Gone};
use super::link::Link;
use super::{
    FLAGS, FRAME_HEAD, HAS_CAUSATION, HAS_CORRELATION, HAS_ENTRIES, HAS_USER, NAMED_BY_CALLER,
    Part, STUB,
};
use crate::error::Damage;
use crate::personal::sealer::Sealer;
use crate::wire::{Cursor, Malformed};

/// The stored events of one command. The checksum has been verified.
#[derive(Debug, Clone)]
pub struct Commit {
    position: Position,
    version: Version,
    events: u64,
    /// The frame: head and body.
    frame: Bytes,
    /// Opens personal data in the events.
    pub(crate) sealer: Option<Arc<dyn Sealer>>,
}

impl Commit {
    /// Parses a frame of [`Append::frames`](crate::Append::frames). For engines. The first event of the
    /// commit is at `position`.
    ///
    /// # Errors
    /// Returns [`Damage`] if the bytes differ from what was written, or are not exactly one frame.
    pub fn from_frame(frame: &Bytes, position: Position) -> Result<Self, Damage> {
        let taken = Self::take(frame, position).and_then(|(commit, length)| {
            if length == frame.len() { Ok(commit) } else { Err(Malformed("bytes are left over")) }
        });
        taken.map_err(|malformed| Damage { stream: None, position, what: malformed.to_string() })
    }

    /// Parses the frame at the front of `bytes`, whose first event is at `position`. Returns it with
    /// its number of bytes. For engines.
    ///
    /// # Errors
    /// Returns [`Malformed`] if the frame is incomplete or its checksum is wrong.
    pub fn take(bytes: &Bytes, position: Position) -> Result<(Self, usize), Malformed> {
        let mut cursor = Cursor(bytes);
        let length = cursor.u32()? as usize;
        let checksum = cursor.u32()?;
        let body = cursor.bytes(length)?;
        if crc32c::crc32c(body) != checksum {
            return Err(Malformed("the checksum of a commit is wrong"));
        }
        let view = CommitView::parse(position, body)?.check()?;
        let (version, events) = (view.version, view.events);
        let frame = bytes.slice(..FRAME_HEAD + length);
        let commit = Self { position, version, events, frame, sealer: None };
        Ok((commit, FRAME_HEAD + length))
    }

    /// Sets the keys that open personal data when the events are decoded.
    pub fn set_sealer(&mut self, sealer: &Arc<dyn Sealer>) {
        self.sealer = Some(sealer.clone());
    }

    /// Returns the stream of the commit.
    ///
    /// # Panics
    /// Never: stored streams have valid names.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        let view = self.view();
        StreamId::new(view.category, view.id).expect("stored streams have valid names")
    }

    /// Returns the position of the first event.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Returns the version of the first event.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns the version of the last event.
    #[must_use]
    pub fn last_version(&self) -> Version {
        self.version.plus(self.events - 1)
    }

    /// Returns the position of the last event.
    #[must_use]
    pub fn last_position(&self) -> Position {
        self.position.plus(self.events - 1)
    }

    /// Returns the size of its body in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.body().len()
    }

    /// Returns whether both have the same stored bytes.
    pub(crate) fn same_bytes(&self, other: &Self) -> bool {
        self.frame == other.frame
    }

    fn body(&self) -> &[u8] {
        &self.frame[FRAME_HEAD..]
    }

    /// Returns the stored bytes, which [`from_frame`](Self::from_frame) parses.
    #[must_use]
    pub fn frame(&self) -> Bytes {
        self.frame.clone()
    }

    /// Returns why the events are not in the log, or `None` if they are. A commit without its events
    /// still occupies its positions and versions, but has no [events](CommitView::events).
    #[must_use]
    pub fn gone(&self) -> Option<Gone> {
        self.view().stub().map(|(gone, _)| gone)
    }

    /// Returns the hash of the bytes as they were first stored, which the [chain](super::chain) is
    /// computed from.
    #[must_use]
    pub fn hash(&self) -> Link {
        self.view().stub().map_or_else(|| Link::of(self.body()), |(_, hash)| hash)
    }

    /// Returns the fields and events.
    ///
    /// # Panics
    /// Never: the bytes were parsed when the commit was read.
    #[must_use]
    pub fn view(&self) -> CommitView<'_> {
        let view = CommitView::parse(self.position, self.body())
            .expect("the same bytes parsed when the commit was read");
        CommitView { sealer: self.sealer.as_ref(), ..view }
    }
}

/// The fields of a commit, borrowed from its bytes.
#[derive(Clone, Copy)]
pub struct CommitView<'a> {
    flags: u8,
    /// The aggregate type.
    pub category: &'a str,
    /// The aggregate's id.
    pub id: &'a str,
    /// The version of its first event.
    pub version: Version,
    /// The position of its first event.
    pub position: Position,
    /// The time of the decision.
    pub time: Timestamp,
    /// The id of the command.
    pub command_id: CommandId,
    /// The correlation id, if the caller set one.
    pub correlation_id: Option<CorrelationId>,
    /// The causation id, if the caller set one.
    pub causation_id: Option<CausationId>,
    /// The user, if the caller set one.
    pub user: Option<&'a str>,
    /// The number of events, at least 1. Also counts events that are not in the log any more.
    pub events: u64,
    entries: Cursor<'a>,
    payload: Cursor<'a>,
    sealer: Option<&'a Arc<dyn Sealer>>,
}

impl<'a> CommitView<'a> {
    /// Parses the fields before the events. The events are not parsed.
    fn parse(position: Position, body: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor(body);
        let flags = cursor.byte()?;
        if flags & !FLAGS != 0 || (flags & STUB != 0 && flags != STUB) {
            return Err(Malformed("a commit of a newer release"));
        }
        let has = |bit: u8| flags & bit != 0;
        let (category, id) = (cursor.text()?, cursor.text()?);
        let version = Version::new(cursor.varint()?);
        let time = Timestamp::from_micros(cursor.i64()?);
        let command_id = CommandId::from(Uuid::from_bytes(cursor.array()?));
        let correlation = if has(HAS_CORRELATION) { Some(cursor.array()?) } else { None };
        let causation = if has(HAS_CAUSATION) { Some(cursor.array()?) } else { None };
        let user = if has(HAS_USER) { Some(cursor.text()?) } else { None };
        let entries = cursor;
        if has(HAS_ENTRIES) {
            skip_entries(&mut cursor)?;
        }
        let events = cursor.varint()?;
        Ok(Self {
            flags,
            category,
            id,
            version,
            position,
            time,
            command_id,
            correlation_id: correlation.map(|bytes| Uuid::from_bytes(bytes).into()),
            causation_id: causation.map(|bytes| Uuid::from_bytes(bytes).into()),
            user,
            events,
            entries,
            payload: cursor,
            sealer: None,
        })
    }

    fn check(self) -> Result<Self, Malformed> {
        if self.events == 0 || self.version == Version::NONE {
            return Err(Malformed("a commit without events"));
        }
        if self.version.get().checked_add(self.events).is_none() {
            return Err(Malformed("a version is too large"));
        }
        // A stub has no events whose bytes would bound their number.
        if self.position.get().checked_add(self.events).is_none() {
            return Err(Malformed("a position is too large"));
        }
        let mut cursor = self.payload;
        if self.is_gone() {
            return gone::parse(cursor.0).map(|_| self);
        }
        for _ in 0..self.events {
            take_event(&mut cursor)?;
        }
        if cursor.0.is_empty() { Ok(self) } else { Err(Malformed("a commit with trailing bytes")) }
    }

    fn stub(&self) -> Option<(Gone, Link)> {
        // `check` parsed the same bytes.
        self.is_gone().then(|| gone::parse(self.payload.0).ok())?
    }

    /// Returns whether the caller chose the command id, so that the command may be repeated.
    #[must_use]
    pub fn named_by_caller(&self) -> bool {
        self.flags & NAMED_BY_CALLER != 0
    }

    /// Returns whether the events are [not in the log](Commit::gone) any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.flags & STUB != 0
    }

    /// Returns whether the commit belongs to `stream`.
    #[must_use]
    pub fn belongs_to(&self, stream: &StreamId) -> bool {
        self.id == stream.id() && self.category == stream.category()
    }

    /// Returns the version of the last event.
    #[must_use]
    pub fn last_version(&self) -> Version {
        Version::new(self.version.get() + self.events - 1)
    }

    /// Returns the position of the last event.
    #[must_use]
    pub fn last_position(&self) -> Position {
        Position::new(self.position.get() + self.events - 1)
    }

    /// Returns the metadata of the request.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        let mut metadata = Metadata {
            correlation: self.correlation_id,
            causation: self.causation_id,
            user: self.user.map(str::to_owned),
            ..Metadata::default()
        };
        if self.flags & HAS_ENTRIES != 0 {
            let mut cursor = self.entries;
            // `parse` checked the same entries, so none is missing here.
            for _ in 0..cursor.varint().unwrap_or(0) {
                if let (Ok(name), Ok(value)) = (cursor.text(), cursor.text()) {
                    metadata.entries.insert(name.to_owned(), value.to_owned());
                }
            }
        }
        metadata
    }

    /// Returns the events in order. Empty if they are [not in the log](Commit::gone) any more.
    pub fn events(&self) -> impl Iterator<Item = EventView<'a>> + use<'a> {
        let (mut cursor, version, position) = (self.payload, self.version, self.position);
        let here = if self.is_gone() { 0 } else { self.events };
        let sealer = self.sealer;
        (0..here).map_while(move |index| {
            // `check` parsed the same events, so none is missing here.
            let (codec, event_type, schema_version, payload) = take_event(&mut cursor).ok()?;
            Some(EventView {
                version: version.plus(index),
                position: position.plus(index),
                event_type,
                schema_version,
                codec,
                payload,
                sealer,
            })
        })
    }

    /// Returns the full header of one of the events.
    #[must_use]
    pub fn header(&self, event: &EventView<'_>) -> Header {
        let mut header = Header::new(self.event_id(event.version), event.version, event.position);
        header.event_type = event.event_type.to_owned();
        header.schema_version = event.schema_version;
        header.time = self.time;
        header.command_id = self.command_id;
        header.causation_id = self.causation_id;
        header.correlation_id =
            self.correlation_id.unwrap_or_else(|| self.command_id.as_uuid().into());
        header.metadata = self.metadata();
        header
    }

    /// Returns the full header of a part of an upcast event: the one with this number among its parts.
    #[must_use]
    pub fn header_of_part(&self, event: &EventView<'_>, part: &Part<'_>, number: u32) -> Header {
        let mut header = self.header(event);
        let stored_type = std::mem::replace(&mut header.event_type, part.event_type.to_string());
        header.stored_as = Some(StoredAs::new(stored_type, header.schema_version, number));
        header.schema_version = part.schema_version;
        if number > 0 {
            header.event_id = part_id(header.event_id, number);
        }
        header
    }

    /// Returns a UUID (version 8, RFC 9562) of command, stream and version, hashed with XXH3-128. They
    /// identify the event, so its id needs no bytes on disk and no randomness.
    fn event_id(&self, version: Version) -> EventId {
        let mut hash = Xxh3::new();
        hash.update(self.command_id.as_bytes());
        hash.update(&version.get().to_le_bytes());
        hash.update(&(self.category.len() as u64).to_le_bytes());
        hash.update(self.category.as_bytes());
        hash.update(self.id.as_bytes());
        Uuid::new_v8(hash.digest128().to_le_bytes()).into()
    }
}

/// Returns the id of a part after the first, which is as stable as the id of the stored event.
fn part_id(stored: EventId, number: u32) -> EventId {
    let mut hash = Xxh3::new();
    hash.update(stored.as_bytes());
    hash.update(&number.to_le_bytes());
    Uuid::new_v8(hash.digest128().to_le_bytes()).into()
}

fn skip_entries(cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
    for _ in 0..cursor.varint()? {
        cursor.text()?;
        cursor.text()?;
    }
    Ok(())
}
