use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::{Commit, PageLimit, ReadError, Reader};

use super::moment::LogMoment;
use crate::engine::Engine;

/// How much of the log is read at once: as much as a follower does.
const PAGE: PageLimit = PageLimit { commits: 4_096, bytes: 1024 * 1024 };

/// Folds the log from its first commit up to a moment, and returns what came of it with the position it
/// stands for: off the async threads, a page at a time, so that it ends when nobody waits any more. What is
/// stored later than now is not waited for.
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
            let was_there = |commit: &Commit| moment.includes(&commit.view());
            let count = commits.iter().take_while(|commit| was_there(commit)).count();
            take(&mut folded, &commits[..count])?;
            let last = commits[..count].last().map(Commit::last_position);
            Ok((folded, last.filter(|_| count == commits.len()), last))
        };
        let (taken, go_on, last) = engine.read(page).await?;
        folded = taken;
        position = last.unwrap_or(position);
        if go_on.is_none() {
            break;
        }
    }
    Ok((folded, position))
}
