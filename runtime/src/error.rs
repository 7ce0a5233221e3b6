//! Errors: what went wrong, whether anything was written, and what to do now.

pub use crate::base::error::{
    ExecuteError, Failure, Limit, Place, Quarantine, QuarantineReason, Unavailable, Written,
};
pub use crate::base::follower_status::{BoxError, LaggingFollower, StartError, WaitError};
pub use crate::base::schema_error::{HostError, SchemaError};
pub use crate::base::undecodable::Undecodable;
pub use actuarius_domain::InvalidId;
pub use actuarius_persistence::{CodecError, Damage, OpenError, ReadError, StoreFailure};
