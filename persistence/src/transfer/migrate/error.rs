//! Errors of migrations.

use actuarius_domain::{InvalidId, Position, StreamId};
use thiserror::Error;

use super::BoxError;
use crate::error::{ReadError, StoreFailure};
use crate::record::chain::ChainEnd;
use crate::record::codec::CodecError;

/// Why a migration stopped. Run it again to continue, after the action that a variant requires.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The transform cannot begin with this store. Nothing was written.
    #[error("the transform cannot begin: {0}")]
    Begin(#[source] BoxError),
    /// The transform failed for a commit. Fix the transform.
    #[error("the commit at position {position} of {stream} cannot be transformed: {source}")]
    Transform {
        /// The stream.
        stream: StreamId,
        /// The commit's position in the old store.
        position: Position,
        /// The cause.
        source: BoxError,
    },
    /// The result of the transform is too large. Fix the transform.
    #[error("the transformed commit at position {position} of {stream} cannot be stored: {source}")]
    Unstorable {
        /// The stream.
        stream: StreamId,
        /// The commit's position in the old store.
        position: Position,
        /// The cause.
        source: CodecError,
    },
    /// The new store has events that this migration did not write. Start with an empty one.
    #[error("the new store has events of its own, or of another migration")]
    OtherTarget,
    /// The new store has events that differ from the results of the transform: the transform was changed,
    /// or is not deterministic. Start with an empty store.
    #[error(
        "the commit at position {position} of the new store differs from the transform's result"
    )]
    OtherTransform {
        /// The position in the new store.
        position: Position,
    },
    /// The commits of the old store differ from its chain, or were changed since the migration began.
    /// Verify it.
    #[error("the old store ends at {found}, expected {wanted}")]
    OtherSource {
        /// The end of its chain.
        wanted: ChainEnd,
        /// The end computed from its commits.
        found: ChainEnd,
    },
    /// The content of the new store differs from what was written, because of damage or a defect. Start
    /// with an empty one.
    #[error("the new store ends at {found}, expected {wanted}")]
    Differs {
        /// The end of the commits written.
        wanted: ChainEnd,
        /// The end of the commits read.
        found: ChainEnd,
    },
    /// The name of a stream in the old store is invalid, because of damage.
    #[error(transparent)]
    Name(#[from] InvalidId),
    /// A store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The new store cannot be written. Open it again.
    #[error(transparent)]
    Store(#[from] StoreFailure),
    /// The progress callback stopped it.
    #[error("it was stopped by the progress callback")]
    Stopped,
}
