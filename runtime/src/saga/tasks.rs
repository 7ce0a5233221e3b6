//! The tasks of a running saga.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;

use crate::base::home_runtime::HomeRuntime;

/// The tasks of a running saga. They may be aborted at any time: what each has not done yet is durable,
/// and resumed after the next start.
pub(super) struct Tasks {
    home: Arc<HomeRuntime>,
    /// `None` once all were ended.
    all: Mutex<Option<JoinSet<()>>>,
}

impl Tasks {
    pub(super) fn on(home: Arc<HomeRuntime>) -> Self {
        Self { home, all: Mutex::new(Some(JoinSet::new())) }
    }

    /// Starts a task, unless all tasks were ended.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = &mut *self.all() {
            while tasks.try_join_next().is_some() {}
            // Not in the runtime of the caller, which may end before the task.
            tasks.spawn_on(task, self.home.handle());
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
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
