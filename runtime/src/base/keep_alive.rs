//! [`KeepAlive`]: a handle that keeps the runtime running.

use std::any::Any;
use std::sync::Arc;

/// Keeps the runtime running while it is held.
pub(crate) type KeepAlive = Arc<dyn Any + Send + Sync>;
