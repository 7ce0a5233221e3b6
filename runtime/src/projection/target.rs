use std::sync::Arc;
use std::time::Duration;

use actuarius_domain::Position;
use actuarius_persistence::Commit;
use actuarius_persistence::views::ViewError;
use tokio::task::JoinError;
use tokio::time::Instant;

use crate::follow::followers::StartError;

/// How long a portion of commits may take: what is asked of the projection meanwhile waits for it,
/// and so does everything else that its worker could do.
pub(crate) const PORTION_TAKES: Duration = Duration::from_millis(1);

/// Where the events of one projection go.
pub(crate) trait Target: Send + 'static {
    /// The position it has finished.
    fn position(&self) -> Position;

    /// Takes commits, in order, and returns how many of their events concerned it. It may wait for a
    /// disk.
    ///
    /// It takes one at least, and need not take all: not more than it stores at once, or than fit
    /// into [`PORTION_TAKES`]. [`position`](Target::position) tells how far it came, and the rest is
    /// handed over again.
    ///
    /// # Errors
    /// [`Failed`] names the event. What was taken before it stays taken, nothing behind it was. It is
    /// called again after [`recover`](Target::recover) only.
    fn take(&mut self, commits: &[Commit]) -> Result<u64, Failed>;

    /// Like [`take`](Target::take), but only if it has to wait for nobody: none when it would have
    /// to, and nothing was taken.
    fn take_at_once(&mut self, _commits: &[Commit]) -> Option<Result<u64, Failed>> {
        None
    }

    /// Throws away what a failure may have left half done. Waits for a disk. From then on
    /// [`position`](Target::position) tells from where to go on, which may be far back.
    fn recover(&mut self) {}

    /// Whether it is time for a [`save`](Target::save).
    fn is_save_due(&self) -> bool {
        self.save_at().is_some_and(|at| at <= Instant::now())
    }

    /// When it is time for a [`save`](Target::save) even if no event comes; never when there is
    /// nothing to save.
    fn save_at(&self) -> Option<Instant> {
        None
    }

    /// Keeps what is not durable yet, so that the next start has less to do. Waits for a disk.
    fn save(&mut self) {}

    /// Does what takes long before [`serve`](Target::serve), while another one is read. Waits for a
    /// disk.
    ///
    /// # Errors
    /// [`Failed`]: it may be called again.
    fn prepare(&mut self) -> Result<(), Failed> {
        Ok(())
    }

    /// Lets this one be what is read from now on, durably. Waits for a disk.
    ///
    /// # Errors
    /// [`Failed`]: the one before is read on. It may be called again.
    fn serve(&mut self) -> Result<(), Failed>;

    /// Whether the clear text of someone may be in it who is forgotten by now.
    fn must_erase(&self) -> bool {
        false
    }

    /// Removes what is left of views that nobody reads any more. False when something stays. Waits for a
    /// disk.
    fn clean_up(&mut self) -> bool {
        true
    }

    /// Another one was about to be read in place of this one and failed, which may have changed
    /// what this one stands on.
    fn look_again(&mut self) {}

    /// Closes it, and gives back the space of what nobody reads any more. Waits for a disk.
    fn discard(self)
    where
        Self: Sized,
    {
    }
}

/// An event a projection cannot get past, or a view that could not be changed.
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

/// Opens something on a disk.
///
/// # Errors
/// [`StartError`]: that of the opening, or its panic.
pub(crate) async fn opening<R: Send + 'static>(
    open: impl FnOnce() -> Result<R, StartError> + Send + 'static,
) -> Result<R, StartError> {
    let panicked = |error: JoinError| match error.is_panic() {
        true => ViewError::Io(Arc::new(std::io::Error::other(error))).into(),
        // The runtime of tokio ends.
        false => StartError::ShuttingDown,
    };
    tokio::task::spawn_blocking(open).await.map_err(panicked)?
}

/// Does something with the target that may wait for a disk.
///
/// # Panics
/// When the work does: the actor fails, and begins again with what is durable.
pub(crate) async fn blocking<T, R>(
    mut target: T,
    work: impl FnOnce(&mut T) -> R + Send + 'static,
) -> (T, R)
where
    T: Send + 'static,
    R: Send + 'static,
{
    let working = tokio::task::spawn_blocking(move || {
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

    /// It was said that the runtime was shutting down.
    #[tokio::test]
    async fn who_panics_while_opening_is_told_as_what_it_is() {
        let opened = opening(|| -> Result<(), StartError> {
            // Unwinding without the hook: the panic is expected, its report would only be noise.
            std::panic::resume_unwind(Box::new("no such view"))
        });
        let error = opened.await.unwrap_err();
        assert!(matches!(error, StartError::View(_)), "{error}");
        assert!(error.to_string().contains("no such view"), "{error}");
    }
}
