//! The handler of a subscription, and handlers of any aggregate type behind one trait.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actuarius_domain::{Aggregate, Envelope, Id, StreamId};
use actuarius_persistence::{CommitView, EventView};
use thiserror::Error;

use super::route::Route;
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
    /// Any error: the event is retried as the [`Retry`](crate::subscription::Retry) of the subscription says. A panic
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
pub(crate) type Handling = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// A handler that determines whom each event concerns.
pub(crate) trait Routed<A: Aggregate>: Send + Sync + 'static {
    /// Returns whom an event concerns, or `None` if the event needs no handling. Has no effect.
    fn route(&self, event: &Envelope<A>) -> Option<Route>;

    /// Handles the events of one key that a stored event has been upcast to, usually one. An event that is addressed
    /// by a name is handled for each key that may have the name. It is ignored for all but the one that has it, now
    /// that every event before it is finished. Without a key, the handler determines the key.
    ///
    /// # Errors
    /// As of a [`Handler`].
    fn handle_all(
        &self,
        key: Option<Arc<str>>,
        events: Vec<Envelope<A>>,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Returns what is to be done before the events are parked after another event of their key. It holds nothing of
    /// their content.
    fn before_parking(self: Arc<Self>, key: Arc<str>, events: &[Envelope<A>]) -> Option<Handling>;
}

/// The error of a handler that cannot handle an event now: the event is neither handled nor poison, and is
/// read again at the next start.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct NotNow(pub(crate) &'static str);

/// The error of a handler whose events hold clear text of a subject that may be forgotten: the event is decoded
/// again, and that is no failure.
#[derive(Debug, Error)]
#[error("a data subject was forgotten since the event was decoded")]
pub(crate) struct Outdated;

/// The lane of an event.
pub(super) enum Lane {
    /// The lane of the subscription's own key.
    Default,
    Routed(Route),
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
        key: Option<&str>,
    ) -> Result<Handling, String>;

    /// Returns what is to be done before those of the events with these numbers are parked after another event.
    fn before_parking(
        &self,
        stream: &StreamId,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
        numbers: &[usize],
        key: &Arc<str>,
    ) -> Option<Handling>;
}

/// A handler of the aggregate type `A`.
pub(super) struct Typed<A, H> {
    handler: Arc<H>,
    decoder: Decoder<A>,
}

/// A handler that takes the events of its key in the order of the subscription.
pub(super) struct Plain<H>(H);

/// A handler that determines the lane of an event.
pub(super) struct ByKey<H>(Arc<H>);

/// How events are handed to a handler.
trait Deliver<A: Aggregate>: Send + Sync + 'static {
    const IS_ROUTED: bool;

    fn lane(&self, event: &Envelope<A>) -> Lane;

    fn deliver(self: Arc<Self>, key: Option<&str>, events: Envelopes<A>) -> Handling;

    fn before_parking(&self, _: &Arc<str>, _: &[Envelope<A>]) -> Option<Handling> {
        None
    }
}

impl<A: Aggregate, H: Handler<A>> Deliver<A> for Plain<H> {
    const IS_ROUTED: bool = false;

    fn lane(&self, _: &Envelope<A>) -> Lane {
        Lane::Default
    }

    fn deliver(self: Arc<Self>, _: Option<&str>, events: Envelopes<A>) -> Handling {
        Box::pin(async move {
            for event in events {
                self.0.handle(event).await?;
            }
            Ok(())
        })
    }
}

impl<A: Aggregate, H: Routed<A>> Deliver<A> for ByKey<H> {
    const IS_ROUTED: bool = true;

    fn lane(&self, event: &Envelope<A>) -> Lane {
        self.0.route(event).map_or(Lane::None, Lane::Routed)
    }

    fn deliver(self: Arc<Self>, key: Option<&str>, events: Envelopes<A>) -> Handling {
        let key = key.map(Arc::from);
        Box::pin(async move { self.0.handle_all(key, events.into_vec()).await })
    }

    fn before_parking(&self, key: &Arc<str>, events: &[Envelope<A>]) -> Option<Handling> {
        self.0.clone().before_parking(key.clone(), events)
    }
}

impl<A: Aggregate, H> Typed<A, Plain<H>> {
    pub(super) fn plain(handler: H, decoder: Decoder<A>) -> Self {
        Self { handler: Arc::new(Plain(handler)), decoder }
    }
}

impl<A: Aggregate, H> Typed<A, ByKey<H>> {
    pub(super) fn by_key(handler: H, decoder: Decoder<A>) -> Self {
        Self { handler: Arc::new(ByKey(Arc::new(handler))), decoder }
    }
}

impl<A: Aggregate, H> Typed<A, H> {
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

    /// Returns those of the events with these numbers.
    fn numbered(
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

impl<A: Aggregate, H: Deliver<A>> AnyHandler for Typed<A, H> {
    fn names<'a>(&self, event: &EventView<'a>) -> Result<Names<'a>, String> {
        let names = guarded(|| self.decoder.names(event)).map_err(decoding_panicked)?;
        names.map_err(|error| error.to_string())
    }

    fn lane(
        &self,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
        number: usize,
    ) -> Result<Lane, String> {
        if !H::IS_ROUTED {
            return Ok(Lane::Default);
        }
        let envelopes = self.envelopes(&commit.id.into(), commit, event)?;
        let Some(envelope) = envelopes.get(number) else { return Ok(Lane::None) };
        let lane = guarded(|| self.handler.lane(envelope));
        lane.map_err(|panic| format!("determining the key panicked: {panic}"))
    }

    fn is_routed(&self) -> bool {
        H::IS_ROUTED
    }

    fn handling(
        &self,
        stream: &StreamId,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
        numbers: &[usize],
        key: Option<&str>,
    ) -> Result<Handling, String> {
        let envelopes = self.numbered(stream, commit, event, numbers)?;
        Ok(self.handler.clone().deliver(key, envelopes))
    }

    fn before_parking(
        &self,
        stream: &StreamId,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
        numbers: &[usize],
        key: &Arc<str>,
    ) -> Option<Handling> {
        // An event that does not decode fails when it is handled.
        let envelopes = self.numbered(stream, commit, event, numbers).ok()?;
        guarded(|| self.handler.before_parking(key, &envelopes)).ok().flatten()
    }
}
