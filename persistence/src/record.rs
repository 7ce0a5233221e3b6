//! One command's events as bytes: the unit that is stored whole or not at all.
//!
//! `docs/FORMAT.md` draws the bytes. A frame is `length u32 | checksum u32 | body`; the checksum is
//! CRC-32C (Castagnoli) of the body. Positions are not in the body: the store knows them by place.

use actuarius_domain::{
    CausationId, CommandId, CorrelationId, EventId, Header, Metadata, Position, StreamId,
    Timestamp, Version,
};
use bytes::Bytes;
use smallvec::SmallVec;
use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3;

use crate::codec::{Codec, CodecError};
use crate::error::Malformed;
use crate::wire::{Cursor, put_text, put_varint};

const NAMED_BY_CALLER: u8 = 1;
const HAS_CORRELATION: u8 = 2;
const HAS_CAUSATION: u8 = 4;
const HAS_USER: u8 = 8;
const HAS_ENTRIES: u8 = 16;

/// Bytes before the body of a frame: its length and its checksum.
pub(crate) const FRAME_HEAD: usize = 8;

/// What all events of one command share.
#[derive(Debug, Clone, Copy)]
pub struct NewCommit<'a> {
    /// When it was decided.
    pub time: Timestamp,
    /// The request.
    pub command_id: CommandId,
    /// Whether the caller chose the command id, so that it may come again.
    pub named_by_caller: bool,
    /// What the caller sent along.
    pub metadata: &'a Metadata,
}

/// What an aggregate wants stored in one go: one or more commits to its stream, one per command.
#[derive(Debug, Clone)]
pub struct Append {
    stream: StreamId,
    expected: Version,
    frames: Vec<u8>,
    commits: SmallVec<[CommitShape; 1]>,
    events: u64,
}

/// Where a commit ends in its append's bytes, and how many events it has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CommitShape {
    pub(crate) end: u32,
    pub(crate) events: u32,
}

impl Append {
    /// An append to `stream`, which must be at version `expected`.
    #[must_use]
    pub fn new(stream: StreamId, expected: Version) -> Self {
        Self { stream, expected, frames: Vec::new(), commits: SmallVec::new(), events: 0 }
    }

    /// Adds one command's events; on an error the append is as before.
    ///
    /// # Errors
    /// [`CodecError`] when an event cannot be encoded.
    pub fn push<E: serde::Serialize>(
        &mut self,
        commit: NewCommit<'_>,
        codec: Codec,
        events: &[E],
        schema_version: impl Fn(&str) -> u32,
    ) -> Result<(), CodecError> {
        let start = self.frames.len();
        let written = self.write_frame(commit, codec, events, schema_version);
        if written.is_err() {
            self.frames.truncate(start);
        }
        written
    }

    fn write_frame<E: serde::Serialize>(
        &mut self,
        commit: NewCommit<'_>,
        codec: Codec,
        events: &[E],
        schema_version: impl Fn(&str) -> u32,
    ) -> Result<(), CodecError> {
        let start = self.frames.len();
        let out = &mut self.frames;
        out.extend_from_slice(&[0; FRAME_HEAD]);
        put_header(out, &self.stream, self.expected.plus(self.events), commit);
        put_varint(out, events.len() as u64);
        for event in events {
            put_event(out, codec, event, &schema_version)?;
        }
        seal_frame(&mut out[start..])?;
        let end = u32::try_from(out.len()).map_err(|_| CodecError::TooLarge)?;
        let count = events.len() as u32;
        self.commits.push(CommitShape { end, events: count });
        self.events += u64::from(count);
        Ok(())
    }

    /// The stream appended to.
    #[must_use]
    pub fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// The version the stream must have.
    #[must_use]
    pub fn expected(&self) -> Version {
        self.expected
    }

    /// How many events the append has.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// How many bytes the append has.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.frames.len()
    }

    /// Whether nothing has been added yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    /// The commits as framed bytes, each with the number of its events.
    pub fn frames(&self) -> impl Iterator<Item = (&[u8], u32)> {
        let mut start = 0;
        self.commits.iter().map(move |shape| {
            let frame = &self.frames[start..shape.end as usize];
            start = shape.end as usize;
            (frame, shape.events)
        })
    }
}

