use std::future::{Future, IntoFuture};
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actuarius_persistence::backup::{self, BackupError, Run, TakeOptions};
use actuarius_persistence::{Progress, ReadError, go_on};

use crate::engine::Engine;

type ToldOfProgress = Box<dyn FnMut(&Progress) -> ControlFlow<()> + Send>;

/// A backup that is taken while everything goes on: [`Runtime::backup`](crate::Runtime::backup).
///
/// It is read on a thread of its own, page by page; commands do not wait for it.
#[must_use = "no backup is taken until it is awaited"]
pub struct TakeBackup {
    engine: Arc<Engine>,
    to: PathBuf,
    options: TakeOptions,
    told: ToldOfProgress,
}

impl TakeBackup {
    pub(crate) fn new(engine: Arc<Engine>, to: PathBuf) -> Self {
        Self { engine, to, options: TakeOptions::default(), told: Box::new(go_on) }
    }

    /// About how many bytes make a segment: 256 MiB unless told.
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.options = self.options.segment_bytes(bytes);
        self
    }

    /// Is told after each page how far it has come, and may have it stop. Whoever wants it to go slower
    /// sleeps in there: it is a thread of its own.
    pub fn on_progress(
        mut self,
        told: impl FnMut(&Progress) -> ControlFlow<()> + Send + 'static,
    ) -> Self {
        self.told = Box::new(told);
        self
    }

    async fn take(self) -> Result<Run, BackupError> {
        let Self { engine, to, options, mut told } = self;
        let given_up = Arc::new(AtomicBool::new(false));
        // When this future is dropped, nobody wants the backup any more.
        let _giving_up = GivingUp(given_up.clone());
        let work = move || {
            let reader = engine.store.reader()?;
            backup::take(&*reader, to, &options, &mut |progress| {
                let is_closed = engine.store.reader().is_err();
                if is_closed || given_up.load(Ordering::Relaxed) {
                    return ControlFlow::Break(());
                }
                told(progress)
            })
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(taken) => taken,
            Err(panic) => Err(ReadError::from(io::Error::other(panic)).into()),
        }
    }
}

struct GivingUp(Arc<AtomicBool>);

impl Drop for GivingUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl IntoFuture for TakeBackup {
    type Output = Result<Run, BackupError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.take())
    }
}
