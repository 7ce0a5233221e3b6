//! From what is stored to a state: a snapshot, if there is a good one, then one event after the other. Whoever
//! brings an aggregate into memory goes this way, and whoever asks what it was.

use std::marker::PhantomData;

use actuarius_domain::{Aggregate, Id, Position, StreamId, Timestamp, Version};
use actuarius_persistence::keys::{Keys, Subjects};
use actuarius_persistence::{
    CodecError, CommitView, EventView, PageLimit, ReadError, Reader, Snapshot,
};

use super::dedup_window::DedupWindow;
use super::saved_state;
use crate::base::panics::guarded;
use crate::schema::decoding::{Decoder, Envelopes, Facts, Undecodable};

/// The snapshots of one stream, the newest first, each as what can be made of it.
pub(crate) struct Snapshots<'a, A> {
    reader: &'a dyn Reader,
    stream: &'a StreamId,
    remembered_commands: usize,
    before: Option<Version>,
    aggregate: PhantomData<fn() -> A>,
}

/// A snapshot that was looked at.
pub(crate) enum Found<A> {
    /// A replay can begin with it.
    Good(Box<Start<A>>),
    /// It is damaged, or of another shape. What is behind it is as good.
    Useless { version: Version, why: String },
    /// It knows more than the log, which only loss explains.
    Ahead { version: Version, why: String },
}

/// What a replay begins with.
pub(crate) struct Start<A> {
    pub(crate) state: A,
    pub(crate) window: DedupWindow,
    pub(crate) version: Version,
    /// The position of its last event.
    pub(crate) position: Position,
    /// When that was decided; none without any event.
    pub(crate) time: Option<Timestamp>,
    /// Up to here, the log has no more of the stream.
    pub(crate) as_of: Position,
    /// Whose clear text the state holds.
    pub(crate) subjects: Subjects,
}

impl<A: Aggregate> Start<A> {
    /// From the first event on.
    pub(crate) fn unborn() -> Self {
        Self {
            state: A::default(),
            window: DedupWindow::default(),
            version: Version::NONE,
            position: Position::NONE,
            time: None,
            as_of: Position::NONE,
            subjects: Subjects::default(),
        }
    }
}

impl<'a, A: Aggregate> Snapshots<'a, A> {
    /// All of them, with at most that many remembered commands each.
    pub(crate) fn of(
        reader: &'a dyn Reader,
        stream: &'a StreamId,
        remembered_commands: usize,
    ) -> Self {
        Self { reader, stream, remembered_commands, before: None, aggregate: PhantomData }
    }

    /// Only those up to `version`.
    pub(crate) fn up_to(mut self, version: Version) -> Self {
        self.before = version.get().checked_add(1).map(Version::new);
        self
    }

    /// The next older one.
    ///
    /// # Errors
    /// It could not be read; that is not the snapshot's fault.
    pub(crate) fn next(&mut self) -> Result<Option<Found<A>>, ReadError> {
        let snapshot = match self.reader.snapshot(self.stream, self.before) {
            Ok(Some(snapshot)) => snapshot,
            Ok(None) => return Ok(None),
            Err(ReadError::DamagedSnapshot { version, what, .. }) => {
                self.before = Some(version);
                return Ok(Some(Found::Useless { version, why: what }));
            }
            Err(error) => return Err(error),
        };
        let version = snapshot.version;
        self.before = Some(version);
        Ok(Some(match self.its_last_commit(&snapshot)? {
            Err(why) => Found::Ahead { version, why },
            Ok(time) => self.start(snapshot, time).map_or_else(
                |why| Found::Useless { version, why },
                |start| Found::Good(Box::new(start)),
            ),
        }))
    }

    /// When the snapshot's last event was decided, by the log; or why it cannot be of this log.
    ///
    /// A snapshot is only taken of durable events. One that knows more than the log is evidence of
    /// loss: using it would hide the loss.
    fn its_last_commit(&self, snapshot: &Snapshot) -> Result<Result<Timestamp, String>, ReadError> {
        let (head, position) = (self.reader.head(), snapshot.position);
        if position > head || snapshot.as_of > head {
            let known = position.max(snapshot.as_of);
            return Ok(Err(format!("it knows position {known}, the log ends at {head}")));
        }
        let before = Position::new(position.get().saturating_sub(1));
        let page = self.reader.read_raw(before, PageLimit { commits: 1, bytes: 0 })?;
        let its_last = page.commits.first().map(|commit| commit.view()).filter(|commit| {
            commit.belongs_to(self.stream) && commit.last_version() == snapshot.version
        });
        let why = || format!("its event {} is not at position {position}", snapshot.version);
        Ok(its_last.map(|commit| commit.time).ok_or_else(why))
    }

    fn start(&self, snapshot: Snapshot, time: Timestamp) -> Result<Start<A>, String> {
        if snapshot.state_version != A::STATE_VERSION {
            return Err("it holds another version of the state".to_owned());
        }
        let keys = self.reader.keys();
        let decode = || saved_state::decode(&snapshot.payload, self.remembered_commands);
        let decoded = Keys::deriving(keys.as_ref(), decode);
        let (state, window) = decoded.map_err(|error| error.to_string())?;
        let Snapshot { version, position, as_of, subjects, .. } = snapshot;
        Ok(Start { state, window, version, position, time: Some(time), as_of, subjects })
    }
}

/// What a stored event is today, typed: one event mostly.
pub(crate) fn decode<A: Aggregate>(
    decoder: Decoder<A>,
    event: &EventView<'_>,
) -> Result<Facts<A>, CodecError> {
    let decoded = guarded(|| decoder.facts(event));
    decoded.unwrap_or_else(|panic| Err(CodecError::Decode(panic)))
}

/// The same, with everything known about it.
pub(crate) fn envelopes<A: Aggregate>(
    decoder: Decoder<A>,
    id: &Id<A>,
    commit: &CommitView<'_>,
    event: &EventView<'_>,
) -> Result<Envelopes<A>, Undecodable> {
    let decoded = guarded(|| decoder.envelopes(id, commit, event));
    decoded.unwrap_or_else(|panic| Err(Undecodable::of(commit, event, CodecError::Decode(panic))))
}

/// Makes what one stored event is part of the state; or tells how `apply` panicked, so that the state is
/// half changed.
pub(crate) fn fold<A: Aggregate>(state: &mut A, facts: &[A::Event]) -> Result<(), String> {
    guarded(|| facts.iter().for_each(|fact| state.apply(fact)))
}