fn put_header(out: &mut Vec<u8>, stream: &StreamId, first: Version, commit: NewCommit<'_>) {
    let metadata = commit.metadata;
    let flag = |present: bool, bit: u8| if present { bit } else { 0 };
    out.push(
        flag(commit.named_by_caller, NAMED_BY_CALLER)
            | flag(metadata.correlation.is_some(), HAS_CORRELATION)
            | flag(metadata.causation.is_some(), HAS_CAUSATION)
            | flag(metadata.user.is_some(), HAS_USER)
            | flag(!metadata.entries.is_empty(), HAS_ENTRIES),
    );
    put_text(out, stream.category());
    put_text(out, stream.id());
    put_varint(out, first.next().get());
    out.extend_from_slice(&commit.time.as_micros().to_le_bytes());
    out.extend_from_slice(commit.command_id.as_bytes());
    if let Some(correlation) = metadata.correlation {
        out.extend_from_slice(correlation.as_bytes());
    }
    if let Some(causation) = metadata.causation {
        out.extend_from_slice(causation.as_bytes());
    }
    if let Some(user) = &metadata.user {
        put_text(out, user);
    }
    if !metadata.entries.is_empty() {
        put_varint(out, metadata.entries.len() as u64);
        for (name, value) in &metadata.entries {
            put_text(out, name);
            put_text(out, value);
        }
    }
}

/// The payload stands before the name, because encoding it is what tells the name.
fn put_event<E: serde::Serialize>(
    out: &mut Vec<u8>,
    codec: Codec,
    event: &E,
    schema_version: impl Fn(&str) -> u32,
) -> Result<(), CodecError> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let name = codec.encode_event(event, out)?;
    let length = u32::try_from(out.len() - start - 4).map_err(|_| CodecError::TooLarge)?;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out.push(codec.byte());
    put_text(out, name);
    put_varint(out, u64::from(schema_version(name)));
    Ok(())
}

fn seal_frame(frame: &mut [u8]) -> Result<(), CodecError> {
    let (head, body) = frame.split_at_mut(FRAME_HEAD);
    if body.len() > crate::COMMIT_BYTES_MAX {
        return Err(CodecError::TooLarge);
    }
    head[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
    head[4..].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    Ok(())
}

/// One command's events, read back. Its checksum has been verified.
#[derive(Debug, Clone)]
pub struct Commit {
    position: Position,
    body: Bytes,
}

impl Commit {
    /// Takes the frame at the front of `bytes`, whose first event stands at `position`, and returns
    /// it with the number of bytes it took.
    pub(crate) fn take(bytes: &Bytes, position: Position) -> Result<(Self, usize), Malformed> {
        let mut cursor = Cursor(bytes);
        let length = cursor.u32()? as usize;
        let checksum = cursor.u32()?;
        let body = cursor.bytes(length)?;
        if crc32c::crc32c(body) != checksum {
            return Err(Malformed("the checksum of a commit is wrong"));
        }
        let body = bytes.slice(FRAME_HEAD..FRAME_HEAD + length);
        let commit = Self { position, body };
        commit.parse()?;
        Ok((commit, FRAME_HEAD + length))
    }

    /// The position of its first event.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// How many bytes it has.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.body.len()
    }

    /// Its fields and events.
    ///
    /// # Panics
    /// Never: the bytes were parsed once when the commit was read.
    #[must_use]
    pub fn view(&self) -> CommitView<'_> {
        self.parse().expect("the same bytes parsed when the commit was read")
    }

    fn parse(&self) -> Result<CommitView<'_>, Malformed> {
        CommitView::parse(self.position, &self.body)
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
    /// When it was decided.
    pub time: Timestamp,
    /// The request.
    pub command_id: CommandId,
    /// The story, when the caller named one.
    pub correlation_id: Option<CorrelationId>,
    /// The cause, when the caller named one.
    pub causation_id: Option<CausationId>,
    /// The user, when the caller named one.
    pub user: Option<&'a str>,
    /// How many events it has; at least 1.
    pub events: u64,
    entries: Cursor<'a>,
    payload: Cursor<'a>,
}

