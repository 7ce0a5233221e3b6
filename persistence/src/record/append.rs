//! Appends: typed events encoded as framed bytes.

use actuarius_domain::{CommandId, Metadata, StreamId, Timestamp, Version};
use serde::Serialize;
use serde::de::DeserializeOwned;
use smallvec::SmallVec;

use super::codec::{Codec, CodecError};
use super::commit::Commit;
use super::frame::{put_head, seal_frame};
use super::link::Link;
use super::{FRAME_HEAD, HAS_CAUSATION, HAS_CORRELATION, HAS_ENTRIES, HAS_USER, NAMED_BY_CALLER};
use crate::wire::{put_text, put_varint};

/// The size of a typical frame: header, names and a small event.
const FRAME_USUAL: usize = 256;

/// The fields that all events of one command share.
#[derive(Debug, Clone, Copy)]
pub struct NewCommit<'a> {
    /// The time of the decision.
    pub time: Timestamp,
    /// The id of the command.
    pub command_id: CommandId,
    /// Whether the caller chose the command id, so that the command may be repeated.
    pub named_by_caller: bool,
    /// The metadata of the request.
    pub metadata: &'a Metadata,
}

/// Commits that are appended to one stream together: one or more, one for each command.
#[derive(Debug, Clone)]
pub struct Append {
    stream: StreamId,
    expected: Version,
    pub(super) frames: Vec<u8>,
    commits: SmallVec<[CommitShape; 1]>,
    events: u64,
}

/// Where a commit ends in the bytes of its append, its number of events, and its hash. The hash is
/// computed here, in parallel, so that the single writer only has to chain it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CommitShape {
    pub(crate) end: u32,
    pub(crate) events: u32,
    pub(crate) hash: Link,
}

impl Append {
    /// Creates an empty append to `stream`, which must be at version `expected`.
    #[must_use]
    pub fn new(stream: StreamId, expected: Version) -> Self {
        Self { stream, expected, frames: Vec::new(), commits: SmallVec::new(), events: 0 }
    }

    /// Adds the events of one command. If there are no events, nothing is added.
    ///
    /// It is not checked whether the events can be decoded: see [`push_checked`](Append::push_checked).
    ///
    /// # Errors
    /// Returns [`CodecError`] if an event cannot be encoded. The append is then unchanged.
    pub fn push<E: Serialize>(
        &mut self,
        commit: NewCommit<'_>,
        codec: Codec,
        events: &[E],
        schema_version: impl Fn(&str) -> u32,
    ) -> Result<(), CodecError> {
        if events.is_empty() {
            return Ok(());
        }
        self.push_frame(commit, events.len() as u32, |out| {
            events.iter().try_for_each(|event| {
                let content = |out: &mut Vec<u8>| codec.encode_event(event, out);
                put_event(out, codec, content, &schema_version)
            })
        })
    }

    /// Adds the events of one command, and replaces each by what its bytes decode to: what every later
    /// reader sees. If there are no events, nothing is added.
    ///
    /// # Errors
    /// Returns [`CodecError::DoesNotReadBack`] if an event does not decode to the same value, and the
    /// errors of [`push`](Append::push). The append is then unchanged, but some events may be replaced.
    ///
    /// # Panics
    /// Panics if the `Serialize`, `Deserialize` or `Drop` of the events panics. Then call
    /// [`drop_half_written`](Append::drop_half_written).
    pub fn push_checked<E: Serialize + DeserializeOwned>(
        &mut self,
        commit: NewCommit<'_>,
        codec: Codec,
        events: &mut [E],
        schema_version: impl Fn(&str) -> u32,
    ) -> Result<(), CodecError> {
        if events.is_empty() {
            return Ok(());
        }
        self.push_frame(commit, events.len() as u32, |out| {
            events.iter_mut().try_for_each(|event| {
                let content = |out: &mut Vec<u8>| {
                    let (name, decoded) = codec.encode_event_checked(event, out)?;
                    *event = decoded;
                    Ok(name)
                };
                put_event(out, codec, content, &schema_version)
            })
        })
    }

    /// Adds a commit whose events are already encoded.
    pub(super) fn push_events(
        &mut self,
        commit: NewCommit<'_>,
        count: u32,
        events: &[u8],
    ) -> Result<(), CodecError> {
        self.push_frame(commit, count, |out| {
            out.extend_from_slice(events);
            Ok(())
        })
    }

    fn push_frame(
        &mut self,
        commit: NewCommit<'_>,
        count: u32,
        put_events: impl FnOnce(&mut Vec<u8>) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        let start = self.frames.len();
        let out = &mut self.frames;
        // Most commits fit, so most appends are allocated once.
        out.reserve(FRAME_USUAL);
        out.extend_from_slice(&[0; FRAME_HEAD]);
        put_header(out, &self.stream, self.expected.plus(self.events), commit);
        put_varint(out, u64::from(count));
        let mut written = put_events(out).and_then(|()| seal_frame(&mut out[start..]));
        if written.is_ok() {
            let hash = Link::of(&out[start + FRAME_HEAD..]);
            written = self.add(count, hash);
        }
        if written.is_err() {
            self.frames.truncate(start);
        }
        written
    }

