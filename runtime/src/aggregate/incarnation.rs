//! [`Incarnation`]: the state of an aggregate in memory, from loading to unloading.

use std::sync::Arc;

use actuarius_domain::{Aggregate, Position, Timestamp, Version};
use actuarius_persistence::personal::{SUBJECTS_MAX, Subjects, collecting, deriving};
use actuarius_persistence::{Deletion, NewSnapshot};

use super::dedup_window::DedupWindow;
use super::hosted_type::HostedType;
use super::hosting::Hosting;
use super::inbox::{Slot, TurnOutcome};
use super::optimistic::Certainty;
use super::replay::Start;
use super::saved_state;
use crate::base::error::Quarantine;
use crate::base::panics::Contained;
use crate::commit::waiting_snapshots::{WaitingSnapshot, WaitingSnapshots};

/// An aggregate in memory, from loading to unloading.
pub(crate) struct Incarnation<A: Aggregate> {
    pub(crate) state: Contained<A>,
    pub(crate) version: Version,
    /// The position of its last durable event.
    pub(crate) position: Position,
    /// When its last event was decided; `None` if there is none. Later events never get an earlier time.
    pub(crate) time: Option<Timestamp>,
    pub(crate) window: DedupWindow,
    /// Set if the stream has ended and no event has followed.
    pub(crate) ended: Option<Deletion>,
    /// The version of its newest snapshot.
    pub(crate) snapshot: Version,
    /// Take a snapshot after the next events, however few there are.
    pub(crate) snapshot_wanted: bool,
    /// The subjects whose clear text the state may hold.
    pub(crate) subjects: Subjects,
    /// Whether the state is known to be complete.
    pub(crate) certainty: Certainty,
    /// Why its events yield no state. Then the stream can only be ended.
    pub(crate) unreadable: Option<Arc<Quarantine>>,
}

/// A deletion after which the id cannot be used again.
pub(crate) const PERMANENT: Deletion = Deletion { reusable: false };

impl<A: Aggregate> Incarnation<A> {
    /// Creates an incarnation from the start of a replay.
    pub(crate) fn from_start(start: Start<A>) -> Self {
        let Start { state, window, version, position, time, as_of: _, subjects } = start;
        Self {
            state: Contained::new(state),
            version,
            position,
            time,
            window,
            ended: None,
            snapshot: version,
            snapshot_wanted: false,
            subjects,
            certainty: Certainty::Known,
            unreadable: None,
        }
    }

    /// Creates an incarnation of an aggregate that is assumed not to exist yet.
    pub(crate) fn assumed_new() -> Self {
        Self { certainty: Certainty::Assumed, ..Self::from_start(Start::empty()) }
    }

    /// Resets the state, because the stream has ended.
    pub(crate) fn end(&mut self, deletion: Deletion) {
        self.state = Contained::new(A::default());
        self.window = DedupWindow::default();
        self.ended = Some(deletion);
        self.unreadable = None;
    }

    /// Records the positions of the events of the last turn.
    pub(crate) fn record_outcome(&mut self, outcome: Option<TurnOutcome>) {
        if let Some(TurnOutcome::Stored { base, first, .. }) = outcome {
            self.certainty = Certainty::Known;
            self.window.stored(base, first);
            self.position = first.plus(self.version.get() - base.get() - 1);
        }
    }

    /// Returns whether it has a state that a snapshot may save.
    fn has_state(&self) -> bool {
        self.ended.is_none() && self.unreadable.is_none()
    }

    /// Returns whether a snapshot would save a replay. The end of a stream is not saved in snapshots.
    pub(crate) fn is_changed_since_snapshot(&self) -> bool {
        self.version > self.snapshot && self.has_state()
    }

    pub(crate) fn is_snapshot_due(&self, hosting: &Hosting) -> bool {
        let since = self.version.get() - self.snapshot.get();
        let is_due = hosting.snapshot_every.is_some_and(|n| since >= n);
        self.has_state() && (is_due || (self.snapshot_wanted && since > 0))
    }

