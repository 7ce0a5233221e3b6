use actuarius_domain::{Aggregate, Envelope, Id};
use actuarius_persistence::{CodecError, CommitView, EventView};

/// One stored event, typed, with everything known about it.
pub(crate) fn envelope<A: Aggregate>(
    id: &Id<A>,
    commit: &CommitView<'_>,
    event: &EventView<'_>,
) -> Result<Envelope<A>, CodecError> {
    Ok(Envelope { id: id.clone(), event: event.decode()?, header: commit.header(event) })
}
