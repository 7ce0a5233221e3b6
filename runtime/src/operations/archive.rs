//! Archiving: moves events that are rarely read out of the log into segments of the archive.

use std::sync::Arc;

use actuarius_domain::{Aggregate, Id, InvalidId, StreamId, Version};
use actuarius_persistence::archive::{ArchiveError, Moving, Wanted};
use actuarius_persistence::{ReadError, Reader, Removal};
use thiserror::Error;

use super::REMOVALS_AT_ONCE;
use crate::aggregates::{Aggregates, checked};
use crate::base::error::Failure;
use crate::engine::Engine;

impl<A: Aggregate> Aggregates<A> {
    /// Moves events of one aggregate from the log into the [archive](crate::store::archive). They can still
    /// be read like events in the log.
    ///
    /// # Errors
    /// [`ArchivingError`]; every event is in the log or in the archive. Call it again.
    pub async fn archive<I>(&self, id: I, part: ArchivePart) -> Result<Archived, ArchivingError>
    where
        I: TryInto<Id<A>>,
        InvalidId: From<I::Error>,
    {
        let stream = checked(id)?.stream();
        let engine = self.directory.hosted.engine.clone();
        archive::<A>(engine, Some(stream), part, |_| true).await
    }

    /// Moves events of all aggregates of this type for which `which` returns true into the archive. Reads
    /// the whole log once, and calls `which` once for each aggregate.
    ///
    /// # Errors
    /// [`ArchivingError`]; every event is in the log or in the archive. Call it again.
    pub async fn archive_where(
        &self,
        part: ArchivePart,
        which: impl FnMut(&Id<A>) -> bool + Send + 'static,
    ) -> Result<Archived, ArchivingError> {
        archive::<A>(self.directory.hosted.engine.clone(), None, part, which).await
    }
}

/// Which of an aggregate's events are moved into the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchivePart {
    /// The events that its newest snapshot contains, so that loading the aggregate reads nothing from the
    /// archive. Nothing is moved of an aggregate without a snapshot.
    BeforeSnapshot,
    /// All events, for aggregates that are no longer used. Loading the aggregate reads the archive.
    Whole,
}

/// What was moved into the archive. The result of [`Aggregates::archive`](crate::Aggregates::archive).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Archived {
    /// The number of events.
    pub events: u64,
    /// The number of segments that were written.
    pub segments: u64,
    /// The size of the segments in bytes.
    pub bytes: u64,
}

/// Why events were not moved into the archive. Events moved before the error stay in the archive, the
/// others stay in the log, and all of them can still be read. Call it again.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ArchivingError {
    /// The store has no archive: it is in memory, or a store of your own.
    #[error("this store has no archive")]
    Unsupported,
    /// A segment could not be written.
    #[error(transparent)]
    Segment(#[from] ArchiveError),
    /// The events could not be read, or not be removed from the log.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Moves a part of one aggregate, or of all aggregates of a type for which `which` returns true.
pub(crate) async fn archive<A: Aggregate>(
    engine: Arc<Engine>,
    only: Option<StreamId>,
    part: ArchivePart,
    mut which: impl FnMut(&Id<A>) -> bool + Send + 'static,
) -> Result<Archived, ArchivingError> {
    let reader = engine.store.reader().map_err(Failure::from)?;
    let shared = engine.clone();
    let work = shared.operate(move || {
        let directory =
            reader.maintenance().archive().ok_or(ArchivingError::Unsupported)?.to_owned();
        let wanted: Wanted<'_> = Box::new(|stream| {
            let id = (stream.category() == A::TYPE).then(|| Id::<A>::new(stream.id()).ok());
            match id.flatten().filter(|id| which(id)) {
                Some(_) => part.up_to(&*reader, stream),
                None => Ok(None),
            }
        });
        let mut moving = Moving::new(&*reader, directory, wanted);
        if let Some(stream) = only {
            moving = moving.only(stream);
        }
        move_all(&engine, moving)
    });
    work.await.map_err(|error| Failure::from(ReadError::from(error)))?
}

impl ArchivePart {
    /// Returns the version up to which the events of a stream are moved; `None` if there is none.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn up_to(
        self,
        reader: &dyn Reader,
        stream: &StreamId,
    ) -> Result<Option<Version>, ReadError> {
        if self == Self::Whole {
            return reader.version(stream).map(Some);
        }
        match reader.snapshot(stream, None) {
            Ok(snapshot) => Ok(snapshot.map(|snapshot| snapshot.version)),
            // The state may have to be rebuilt from these events.
            Err(ReadError::DamagedSnapshot { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn move_all(engine: &Engine, mut moving: Moving<'_>) -> Result<Archived, ArchivingError> {
    let mut archived = Archived::default();
    while let Some(moved) = moving.next_segment()? {
        for removals in moved.removals.chunks(REMOVALS_AT_ONCE) {
            remove(engine, removals.to_vec())?;
        }
        archived.events += moved.events;
        archived.segments += 1;
        archived.bytes += moved.bytes;
        tracing::info!(
            target: "actuarius::archive",
            segment = %moved.path.display(),
            events = moved.events,
            "moved into the archive"
        );
    }
    Ok(archived)
}

fn remove(engine: &Engine, removals: Vec<Removal>) -> Result<(), ArchivingError> {
    let removed = engine.home.handle().block_on(engine.committer.remove(removals, vec![]));
    Ok(removed.map_err(Failure::from)?)
}
