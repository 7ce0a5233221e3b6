//! Brings an aggregate into memory: the newest good snapshot, then the events behind it.

use std::sync::Arc;
use std::time::Instant;

use actuarius_domain::{Aggregate, Position, Version};
use actuarius_persistence::{CommitView, PageLimit, ReadError, Reader, Snapshot};
use tokio::sync::oneshot;

use crate::error::{Quarantine, QuarantineReason, Unavailable};
use crate::hosting::Hosting;
use crate::incarnation::{Certainty, Incarnation};
use crate::panics::guarded;
use crate::recoveries::Watch;
use crate::saved_state;
use crate::seat::Seat;
use crate::slot::Slot;
use crate::telemetry::Meters;
use crate::window::{Remembered, Window};

pub(crate) enum RecoveryError {
    /// Not now; nothing is wrong with the aggregate as far as is known.
    Unavailable(Unavailable),
    /// The history cannot be turned into a state.
    Quarantine(Box<Quarantine>),
}

/// Recovers on a blocking thread, as one of a bounded number at a time.
pub(crate) async fn recover<A: Aggregate>(
    seat: Arc<Seat<A>>,
) -> Result<Box<Incarnation<A>>, RecoveryError> {
    let (done, recovered) = oneshot::channel();
    let recoveries = seat.home.engine.recoveries.clone();
    recoveries.take_on(move |watch| {
        // Nobody waits any more when the actor was killed in the meantime.
        drop(done.send(recover_now(&seat, watch)));
    });
    recovered.await.unwrap_or(Err(RecoveryError::Unavailable(Unavailable::ShuttingDown)))
}

fn recover_now<A: Aggregate>(
    seat: &Seat<A>,
    watch: &mut Watch<'_>,
) -> Result<Box<Incarnation<A>>, RecoveryError> {
    let (home, slot) = (&seat.home, &seat.slot);
    let span = tracing::debug_span!(
        target: "actuarius::recovery", "recovery", stream = %slot.stream
    );
    let _entered = span.enter();
    let started = Instant::now();
    let reader = home.engine.library.reader().map_err(|_| unavailable(ReadError::Closed))?;
    let recovery =
        Recovery { reader: &*reader, slot, hosting: &home.hosting, meters: &home.meters };
    let (mut incarnation, as_of) = recovery.start_from_snapshot()?;
    let replayed = recovery.replay(&mut incarnation, as_of, watch)?;
    let took = started.elapsed();
    let slow = home.hosting.snapshot_when_loading_took;
    incarnation.snapshot_wanted = slow.is_some_and(|limit| took >= limit);
    home.meters.recovered(took, replayed);
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
    hosting: &'a Hosting,
    meters: &'a Meters,
}

type Start<A> = (Box<Incarnation<A>>, Position);

