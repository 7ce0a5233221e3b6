//! The handler of a subscription, and handlers of any aggregate type behind one trait.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actuarius_domain::{Aggregate, Envelope, Id, StreamId};
use actuarius_persistence::{CommitView, EventView};
use thiserror::Error;

use crate::base::panics::guarded;
use crate::follow::followers::BoxError;
use crate::schema::decoding::{Decoder, Envelopes, Names};

/// Handles events of the aggregate type `A` for a subscription.
///
/// Every `async fn` or closure from `Envelope<A>` to `Result<(), E>` is a handler; implement the trait for
/// a type if the handler has state.
///
/// An event may be handled more than once, after a failure or a crash. So make the effect idempotent, or
/// store `event.header.event_id` together with the effect.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not handle events of `{A}`",
    note = "a handler is an `async fn(event: Envelope<{A}>) -> Result<(), E>`, where `E` becomes a `BoxError`",
    note = "in a closure, name the type: `|event: Envelope<{A}>| async move {{ .. }}`"
)]
pub trait Handler<A: Aggregate>: Send + Sync + 'static {
    /// Handles an event.
    ///
    /// # Errors
    /// Any error: the event is retried as the [`Retry`](crate::Retry) of the subscription says. A panic
    /// counts as a failure, too.
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

/// The future of one attempt; none of the user's code runs before its first poll.
pub(super) type Handling = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// A handler that returns the key that orders each event.
pub(crate) trait Routed<A: Aggregate>: Send + Sync + 'static {
    /// Returns the key of an event, or `None` if the event needs no handling. Must return the same key for
    /// the same event until the event is finished.
    fn key(&self, event: &Envelope<A>) -> Option<String>;

    /// Handles the events of one key that a stored event has been upcast to, usually one.
    ///
    /// # Errors
    /// As of a [`Handler`].
    fn handle_all(
        &self,
        events: Vec<Envelope<A>>,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// The error of a handler that cannot handle an event now: the event is neither handled nor poison, and is
/// read again at the next start.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct NotNow(pub(crate) &'static str);

/// The lane of an event.
pub(super) enum Lane {
    /// The lane of the subscription's own key.
    Default,
    Key(String),
    None,
}

/// A handler of any aggregate type.
pub(super) trait AnyHandler: Send + Sync {
    /// Returns the event types that a stored event has been upcast to.
    fn names<'a>(&self, event: &EventView<'a>) -> Result<Names<'a>, String>;

    /// Returns the lane of one of these events, or why it cannot be determined.
    fn lane(
        &self,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
        number: usize,
    ) -> Result<Lane, String>;

    /// Whether the handler determines the lane of an event.
    fn is_routed(&self) -> bool;

    /// Returns the attempt at those of the events with these numbers, or why they cannot be decoded.
    fn handling(
        &self,
        stream: &StreamId,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
        numbers: &[usize],
    ) -> Result<Handling, String>;
}

/// A handler of the aggregate type `A`.
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

    /// Decodes the events with these numbers.
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
    format!("decoding the event panicked: {panic}")
}

impl<A: Aggregate, H: Handler<A>> AnyHandler for Typed<A, H> {
    fn names<'a>(&self, event: &EventView<'a>) -> Result<Names<'a>, String> {
        self.names(event)
    }

    fn lane(&self, _: &CommitView<'_>, _: &EventView<'_>, _: usize) -> Result<Lane, String> {
        Ok(Lane::Default)
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

/// A handler of the aggregate type `A` that determines the lane of an event.
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
        let Some(envelope) = envelopes.get(number) else { return Ok(Lane::None) };
        let key = guarded(|| self.0.handler.key(envelope));
        let key = key.map_err(|panic| format!("determining the key panicked: {panic}"))?;
        Ok(key.map_or(Lane::None, Lane::Key))
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
