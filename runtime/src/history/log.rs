//! Folds the whole log up to a moment.

use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::{Commit, PageLimit, ReadError, Reader};

use super::moment::LogMoment;
use crate::engine::Engine;

/// How much of the log is read at once: as much as a follower reads.
const PAGE: PageLimit = PageLimit { commits: 4_096, bytes: 1024 * 1024 };

/// Folds the log from its first commit up to a moment, and returns the result with its position. Commits
/// stored after the call are not read.
///
/// Reads on blocking threads, one page at a time, so that dropping the future stops it.
pub(crate) async fn fold_log<T, E>(
    engine: &Arc<Engine>,
    moment: LogMoment,
    folded: T,
    take: impl Fn(&mut T, &[Commit]) -> Result<(), E> + Clone + Send + 'static,
) -> Result<(T, Position), E>
where
    T: Send + 'static,
    E: From<ReadError> + Send + 'static,
{
    let end = engine.store.reader()?.head();
    let (mut folded, mut position) = (folded, Position::NONE);
    while position < end {
        let take = take.clone();
        let page = move |reader: &dyn Reader| -> Result<_, E> {
            let commits = reader.read_log(position, PAGE)?.commits;
            let is_included = |commit: &Commit| moment.includes(&commit.view());
            let count = commits.iter().take_while(|commit| is_included(commit)).count();
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
