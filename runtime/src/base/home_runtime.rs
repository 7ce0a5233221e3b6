//! [`HomeRuntime`]: the tokio runtime that opened the store, and how everyone notices that it has ended.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actuarius_persistence::OpenError;
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinHandle};

use super::panics::guarded;

/// The tokio runtime that opened the store. Every task that outlives the call that starts it runs there, so
/// that all of them live equally long, whichever tokio runtime calls.
///
/// It may end while handles of this library are still in use. Its tasks are dropped then, and nothing
/// that is sent to them is answered. So what such a caller waits for is registered with [`at_end`](Self::at_end),
/// and answered there.
pub(crate) struct HomeRuntime {
    handle: Handle,
    end: Arc<End>,
    watching: AbortHandle,
}

/// What happens when the tokio runtime ends.
struct End {
    has_come: AtomicBool,
    /// `None` once it has come.
    calls: Mutex<Option<Vec<Call>>>,
}

/// Called once, at the end.
type Call = Box<dyn FnOnce() + Send>;

impl HomeRuntime {
    /// Returns the current tokio runtime.
    ///
    /// # Errors
    /// [`OpenError::AsyncRuntime`] if there is none, or if it has no timers.
    pub(crate) fn current() -> Result<Arc<Self>, OpenError> {
        let handle = Handle::try_current().map_err(|_| {
            let what = "this is not called within a tokio runtime";
            OpenError::AsyncRuntime { what }
        })?;
        // tokio does not report whether a runtime has timers; creating one panics if it has not. The panic hook
        // prints that. It belongs to the whole process, so it is not replaced here.
        guarded(|| drop(tokio::time::sleep(std::time::Duration::ZERO))).map_err(|_| {
            let what =
                "the tokio runtime has no timers: build it with `enable_time` or `enable_all`";
            OpenError::AsyncRuntime { what }
        })?;
        let end =
            Arc::new(End { has_come: AtomicBool::new(false), calls: Mutex::new(Some(Vec::new())) });
        let last = AtEnd(end.clone());
        // The task never completes. Its runtime drops it when it ends.
        let watching = handle.spawn(async move {
            let _last = last;
            std::future::pending::<()>().await;
        });
        Ok(Arc::new(Self { handle, end, watching: watching.abort_handle() }))
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Starts a task there. If the tokio runtime has ended, the future is dropped, and the task reports that
    /// it was cancelled.
    pub(crate) fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(task)
    }

    /// Returns whether the tokio runtime has ended, so that no task of it makes progress any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.end.has_come.load(Ordering::Acquire)
    }

    /// Calls `call` once when the tokio runtime ends, immediately if it has ended. It is called on a thread that
    /// ends the runtime, so it must not block. It should hold nothing but weak references.
    pub(crate) fn at_end(&self, call: impl FnOnce() + Send + 'static) {
        let mut calls = self.end.calls.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *calls {
            Some(calls) => calls.push(Box::new(call)),
            None => {
                drop(calls);
                call();
            }
        }
    }
}

impl Drop for HomeRuntime {
    /// Nobody can ask any more, so nothing is called.
    fn drop(&mut self) {
        self.end.calls.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.watching.abort();
    }
}

/// Announces the end when it is dropped.
struct AtEnd(Arc<End>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        self.0.has_come.store(true, Ordering::Release);
        let calls = self.0.calls.lock().unwrap_or_else(PoisonError::into_inner).take();
        for call in calls.into_iter().flatten() {
            if let Err(panic) = guarded(call) {
                tracing::error!(target: "actuarius::runtime", panic, "answering a caller panicked");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn tokio_runtime() -> Runtime {
        Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    }

    fn home_of(tokio_runtime: &Runtime) -> Arc<HomeRuntime> {
        tokio_runtime.block_on(async { HomeRuntime::current().unwrap() })
    }

    /// A caller in a second tokio runtime once waited without end for tasks of the first one.
    #[test]
    fn callers_in_another_tokio_runtime_notice_the_end() {
        let (first, second) = (tokio_runtime(), tokio_runtime());
        let home = home_of(&first);
        let (end, ended) = tokio::sync::oneshot::channel();
        home.at_end(|| end.send("ended").unwrap());
        let waiting = second.spawn(ended);
        assert!(!home.has_ended());
        drop(first);
        assert_eq!(second.block_on(waiting).unwrap(), Ok("ended"));
        assert!(home.has_ended());
        assert!(second.block_on(home.spawn(async {})).unwrap_err().is_cancelled());
    }

    #[test]
    fn each_call_is_made_once_and_a_late_one_immediately() {
        let (tokio_runtime, calls) = (tokio_runtime(), Arc::new(AtomicU32::new(0)));
        let home = home_of(&tokio_runtime);
        let call = |amount| {
            let calls = calls.clone();
            move || {
                calls.fetch_add(amount, Ordering::SeqCst);
            }
        };
        home.at_end(|| std::panic::resume_unwind(Box::new("expected")));
        home.at_end(call(1));
        tokio_runtime.shutdown_background();
        while calls.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        home.at_end(call(10));
        assert_eq!(calls.load(Ordering::SeqCst), 11);
    }

    #[test]
    fn nothing_is_called_once_it_is_dropped() {
        let (tokio_runtime, calls) = (tokio_runtime(), Arc::new(AtomicU32::new(0)));
        let home = home_of(&tokio_runtime);
        let counted = calls.clone();
        home.at_end(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        drop(home);
        drop(tokio_runtime);
        assert_eq!(calls.load(Ordering::SeqCst), 0);
    }

    /// Without timers, the first wait of a follower once panicked, long after the store was opened.
    #[test]
    fn a_tokio_runtime_without_timers_is_refused() {
        let without_timers = Builder::new_current_thread().build().unwrap();
        let Err(error) = without_timers.block_on(async { HomeRuntime::current() }) else {
            panic!("it has no timers");
        };
        assert!(error.to_string().contains("enable_time"), "{error}");
        assert!(matches!(HomeRuntime::current(), Err(OpenError::AsyncRuntime { .. })));
    }
}
