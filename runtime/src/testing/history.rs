//! Events as a log would hold them, for the test kits.

use std::collections::BTreeMap;

use actuarius_domain::{
    Aggregate, CommandId, Envelope, Event, Id, Metadata, Position, Timestamp, Version,
};
use actuarius_persistence::{Append, Codec, Commit, NewCommit};
use bytes::Bytes;

use super::fail::fail;
use crate::schema::decoding::Decoder;

/// Creates events as a log would hold them, each stored and read back: versions without gaps in each
/// stream, positions without gaps overall.
#[derive(Default)]
pub(super) struct History {
    versions: BTreeMap<(&'static str, String), u64>,
    head: u64,
    codec: Codec,
    time: Timestamp,
}

impl History {
    pub(super) fn use_codec(&mut self, codec: Codec) {
        self.codec = codec;
    }

    pub(super) fn move_clock(&mut self, time: Timestamp) {
        self.time = time;
    }

    /// Returns the next events of an aggregate, each as an envelope of its own commit.
    #[track_caller]
    pub(super) fn envelopes<A: Aggregate>(
        &mut self,
        id: &str,
        events: impl IntoIterator<Item = A::Event>,
    ) -> Vec<Envelope<A>> {
        let id = match Id::<A>::try_from(id) {
            Ok(id) => id,
            Err(error) => fail(&format!("{id:?} is not a valid id: {error}")),
        };
        events.into_iter().map(|event| self.envelope(&id, event)).collect()
    }

    #[track_caller]
    fn envelope<A: Aggregate>(&mut self, id: &Id<A>, event: A::Event) -> Envelope<A> {
        let commit = self.commit::<A>(id, event);
        let view = commit.view();
        let decoder = Decoder::<A>::new();
        let stored = view.events().next().map(|event| decoder.envelopes(id, &view, &event));
        let back = stored.map(|decoded| decoded.map(|envelopes| envelopes.into_iter().next()));
        match back {
            Some(Ok(Some(envelope))) => envelope,
            Some(Err(error)) => fail(&format!("an event cannot be read back: {error}")),
            _ => fail("an event cannot be read back"),
        }
    }

    #[track_caller]
    fn commit<A: Aggregate>(&mut self, id: &Id<A>, event: A::Event) -> Commit {
        let version = self.versions.entry((A::TYPE, id.to_string())).or_default();
        let mut append = Append::new(id.stream(), Version::new(*version));
        *version += 1;
        self.head += 1;
        let commit = NewCommit {
            time: self.time,
            command_id: CommandId::from(format!("command {}", self.head).as_str()),
            named_by_caller: false,
            metadata: &Metadata::default(),
        };
        push(&mut append, commit, self.codec, event, A::schema_version);
        let frame = append.frames().next().map(|(frame, _)| Bytes::copy_from_slice(frame));
        let position = Position::new(self.head);
        match frame.map(|frame| Commit::from_frame(&frame, position)) {
            Some(Ok(commit)) => commit,
            _ => fail("an event cannot be read back"),
        }
    }
}

#[track_caller]
fn push<E: Event>(
    append: &mut Append,
    commit: NewCommit<'_>,
    codec: Codec,
    event: E,
    schema_version: fn(&str) -> u32,
) {
    if let Err(error) = append.push(commit, codec, &[event], schema_version) {
        fail(&format!("an event cannot be stored with {codec:?}: {error}"));
    }
}
