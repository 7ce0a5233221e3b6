//! Walks along a log or a stream, page by page: as much memory as one page, however long it is.

use std::ops::ControlFlow;

use actuarius::error::{Damage, ReadError};
use actuarius::store::{Commit, Page, PageLimit, Reader};
use actuarius::{Position, StreamId, Version};

use crate::progress::Progress;
use crate::trouble::Trouble;

/// Whether to go on.
pub(crate) type Step = Result<ControlFlow<()>, Trouble>;

/// Goes on.
pub(crate) const GO_ON: Step = Ok(ControlFlow::Continue(()));

/// Hands out the commits of the log that hold events behind `after`. What was archived is fetched.
pub(crate) fn log(
    reader: &dyn Reader,
    after: Position,
    progress: &Progress,
    each: impl FnMut(&Commit) -> Step,
) -> Result<(), Trouble> {
    walk(|after| reader.read_log(after, PageLimit::default()), after, progress, each)
}

/// The same, with what was archived as what is left of it.
pub(crate) fn raw_log(
    reader: &dyn Reader,
    progress: &Progress,
    each: impl FnMut(&Commit) -> Step,
) -> Result<(), Trouble> {
    walk(
        |after| reader.maintenance().read_raw(after, PageLimit::default()),
        Position::NONE,
        progress,
        each,
    )
}

fn walk(
    read: impl Fn(Position) -> Result<Page, ReadError>,
    after: Position,
    progress: &Progress,
    mut each: impl FnMut(&Commit) -> Step,
) -> Result<(), Trouble> {
    let mut after = after;
    loop {
        let page = read(after)?;
        for commit in &page.commits {
            if each(commit)?.is_break() {
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
    mut each: impl FnMut(&Commit) -> Step,
) -> Result<(), Trouble> {
    let mut after = after;
    loop {
        let page = reader.read_stream(stream, after, Position::NONE, PageLimit::default())?;
        for commit in &page.commits {
            after = commit.view().last_version();
            if each(commit)?.is_break() {
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
