//! Requests in progress: the builders for commands and queries, their futures, and read consistency.

pub(crate) mod consistency;
pub(crate) mod execute;
pub(crate) mod query;
pub(crate) mod reply_future;

pub use execute::{Execute, Executing};
pub use query::{Query, Querying};
