//! [`Query`]: the builder of a query, and its future.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actuarius_domain::{Aggregate, Id};
use tokio::sync::oneshot;
use tracing::Span;

use super::reply_future::{ReplyFuture, Submission};
use crate::aggregate::directory::Directory;
use crate::aggregate::request::{QueryClosure, QueryPort, Request, RequestKind};
use crate::base::error::Failure;
use crate::base::timer::Timer;

/// A query of an aggregate's state, processed in the order of requests: it sees every command that was
/// acknowledged before it was sent, and nothing that is not durable.
#[must_use = "a query does nothing until it is awaited"]
pub struct Query<A: Aggregate, R> {
    directory: Arc<Directory<A>>,
    id: Result<Id<A>, Failure>,
    port: Box<dyn QueryPort<A>>,
    receiver: oneshot::Receiver<Result<R, Failure>>,
    timeout: Option<Duration>,
}

impl<A: Aggregate, R: Send + 'static> Query<A, R> {
    pub(crate) fn new(
        directory: Arc<Directory<A>>,
        id: Result<Id<A>, Failure>,
        read: impl FnOnce(&A) -> R + Send + 'static,
    ) -> Self {
        let (sender, receiver) = oneshot::channel();
        Self {
            directory,
            id,
            port: Box::new(QueryClosure::new(read, sender)),
            receiver,
            timeout: None,
        }
    }

    /// Sets a timeout, measured from the first poll. If there is no reply within `time`, the result is
    /// [`Failure::Indeterminate`]; a query writes nothing.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = Some(time);
        self
    }
}

impl<A: Aggregate, R> Submission for Query<A, R> {
    type Value = R;
    type Error = Failure;

    fn span(&self) -> Span {
        let id = self.id.as_ref().map(Id::as_str).unwrap_or_default();
        tracing::debug_span!(target: "actuarius::query", "query", aggregate = A::TYPE, id)
    }

    fn timer(&self) -> &Timer {
        &self.directory.hosted.engine.timer
    }

    fn submit(self) -> Result<oneshot::Receiver<Result<R, Failure>>, Failure> {
        let Self { directory, id, port, receiver, .. } = self;
        let (id, permit) = directory.admit_query(id)?;
        directory
            .send(&id, Request { kind: RequestKind::Query(port), queued: Instant::now(), permit });
        Ok(receiver)
    }
}

impl<A: Aggregate, R> IntoFuture for Query<A, R> {
    type Output = Result<R, Failure>;
    type IntoFuture = Querying<A, R>;

    fn into_future(self) -> Querying<A, R> {
        let timeout = self.timeout;
        Querying(ReplyFuture::new(self, timeout))
    }
}

/// The future of a [`Query`].
#[must_use = "a query does nothing until it is awaited"]
pub struct Querying<A: Aggregate, R>(ReplyFuture<Query<A, R>>);

impl<A: Aggregate, R> Future for Querying<A, R> {
    type Output = Result<R, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}
