//! Computes a state from what is stored: a snapshot, if there is a usable one, then event after event. Used
//! by recovery and by reads of past states.

use std::marker::PhantomData;

use actuarius_domain::{Aggregate, Id, Position, StreamId, Timestamp, Version};
use actuarius_persistence::personal::{Subjects, deriving};
use actuarius_persistence::{
    CodecError, CommitView, EventView, PageLimit, ReadError, Reader, Snapshot,
};

use super::dedup_window::DedupWindow;
use super::saved_state;
use crate::base::panics::guarded;
use crate::schema::decoding::{Decoder, Envelopes, Facts, Undecodable};

/// The snapshots of one stream, the newest first, each with whether a replay can start from it.
pub(crate) struct Snapshots<'a, A> {
    reader: &'a dyn Reader,
    stream: &'a StreamId,
    remembered_commands: usize,
    before: Option<Version>,
    aggregate: PhantomData<fn() -> A>,
}

/// A snapshot that was found.
pub(crate) enum Found<A> {
    /// A replay can start from it.
    Usable(Box<Start<A>>),
    /// It is damaged or has another shape. Older snapshots and the events give the same state.
    Unusable { version: Version, why: String },
    /// It contains more than the log, which means that the log has lost events.
    Ahead { version: Version, why: String },
}

/// What a replay starts from.
pub(crate) struct Start<A> {
    pub(crate) state: A,
    pub(crate) window: DedupWindow,
    pub(crate) version: Version,
    /// The position of its last event.
    pub(crate) position: Position,
    /// When that event was decided; `None` without any event.
    pub(crate) time: Option<Timestamp>,
    /// The log has no more events of the stream up to this position.
    pub(crate) as_of: Position,
    /// The subjects whose clear text the state may hold.
    pub(crate) subjects: Subjects,
}

impl<A: Aggregate> Start<A> {
    /// The start before the first event.
    pub(crate) fn empty() -> Self {
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
    /// All snapshots of a stream, each with at most `remembered_commands` commands.
    pub(crate) fn of(
        reader: &'a dyn Reader,
        stream: &'a StreamId,
        remembered_commands: usize,
    ) -> Self {
        Self { reader, stream, remembered_commands, before: None, aggregate: PhantomData }
    }

    /// Restricts them to those up to `version`.
    pub(crate) fn up_to(mut self, version: Version) -> Self {
        self.before = version.get().checked_add(1).map(Version::new);
        self
    }

    /// Returns the next older snapshot.
    ///
    /// # Errors
    /// [`ReadError`] if reading failed for a reason other than the snapshot itself.
    pub(crate) fn next(&mut self) -> Result<Option<Found<A>>, ReadError> {
        let snapshot = match self.reader.snapshot(self.stream, self.before) {
            Ok(Some(snapshot)) => snapshot,
            Ok(None) => return Ok(None),
            Err(ReadError::DamagedSnapshot { version, what, .. }) => {
                self.before = Some(version);
                return Ok(Some(Found::Unusable { version, why: what }));
            }
            Err(error) => return Err(error),
        };
        let version = snapshot.version;
        self.before = Some(version);
        Ok(Some(match self.time_of_last_event(&snapshot)? {
            Err(why) => Found::Ahead { version, why },
            Ok(time) => self.start(snapshot, time).map_or_else(
                |why| Found::Unusable { version, why },
                |start| Found::Usable(Box::new(start)),
            ),
        }))
    }

    /// Returns when the snapshot's last event was decided according to the log, or why the snapshot does
    /// not belong to this log.
    ///
    /// A snapshot is only taken of durable events. One that contains more than the log proves a loss, and
    /// using it would hide the loss.
    fn time_of_last_event(
        &self,
        snapshot: &Snapshot,
    ) -> Result<Result<Timestamp, String>, ReadError> {
        let (head, position) = (self.reader.head(), snapshot.position);
        if position > head || snapshot.as_of > head {
            let known = position.max(snapshot.as_of);
            return Ok(Err(format!("it contains position {known}, but the log ends at {head}")));
        }
        let before = Position::new(position.get().saturating_sub(1));
        let page =
            self.reader.maintenance().read_raw(before, PageLimit { commits: 1, bytes: 0 })?;
        let last = page.commits.first().map(|commit| commit.view()).filter(|commit| {
            commit.belongs_to(self.stream) && commit.last_version() == snapshot.version
        });
        let why = || format!("its event {} is not at position {position}", snapshot.version);
        Ok(last.map(|commit| commit.time).ok_or_else(why))
    }

    /// Returns the start from a snapshot whose last event was decided at `time`, or why it cannot be used.
    pub(super) fn start(&self, snapshot: Snapshot, time: Timestamp) -> Result<Start<A>, String> {
        if snapshot.state_version != A::STATE_VERSION {
            return Err("it contains another version of the state".to_owned());
        }
        let keys = self.reader.maintenance().sealer();
        let decode = || saved_state::decode(&snapshot.payload, self.remembered_commands);
        let decoded = deriving(keys.as_ref(), decode);
        let (state, window) = decoded.map_err(|error| error.to_string())?;
        let Snapshot { version, position, as_of, subjects, .. } = snapshot;
        Ok(Start { state, window, version, position, time: Some(time), as_of, subjects })
    }
}

/// Decodes a stored event into today's events: usually one.
pub(crate) fn decode<A: Aggregate>(
    decoder: Decoder<A>,
    event: &EventView<'_>,
) -> Result<Facts<A>, CodecError> {
    let decoded = guarded(|| decoder.facts(event));
    decoded.unwrap_or_else(|panic| Err(CodecError::Decode(panic)))
}

/// Decodes a stored event into today's events with their envelopes.
pub(crate) fn envelopes<A: Aggregate>(
    decoder: Decoder<A>,
    id: &Id<A>,
    commit: &CommitView<'_>,
    event: &EventView<'_>,
) -> Result<Envelopes<A>, Undecodable> {
    let decoded = guarded(|| decoder.envelopes(id, commit, event));
    decoded.unwrap_or_else(|panic| Err(Undecodable::of(commit, event, CodecError::Decode(panic))))
}

/// Applies the events of one stored event to the state. If `apply` panics, returns the message; the state
/// is then half changed.
pub(crate) fn fold<A: Aggregate>(state: &mut A, facts: &[A::Event]) -> Result<(), String> {
    guarded(|| facts.iter().for_each(|fact| state.apply(fact)))
}
