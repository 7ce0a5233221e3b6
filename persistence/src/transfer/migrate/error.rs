use actuarius_domain::{InvalidId, Position, StreamId};
use thiserror::Error;

use super::BoxError;
use crate::record::chain::ChainEnd;
use crate::{CodecError, ReadError, StoreFailure};

/// Why a migration ended early. Run it again to go on; where something else has to be done first, it says so.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The transform does not know what becomes of a commit. Mend it.
    #[error("the commit at position {position} of {stream} cannot be transformed: {source}")]
    Transform {
        /// The stream.
        stream: StreamId,
        /// The commit's position in the old store.
        position: Position,
        /// Why not.
        source: BoxError,
    },
    /// What the transform has said cannot be stored: it is too large. Mend it.
    #[error(
        "what becomes of the commit at position {position} of {stream} cannot be stored: {source}"
    )]
    Unstorable {
        /// The stream.
        stream: StreamId,
        /// The commit's position in the old store.
        position: Position,
        /// Why not.
        source: CodecError,
    },
    /// The new store has events that this migration has not written. Begin with an empty one.
    #[error("the new store has events of its own, or of another migration")]
    OtherTarget,
    /// The new store has events that the transform does not lead to any more: it is another one than before, or
    /// says something else each time. Begin with an empty store.
    #[error("the new store has another commit at position {position} than the transform makes now")]
    OtherTransform {
        /// The position in the new store.
        position: Position,
    },
    /// The old store is not what it was when the migration began, or what its own chain says. Verify it.
    #[error("the old store leads to {found}, not to {wanted}")]
    OtherSource {
        /// The end of its chain.
        wanted: ChainEnd,
        /// What its commits lead to.
        found: ChainEnd,
    },
    /// The new store does not hold what was written: damage, or a defect. Begin with an empty one.
    #[error("the new store leads to {found}, not to {wanted}")]
    Differs {
        /// What the transform leads to.
        wanted: ChainEnd,
        /// What the new store's commits lead to.
        found: ChainEnd,
    },
    /// A name in the old store is none that a stream can have: damage.
    #[error(transparent)]
    Name(#[from] InvalidId),
    /// A store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The new store cannot be written. Open it again.
    #[error(transparent)]
    Store(#[from] StoreFailure),
    /// It was asked to stop.
    #[error("it was asked to stop")]
    Stopped,
}
