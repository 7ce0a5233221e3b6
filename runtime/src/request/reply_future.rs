use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Sleep;
use tracing::Span;

use crate::base::error::Failure;

/// Something that is sent off when it is first awaited.
pub(crate) trait Submission {
    type Value;
    type Error: From<Failure>;

    /// The span its answer is awaited in.
    fn span(&self) -> Span;

    /// Sends it off.
    fn submit(self) -> Result<Answer<Self>, Failure>;
}

/// Where the answer arrives.
pub(crate) type Answer<S> =
    oneshot::Receiver<Result<<S as Submission>::Value, <S as Submission>::Error>>;

/// Waits for the answer to a submission: sends it off at the first poll, then waits, at most as
/// long as the caller said.
pub(crate) struct Answering<S: Submission> {
    stage: Stage<S>,
    timeout: Option<Duration>,
    alarm: Option<Pin<Box<Sleep>>>,
    span: Span,
}

enum Stage<S: Submission> {
    Ready(S),
    Waiting(Answer<S>),
    Over,
}

// No field is pinned in place: the alarm is boxed, a submission and a receiver may move.
impl<S: Submission> Unpin for Answering<S> {}

impl<S: Submission> Answering<S> {
    pub(crate) fn new(submission: S, timeout: Option<Duration>) -> Self {
        let span = submission.span();
        Self { stage: Stage::Ready(submission), timeout, alarm: None, span }
    }

    fn send_off(&mut self) -> Result<(), Failure> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Ready(submission) => {
                self.stage = Stage::Waiting(submission.submit()?);
                self.alarm = self.timeout.map(|time| Box::pin(tokio::time::sleep(time)));
            }
            other => self.stage = other,
        }
        Ok(())
    }
}

impl<S: Submission> Future for Answering<S> {
    type Output = Result<S::Value, S::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let span = self.span.clone();
        let _entered = span.enter();
        if let Err(failure) = self.send_off() {
            return Poll::Ready(Err(failure.into()));
        }
        let Stage::Waiting(receiver) = &mut self.stage else {
            return Poll::Ready(Err(Failure::vanished().into()));
        };
        if let Poll::Ready(answer) = Pin::new(receiver).poll(context) {
            return Poll::Ready(answer.unwrap_or_else(|_| Err(Failure::vanished().into())));
        }
        let Self { alarm: Some(alarm), timeout: Some(time), .. } = &mut *self else {
            return Poll::Pending;
        };
        let rung = alarm.as_mut().poll(context);
        rung.map(|()| Err(Failure::timed_out(*time).into()))
    }
}
