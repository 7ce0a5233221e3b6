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
