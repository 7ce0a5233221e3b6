//! Recovers an aggregate into memory: the newest usable snapshot, then the events after it.

use std::sync::Arc;
use std::time::Instant;

use actuarius_domain::{Aggregate, Position, Version};
use actuarius_persistence::personal::collecting;
use actuarius_persistence::{CommitView, PageLimit, ReadError, Reader};
use tokio::sync::oneshot;

use super::activation::Activation;
use super::dedup_window::Remembered;
use super::hosted_type::HostedType;
use super::inbox::Slot;
use super::incarnation::Incarnation;
use super::replay::{self, Found, Snapshots, Start};
use crate::base::error::{Quarantine, QuarantineReason, Unavailable};
use crate::base::panics::guarded;
use crate::schema::decoding::Decoder;

pub(crate) enum RecoveryError {
    /// It cannot be read now; the aggregate itself is not known to be damaged.
    Unavailable(Unavailable),
    /// Its events do not yield a state.
    Quarantine(Box<Quarantine>),
}

/// Recovers an aggregate in the recovery pool.
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

    /// Applies the events after the incarnation's version, page by page, and returns their number.
    fn replay(
        &self,
        incarnation: &mut Incarnation<A>,
        as_of: Position,
    ) -> Result<u64, RecoveryError> {
        let (from, mut gap) = (incarnation.version, None);
        loop {
            let after = incarnation.version;
            let page = self
                .reader
                .read_stream(&self.slot.stream, after, as_of, PageLimit::default())
                .map_err(|error| self.unreadable(error, after.next()))?;
            for commit in &page.commits {
                self.apply(incarnation, &commit.view(), &mut gap)?;
            }
            if !page.more {
                if let Some((version, position)) = gap {
                    return Err(self.quarantine(
                        version,
                        Some(position),
                        QuarantineReason::Removed,
                    ));
                }
                return Ok(incarnation.version.get() - from.get());
            }
        }
    }

    /// Applies the events of a commit to the state. After removed events the state is unknown until the
    /// event that ends the stream; `gap` is the first removed commit.
    fn apply(
        &self,
        incarnation: &mut Incarnation<A>,
        commit: &CommitView<'_>,
        gap: &mut Option<(Version, Position)>,
    ) -> Result<(), RecoveryError> {
        let known = incarnation.version;
        if commit.is_gone() && gap.is_none() {
            *gap = Some((commit.version, commit.position));
        }
        for event in commit.events().filter(|event| event.version > known) {
            if let Some(deletion) = event.deletion() {
                incarnation.end(deletion);
                *gap = None;
                (incarnation.version, incarnation.position) = (event.version, event.position);
                incarnation.time = Some(commit.time);
                continue;
            }
            if gap.is_some() {
                continue;
            }
            let quarantine = |reason| self.quarantine(event.version, Some(event.position), reason);
            let (keys, subjects) = (self.hosted.engine.keyring.sealer(), &mut incarnation.subjects);
            let facts = collecting(keys, subjects, || replay::decode(self.decoder, &event));
            let facts = facts.map_err(|error| {
                let event_type = event.event_type.to_owned();
                let schema_version = event.schema_version;
                quarantine(QuarantineReason::Undecodable { event_type, schema_version, error })
            })?;
            replay::fold(&mut *incarnation.state, &facts)
                .map_err(|panic| quarantine(QuarantineReason::ApplyPanicked(panic)))?;
            incarnation.version = event.version;
            incarnation.position = event.position;
            incarnation.time = Some(commit.time);
            incarnation.ended = None;
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
        Ok(())
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
        let id = self.slot.stream.shared_id().clone();
        let aggregate = A::TYPE;
        RecoveryError::Quarantine(Box::new(Quarantine { aggregate, id, version, position, reason }))
    }
}

fn unavailable(error: ReadError) -> RecoveryError {
    RecoveryError::Unavailable(match error {
        ReadError::Closed => Unavailable::ShuttingDown,
        other => Unavailable::Recovery(other.to_string()),
    })
}