    fn add(&mut self, events: u32, hash: Link) -> Result<(), CodecError> {
        let end = u32::try_from(self.frames.len()).map_err(|_| CodecError::TooLarge)?;
        self.commits.push(CommitShape { end, events, hash });
        self.events += u64::from(events);
        Ok(())
    }

    /// Adds a commit of another store byte by byte, with its ids, time and metadata.
    ///
    /// # Errors
    /// Returns [`CodecError::TooLarge`] if the append would have more than 4 GiB, and
    /// [`CodecError::Encode`] if the commit belongs to another stream or does not continue the
    /// versions of the append. The append is then unchanged.
    pub fn push_commit(&mut self, commit: &Commit) -> Result<(), CodecError> {
        let view = commit.view();
        let next = self.expected.plus(self.events).next();
        if !view.belongs_to(&self.stream) || view.version != next {
            let (stream, found) = (&self.stream, view.version);
            let what = format!("expected version {next} of {stream}, found version {found}");
            return Err(CodecError::Encode(what));
        }
        let start = self.frames.len();
        self.frames.extend_from_slice(&commit.frame());
        let added = self.add(view.events as u32, commit.hash());
        if added.is_err() {
            self.frames.truncate(start);
        }
        added
    }

    /// Removes the last commit.
    pub fn drop_last(&mut self) {
        if let Some(last) = self.commits.pop() {
            self.events -= u64::from(last.events);
        }
        self.drop_half_written();
    }

    /// Removes what a [`push`](Append::push) that panicked left.
    pub fn drop_half_written(&mut self) {
        let end = self.commits.last().map_or(0, |last| last.end as usize);
        self.frames.truncate(end);
    }

    /// Returns the stream appended to.
    #[must_use]
    pub fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// Returns the version that the stream must have.
    #[must_use]
    pub fn expected(&self) -> Version {
        self.expected
    }

    /// Returns the number of events.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Returns the number of commits.
    #[must_use]
    pub fn commits(&self) -> usize {
        self.commits.len()
    }

    /// Returns the size in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.frames.len()
    }

    /// Returns whether the append has no commits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    /// Returns the commits as framed bytes, each with the number of its events. For engines.
    pub fn frames(&self) -> impl Iterator<Item = (&[u8], u32)> {
        let mut start = 0;
        self.commits.iter().map(move |shape| {
            let frame = &self.frames[start..shape.end as usize];
            start = shape.end as usize;
            (frame, shape.events)
        })
    }

    /// Returns the commits as framed bytes, each with the number of its events and its hash. For engines.
    pub fn hashed_frames(&self) -> impl Iterator<Item = (&[u8], u32, Link)> {
        let hashes = self.commits.iter().map(|shape| shape.hash);
        self.frames().zip(hashes).map(|((frame, events), hash)| (frame, events, hash))
    }

    /// Returns a copy with only the first `commits` commits.
    pub(crate) fn front(&self, commits: usize) -> Self {
        let commits = SmallVec::from(&self.commits[..commits.min(self.commits.len())]);
        let end = commits.last().map_or(0, |shape: &CommitShape| shape.end as usize);
        let events = commits.iter().map(|shape| u64::from(shape.events)).sum();
        let frames = self.frames[..end].to_vec();
        Self { stream: self.stream.clone(), expected: self.expected, frames, commits, events }
    }
}

pub(super) fn put_header(
    out: &mut Vec<u8>,
    stream: &StreamId,
    first: Version,
    commit: NewCommit<'_>,
) {
    let metadata = commit.metadata;
    let flag = |present: bool, bit: u8| if present { bit } else { 0 };
    let flags = flag(commit.named_by_caller, NAMED_BY_CALLER)
        | flag(metadata.correlation.is_some(), HAS_CORRELATION)
        | flag(metadata.causation.is_some(), HAS_CAUSATION)
        | flag(metadata.user.is_some(), HAS_USER)
        | flag(!metadata.entries.is_empty(), HAS_ENTRIES);
    let names = (stream.category(), stream.id());
    put_head(out, flags, names, first.next(), commit.time, commit.command_id);
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

/// Writes the payload before the name, because the name is known only after encoding.
fn put_event(
    out: &mut Vec<u8>,
    codec: Codec,
    put_content: impl FnOnce(&mut Vec<u8>) -> Result<&'static str, CodecError>,
    schema_version: impl Fn(&str) -> u32,
) -> Result<(), CodecError> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let name = put_content(out)?;
    let length = u32::try_from(out.len() - start - 4).map_err(|_| CodecError::TooLarge)?;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out.push(codec.byte());
    put_text(out, name);
    put_varint(out, u64::from(schema_version(name)));
    Ok(())
}
