//! [`ReplyFuture`]: sends a request at the first poll, then waits for its reply.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::Span;

use crate::base::error::Failure;
use crate::base::timer::{Alarm, Timer};

/// A request that is sent when its future is first polled.
pub(crate) trait Submission {
    type Value;
    type Error: From<Failure>;

    /// Returns the span in which the reply is awaited.
    fn span(&self) -> Span;

    /// Returns what measures the timeout.
    fn timer(&self) -> &Timer;

    /// Sends the request.
    fn submit(self) -> Result<ReplyReceiver<Self>, Failure>;
}

/// Receives the reply.
pub(crate) type ReplyReceiver<S> =
    oneshot::Receiver<Result<<S as Submission>::Value, <S as Submission>::Error>>;

/// The future of a submission: sends it at the first poll, then waits for the reply until the timeout.
pub(crate) struct ReplyFuture<S: Submission> {
    stage: Stage<S>,
    timeout: Option<Duration>,
    alarm: Option<Alarm>,
    span: Span,
}

enum Stage<S: Submission> {
    Ready(S),
    Waiting(ReplyReceiver<S>),
    Over,
}

// No field is pinned in place: the alarm, the submission and the receiver may move.
impl<S: Submission> Unpin for ReplyFuture<S> {}

impl<S: Submission> ReplyFuture<S> {
    pub(crate) fn new(submission: S, timeout: Option<Duration>) -> Self {
        let span = submission.span();
        Self { stage: Stage::Ready(submission), timeout, alarm: None, span }
    }

    fn send(&mut self) -> Result<(), Failure> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Ready(submission) => {
                self.alarm = self.timeout.map(|time| submission.timer().after(time));
                self.stage = Stage::Waiting(submission.submit()?);
            }
            other => self.stage = other,
        }
        Ok(())
    }
}

impl<S: Submission> Future for ReplyFuture<S> {
    type Output = Result<S::Value, S::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let span = self.span.clone();
        let _entered = span.enter();
        if let Err(failure) = self.send() {
            return Poll::Ready(Err(failure.into()));
        }
        let Stage::Waiting(receiver) = &mut self.stage else {
            return Poll::Ready(Err(Failure::reply_lost().into()));
        };
        if let Poll::Ready(answer) = Pin::new(receiver).poll(context) {
            return Poll::Ready(answer.unwrap_or_else(|_| Err(Failure::reply_lost().into())));
        }
        let Self { alarm: Some(alarm), timeout: Some(time), .. } = &mut *self else {
            return Poll::Pending;
        };
        let rung = Pin::new(alarm).poll(context);
        rung.map(|()| Err(Failure::timed_out(*time).into()))
    }
}
