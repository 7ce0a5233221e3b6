//! [`BackupBuilder`]: the builder of a backup, and its future.

use std::future::{Future, IntoFuture};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actuarius_persistence::backup::{self, BackupError, Run, TakeOptions};
use actuarius_persistence::files::absolute;
use actuarius_persistence::{Progress, ReadError, ignore_progress};

use crate::engine::Engine;
use crate::runtime::Runtime;

type OnProgress = Box<dyn FnMut(&Progress) -> ControlFlow<()> + Send>;

impl Runtime {
    /// Takes a backup into the directory `to` while the runtime keeps running. The first backup contains
    /// all events, later ones add what is new; each contains the checkpoints of subscriptions. Views are
    /// rebuilt from events, so they are not included. See [`backup`](crate::store::backup) for how to restore
    /// it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let (data, saved) = (directory.path().join("data"), directory.path().join("saved"));
    /// let runtime = actuarius::Runtime::open(data).await?;
    /// let run = runtime.backup(&saved).await?;
    /// println!("store this in another place: {}", run.to);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A shutdown stops the backup, and so does dropping its future; then nothing of it is left.
    pub fn backup(&self, to: impl Into<PathBuf>) -> BackupBuilder {
        BackupBuilder::new(self.inner.engine.clone(), absolute(to))
    }
}

/// A backup of a running store, created by [`Runtime::backup`](crate::Runtime::backup). Set its options,
/// then await it.
///
/// It is read on a thread of its own, page by page; commands do not wait for it. Dropping the future stops
/// it and leaves nothing behind.
#[must_use = "no backup is taken until it is awaited"]
pub struct BackupBuilder {
    engine: Arc<Engine>,
    to: PathBuf,
    options: TakeOptions,
    on_progress: OnProgress,
}

impl BackupBuilder {
    pub(crate) fn new(engine: Arc<Engine>, to: PathBuf) -> Self {
        Self { engine, to, options: TakeOptions::default(), on_progress: Box::new(ignore_progress) }
    }

    /// Sets the approximate size of a segment in bytes. Default: 256 MiB.
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.options = self.options.segment_bytes(bytes);
        self
    }

    /// Calls `on_progress` after each page with the progress so far. It may return
    /// [`ControlFlow::Break`] to stop the backup. To slow the backup down, sleep in it: it runs on the
    /// backup's own thread.
    pub fn on_progress(
        mut self,
        on_progress: impl FnMut(&Progress) -> ControlFlow<()> + Send + 'static,
    ) -> Self {
        self.on_progress = Box::new(on_progress);
        self
    }

    async fn take(self) -> Result<Run, BackupError> {
        let Self { engine, to, options, mut on_progress } = self;
        let is_dropped = Arc::new(AtomicBool::new(false));
        // Dropping this future stops the backup.
        let _guard = SetOnDrop(is_dropped.clone());
        let shared = engine.clone();
        let work = move || {
            let reader = engine.store.reader()?;
            let is_over = || engine.store.reader().is_err() || is_dropped.load(Ordering::Relaxed);
            backup::take(&*reader, to, &options, &mut |progress| {
                if is_over() {
                    return ControlFlow::Break(());
                }
                on_progress(progress)?;
                // It may have taken a while.
                if is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
        };
        shared.operate(work).await.map_err(ReadError::from)?
    }
}

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl IntoFuture for BackupBuilder {
    type Output = Result<Run, BackupError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.take())
    }
}
