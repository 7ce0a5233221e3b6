use std::ops::ControlFlow;

use actuarius_domain::Position;

/// How far work on a whole log has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The position it has come to.
    pub position: Position,
    /// The position it goes to.
    pub end: Position,
    /// How many commits it has worked on.
    pub commits: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

/// Is told now and then how far the work has come, and may have it
/// [stop](ControlFlow::Break). Whoever wants it to go slower waits in there.
pub type OnProgress<'a> = &'a mut dyn FnMut(&Progress) -> ControlFlow<()>;

/// Goes on, whatever was done: for who does not want to know.
pub fn go_on(_: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
