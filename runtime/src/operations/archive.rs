//! Moving events that are hardly read any more out of the log, into segments of the archive.

use std::sync::Arc;

use actuarius_domain::{Aggregate, Id, StreamId, Version};
use actuarius_persistence::archive::{ArchiveError, Moving, Wanted};
use actuarius_persistence::{ReadError, Reader, Removal};
use thiserror::Error;
use tokio::runtime::Handle;

use crate::base::error::Failure;
use crate::engine::Engine;

/// Which of an aggregate's events go into the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchivePart {
    /// Those its newest snapshot holds: bringing it into memory needs nothing from the archive. Of an
    /// aggregate without a snapshot nothing is moved.
    BeforeSnapshot,
    /// All there are, for aggregates that are closed. Bringing it into memory needs the archive.
    Whole,
}

/// What was moved into the archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Archived {
    /// How many events.
    pub events: u64,
    /// Into how many segments.
    pub segments: u64,
    /// How many bytes they have.
    pub bytes: u64,
}

/// Why events were not moved into the archive. What was moved before stays there, the rest is in the
/// log; all of it is read as before. Call it again.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ArchivingError {
    /// The store has no archive: it is in memory, or one of your own.
    #[error("this store has no archive")]
    Unsupported,
    /// A segment could not be made.
    #[error(transparent)]
    Segment(#[from] ArchiveError),
    /// The events could not leave the log.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// How many commits leave the log with one piece of work: each makes the store write a page anew, and
/// commands wait for that a few milliseconds.
const AT_ONCE: usize = 32;

/// Moves what is wanted of one aggregate, or of all of a type that `which` names.
pub(crate) async fn archive<A: Aggregate>(
    engine: Arc<Engine>,
    only: Option<StreamId>,
    part: ArchivePart,
    mut which: impl FnMut(&Id<A>) -> bool + Send + 'static,
) -> Result<Archived, ArchivingError> {
    let reader = engine.store.reader().map_err(Failure::from)?;
    let handle = Handle::current();
    let work = tokio::task::spawn_blocking(move || {
        let directory = reader.archive().ok_or(ArchivingError::Unsupported)?.to_owned();
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
        move_all(&engine, &handle, moving)
    });
    work.await.map_err(|_| Failure::shutting_down())?
}

impl ArchivePart {
    /// Up to which version events of a stream are to be moved; none if none are.
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
            // It may have to be rebuilt from these very events.
            Err(ReadError::DamagedSnapshot { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn move_all(
    engine: &Engine,
    handle: &Handle,
    mut moving: Moving<'_>,
) -> Result<Archived, ArchivingError> {
    let mut archived = Archived::default();
    while let Some(moved) = moving.next_segment()? {
        for removals in moved.removals.chunks(AT_ONCE) {
            take_out(engine, handle, removals.to_vec())?;
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

fn take_out(
    engine: &Engine,
    handle: &Handle,
    removals: Vec<Removal>,
) -> Result<(), ArchivingError> {
    let removed = handle.block_on(engine.committer.remove(removals, vec![]));
    Ok(removed.map_err(Failure::from)?)
}
