//! Walks along a log or a stream, page by page: as much memory as one page, however long it is.

use std::ops::ControlFlow;

use actuarius::persistence::{CommitView, PageLimit, Reader};
use actuarius::{Damage, Position, ReadError, StreamId, Version};

use crate::progress::Progress;
use crate::trouble::Trouble;

/// Whether to go on.
pub(crate) type Step = Result<ControlFlow<()>, Trouble>;

/// Hands out the commits of the log that hold events behind `after`, as they are stored.
pub(crate) fn log(
    reader: &dyn Reader,
    after: Position,
    progress: &Progress,
    mut each: impl FnMut(&CommitView<'_>) -> Step,
) -> Result<(), Trouble> {
    let mut after = after;
    loop {
        let page = reader.read_raw(after, PageLimit::default())?;
        for commit in &page.commits {
            if each(&commit.view())?.is_break() {
                return Ok(());
            }
        }
        match page.commits.last() {
            Some(last) => after = last.last_position(),
            None if page.more => return Err(stands_still(after)),
            None => {}
        }
        progress.at(after.get());
        if !page.more {
            return Ok(());
        }
    }
}

/// Hands out the commits of a stream that hold events behind `after`.
pub(crate) fn stream(
    reader: &dyn Reader,
    stream: &StreamId,
    after: Version,
    mut each: impl FnMut(&CommitView<'_>) -> Step,
) -> Result<(), Trouble> {
    let mut after = after;
    loop {
        let page = reader.read_stream(stream, after, Position::NONE, PageLimit::default())?;
        for commit in &page.commits {
            let view = commit.view();
            after = view.last_version();
            if each(&view)?.is_break() {
                return Ok(());
            }
        }
        if !page.more {
            return Ok(());
        }
        if page.commits.is_empty() {
            return Err(stands_still(Position::NONE));
        }
    }
}

/// A store that says there is more and gives nothing would be asked for ever.
fn stands_still(after: Position) -> Trouble {
    let what = "the store says that there are more events, and gives none".to_owned();
    Trouble::Read(ReadError::Damaged(Damage { stream: None, position: after.next(), what }))
}
