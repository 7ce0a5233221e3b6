//! [`Run`]: the result of a job in a pool, awaited.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actuarius_persistence::ReadError;
use thiserror::Error;
use tokio::sync::oneshot::{self, Receiver};

use super::Pool;
use crate::base::panics::{discard, guarded};

/// The result of a job. The job runs whether or not this is awaited. Waits in any executor.
#[must_use = "it is the only report of what the job did"]
pub(crate) struct Run<R>(Receiver<Result<R, String>>);

/// Why a job did not finish.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum NotDone {
    #[error("it panicked: {0}")]
    Panicked(String),
    /// The pool was closed before the job ran.
    #[error("the runtime is shutting down")]
    Closed,
}

impl Pool {
    /// Runs a job.
    pub(crate) fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Run<R> {
        let (done, outcome) = oneshot::channel();
        self.submit(move || {
            if let Err(unwanted) = done.send(guarded(job)) {
                discard(unwanted);
            }
        });
        Run(outcome)
    }

    /// Runs a job that is done for its result only: it is skipped if nobody waits for that when its turn comes.
    pub(crate) fn run_if_awaited<R: Send + 'static>(
        &self,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Run<R> {
        let (done, outcome) = oneshot::channel();
        self.submit(move || {
            if done.is_closed() {
                return discard(job);
            }
            if let Err(unwanted) = done.send(guarded(job)) {
                discard(unwanted);
            }
        });
        Run(outcome)
    }
}

impl<R> Future for Run<R> {
    type Output = Result<R, NotDone>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(Pin::new(&mut self.0).poll(context)) {
            Ok(outcome) => outcome.map_err(NotDone::Panicked),
            Err(_) => Err(NotDone::Closed),
        })
    }
}

impl From<NotDone> for ReadError {
    fn from(reason: NotDone) -> Self {
        match reason {
            NotDone::Panicked(_) => Self::Io(Arc::new(std::io::Error::other(reason))),
            NotDone::Closed => Self::Closed,
        }
    }
}
