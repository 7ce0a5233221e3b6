//! Recovers an aggregate into memory: the newest usable snapshot, then the events after it.

use std::sync::Arc;
use std::time::Instant;

use actuarius_domain::{Aggregate, Position, Version};
use actuarius_persistence::personal::collecting;
use actuarius_persistence::{CommitView, EventView, PageLimit, ReadError, Reader, Snapshot};
use tokio::sync::oneshot;

use super::activation::Activation;
use super::dedup_window::Remembered;
use super::hosted_type::HostedType;
use super::inbox::Slot;
use super::incarnation::Incarnation;
use super::replay::{self, Found, Snapshots, Start};
use crate::base::error::{Quarantine, QuarantineReason, Unavailable};
use crate::base::panics::guarded;
use crate::commit::waiting_snapshots::WaitingSnapshot;
use crate::schema::decoding::Decoder;

pub(crate) enum RecoveryError {
    /// It cannot be read now; the aggregate itself is not known to be damaged.
    Unavailable(Unavailable),
    /// What is stored of it cannot be trusted.
    Quarantine(Box<Quarantine>),
}

/// Recovers an aggregate in the recovery pool. If its events yield no state, the incarnation says why in `unreadable`.
pub(crate) async fn recover<A: Aggregate>(
    activation: Arc<Activation<A>>,
) -> Result<Box<Incarnation<A>>, RecoveryError> {
    let (done, recovered) = oneshot::channel();
    let engine = activation.hosted.engine.clone();
    engine.recovery_pool.submit(move || {
        let recovered = guarded(|| recover_now(&activation)).unwrap_or_else(|panic| {
            Err(RecoveryError::Quarantine(Box::new(activation.recovery_panicked(panic))))
        });
        // The receiver is dropped if the actor ended in the meantime.
        drop(done.send(recovered));
    });
    // The pool drops what waits when it is closed.
    recovered.await.unwrap_or(Err(RecoveryError::Unavailable(Unavailable::ShuttingDown)))
}

fn recover_now<A: Aggregate>(
    activation: &Activation<A>,
) -> Result<Box<Incarnation<A>>, RecoveryError> {
    let (hosted, slot) = (&activation.hosted, &activation.slot);
    let span = tracing::debug_span!(
        target: "actuarius::recovery", "recovery", stream = %slot.stream
    );
    let _entered = span.enter();
    let started = Instant::now();
    let forgotten = hosted.engine.keyring.forgotten();
    let reader = hosted.engine.store.reader().map_err(|_| unavailable(ReadError::Closed))?;
    let recovery =
        Recovery { reader: &*reader, slot, hosted, decoder: Decoder::of(&hosted.engine.shapes) };
    let start = recovery.start()?;
    let (as_of, mut incarnation) = (start.as_of, Box::new(Incarnation::from_start(start)));
    let replayed = recovery.replay(&mut incarnation, as_of)?;
    hosted.set_subjects(slot, &incarnation.subjects, forgotten);
    let took = started.elapsed();
    let slow = hosted.hosting.snapshot_when_loading_took;
    incarnation.snapshot_wanted = slow.is_some_and(|limit| took >= limit);
    hosted.meters.recovered(took, replayed);
    tracing::debug!(
        target: "actuarius::recovery",
        stream = %slot.stream,
        version = incarnation.version.get(),
        replayed,
        "recovered"
    );
    Ok(incarnation)
}

struct Recovery<'a, A: Aggregate> {
    reader: &'a dyn Reader,
    slot: &'a Slot<A>,
    hosted: &'a HostedType<A>,
    decoder: Decoder<A>,
}

