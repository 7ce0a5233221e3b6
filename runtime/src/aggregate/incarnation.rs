use actuarius_domain::{Aggregate, Position, Timestamp, Version};
use actuarius_persistence::keys::{Keys, SUBJECTS_MAX, Subjects};
use actuarius_persistence::{Deletion, NewSnapshot};

use super::dedup_window::DedupWindow;
use super::hosted_type::HostedType;
use super::hosting::Hosting;
use super::inbox::{Landing, Slot};
use super::replay::Start;
use super::saved_state;

/// One life of an aggregate in memory.
pub(crate) struct Incarnation<A: Aggregate> {
    pub(crate) state: A,
    pub(crate) version: Version,
    /// The position of its last durable event.
    pub(crate) position: Position,
    /// When its last event was decided; none while it has none. Later ones are decided no earlier.
    pub(crate) time: Option<Timestamp>,
    pub(crate) window: DedupWindow,
    /// Its stream has ended, and nothing has come since.
    pub(crate) ended: Option<Deletion>,
    /// The version of its newest snapshot.
    pub(crate) snapshot: Version,
    /// A snapshot shall be taken at the next chance, whatever the count says.
    pub(crate) snapshot_wanted: bool,
    /// Whose clear text is in the state.
    pub(crate) subjects: Subjects,
    /// Whether it is known that this is all.
    pub(crate) certainty: Certainty,
}

/// The end behind which nothing comes.
pub(crate) const FOR_GOOD: Deletion = Deletion { reusable: false };

/// Whether an incarnation is known to be what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certainty {
    Known,
    /// It is only believed that nothing is stored. No answer may rest on that, until the store has taken
    /// the first events as the first.
    Believed,
    /// The first request had no events that could prove it.
    Unproven,
}

impl<A: Aggregate> Incarnation<A> {
    /// One that begins with what a replay has brought up.
    pub(crate) fn waking(start: Start<A>) -> Self {
        let Start { state, window, version, position, time, as_of: _, subjects } = start;
        Self {
            state,
            version,
            position,
            time,
            window,
            ended: None,
            snapshot: version,
            snapshot_wanted: false,
            subjects,
            certainty: Certainty::Known,
        }
    }

    /// One that is believed not to be stored yet.
    pub(crate) fn believed_unborn() -> Self {
        Self { certainty: Certainty::Believed, ..Self::waking(Start::unborn()) }
    }

    /// Its stream has ended: what was before counts no more.
    pub(crate) fn end(&mut self, deletion: Deletion) {
        self.state = A::default();
        self.window = DedupWindow::default();
        self.ended = Some(deletion);
    }

    /// Notes where the events of the last turn have landed.
    pub(crate) fn take_note(&mut self, landing: Option<Landing>) {
        if let Some(Landing::Stored { base, first, .. }) = landing {
            self.certainty = Certainty::Known;
            self.window.landed(base, first);
            self.position = first.plus(self.version.get() - base.get() - 1);
        }
    }

    /// The end of a stream is found in the log: it is no state a snapshot could hold.
    pub(crate) fn is_changed_since_snapshot(&self) -> bool {
        self.version > self.snapshot && self.ended.is_none()
    }

    pub(crate) fn is_snapshot_due(&self, hosting: &Hosting) -> bool {
        let since = self.version.get() - self.snapshot.get();
        let is_due = hosting.snapshot_every.is_some_and(|n| since >= n);
        self.ended.is_none() && (is_due || (self.snapshot_wanted && since > 0))
    }

    /// Captures the state and hands it to the committer, off the way of any answer. Only called
    /// between turns, so every event in the state is durable.
    pub(crate) fn take_snapshot(&mut self, hosted: &HostedType<A>, slot: &Slot<A>) {
        self.snapshot_wanted = false;
        let payload = match self.sealed_state(hosted) {
            Ok(payload) => payload,
            Err(why) => {
                tracing::warn!(
                    target: "actuarius::snapshot",
                    stream = %slot.stream,
                    why,
                    "no snapshot was taken; the aggregate will be recovered from its events"
                );
                // Tried once per version: what does not encode now will not in a moment.
                self.snapshot = self.version;
                return hosted.meters.snapshot_dropped();
            }
        };
        let now = hosted.engine.clock.now();
        let taken = hosted.engine.committer.snapshot(NewSnapshot {
            stream: slot.stream.clone(),
            version: self.version,
            position: self.position,
            as_of: hosted.engine.store.head(),
            state_version: A::STATE_VERSION,
            time: now,
            payload: payload.into(),
            keep: hosted.hosting.snapshots_kept,
            keep_since: hosted.hosting.snapshots_kept_for.map(|age| now.minus(age)),
        });
        if taken {
            self.snapshot = self.version;
            hosted.meters.snapshot_taken();
        } else {
            hosted.meters.snapshot_dropped();
        }
    }

    /// The state as bytes. Clear text that `apply` has copied out of personal values is in there, so it
    /// is sealed for all of their subjects: to forget one of them makes it noise.
    fn sealed_state(&mut self, hosted: &HostedType<A>) -> Result<Vec<u8>, String> {
        let keys = hosted.engine.keyring.keys();
        let (state, window, subjects) = (&self.state, &self.window, &mut self.subjects);
        let encode = || saved_state::encode(state, window, hosted.hosting.codec);
        let clear = Keys::collecting(keys, subjects, || Keys::deriving(keys, encode));
        let clear = clear.map_err(|error| error.to_string())?;
        match keys {
            Some(_) if subjects.are_too_many() => {
                Err(format!("its state holds personal data of more than {SUBJECTS_MAX} subjects"))
            }
            Some(keys) if !subjects.is_empty() => {
                let sealed = keys.seal_for(subjects, &clear).map_err(|error| error.to_string())?;
                sealed.ok_or_else(|| "a subject in it is forgotten".to_owned())
            }
            _ => Ok(clear),
        }
    }
}
