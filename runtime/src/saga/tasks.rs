//! The tasks of a running saga.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;

/// The tasks of a running saga. They may be aborted at any time: what each has not done yet is durable,
/// and resumed after the next start.
pub(super) struct Tasks(Mutex<Option<JoinSet<()>>>);

impl Default for Tasks {
    fn default() -> Self {
        Self(Mutex::new(Some(JoinSet::new())))
    }
}

impl Tasks {
    /// Starts a task, unless all tasks were ended.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = &mut *self.all() {
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        }
    }

    /// Aborts all tasks, waits for them, and starts no more.
    pub(super) async fn end(&self) {
        let tasks = self.all().take();
        if let Some(mut tasks) = tasks {
            tasks.shutdown().await;
        }
    }

    fn all(&self) -> MutexGuard<'_, Option<JoinSet<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