impl<A: Aggregate> Recovery<'_, A> {
    /// Returns the newest usable snapshot, or the state before the first event.
    fn start(&self) -> Result<Start<A>, RecoveryError> {
        if let Some(start) = self.waiting_snapshot() {
            return Ok(start);
        }
        let (reader, stream) = (self.reader, &self.slot.stream);
        let mut snapshots = Snapshots::of(reader, stream, self.hosted.hosting.remembered_commands);
        loop {
            let found = snapshots.next().map_err(|error| self.unreadable(error, Version::NONE))?;
            match found {
                None => return Ok(Start::empty()),
                Some(Found::Usable(start)) => return Ok(*start),
                Some(Found::Unusable { version, why }) => {
                    self.hosted.ignored_snapshot(stream, version, &why);
                }
                Some(Found::Ahead { version, why }) => {
                    // Ignoring it would hide the loss.
                    let reason = QuarantineReason::SnapshotAhead(why);
                    return Err(self.quarantine(version, None, reason));
                }
            }
        }
    }

    /// Returns the start from a snapshot that waits to be stored. The log has its events, because it was taken in this
    /// process.
    fn waiting_snapshot(&self) -> Option<Start<A>> {
        let (stream, engine) = (&self.slot.stream, &self.hosted.engine);
        let WaitingSnapshot { snapshot, last_event } = engine.committer.waiting_snapshot(stream)?;
        let snapshots = Snapshots::of(self.reader, stream, self.hosted.hosting.remembered_commands);
        snapshots.start(Snapshot::from(&snapshot), last_event).ok()
    }

    /// Applies the events after the incarnation's version, page by page, and returns their number.
    fn replay(
        &self,
        incarnation: &mut Incarnation<A>,
        as_of: Position,
    ) -> Result<u64, RecoveryError> {
        let from = incarnation.version;
        loop {
            let after = incarnation.version;
            let page = self
                .reader
                .read_stream(&self.slot.stream, after, as_of, PageLimit::default())
                .map_err(|error| self.unreadable(error, after.next()))?;
            for commit in &page.commits {
                self.apply(incarnation, &commit.view());
            }
            if !page.more {
                return Ok(incarnation.version.get() - from.get());
            }
        }
    }

    /// Applies the events of a commit to the state. After removed events, and after one that yields no state, the state is
    /// unknown until the event that ends the stream.
    fn apply(&self, incarnation: &mut Incarnation<A>, commit: &CommitView<'_>) {
        let known = incarnation.version;
        if commit.is_gone() {
            let removed = (commit.version, commit.position, QuarantineReason::Removed);
            self.lose_state(incarnation, removed);
            incarnation.time = Some(commit.time);
        }
        for event in commit.events().filter(|event| event.version > known) {
            if let Some(deletion) = event.deletion() {
                incarnation.end(deletion);
            } else {
                if incarnation.unreadable.is_none()
                    && let Err(reason) = self.apply_event(incarnation, &event)
                {
                    self.lose_state(incarnation, (event.version, event.position, reason));
                }
                incarnation.ended = None;
            }
            (incarnation.version, incarnation.position) = (event.version, event.position);
            incarnation.time = Some(commit.time);
        }
        // A removed commit has no events any more, but they still count.
        incarnation.version = incarnation.version.max(commit.last_version());
        incarnation.position = incarnation.position.max(commit.last_position());
        if commit.named_by_caller() {
            let command = Remembered {
                id: commit.command_id,
                version: commit.last_version(),
                events: commit.events,
                position: commit.last_position(),
            };
            incarnation.window.remember(command, self.hosted.hosting.remembered_commands);
        }
    }

    fn apply_event(
        &self,
        incarnation: &mut Incarnation<A>,
        event: &EventView<'_>,
    ) -> Result<(), QuarantineReason> {
        let (keys, subjects) = (self.hosted.engine.keyring.sealer(), &mut incarnation.subjects);
        let facts = collecting(keys, subjects, || replay::decode(self.decoder, event));
        let facts = facts.map_err(|error| QuarantineReason::Undecodable {
            event_type: event.event_type.to_owned(),
            schema_version: event.schema_version,
            error,
        })?;
        replay::fold(&mut *incarnation.state, &facts).map_err(QuarantineReason::ApplyPanicked)
    }

    /// Records that the state is unknown from an event on, unless it was before.
    fn lose_state(
        &self,
        incarnation: &mut Incarnation<A>,
        (version, position, reason): (Version, Position, QuarantineReason),
    ) {
        incarnation.ended = None;
        let why = || Arc::new(self.quarantined(version, Some(position), reason));
        incarnation.unreadable.get_or_insert_with(why);
    }

    fn unreadable(&self, error: ReadError, version: Version) -> RecoveryError {
        match error {
            ReadError::Damaged(damage) => {
                let reason = QuarantineReason::Damaged(damage.what.clone());
                self.quarantine(version, Some(damage.position), reason)
            }
            other => unavailable(other),
        }
    }

    fn quarantine(
        &self,
        version: Version,
        position: Option<Position>,
        reason: QuarantineReason,
    ) -> RecoveryError {
        RecoveryError::Quarantine(Box::new(self.quarantined(version, position, reason)))
    }

    fn quarantined(
        &self,
        version: Version,
        position: Option<Position>,
        reason: QuarantineReason,
    ) -> Quarantine {
        let id = self.slot.stream.shared_id().clone();
        Quarantine { aggregate: A::TYPE, id, version, position, reason }
    }
}

fn unavailable(error: ReadError) -> RecoveryError {
    RecoveryError::Unavailable(match error {
        ReadError::Closed => Unavailable::ShuttingDown,
        other => Unavailable::Recovery(other.to_string()),
    })
}
