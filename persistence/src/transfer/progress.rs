//! Progress reports of work on a whole log.

use std::ops::ControlFlow;

use actuarius_domain::Position;

/// The progress of work on a whole log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The position reached.
    pub position: Position,
    /// The position of the end.
    pub end: Position,
    /// The number of commits processed.
    pub commits: u64,
    /// The size of these commits in bytes.
    pub bytes: u64,
}

/// A callback that receives progress reports, and can [stop](ControlFlow::Break) the work. To slow the
/// work down, wait in the callback.
pub type OnProgress<'a> = &'a mut dyn FnMut(&Progress) -> ControlFlow<()>;

/// Ignores progress reports and never stops the work.
pub fn ignore_progress(_: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