impl<'a> CommitView<'a> {
    fn parse(position: Position, body: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor(body);
        let flags = cursor.byte()?;
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
        let view = Self {
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
        };
        view.check()
    }

    fn check(self) -> Result<Self, Malformed> {
        if self.events == 0 || self.version == Version::NONE {
            return Err(Malformed("a commit without events"));
        }
        let mut cursor = self.payload;
        for _ in 0..self.events {
            take_event(&mut cursor)?;
        }
        if cursor.0.is_empty() { Ok(self) } else { Err(Malformed("a commit with trailing bytes")) }
    }

    /// Whether the caller chose the command id, so that it may come again.
    #[must_use]
    pub fn named_by_caller(&self) -> bool {
        self.flags & NAMED_BY_CALLER != 0
    }

    /// Whether it belongs to `stream`.
    #[must_use]
    pub fn belongs_to(&self, stream: &StreamId) -> bool {
        self.id == stream.id() && self.category == stream.category()
    }

    /// The version of its last event.
    #[must_use]
    pub fn last_version(&self) -> Version {
        Version::new(self.version.get() + self.events - 1)
    }

    /// The position of its last event.
    #[must_use]
    pub fn last_position(&self) -> Position {
        Position::new(self.position.get() + self.events - 1)
    }

    /// What the caller sent along.
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
            // `parse` walked over the same entries, so none is missing here.
            for _ in 0..cursor.varint().unwrap_or(0) {
                if let (Ok(name), Ok(value)) = (cursor.text(), cursor.text()) {
                    metadata.entries.insert(name.to_owned(), value.to_owned());
                }
            }
        }
        metadata
    }

    /// Its events, in order.
    pub fn events(&self) -> impl Iterator<Item = EventView<'a>> + use<'a> {
        let (mut cursor, version, position) = (self.payload, self.version, self.position);
        (0..self.events).map_while(move |index| {
            // `check` walked over the same events, so none is missing here.
            let (codec, event_type, schema_version, payload) = take_event(&mut cursor).ok()?;
            Some(EventView {
                version: version.plus(index),
                position: position.plus(index),
                event_type,
                schema_version,
                codec,
                payload,
            })
        })
    }

    /// The full header of one of its events.
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

    /// An event's id is a UUID (version 8, RFC 9562) over what makes the event unique, so it needs
    /// no bytes on disk and no randomness: command, stream and version, hashed with XXH3-128.
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

fn skip_entries(cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
    for _ in 0..cursor.varint()? {
        cursor.text()?;
        cursor.text()?;
    }
    Ok(())
}

type RawEvent<'a> = (u8, &'a str, u32, &'a [u8]);

fn take_event<'a>(cursor: &mut Cursor<'a>) -> Result<RawEvent<'a>, Malformed> {
    let length = cursor.u32()? as usize;
    let payload = cursor.bytes(length)?;
    let codec = cursor.byte()?;
    let event_type = cursor.text()?;
    let schema_version =
        u32::try_from(cursor.varint()?).map_err(|_| Malformed("a schema version is too large"))?;
    Ok((codec, event_type, schema_version, payload))
}

/// One stored event, borrowed from its commit.
#[derive(Debug, Clone, Copy)]
pub struct EventView<'a> {
    /// Its number in its stream.
    pub version: Version,
    /// Its number in the whole log.
    pub position: Position,
    /// The name of its variant.
    pub event_type: &'a str,
    /// The version of that variant's shape.
    pub schema_version: u32,
    codec: u8,
    payload: &'a [u8],
}

impl EventView<'_> {
    /// The event itself.
    ///
    /// # Errors
    /// [`CodecError`] when the codec is unknown, the variant does not exist or its content does not
    /// decode. The stored event is untouched.
    pub fn decode<E: serde::de::DeserializeOwned>(&self) -> Result<E, CodecError> {
        Codec::from_byte(self.codec)?.decode_event(self.event_type, self.payload)
    }
}
