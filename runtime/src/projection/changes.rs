//! `Changes`: a stream of what changes in a view.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio_stream::Stream;

/// A stream of what changes in a view. It borrows nothing, so a handler of a web service can return it, or a struct
/// hold it.
///
/// It ends once the projection has stopped, which a shutdown does, even while handles of the view are held.
#[must_use = "streams do nothing unless polled"]
pub struct Changes<T> {
    stream: Pin<Box<dyn Stream<Item = T> + Send>>,
}

impl<T> Changes<T> {
    pub(super) fn of(stream: impl Stream<Item = T> + Send + 'static) -> Self {
        Self { stream: Box::pin(stream) }
    }
}

impl<T> Stream for Changes<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.stream.as_mut().poll_next(context)
    }
}
