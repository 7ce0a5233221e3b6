use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actuarius_domain::{Aggregate, Envelope, Id, StreamId};
use actuarius_persistence::{CommitView, EventView};
use thiserror::Error;

use crate::base::panics::guarded;
use crate::follow::followers::BoxError;
use crate::schema::decoding::{Decoder, Envelopes, Names};

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

/// A handler that says of each event whose turn it is: what the events it takes are ordered by.
pub(crate) trait Routed<A: Aggregate>: Send + Sync + 'static {
    /// The key of an event; none if it concerns nobody. It must give the same event the same key as
    /// long as the event is not finished.
    fn key(&self, event: &Envelope<A>) -> Option<String>;

    /// Does what is to be done about the events of one key that a stored event is today: one, mostly.
    ///
    /// # Errors
    /// As of a [`Handler`].
    fn handle_all(
        &self,
        events: Vec<Envelope<A>>,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// What a handler says that can do nothing about an event now: it is neither handled nor poison, and
/// comes again at the next start.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct NotNow(pub(crate) &'static str);

/// Whose turn an event is.
pub(super) enum Lane {
    /// As the subscription orders its events.
    AsOrdered,
    Of(String),
    Nobodys,
}

/// A handler whose aggregate type is forgotten.
pub(super) trait AnyHandler: Send + Sync {
    /// What the events that a stored one is today are called.
    fn names<'a>(&self, event: &EventView<'a>) -> Result<Names<'a>, String>;

    /// Whose turn one of them is, if the handler has a say in that; or why that cannot be told.
    fn lane(
        &self,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
        number: usize,
    ) -> Result<Lane, String>;

    /// Whether the handler has a say in the order.
    fn is_routed(&self) -> bool;

    /// Those of them with these numbers, decoded, on their way into the handler; or why that cannot be.
    fn handling(
        &self,
        stream: &StreamId,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
        numbers: &[usize],
    ) -> Result<Handling, String>;
}

/// A handler that knows its aggregate type.
pub(super) struct Typed<A, H> {
    handler: Arc<H>,
    decoder: Decoder<A>,
}

impl<A: Aggregate, H> Typed<A, H> {
    pub(super) fn new(handler: H) -> Self {
        Self { handler: Arc::new(handler), decoder: Decoder::new() }
    }

    fn names<'a>(&self, event: &EventView<'a>) -> Result<Names<'a>, String> {
        let names = guarded(|| self.decoder.names(event)).map_err(decoding_panicked)?;
        names.map_err(|error| error.to_string())
    }

    fn envelopes(
        &self,
        id: &Arc<str>,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
    ) -> Result<Envelopes<A>, String> {
        let id = Id::<A>::new(id.clone()).map_err(|error| error.to_string())?;
        let decoded = guarded(|| self.decoder.envelopes(&id, commit, event));
        decoded.map_err(decoding_panicked)?.map_err(|error| error.to_string())
    }

    /// Those with these numbers.
    fn chosen(
        &self,
        stream: &StreamId,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
        numbers: &[usize],
    ) -> Result<Envelopes<A>, String> {
        let mut number = 0..;
        let mut envelopes = self.envelopes(stream.shared_id(), commit, event)?;
        envelopes.retain(|_| number.next().is_some_and(|it| numbers.contains(&it)));
        Ok(envelopes)
    }
}

fn decoding_panicked(panic: String) -> String {
    format!("decoding it panicked: {panic}")
}

impl<A: Aggregate, H: Handler<A>> AnyHandler for Typed<A, H> {
    fn names<'a>(&self, event: &EventView<'a>) -> Result<Names<'a>, String> {
        self.names(event)
    }

    fn lane(&self, _: &CommitView<'_>, _: &EventView<'_>, _: usize) -> Result<Lane, String> {
        Ok(Lane::AsOrdered)
    }

    fn is_routed(&self) -> bool {
        false
    }

    fn handling(
        &self,
        stream: &StreamId,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
        numbers: &[usize],
    ) -> Result<Handling, String> {
        let envelopes = self.chosen(stream, commit, event, numbers)?;
        let handler = self.handler.clone();
        Ok(Box::pin(async move {
            for envelope in envelopes {
                handler.handle(envelope).await?;
            }
            Ok(())
        }))
    }
}

/// A handler that has a say in the order.
pub(super) struct TypedRouted<A, H>(Typed<A, H>);

impl<A: Aggregate, H: Routed<A>> TypedRouted<A, H> {
    pub(super) fn new(handler: H) -> Self {
        Self(Typed::new(handler))
    }
}

impl<A: Aggregate, H: Routed<A>> AnyHandler for TypedRouted<A, H> {
    fn names<'a>(&self, event: &EventView<'a>) -> Result<Names<'a>, String> {
        self.0.names(event)
    }

    fn lane(
        &self,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
        number: usize,
    ) -> Result<Lane, String> {
        let envelopes = self.0.envelopes(&commit.id.into(), commit, event)?;
        let Some(envelope) = envelopes.get(number) else { return Ok(Lane::Nobodys) };
        let told = guarded(|| self.0.handler.key(envelope));
        let told = told.map_err(|panic| format!("telling whom it concerns panicked: {panic}"))?;
        Ok(told.map_or(Lane::Nobodys, Lane::Of))
    }

    fn is_routed(&self) -> bool {
        true
    }

    fn handling(
        &self,
        stream: &StreamId,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
        numbers: &[usize],
    ) -> Result<Handling, String> {
        let envelopes = self.0.chosen(stream, commit, event, numbers)?.into_vec();
        let handler = self.0.handler.clone();
        Ok(Box::pin(async move { handler.handle_all(envelopes).await }))
    }
}
