use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use actuarius_domain::{Aggregate, Envelope, Id, StreamId};
use actuarius_persistence::{CommitView, EventView};

use crate::decoding;
use crate::followers::BoxError;
use crate::panics::guarded;

/// What a subscription does with an event of the aggregate type `A`.
///
/// Every `async fn` or closure from `Envelope<A>` to `Result<(), E>` is a handler; implement it for
/// a type of your own when the handler carries much with it.
///
/// An event may be handled more than once (after a failure, or after a crash), so let the effect be
/// one that can be repeated, or remember `event.header.event_id` where the effect is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not handle events of `{A}`",
    note = "a handler is an `async fn(event: Envelope<{A}>) -> Result<(), E>`, where `E` becomes a `BoxError`",
    note = "in a closure, name the type: `|event: Envelope<{A}>| async move {{ .. }}`"
)]
pub trait Handler<A: Aggregate>: Send + Sync + 'static {
    /// Does it.
    ///
    /// # Errors
    /// Whatever went wrong: the event is tried again as the subscription's
    /// [`Retry`](crate::Retry) says. A panic counts as a failure, too.
    fn handle(&self, event: Envelope<A>) -> impl Future<Output = Result<(), BoxError>> + Send;
}

impl<A, F, Handled, E> Handler<A> for F
where
    A: Aggregate,
    F: Fn(Envelope<A>) -> Handled + Send + Sync + 'static,
    Handled: Future<Output = Result<(), E>> + Send,
    E: Into<BoxError>,
{
    async fn handle(&self, event: Envelope<A>) -> Result<(), BoxError> {
        self(event).await.map_err(Into::into)
    }
}

/// One event about to be handled; nothing of the user's has run before its first poll.
pub(super) type Handling = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// A handler whose aggregate type is forgotten.
pub(super) trait AnyHandler: Send + Sync {
    /// The event, decoded, on its way into the handler; or why it does not decode.
    fn handling(
        &self,
        stream: &StreamId,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
    ) -> Result<Handling, String>;
}

/// A handler that knows its aggregate type.
pub(super) struct Typed<A, H> {
    handler: Arc<H>,
    aggregate: PhantomData<fn() -> A>,
}

impl<A: Aggregate, H: Handler<A>> Typed<A, H> {
    pub(super) fn new(handler: H) -> Self {
        Self { handler: Arc::new(handler), aggregate: PhantomData }
    }
}

impl<A: Aggregate, H: Handler<A>> AnyHandler for Typed<A, H> {
    fn handling(
        &self,
        stream: &StreamId,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
    ) -> Result<Handling, String> {
        let id = Id::<A>::new(stream.shared_id().clone()).map_err(|error| error.to_string())?;
        let decoded = guarded(|| decoding::envelope(&id, commit, event));
        let envelope = decoded
            .map_err(|panic| format!("decoding it panicked: {panic}"))?
            .map_err(|error| error.to_string())?;
        let handler = self.handler.clone();
        Ok(Box::pin(async move { handler.handle(envelope).await }))
    }
}
