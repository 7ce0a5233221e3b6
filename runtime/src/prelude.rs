//! What most files of a service need: `use actuarius::prelude::*;`.

#[cfg(feature = "erasure")]
pub use crate::Personal;
pub use crate::error::BoxError;
pub use crate::projection::{KeyedProjection, Projection, Rows, SecondaryKeys, View};
#[cfg(feature = "sagas")]
pub use crate::saga::{
    Answer, Correlation, Effects, InstanceStatus, Outcome, ReactsTo, Saga, Sends,
};
pub use crate::{
    Aggregate, Aggregates, Codec, Context, Envelope, ExecuteError, Failure, Hosting, Id, Position,
    Receipt, Runtime, Timestamp, Version,
};
