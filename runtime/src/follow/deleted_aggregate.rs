//! `DeletedAggregate`: what a follower receives when a stream ends.

use actuarius_domain::{Aggregate, Header, Id, InvalidId};
use actuarius_persistence::{CommitView, EventView};

/// An aggregate that was deleted: the end of its stream.
///
/// Projections and subscriptions receive it if they have registered `on_deleted`. It stays in the log, so also those
/// receive it that start later or are rebuilt, unless the aggregate was used again and deleted once more: then they
/// receive the last end only.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeletedAggregate<A> {
    /// Which one.
    pub id: Id<A>,
    /// Its position, its version, and when it was deleted.
    pub header: Header,
    /// Whether its id may be used again.
    pub is_reusable: bool,
}

impl<A: Aggregate> DeletedAggregate<A> {
    /// Returns the deleted aggregate if the event is the end of a stream.
    ///
    /// # Errors
    /// [`InvalidId`]: the id does not fit the aggregate type.
    pub(crate) fn of(
        commit: &CommitView<'_>,
        event: &EventView<'_>,
    ) -> Result<Option<Self>, InvalidId> {
        let Some(deletion) = event.deletion() else { return Ok(None) };
        let (id, header) = (Id::try_from(commit.id)?, commit.header(event));
        Ok(Some(Self { id, header, is_reusable: deletion.reusable }))
    }
}

/// Returns whether the commit is the end of a stream, which is always alone in its commit.
pub(crate) fn is_end(commit: &CommitView<'_>) -> bool {
    commit.events == 1 && commit.events().any(|event| event.deletion().is_some())
}