    /// Encodes the state and submits it to the committer; no reply waits for it. Only called between
    /// turns, so every event in the state is durable.
    ///
    /// The state that was decoded for the check becomes the live one, so that from here on it is the one that a
    /// recovery loads from the snapshot. If there is no snapshot, the live state stays.
    pub(crate) fn take_snapshot(&mut self, hosted: &HostedType<A>, slot: &Slot<A>) {
        self.submit_snapshot(hosted, slot, |_, snapshot| {
            hosted.engine.committer.snapshot(snapshot)
        });
    }

    /// Takes a snapshot of an aggregate that is unloaded. It need not be stored if the aggregate comes back soon.
    pub(crate) fn take_last_snapshot(&mut self, hosted: &HostedType<A>, slot: &Slot<A>) {
        let committer = &hosted.engine.committer;
        self.submit_snapshot(hosted, slot, |incarnation, snapshot| {
            let may_wait = WaitingSnapshots::takes(snapshot.payload.len());
            match incarnation.time.filter(|_| may_wait && incarnation.subjects.is_empty()) {
                Some(last_event) => {
                    committer.keep_snapshot(WaitingSnapshot { snapshot, last_event })
                }
                None => committer.snapshot(snapshot),
            }
        });
    }

    fn submit_snapshot(
        &mut self,
        hosted: &HostedType<A>,
        slot: &Slot<A>,
        submit: impl FnOnce(&Self, NewSnapshot) -> bool,
    ) {
        self.snapshot_wanted = false;
        let (payload, decoded) = match self.sealed_state(hosted) {
            Ok(sealed) => sealed,
            Err(why) => {
                tracing::warn!(
                    target: "actuarius::snapshot",
                    stream = %slot.stream,
                    why,
                    "no snapshot was taken; the aggregate will be recovered from its events"
                );
                // Tried once per version, because a state that cannot be encoded now cannot be later.
                self.snapshot = self.version;
                return hosted.meters.snapshot_dropped();
            }
        };
        if submit(self, self.snapshot_of(payload, hosted, slot)) {
            self.state = decoded;
            self.snapshot = self.version;
            hosted.meters.snapshot_taken();
        } else {
            hosted.meters.snapshot_dropped();
        }
    }

    fn snapshot_of(&self, payload: Vec<u8>, hosted: &HostedType<A>, slot: &Slot<A>) -> NewSnapshot {
        let now = hosted.engine.clock.now();
        NewSnapshot {
            stream: slot.stream.clone(),
            version: self.version,
            position: self.position,
            as_of: hosted.engine.store.head(),
            state_version: A::STATE_VERSION,
            time: now,
            payload: payload.into(),
            keep: hosted.hosting.snapshots_kept,
            keep_since: hosted.hosting.snapshots_kept_for.map(|age| now.minus(age)),
        }
    }

    /// Encodes the state, and returns what it decodes to as well. It may contain clear text that `apply` has
    /// copied out of personal values, so it is sealed for all of their subjects: forgetting one of them makes it
    /// unreadable.
    fn sealed_state(&mut self, hosted: &HostedType<A>) -> Result<(Vec<u8>, Contained<A>), String> {
        let keys = hosted.engine.keyring.sealer();
        let (state, window, subjects) = (&*self.state, &self.window, &mut self.subjects);
        let encode = || saved_state::encode(state, window, hosted.hosting.snapshot_codec);
        let encoded = collecting(keys, subjects, || deriving(keys, encode));
        let (clear, decoded) = encoded.map_err(|error| error.to_string())?;
        let sealed = match keys {
            Some(_) if subjects.are_too_many() => {
                Err(format!("its state holds personal data of more than {SUBJECTS_MAX} subjects"))
            }
            Some(keys) if !subjects.is_empty() => {
                let sealed = keys.seal_for(subjects, &clear).map_err(|error| error.to_string())?;
                sealed.ok_or_else(|| "a subject in it is forgotten".to_owned())
            }
            _ => Ok(clear),
        };
        Ok((sealed?, decoded))
    }
}
