//! `UntilStopped`: a stream of what a follower changes, which ends when the follower has stopped.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio_stream::Stream;

use super::followers::{FollowerShared, FollowerStatus};

/// Yields what the stream yields, and ends after the last item once the follower has stopped. A page that shows a
/// view would otherwise wait without end, and so would the shutdown of the service that sends it.
pub(crate) struct UntilStopped<S> {
    stream: S,
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
    has_stopped: bool,
}

impl<S> UntilStopped<S> {
    pub(crate) fn of(stream: S, shared: &Arc<FollowerShared>) -> Self {
        let shared = shared.clone();
        let stopped = async move {
            shared.until(|status| *status == FollowerStatus::Stopped).await;
        };
        Self { stream, stopped: Box::pin(stopped), has_stopped: false }
    }
}

impl<S: Stream + Unpin> Stream for UntilStopped<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = &mut *self;
        // First, so that an item that arrives after the stream was polled is not missed.
        this.has_stopped = this.has_stopped || this.stopped.as_mut().poll(context).is_ready();
        match Pin::new(&mut this.stream).poll_next(context) {
            Poll::Pending if this.has_stopped => Poll::Ready(None),
            polled => polled,
        }
    }
}
