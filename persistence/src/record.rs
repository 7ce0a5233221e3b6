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
use crate::error::{Damage, Malformed};
use crate::wire::{Cursor, put_text, put_varint};

const NAMED_BY_CALLER: u8 = 1;
const HAS_CORRELATION: u8 = 2;
const HAS_CAUSATION: u8 = 4;
const HAS_USER: u8 = 8;
const HAS_ENTRIES: u8 = 16;
const FLAGS: u8 = NAMED_BY_CALLER | HAS_CORRELATION | HAS_CAUSATION | HAS_USER | HAS_ENTRIES;

/// Bytes before the body of a frame: its length and its checksum.
pub(crate) const FRAME_HEAD: usize = 8;

/// Bytes of a usual frame: header, names and a small event.
const FRAME_USUAL: usize = 256;

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

    /// Adds one command's events; on an error the append is as before. Without events there is
    /// nothing to store, so nothing is added.
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
        if events.is_empty() {
            return Ok(());
        }
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
        // Most commits fit, so that most appends are allocated once.
        out.reserve(FRAME_USUAL);
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

    /// Takes the last commit off again.
    pub fn drop_last(&mut self) {
        if let Some(last) = self.commits.pop() {
            self.events -= u64::from(last.events);
        }
        self.drop_half_written();
    }

    /// Takes off what a [`push`](Append::push) that panicked left behind.
    pub fn drop_half_written(&mut self) {
        let end = self.commits.last().map_or(0, |last| last.end as usize);
        self.frames.truncate(end);
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

    /// How many commits the append has.
    #[must_use]
    pub fn commits(&self) -> usize {
        self.commits.len()
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

    /// The same append with its first `commits` commits only.
    pub(crate) fn front(&self, commits: usize) -> Self {
        let commits = SmallVec::from(&self.commits[..commits.min(self.commits.len())]);
        let end = commits.last().map_or(0, |shape: &CommitShape| shape.end as usize);
        let events = commits.iter().map(|shape| u64::from(shape.events)).sum();
        let frames = self.frames[..end].to_vec();
        Self { stream: self.stream.clone(), expected: self.expected, frames, commits, events }
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
    version: Version,
    events: u64,
    body: Bytes,
}

impl Commit {
    /// The commit whose frame, as it came from [`Append::frames`], is `frame`. For stores of your
    /// own: the first event of the commit stands at `position`.
    ///
    /// # Errors
    /// [`Damage`] when the bytes are not what was written, or not exactly one frame.
    pub fn from_frame(frame: &Bytes, position: Position) -> Result<Self, Damage> {
        let taken = Self::take(frame, position).and_then(|(commit, length)| {
            if length == frame.len() { Ok(commit) } else { Err(Malformed("bytes are left over")) }
        });
        taken.map_err(|malformed| Damage { stream: None, position, what: malformed.to_string() })
    }

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
        let view = CommitView::parse(position, &body)?.check()?;
        let (version, events) = (view.version, view.events);
        Ok((Self { position, version, events, body }, FRAME_HEAD + length))
    }

    /// The position of its first event.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// The version of its first event.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// The version of its last event.
    pub(crate) fn last_version(&self) -> Version {
        self.version.plus(self.events - 1)
    }

    /// The position of its last event.
    pub(crate) fn last_position(&self) -> Position {
        self.position.plus(self.events - 1)
    }

    /// How many bytes it has.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.body.len()
    }

    /// Whether every stored byte is the same.
    pub(crate) fn same_bytes(&self, other: &Self) -> bool {
        self.body == other.body
    }

    /// Its fields and events.
    ///
    /// # Panics
    /// Never: the bytes were parsed once when the commit was read.
    #[must_use]
    pub fn view(&self) -> CommitView<'_> {
        CommitView::parse(self.position, &self.body)
            .expect("the same bytes parsed when the commit was read")
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
    /// The fields before the events, which are not looked at.
    fn parse(position: Position, body: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor(body);
        let flags = cursor.byte()?;
        if flags & !FLAGS != 0 {
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
        })
    }

    fn check(self) -> Result<Self, Malformed> {
        if self.events == 0 || self.version == Version::NONE {
            return Err(Malformed("a commit without events"));
        }
        if self.version.get().checked_add(self.events).is_none() {
            return Err(Malformed("a version is too large"));
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Sample {
        Marked,
        Noted(String),
    }

    fn append(metadata: &Metadata, events: &[Sample]) -> Append {
        let stream = StreamId::new("sample", "a").expect("valid");
        let mut append = Append::new(stream, Version::new(3));
        append.push(commit(metadata), Codec::Bincode, events, |_| 2).expect("encodable");
        append
    }

    fn commit(metadata: &Metadata) -> NewCommit<'_> {
        NewCommit {
            time: Timestamp::from_micros(-7),
            command_id: "a command".into(),
            named_by_caller: true,
            metadata,
        }
    }

    fn full_metadata() -> Metadata {
        let ids = Metadata {
            correlation: Some("story".into()),
            causation: Some("cause".into()),
            ..Default::default()
        };
        ids.on_behalf_of("zoe").with("tenant", "north").with("", "")
    }

    fn frame() -> Vec<u8> {
        let events = [Sample::Marked, Sample::Noted("hello".to_owned())];
        append(&full_metadata(), &events).frames
    }

    /// A frame around any body, with the right length and checksum.
    fn sealed(body: &[u8]) -> Bytes {
        let mut frame = vec![0; FRAME_HEAD];
        frame.extend_from_slice(body);
        seal_frame(&mut frame).expect("small enough");
        frame.into()
    }

    /// Looks at everything a commit has to show.
    fn look_at(commit: &Commit) {
        let view = commit.view();
        let events: Vec<_> = view.events().collect();
        assert_eq!(events.len() as u64, view.events);
        for event in &events {
            let header = view.header(event);
            assert!(header.version <= view.last_version());
            assert!(header.position <= view.last_position());
            let _ = event.decode::<Sample>();
        }
    }

    #[test]
    fn every_flipped_bit_of_a_frame_is_refused() {
        let frame = frame();
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let taken = Commit::take(&flipped.into(), Position::new(1));
            assert!(taken.is_err(), "bit {bit} is flipped, and nobody notices");
        }
    }

    #[test]
    fn every_part_of_a_frame_is_refused() {
        let frame = frame();
        for length in 0..frame.len() {
            let part = Bytes::copy_from_slice(&frame[..length]);
            assert!(Commit::take(&part, Position::new(1)).is_err(), "{length} bytes are enough");
        }
    }

    #[test]
    fn a_frame_ends_where_the_next_begins() {
        let frame = frame();
        let twice = Bytes::from([&frame[..], &frame[..]].concat());
        let (first, length) = Commit::take(&twice, Position::new(1)).expect("whole");
        assert_eq!(length, frame.len());
        let (second, _) = Commit::take(&twice.slice(length..), Position::new(3)).expect("whole");
        assert!(first.same_bytes(&second));
        assert!(Commit::from_frame(&twice, Position::new(1)).is_err(), "two are not one");
        assert!(Commit::from_frame(&frame.into(), Position::new(1)).is_ok());
    }

    #[test]
    fn a_failed_push_leaves_the_append_as_before() {
        #[derive(Serialize)]
        struct NoEvent;
        let metadata = full_metadata();
        let mut append = append(&metadata, &[Sample::Marked]);
        let before = append.clone();

        let no_enum = append.push(commit(&metadata), Codec::Bincode, &[NoEvent], |_| 1);
        assert!(matches!(no_enum, Err(CodecError::NotAnEnum { .. })));
        let huge = [Sample::Marked, Sample::Noted("x".repeat(crate::COMMIT_BYTES_MAX))];
        let too_large = append.push(commit(&metadata), Codec::Bincode, &huge, |_| 1);
        assert_eq!(too_large, Err(CodecError::TooLarge));

        assert_eq!(append.frames, before.frames);
        assert_eq!((append.events(), append.commits.len()), (1, 1));
        append
            .push(commit(&metadata), Codec::Bincode, &[Sample::Marked], |_| 1)
            .expect("encodable");
        let second = Bytes::copy_from_slice(append.frames().nth(1).expect("two commits").0);
        let second = Commit::from_frame(&second, Position::new(1)).expect("whole");
        assert_eq!(second.view().version, Version::new(5));
    }

    #[test]
    fn a_push_of_no_events_adds_nothing() {
        let metadata = Metadata::default();
        let mut append = Append::new(StreamId::new("sample", "a").expect("valid"), Version::NONE);
        append.push::<Sample>(commit(&metadata), Codec::Json, &[], |_| 1).expect("nothing to do");
        assert!(append.is_empty() && append.bytes() == 0 && append.events() == 0);
    }

    #[test]
    fn the_front_of_an_append_is_whole_commits() {
        let metadata = Metadata::default();
        let mut append = append(&metadata, &[Sample::Marked, Sample::Marked]);
        append.push(commit(&metadata), Codec::Json, &[Sample::Marked], |_| 1).expect("encodable");
        for (commits, events) in [(0, 0), (1, 2), (2, 3), (9, 3)] {
            let front = append.front(commits);
            assert_eq!(front.events(), events);
            assert_eq!(front.frames().count(), commits.min(2));
            assert!(append.frames.starts_with(&front.frames));
        }
    }

    #[test]
    fn a_version_beyond_all_numbers_is_refused() {
        let stream = StreamId::new("sample", "a").expect("valid");
        let mut append = Append::new(stream, Version::new(u64::MAX - 1));
        let metadata = Metadata::default();
        append.push(commit(&metadata), Codec::Json, &[Sample::Marked], |_| 1).expect("encodable");
        assert!(Commit::take(&append.frames.into(), Position::new(1)).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_frame_panic(bytes: Vec<u8>) {
            let _ = Commit::take(&bytes.into(), Position::new(1));
        }

        #[test]
        fn no_body_under_a_right_checksum_panics(body: Vec<u8>) {
            if let Ok((commit, _)) = Commit::take(&sealed(&body), Position::new(1)) {
                look_at(&commit);
            }
        }

        /// Near misses reach further into the parser than noise does.
        #[test]
        fn no_damage_under_a_right_checksum_panics(
            hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let mut body = frame().split_off(FRAME_HEAD);
            for (at, byte) in hits {
                let at = at.index(body.len());
                body[at] = byte;
            }
            if let Some(cut) = cut {
                body.truncate(cut.index(body.len()));
            }
            if let Ok((commit, _)) = Commit::take(&sealed(&body), Position::new(1)) {
                look_at(&commit);
            }
        }
    }
}
