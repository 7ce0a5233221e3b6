use std::fmt;
use std::sync::Arc;

/// Where the work for an instance stands: the moments between which a crash makes a difference. Tests
/// stop the world there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// The saga has reacted; nothing is durable.
    Reacted,
    /// A step is durable; what it sends is not sent.
    Committed,
    /// A command is about to be sent.
    Sending,
    /// A command is carried out, durably; the saga has not heard of it.
    Dispatched,
    /// The answer is durable; what follows from it is not sent.
    Answered,
    /// A deadline has come; the saga has not heard of it.
    Due,
}

impl Stage {
    /// All of them, in the order of a life.
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

/// Who is told of stages, if anyone.
#[derive(Clone, Default)]
pub(super) struct Stages(Option<Arc<Watcher>>);

impl Stages {
    pub(super) fn told_to(watcher: impl Fn(Stage, &str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(watcher)))
    }

    pub(super) fn reached(&self, stage: Stage, id: &str) {
        if let Some(watcher) = &self.0 {
            watcher(stage, id);
        }
    }
}
