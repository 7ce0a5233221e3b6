use actuarius_domain::Position;
use actuarius_persistence::Commit;

/// Where the events of one projection go.
pub(crate) trait Target: Send + 'static {
    /// Whether taking commits waits for a disk, so that it must not hold up a task.
    const WAITS: bool;

    /// The position it has finished.
    fn position(&self) -> Position;

    /// Takes commits, in order, and returns how many of their events concerned it.
    ///
    /// # Errors
    /// [`Failed`] names the event. What was taken before it stays taken, nothing behind it was:
    /// [`position`](Target::position) tells from where to go on, which may be far back.
    fn take(&mut self, commits: &[Commit]) -> Result<u64, Failed>;

    /// Whether it is time for a [`save`](Target::save).
    fn is_save_due(&self) -> bool {
        false
    }

    /// Keeps what is not durable yet, so that the next start has less to do. Waits for a disk.
    fn save(&mut self) {}

    /// Lets this one be what is read from now on, durably. Waits for a disk.
    fn serve(&mut self) -> Result<(), Failed>;
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
