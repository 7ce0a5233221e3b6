use std::fmt;

use crate::{Aggregate, Id, Position, Version};

/// How a command that a saga has sent has ended.
pub struct Answer<A: Aggregate> {
    /// Whom it was sent to.
    pub id: Id<A>,
    /// The command.
    pub command: A::Command,
    /// The end.
    pub outcome: Outcome<A::Error>,
}

/// Whether a command was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<E> {
    /// Its events are durable.
    Accepted {
        /// The version of the aggregate behind it.
        version: Version,
        /// The position of its last event, or of the aggregate's last event before it if it had none.
        position: Position,
    },
    /// The aggregate said no. Nothing was written, and it is not sent again.
    Rejected(E),
}

impl<E> Outcome<E> {
    /// Whether it was accepted.
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
