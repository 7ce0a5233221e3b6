//! Folds the whole log up to a moment, and finds the position that a time means.

use std::sync::Arc;

use actuarius_domain::{Position, Timestamp};
use actuarius_persistence::{
    AmbiguousTime, Commit, PageLimit, ReadError, Reader, TimePolicy, TimeSearch,
};
use thiserror::Error;

use super::moment::LogMoment;
use crate::engine::Engine;

/// How much of the log is read at once: as much as a follower reads.
const PAGE: PageLimit = PageLimit { commits: 4_096, bytes: 1024 * 1024 };

/// Why the position of a time was not found. Nothing was changed.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum PositionAtError {
    /// Commits are out of order around the time. Use one of the positions in it, or choose with
    /// [`Runtime::position_at_with`](crate::Runtime::position_at_with).
    #[error(transparent)]
    Ambiguous(#[from] Box<AmbiguousTime>),
    /// The log could not be read.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
}

/// Returns the position at which the log ended at a time.
pub(crate) async fn position_at(
    engine: &Arc<Engine>,
    time: Timestamp,
) -> Result<Position, PositionAtError> {
    Ok(searched(engine, time).await?.end().map_err(Box::new)?)
}

/// Returns the position at which the log ended at a time, by a policy.
pub(crate) async fn position_at_with(
    engine: &Arc<Engine>,
    time: Timestamp,
    policy: TimePolicy,
) -> Result<Position, ReadError> {
    Ok(searched(engine, time).await?.end_with(policy))
}

/// Searches the whole log, in the read pool, one page at a time, so that dropping the future stops it.
async fn searched(engine: &Arc<Engine>, time: Timestamp) -> Result<TimeSearch, ReadError> {
    let end = engine.store.reader()?.head();
    let (mut search, mut position) = (TimeSearch::at(time), Position::NONE);
    while position < end {
        let page = move |reader: &dyn Reader| -> Result<_, ReadError> {
            // Where events are does not matter.
            let commits = reader.maintenance().read_raw(position, PAGE)?.commits;
            let commits = commits.iter().take_while(|commit| commit.last_position() <= end);
            let mut last = None;
            for commit in commits {
                search.take(commit);
                last = Some(commit.last_position());
            }
            Ok((search, last))
        };
        let (taken, last) = engine.read(page).await?;
        search = taken;
        let Some(last) = last else { break };
        position = last;
    }
    Ok(search)
}

/// Folds the log from its first commit up to a moment, and returns the result with its position. Commits
/// stored after the call are not read.
///
/// Reads in the read pool, one page at a time, so that dropping the future stops it.
pub(crate) async fn fold_log<T, E>(
    engine: &Arc<Engine>,
    moment: LogMoment,
    folded: T,
    take: impl Fn(&mut T, &[Commit]) -> Result<(), E> + Clone + Send + 'static,
) -> Result<(T, Position), E>
where
    T: Send + 'static,
    E: From<ReadError> + From<PositionAtError> + Send + 'static,
{
    let end = match moment {
        LogMoment::Position(position) => position.min(engine.store.reader()?.head()),
        LogMoment::Time(time) => position_at(engine, time).await?,
    };
    let (mut folded, mut position) = (folded, Position::NONE);
    while position < end {
        let (take, engine_of_page) = (take.clone(), engine.clone());
        let page = move |reader: &dyn Reader| -> Result<_, E> {
            let commits = read_whole_streams(&engine_of_page, reader, position)?;
            let is_included = |commit: &&Commit| commit.last_position() <= end;
            let count = commits.iter().take_while(is_included).count();
            take(&mut folded, &commits[..count])?;
            let last = commits[..count].last().map(Commit::last_position);
            Ok((folded, last, last.is_none() || count < commits.len()))
        };
        let (taken, last, is_over) = engine.read(page).await?;
        folded = taken;
        position = last.unwrap_or(position);
        if is_over {
            break;
        }
    }
    Ok((folded, position))
}

/// Reads the next page. The events of a stream that is deleted after them count as removed.
fn read_whole_streams(
    engine: &Engine,
    reader: &dyn Reader,
    after: Position,
) -> Result<Arc<[Commit]>, ReadError> {
    loop {
        let read = engine.deletions.before_read();
        let commits = reader.read_log(after, PAGE)?.commits;
        if let Ok(commits) = engine.deletions.without_deleted(commits.into(), read)? {
            return Ok(commits);
        }
    }
}
