//! Reads a log or a stream page by page, so that memory does not grow with its length.

use std::ops::ControlFlow;

use actuarius::error::{Damage, ReadError};
use actuarius::store::{Commit, Page, PageLimit, Reader};
use actuarius::{Position, StreamId, Version};

use crate::error::ToolError;
use crate::progress::Progress;

/// Whether to continue with the next commit.
pub(crate) type Step = Result<ControlFlow<()>, ToolError>;

/// Continues with the next commit.
pub(crate) const CONTINUE: Step = Ok(ControlFlow::Continue(()));

/// Passes each commit of the log with events after `after` to `each`. Archived events are fetched.
pub(crate) fn log(
    reader: &dyn Reader,
    after: Position,
    progress: &Progress,
    each: impl FnMut(&Commit) -> Step,
) -> Result<(), ToolError> {
    walk(|after| reader.read_log(after, PageLimit::default()), after, progress, each)
}

/// Passes each commit of the log to `each`. Of an archived commit, only its remainder in the log is read.
pub(crate) fn raw_log(
    reader: &dyn Reader,
    progress: &Progress,
    each: impl FnMut(&Commit) -> Step,
) -> Result<(), ToolError> {
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
) -> Result<(), ToolError> {
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
            None if page.more => return Err(no_progress(after)),
            None => {}
        }
        progress.at(after.get());
        if !page.more {
            return Ok(());
        }
    }
}

/// Passes each commit of a stream with events after `after` to `each`.
pub(crate) fn stream(
    reader: &dyn Reader,
    stream: &StreamId,
    after: Version,
    mut each: impl FnMut(&Commit) -> Step,
) -> Result<(), ToolError> {
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
            return Err(no_progress(Position::NONE));
        }
    }
}

/// An empty page that reports more events would otherwise be read in an endless loop.
fn no_progress(after: Position) -> ToolError {
    let what = "the store reports more events, but returns none".to_owned();
    ToolError::Read(ReadError::Damaged(Damage { stream: None, position: after.next(), what }))
}
