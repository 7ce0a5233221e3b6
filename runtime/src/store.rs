//! The stores, and the seam they are behind: for users that bring their own store, and for tools that
//! read below the runtime.
//!
//! [`Writer`], [`Reader`] and [`Maintenance`] are the seam, [`contract`] is what every store must keep,
//! [`memory`] is the reference store, and `sled` is the durable default.

pub use actuarius_persistence::*;
/// The durable store in sled.
#[cfg(feature = "sled")]
pub use actuarius_sled as sled;
pub use uuid::Uuid;

/// Migrates a store: copies and transforms a whole log into a new store.
/// The function `run` also moves the positions that the instances of sagas know.
#[cfg(feature = "transfer")]
pub mod migrate {
    #[cfg(feature = "sagas")]
    pub use crate::operations::saga_migration::run_with_sagas as run;
    pub use actuarius_persistence::migrate::*;
}
