//! The parts of effects: commands with their types erased, deadlines, and the end of an instance.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use crate::{Aggregate, Id, Timestamp};

/// When a deadline is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At a moment, or at once if the moment has passed.
    At(Timestamp),
    /// This long after the reaction, by the runtime's clock.
    In(Duration),
}

/// A command to an aggregate, with its type erased.
pub struct Sending {
    /// The type of the aggregate.
    pub aggregate: &'static str,
    /// Its id.
    pub id: std::sync::Arc<str>,
    /// The command: an `A::Command`.
    pub command: Box<dyn Any + Send>,
    /// The command that undoes it. It has the same type and goes to the same aggregate.
    pub undo: Option<Box<dyn Any + Send>>,
}

/// How an instance ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It has finished its work.
    Complete,
    /// It has failed, and accepted commands stay in effect.
    Fail(String),
    /// It has failed, and accepted commands are undone.
    Compensate(String),
}

impl Sending {
    pub(crate) fn new<A: Aggregate>(
        id: &Id<A>,
        command: A::Command,
        undo: Option<A::Command>,
    ) -> Self {
        Self {
            aggregate: A::TYPE,
            id: id.shared().clone(),
            command: Box::new(command),
            undo: undo.map(|undo| Box::new(undo) as Box<dyn Any + Send>),
        }
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a command to {}/{}", self.aggregate, self.id)
    }
}
