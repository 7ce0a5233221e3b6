//! What most files of a service need: `use actuarius::prelude::*;`.

pub use crate::error::BoxError;
pub use crate::projection::{KeyedProjection, Projection, Rows, View};
#[cfg(feature = "sagas")]
pub use crate::saga::{Answer, Correlation, Effects, ReactsTo, Saga, Sends};
pub use crate::{
    Aggregate, Aggregates, Codec, Context, Envelope, ExecuteError, Failure, Hosting, Id, Position,
    Receipt, Runtime, Timestamp, Version,
};
