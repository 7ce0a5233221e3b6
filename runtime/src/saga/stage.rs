//! The stages of the work for an instance, which tests observe.

use std::fmt;
use std::sync::Arc;

/// A stage of the work for an instance: one of the moments between which a crash makes a difference. Tests
/// stop the process there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// The saga has reacted; nothing is durable.
    Reacted,
    /// A step is durable; its commands are not sent.
    Committed,
    /// A command is about to be sent.
    Sending,
    /// A command is carried out durably; its outcome is not recorded in the saga.
    Dispatched,
    /// The outcome is durable; commands that follow from it are not sent.
    Answered,
    /// A deadline is due; the saga has not reacted to it.
    Due,
}

impl Stage {
    /// All stages, in the order in which they occur.
    pub const ALL: [Self; 6] = [
        Self::Reacted,
        Self::Committed,
        Self::Sending,
        Self::Dispatched,
        Self::Answered,
        Self::Due,
    ];
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Reacted => "reacted",
            Self::Committed => "committed",
            Self::Sending => "sending",
            Self::Dispatched => "carried",
            Self::Answered => "answered",
            Self::Due => "due",
        })
    }
}

type Watcher = dyn Fn(Stage, &str) + Send + Sync;

/// The function that is called with each stage, if any.
#[derive(Clone, Default)]
pub(super) struct Stages(Option<Arc<Watcher>>);

impl Stages {
    pub(super) fn notifying(watcher: impl Fn(Stage, &str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(watcher)))
    }

    pub(super) fn reached(&self, stage: Stage, id: &str) {
        if let Some(watcher) = &self.0 {
            watcher(stage, id);
        }
    }
}
