//! The result of a command that a saga sent.

use std::fmt;

use crate::{Aggregate, Id, Position, Version};

/// The result of a command that a saga sent.
pub struct Answer<A: Aggregate> {
    /// The aggregate that received the command.
    pub id: Id<A>,
    /// The command.
    pub command: A::Command,
    /// Whether the command was accepted or rejected.
    pub outcome: Outcome<A::Error>,
}

/// Whether a command was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<E> {
    /// Its events are durable.
    Accepted {
        /// The version of the aggregate after the command.
        version: Version,
        /// The position of the command's last event. If it had none, that of the aggregate's last event before it.
        position: Position,
    },
    /// The aggregate rejected the command. Nothing was written, and it is not sent again.
    Rejected(E),
}

impl<E> Outcome<E> {
    /// Returns whether the command was accepted.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted { .. })
    }
}

impl<A: Aggregate> fmt::Debug for Answer<A>
where
    A::Command: fmt::Debug,
{
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Answer")
            .field("id", &self.id)
            .field("command", &self.command)
            .field("outcome", &self.outcome)
            .finish()
    }
}
