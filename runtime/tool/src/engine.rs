//! A runtime on the store, for what needs the code of registered types.

use std::future::Future;
use std::time::Duration;

use actuarius::store::Store;
use actuarius::{Aggregate, Aggregates, Runtime, RuntimeBuilder};

use crate::trouble::Trouble;

/// How long closing may take. Nothing is under way then.
const CLOSING: Duration = Duration::from_secs(60);

/// The runtime, and what drives it.
pub(crate) struct Engine {
    runtime: Runtime,
    /// Behind the runtime, which needs it to the last.
    driver: tokio::runtime::Runtime,
}

impl Engine {
    pub(crate) fn start(builder: RuntimeBuilder, store: Store) -> Result<Self, Trouble> {
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

    /// The runtime itself.
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Waits for something. Not to be called from where tasks run.
    pub(crate) fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        self.driver.block_on(what)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // What it would report is that something is under way, and nothing is.
        let _ = self.driver.block_on(self.runtime.shutdown(CLOSING));
    }
}
