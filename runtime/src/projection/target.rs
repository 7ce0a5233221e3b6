//! `Target`: where the events of one projection go.

use std::sync::Arc;
use std::time::Duration;

use actuarius_domain::Position;
use actuarius_persistence::Commit;
use actuarius_persistence::views::ViewError;
use tokio::time::Instant;

use crate::engine::pool::{NotDone, Pool};
use crate::follow::followers::StartError;

/// How long a portion of commits may take. Requests to the projection wait for it, and so does all other work
/// of its worker thread.
pub(crate) const PORTION_TAKES: Duration = Duration::from_millis(1);

/// How long events gather for a view in memory: a wake-up costs as much as some events.
pub(crate) const BATCH_TIME_IN_MEMORY: Duration = Duration::from_millis(5);

/// How long events gather for rows on a disk or in a database: each batch costs a sync, which the commands need, too.
pub(crate) const BATCH_TIME_ON_DISK: Duration = Duration::from_millis(20);

/// Takes the events of one projection: folds or stores them.
pub(crate) trait Target: Send + 'static {
    /// Returns the position it has finished.
    fn position(&self) -> Position;

    /// Takes commits, in order, and returns how many of their events it follows. May wait for a disk.
    ///
    /// It takes at least one, and need not take all: no more than it stores at once, or than fit into
    /// [`PORTION_TAKES`]. [`position`](Target::position) returns the last one taken, and the rest is passed
    /// again.
    ///
    /// # Errors
    /// [`Failed`] names the event. What was taken before it stays taken; nothing after it was taken. It is
    /// called again only after [`recover`](Target::recover).
    fn take(&mut self, commits: &[Commit]) -> Result<u64, Failed>;

    /// Like [`take`](Target::take), but returns `None` and takes nothing if it would have to wait.
    fn take_at_once(&mut self, _commits: &[Commit]) -> Option<Result<u64, Failed>> {
        None
    }

    /// Discards what a failure may have left half done. Waits for a disk. Then it continues after
    /// [`position`](Target::position), which may be far back.
    fn recover(&mut self) {}

    /// Returns whether a [`save`](Target::save) is due.
    fn is_save_due(&self) -> bool {
        self.save_at().is_some_and(|at| at <= Instant::now())
    }

    /// Returns when a [`save`](Target::save) is due even if no event comes; `None` if there is nothing to
    /// save.
    fn save_at(&self) -> Option<Instant> {
        None
    }

    /// Stores what is not durable yet, so that the next start has less to do. Waits for a disk.
    fn save(&mut self) {}

    /// Like [`save`](Target::save), but need not wait. It is called again at [`save_at`](Target::save_at).
    fn save_soon(&mut self) {
        self.save();
    }

    /// Does the slow part before [`serve`](Target::serve), while another view is read. Waits for a disk.
    ///
    /// # Errors
    /// [`Failed`]: it may be called again.
    fn prepare(&mut self) -> Result<(), Failed> {
        Ok(())
    }

    /// Makes this view the one that is read, durably. Waits for a disk.
    ///
    /// # Errors
    /// [`Failed`]: the view before is still read. It may be called again.
    fn serve(&mut self) -> Result<(), Failed>;

    /// Returns whether it may hold clear text of a subject that is forgotten by now.
    fn must_erase(&self) -> bool {
        false
    }

    /// Removes the files of views that are no longer read. Returns false if some could not be removed. Waits
    /// for a disk.
    fn clean_up(&mut self) -> bool {
        true
    }

    /// Called when another view failed to replace this one, which may have changed this one's files.
    fn recheck(&mut self) {}

    /// Closes it, and frees the space of what is no longer read. Waits for a disk.
    fn discard(self)
    where
        Self: Sized,
    {
    }
}

/// An event at which a projection failed, or a view that could not be changed.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) position: Position,
    pub(crate) why: String,
}

impl Failed {
    pub(crate) fn at(position: Position, why: impl std::fmt::Display) -> Self {
        Self { position, why: why.to_string() }
    }
}

/// Returns the commits after `position`. A target that was opened again may have stored some of them already.
///
/// # Errors
/// [`Failed`]: the first one is not the next one. The caller rewinds to the target's position.
pub(crate) fn not_yet_taken<'a>(
    commits: &'a [Commit],
    position: Position,
    target: &str,
) -> Result<&'a [Commit], Failed> {
    let known = commits.partition_point(|commit| commit.last_position() <= position);
    let new = &commits[known..];
    match new.first() {
        Some(first) if first.position() != position.next() => {
            Err(Failed::at(position.next(), format_args!("the {target} was at another position")))
        }
        _ => Ok(new),
    }
}

/// How many events that change nothing may pass before the position is stored on its own. The next start reads as
/// many again.
const PASSED_BY_MAX: u64 = 65_536;

/// Returns whether so many events have passed since the stored position.
pub(crate) fn is_position_due(position: Position, stored: Position) -> bool {
    position.get().saturating_sub(stored.get()) >= PASSED_BY_MAX
}

/// Opens something on a disk.
///
/// # Errors
/// [`StartError`]: the error of `open`, or its panic.
pub(crate) async fn opening<R: Send + 'static>(
    pool: &Pool,
    open: impl FnOnce() -> Result<R, StartError> + Send + 'static,
) -> Result<R, StartError> {
    pool.run(open).await.map_err(|error| match error {
        NotDone::Panicked(_) => ViewError::Io(Arc::new(std::io::Error::other(error))).into(),
        NotDone::Closed => StartError::ShuttingDown,
    })?
}

/// Runs work on a target that may wait for a disk.
///
/// # Panics
/// If the work panics, or the runtime ends before it: the actor fails, and restarts with what is durable.
pub(crate) async fn blocking<T, R>(
    pool: &Pool,
    mut target: T,
    work: impl FnOnce(&mut T) -> R + Send + 'static,
) -> (T, R)
where
    T: Send + 'static,
    R: Send + 'static,
{
    let working = pool.run(move || {
        let done = work(&mut target);
        (target, done)
    });
    match working.await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(Box::new(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::home_runtime::HomeRuntime;

    #[tokio::test]
    async fn a_panic_while_opening_is_reported_as_a_view_error() {
        let pool = Pool::for_work(&HomeRuntime::current().unwrap()).unwrap();
        let opened = opening(&pool, || -> Result<(), StartError> {
            // Unwinding without the hook: the panic is expected, its report would only be noise.
            std::panic::resume_unwind(Box::new("no such view"))
        });
        let error = opened.await.unwrap_err();
        assert!(matches!(error, StartError::View(_)), "{error}");
        assert!(error.to_string().contains("no such view"), "{error}");
    }
}