impl<A: Aggregate> Recovery<'_, A> {
    /// The incarnation of the newest snapshot that is good, or an unborn one; and up to where the
    /// log is known to hold no more of it.
    fn start_from_snapshot(&self) -> Result<Start<A>, RecoveryError> {
        let mut before = None;
        loop {
            let found = match self.reader.snapshot(&self.slot.stream, before) {
                Ok(Some(snapshot)) => snapshot,
                Ok(None) => return Ok((Box::new(Incarnation::unborn()), Position::NONE)),
                Err(ReadError::DamagedSnapshot { version, what, .. }) => {
                    self.ignore(version, &what);
                    before = Some(version);
                    continue;
                }
                Err(error) => return Err(self.unreadable(error, Version::NONE)),
            };
            before = Some(found.version);
            self.check_against_log(&found)?;
            if found.state_version != A::STATE_VERSION {
                self.ignore(found.version, "it holds another version of the state");
                continue;
            }
            match saved_state::decode(&found.payload, self.hosting.remembered_commands) {
                Ok((state, window)) => return Ok(wake(state, window, &found)),
                Err(error) => self.ignore(found.version, &error.to_string()),
            }
        }
    }

    fn ignore(&self, version: Version, why: &str) {
        self.meters.snapshot_ignored();
        tracing::warn!(
            target: "actuarius::recovery",
            stream = %self.slot.stream,
            version = version.get(),
            why,
            "a snapshot is ignored; the state is rebuilt from events"
        );
    }

    /// A snapshot is only taken of durable events. One that knows more than the log is evidence of
    /// loss: using it would hide the loss, ignoring it too.
    fn check_against_log(&self, snapshot: &Snapshot) -> Result<(), RecoveryError> {
        let head = self.reader.head();
        let ahead = |what: String| {
            self.quarantine(snapshot.version, None, QuarantineReason::SnapshotAhead(what))
        };
        if snapshot.position > head || snapshot.as_of > head {
            let known = snapshot.position.max(snapshot.as_of);
            return Err(ahead(format!("it knows position {known}, the log ends at {head}")));
        }
        let before = Position::new(snapshot.position.get().saturating_sub(1));
        let one = PageLimit { commits: 1, bytes: 0 };
        let page = self
            .reader
            .read_log(before, one)
            .map_err(|error| self.unreadable(error, snapshot.version))?;
        let is_its_last = page.commits.first().is_some_and(|commit| {
            let view = commit.view();
            view.belongs_to(&self.slot.stream) && view.last_version() == snapshot.version
        });
        if is_its_last {
            return Ok(());
        }
        let (version, position) = (snapshot.version, snapshot.position);
        Err(ahead(format!("its event {version} is not at position {position}")))
    }

    /// Applies the events behind the incarnation's version, page by page, and counts them.
    fn replay(
        &self,
        incarnation: &mut Incarnation<A>,
        as_of: Position,
        watch: &mut Watch<'_>,
    ) -> Result<u64, RecoveryError> {
        let from = incarnation.version;
        loop {
            let after = incarnation.version;
            let page = self
                .reader
                .read_stream(&self.slot.stream, after, as_of, PageLimit::default())
                .map_err(|error| self.unreadable(error, after.next()))?;
            for commit in &page.commits {
                self.apply(incarnation, &commit.view())?;
            }
            watch.look();
            if !page.more {
                return Ok(incarnation.version.get() - from.get());
            }
        }
    }

    fn apply(
        &self,
        incarnation: &mut Incarnation<A>,
        commit: &CommitView<'_>,
    ) -> Result<(), RecoveryError> {
        let known = incarnation.version;
        for event in commit.events().filter(|event| event.version > known) {
            let quarantine = |reason| self.quarantine(event.version, Some(event.position), reason);
            let decoded = guarded(|| event.decode::<A::Event>());
            let decoded = decoded
                .unwrap_or_else(|panic| Err(actuarius_persistence::CodecError::Decode(panic)));
            let fact = decoded.map_err(|error| {
                let event_type = event.event_type.to_owned();
                let schema_version = event.schema_version;
                quarantine(QuarantineReason::Undecodable { event_type, schema_version, error })
            })?;
            let state = &mut incarnation.state;
            guarded(|| state.apply(&fact))
                .map_err(|panic| quarantine(QuarantineReason::ApplyPanicked(panic)))?;
            incarnation.version = event.version;
            incarnation.position = event.position;
        }
        if commit.named_by_caller() {
            let command = Remembered {
                id: commit.command_id,
                version: commit.last_version(),
                events: commit.events,
                position: commit.last_position(),
            };
            incarnation.window.remember(command, self.hosting.remembered_commands);
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

fn wake<A: Aggregate>(state: A, window: Window, snapshot: &Snapshot) -> Start<A> {
    let incarnation = Incarnation {
        state,
        version: snapshot.version,
        position: snapshot.position,
        window,
        snapshot: snapshot.version,
        snapshot_wanted: false,
        certainty: Certainty::Known,
    };
    (Box::new(incarnation), snapshot.as_of)
}

fn unavailable(error: ReadError) -> RecoveryError {
    RecoveryError::Unavailable(match error {
        ReadError::Closed => Unavailable::ShuttingDown,
        other => Unavailable::Recovery(other.to_string()),
    })
}
