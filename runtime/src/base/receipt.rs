//! [`Receipt`]: what a caller gets for a durable command.

use actuarius_domain::{CommandId, Position, Version};

/// The proof that a command is durable. Awaiting an [`Execute`](crate::request::Execute) returns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The aggregate's version after the command.
    pub version: Version,
    /// The position of the command's last event; for a command without events, that of the
    /// aggregate's last event before it.
    pub position: Position,
    /// How many events the command had.
    pub events: u64,
    /// The id of the command, chosen by the caller or generated.
    pub command_id: CommandId,
    /// Whether a command with this id had been carried out before, so that nothing was written now.
    pub repeated: bool,
}
