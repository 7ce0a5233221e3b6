//! A request under way: execute and query builders, their reply futures, and read consistency.

pub(crate) mod consistency;
pub(crate) mod execute;
pub(crate) mod query;
pub(crate) mod reply_future;
