//! A runtime on the store, for commands that need the code of registered types.

use std::future::Future;
use std::time::Duration;

use actuarius::store::Store;
use actuarius::{Aggregate, Aggregates, Runtime, RuntimeBuilder};

use crate::error::ToolError;

/// The time limit for the shutdown. No work is in progress then.
const CLOSING: Duration = Duration::from_secs(60);

/// The runtime, and the tokio runtime that drives it.
pub(crate) struct Engine {
    runtime: Runtime,
    /// Declared after the runtime, which needs it until it is dropped.
    driver: tokio::runtime::Runtime,
}

impl Engine {
    pub(crate) fn start(builder: RuntimeBuilder, store: Store) -> Result<Self, ToolError> {
        let driver =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
        let runtime = driver.block_on(builder.on_store(store))?;
        Ok(Self { runtime, driver })
    }

    /// The aggregates of a type.
    pub(crate) fn host<A: Aggregate>(&self) -> Aggregates<A> {
        let _tasks = self.driver.enter();
        self.runtime.host()
    }

    /// The Actuarius runtime.
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Blocks until the future completes. Must not be called from a task.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.driver.block_on(future)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The only possible error is that work is still in progress, and there is none.
        let _ = self.driver.block_on(self.runtime.shutdown(CLOSING));
    }
}
